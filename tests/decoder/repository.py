"""A repository: what is in it, where its chunks are, and whether all of it is whole
(docs/format.md, Reading a repository)."""
from typing import NamedTuple

import blake3
import key_epochs
import key_slots
from chunks import ChunkIds, ChunkStore, Container, Copy
from clients import Clients
from envelope import (ATTESTATION, CLEAR_KINDS, CLIENT, CONFIG, CONTAINER_KINDS, EPOCH, FENCE, FINGERPRINTS, FRAGMENT,
                      LEASE, MARK, POINT, SLOT, TOMBSTONE, StoredObject)
from errors import Damaged, Refused, WrongKey, require
from index import PointObject, choose_fragments, parse_fragment
from object_keys import ObjectKeys
from records import check_attestation, check_fence, check_lease, check_mark, check_tombstone, parse_point

POINT_ID_BYTES = 16
CHECKS = {LEASE: check_lease, FENCE: check_fence, TOMBSTONE: check_tombstone, MARK: check_mark,
          ATTESTATION: check_attestation}


class StoredPoint(NamedTuple):
    """A restore point that is there."""
    point_id: str
    record: object
    held: bool


def open_first_whole(storage, name, kind, **expected):
    """Key slots, Config: where the first copy is missing or damaged, the second one serves."""
    try:
        return StoredObject(storage.read(name), kind, **expected)
    except (Damaged, FileNotFoundError):
        return StoredObject(storage.read(name + '.2'), kind, **expected)


def read_config(storage):
    """Reading a repository, step 2."""
    stored = open_first_whole(storage, 'config', CONFIG)
    config = key_slots.parse_config(stored.record())
    require(config.repository_id == stored.header.repository_id, 'the config is of another one')
    return config


def read_slot(storage, slot_id, repository_id):
    """Reading a repository, step 3: the slot."""
    stored = open_first_whole(storage, 'keys/' + slot_id, SLOT, repository_id=repository_id)
    slot = key_slots.parse_slot(stored.record())
    require(slot.slot_id.hex() == slot_id, 'the name is of another slot')
    return slot


def read_epochs(storage, repository_id):
    """Reading a repository, step 4: all epochs but the first."""
    numbers = {parts['epoch'] for _, kind, parts in storage.objects() if kind == EPOCH}
    epochs = [_read_epoch(storage, number, repository_id) for number in sorted(numbers)]
    require([epoch.epoch for epoch in epochs] == list(range(2, len(epochs) + 2)), 'an epoch is missing')
    return epochs


def _read_epoch(storage, number, repository_id):
    stored = open_first_whole(storage, 'epochs/' + number, EPOCH, repository_id=repository_id)
    epoch = key_epochs.parse_epoch(stored.record(), repository_id)
    require('%04x' % epoch.epoch == number, 'the name is of another epoch')
    return epoch


def bundles_by_key_file(storage, config, key_file):
    """Key slots: who has a key file computes the slot's name."""
    if key_file.repository_id not in (b'', config.repository_id):
        raise WrongKey('the key file is of another repository')
    try:
        slot = read_slot(storage, key_file.slot_id().hex(), config.repository_id)
    except FileNotFoundError as error:
        raise WrongKey('the repository has no slot for this key') from error
    require(slot.type == key_file.type, 'the slot is of another type')
    return key_epochs.all_bundles(config, read_epochs(storage, config.repository_id), slot, key_file.secret)


def bundles_by_passphrase(storage, config, passphrase):
    """Key slots: for a passphrase all slots of type 2 are tried."""
    slot_ids = {parts['slot'] for _, kind, parts in storage.objects() if kind == SLOT}
    epochs = read_epochs(storage, config.repository_id)
    for slot_id in sorted(slot_ids):
        slot = read_slot(storage, slot_id, config.repository_id)
        if slot.type == key_slots.PASSPHRASE:
            try:
                return key_epochs.all_bundles(config, epochs, slot, key_slots.stretch(slot, passphrase))
            except WrongKey:
                continue
    raise WrongKey('the passphrase opens no slot')


