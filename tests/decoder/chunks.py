"""Chunks: from their frames to content that is proven by its id (docs/format.md, Chunks)."""
import struct
from collections import OrderedDict
from typing import NamedTuple

import blake3
from envelope import CHUNK_FRAME, FINGERPRINTS, ChunkRow, FrameOpener, Header, decompress
from errors import Damaged, Refused, require
from fields import Fields

GIVEN_LENGTHS, ABSENT_MEMBERS = 1, 2
CACHE_BYTES = 128 << 20


class Container(NamedTuple):
    """What is needed to read chunks of a pack or of a restore point."""
    name: str
    header: Header
    size: int


class Copy(NamedTuple):
    """One place in which a chunk stands."""
    container: Container
    row: ChunkRow


def parse_chunk_header(fields, raw_bytes):
    """Chunk header: the members' lengths, `uniform`, and the hashes of absent ones by index."""
    flags = fields.u8()
    require(flags <= GIVEN_LENGTHS | ABSENT_MEMBERS, 'unknown chunk header flags %d' % flags)
    if flags & GIVEN_LENGTHS:
        uniform = 0
        lengths = [fields.varint(most=raw_bytes) for _ in range(fields.count(smallest=1))]
        require(lengths and sum(lengths) == raw_bytes, 'members do not add up to the chunk')
    else:
        uniform = fields.varint(most=raw_bytes)
        size = uniform or raw_bytes
        lengths = [min(size, raw_bytes - at) for at in range(0, raw_bytes, size)]
    absent = {}
    if flags & ABSENT_MEMBERS:
        pairs = [(fields.varint(most=len(lengths) - 1), fields.bytes(32))
                 for _ in range(fields.count(smallest=33))]
        require(pairs and all(a[0] < b[0] for a, b in zip(pairs, pairs[1:])), 'absent members')
        absent = dict(pairs)
    return lengths, uniform, absent


def absent_ranges(lengths, absent):
    """Table: the absent members' bytes, joined where they touch."""
    ranges, at = [], 0
    for index, length in enumerate(lengths):
        if index in absent and length:
            if ranges and sum(ranges[-1]) == at:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + length)
            else:
                ranges.append((at, length))
        at += length
    return tuple(ranges)


def join_frames(plaintexts, row):
    """Chunks: content, and what the header says, out of the plaintexts of all frames."""
    frame_bytes = 1 << row.frame_log2 if row.frame_log2 else row.raw_bytes
    pieces = []
    for number, plaintext in enumerate(plaintexts):
        fields = Fields(plaintext, 'chunk frame')
        if number == 0:
            header = parse_chunk_header(fields, row.raw_bytes)
        size = min(frame_bytes, row.raw_bytes - number * frame_bytes)
        pieces.append(decompress(fields.u8(), fields.rest(), size))
    return b''.join(pieces), *header


class ChunkIds:
    """Chunks: member hashes and ids."""

    def __init__(self, hash_key):
        self._member = blake3.derive('holdfast 2026 member hash', hash_key)
        self._id = blake3.derive('holdfast 2026 chunk id', hash_key)

    def member_hashes(self, members):
        return blake3.keyed_many(self._member, members)

    def chunk_id(self, purpose, lengths, hashes):
        named = b''.join(struct.pack('<Q', length) + value
                         for length, value in zip(lengths, hashes))
        return blake3.keyed(self._id, bytes((purpose,)) + named)

    def fingerprints_id(self, data_chunk_id):
        return blake3.keyed(self._id, bytes((FINGERPRINTS,)) + data_chunk_id)


class ChunkStore:
    """Reads chunks by id from the copies that it was told of; no content leaves it unproven."""

    def __init__(self, storage, object_keys, ids):
        self._storage = storage
        self._keys = object_keys
        self._ids = ids
        self._copies = {}
        self._openers = {}
        self._cache = OrderedDict()
        self._cached_bytes = 0
        self._pages = {}     # of proven data chunks: (bytes, hashes), by their fingerprints' id
        self.proven = set()

    def add(self, container, row):
        self._copies.setdefault(row.chunk_id, []).append(Copy(container, row))

    def raw_bytes(self, chunk_id):
        return self._copies_of(chunk_id)[0].row.raw_bytes

    def _copies_of(self, chunk_id):
        require(chunk_id in self._copies, 'chunk %s is nowhere' % chunk_id.hex())
        return self._copies[chunk_id]

    def content(self, chunk_id, purpose, offset=0, size=None):
        """Chunks: one may stand in several objects; any copy that proves itself and has the part
        serves."""
        size = self.raw_bytes(chunk_id) if size is None else size
        problem = 'no copy has the part that is needed'
        for copy in self._copies_of(chunk_id):
            if not copy.row.has(offset, size):
                continue
            if copy in self._cache:
                self._cache.move_to_end(copy)
                return self._cache[copy]
            require(copy.row.purpose == purpose, 'chunk %s has purpose %d, not %d'
                    % (chunk_id.hex(), copy.row.purpose, purpose))
            try:
                return self._cached(copy, self.prove(copy))
            except (Refused, OSError) as error:
                problem = error
        raise Damaged('chunk %s: %s' % (chunk_id.hex(), problem))

    def _cached(self, copy, content):
        self._cache[copy] = content
        self._cached_bytes += len(content)
        while self._cached_bytes > CACHE_BYTES:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1])
        return content

    def prove(self, copy):
        """Reads one copy and recomputes its id; the id of fingerprints cannot be proven so."""
        container, row = copy
        content, lengths, uniform, absent = join_frames(self._plaintexts(container, row), row)
        require(absent_ranges(lengths, absent) == row.absent, 'the table says something else is absent')
        if row.purpose != FINGERPRINTS:
            hashes = self._ids.member_hashes(list(_members(content, lengths)))
            hashes = [absent.get(index, found) for index, found in enumerate(hashes)]
            require(self._ids.chunk_id(row.purpose, lengths, hashes) == row.chunk_id,
                    'the content is not that of the chunk\'s id')
            if uniform:
                self._pages[self._ids.fingerprints_id(row.chunk_id)] = (uniform, hashes)
        self.proven.add((container.name, row.chunk_id))
        return content

    def compare_fingerprints(self, copy):
        """Fingerprints: the first 8 bytes of each page's member hash. Whether there was a proven
        data chunk to compare with."""
        fields = Fields(self.prove(copy), 'fingerprints')
        page_bytes, hashes = fields.varint(), fields.rest()
        if copy.row.chunk_id not in self._pages:
            return False
        uniform, expected = self._pages[copy.row.chunk_id]
        require(page_bytes == uniform and hashes == b''.join(value[:8] for value in expected),
                'fingerprints of other pages')
        return True

    def _plaintexts(self, container, row):
        stored = self._storage.read_range(container.name, row.offset, row.stored_bytes())
        require(len(stored) == row.stored_bytes(), '%s ends in a chunk' % container.name)
        opener = self._opener(container)
        at = 0
        for number, size in enumerate(row.stored, row.first_frame):
            yield opener.open(number, CHUNK_FRAME, stored[at:at + size])
            at += size

    def _opener(self, container):
        if container not in self._openers:
            self._openers[container] = FrameOpener(container.header, self._keys)
        return self._openers[container]


def _members(content, lengths):
    at = 0
    for length in lengths:
        yield content[at:at + length]
        at += length