class Repository:
    """Reads every object and verifies it. Problems are collected: what they do not concern is read
    all the same."""

    def __init__(self, storage, config, bundles, trust_index=True):
        self._storage = storage
        self._repository_id = config.repository_id
        self._bundles = bundles
        self._bundle = bundles[0]    # the keys for ids and names are the same in all
        self._keys = ObjectKeys(bundles)
        self._clients = Clients([bundle.verify_key() for bundle in bundles])
        self._clients_sign = config.has_signing_clients()
        self._ids = ChunkIds(self._bundle.hash_key)
        self.chunks = ChunkStore(storage, self._keys, self._ids)
        self.problems = []
        self.objects = 0
        self._copies = []        # of every chunk that a container's table names
        self._fragments = {}     # by object id
        self._points = {}        # objects that are whole, by name
        self._marks = set()      # (mark, point id)
        self._names = set()
        self._read_objects()
        self._read = choose_fragments(self._fragments) if trust_index else []
        self._compare_fragments()
        self._find_chunks(trust_index)

    def _note(self, where, error):
        self.problems.append('%s: %s: %s' % (where, type(error).__name__, error))

    def _read_objects(self):
        for name, kind, parts in self._storage.objects():
            self.objects += 1
            self._names.add(name)
            if kind == MARK:
                # Leases, Mark: that its name is there is what counts.
                self._marks.add((parts['mark'], parts['point']))
            try:
                self._read_object(name, kind, parts)
            except Refused as error:
                self._note(name, error)

    def _read_object(self, name, kind, parts):
        """Trailer: all that is verified of a whole object; then its record."""
        object_id = bytes.fromhex(parts['object']) if 'object' in parts else None
        stored = StoredObject(self._storage.read(name), kind, self._keys, self._repository_id,
                              object_id)
        record = stored.record()
        if kind in CLEAR_KINDS:
            self._check_clear(name, kind, parts, record)
        if kind in CHECKS:
            CHECKS[kind](record, parts)
        if kind == FRAGMENT:
            self._read_fragment(parts, object_id, record)
        if kind == CLIENT:
            self._clients.add(stored, parts)
        if kind == POINT:
            self._read_point(PointObject(name, stored.size(), record), parts, stored)
        if kind in CONTAINER_KINDS:
            container = Container(name, stored.header, stored.size())
            self._copies += [Copy(container, row) for row in stored.table.chunks]

    def _check_clear(self, name, kind, parts, record):
        """Objects: the second is the same bytes again."""
        if kind == CONFIG:
            key_slots.parse_config(record)
        elif kind == EPOCH:
            epoch = key_epochs.parse_epoch(record, self._repository_id)
            require('%04x' % epoch.epoch == parts['epoch'], 'the name is of another epoch')
        else:
            slot = key_slots.parse_slot(record)
            require(slot.slot_id.hex() == parts['slot'], 'the name is of another slot')
            require(not slot.signature or slot.is_signed_by(
                self._bundles[slot.epoch - 1].verify_key(), self._repository_id),
                'the slot is not signed by its epoch')
        if name.endswith('.2'):
            first = name[:-len('.2')]
            require(self._storage.exists(first), 'the first copy is missing')
            require(self._storage.read(first) == self._storage.read(name), 'the copies differ')
        else:
            require(self._storage.exists(name + '.2'), 'the second copy is missing')

    def _read_fragment(self, parts, object_id, record):
        fragment = parse_fragment(record, self._repository_id)
        require('%02x' % fragment.tier == parts['tier'], 'the name is of another tier')
        self._fragments[object_id] = fragment

    def _read_point(self, point_object, parts, stored):
        """Objects: source id and inverted time in the name follow from the record."""
        point = parse_point(point_object.record)
        source_id = blake3.keyed(self._bundle.name_key, point.identity())[:8]
        require(parts['source'] == source_id.hex(), 'the name is of another source')
        require(parts['inverted'] == '%016x' % point.inverted_time(), 'the name has another time')
        if self._clients_sign or stored.table.signature:
            self._clients.check_point(stored, point.host)
        self._points[point_object.name] = point_object

    def _compare_fragments(self):
        """Index fragments: they repeat the tables of containers and the records of points."""
        copies = set(self._copies)
        for fragment in self._read:
            wrong = {container.name for container, row in fragment.chunks
                     if Copy(container, row) not in copies}
            wrong |= {name for name, folded in fragment.folded.items()
                      if folded != self._points.get(name)}
            for name in sorted(wrong):
                self._note(name, Damaged('the index says something else of it'))

    def _find_chunks(self, trust_index):
        """Reading a repository, step 6: fragments, then tables of points that none of them has
        folded; or, for who distrusts the fragments, the tables of all containers."""
        folded = {name for fragment in self._read for name in fragment.folded}
        for fragment in self._read:
            for container, row in fragment.chunks:
                self.chunks.add(container, row)
        for container, row in self._copies:
            unfolded_point = container.header.kind == POINT and container.name not in folded
            if unfolded_point or not trust_index:
                self.chunks.add(container, row)

    def points(self):
        """Reading a repository, step 5: those that are offered for restore, oldest first."""
        folded = {name: point_object for fragment in self._read
                  for name, point_object in fragment.folded.items() if name in self._names}
        points = [self._stored_point(point_object)
                  for point_object in {**folded, **self._points}.values()]
        return sorted((point for point in points if not point.record.partial
                       and ('deleted', point.point_id) not in self._marks),
                      key=lambda point: point.record.started)

    def _stored_point(self, point_object):
        point_id = point_object.name[-2 * POINT_ID_BYTES:]
        return StoredPoint(point_id, parse_point(point_object.record),
                           ('held', point_id) in self._marks)

    def thinned_chunks(self):
        return sum(bool(copy.row.absent) for copy in self._copies)

    def note_point(self, point_id, error):
        """A restore point could not be decoded."""
        self._note('restore point ' + point_id, error)

    def prove_rest(self):
        """Proves the copies of chunks that no restore point was read from; then fingerprints can be
        compared, since all pages are known. Returns how many chunks of fingerprints were."""
        for copy in self._copies:
            if (copy.container.name, copy.row.chunk_id) not in self.chunks.proven:
                self._guarded(copy, self.chunks.prove)
        return sum(self._guarded(copy, self.chunks.compare_fingerprints) or 0
                   for copy in self._copies if copy.row.purpose == FINGERPRINTS)

    def _guarded(self, copy, verify):
        try:
            return verify(copy)
        except Refused as error:
            self._note('chunk %s in %s' % (copy.row.chunk_id.hex(), copy.container.name), error)
            return None
