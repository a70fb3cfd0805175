"""Records of restore points, leases, fences, tombstones and marks (docs/format.md, Restore points
and Leases)."""
from typing import NamedTuple

from errors import require
from fields import WRAP, Fields

MIB = 1 << 20
TYPES = {1: 'full', 2: 'incremental', 3: 'differential', 4: 'synthetic-full'}
MARKS = {1: 'deleted', 2: 'held', 3: 'verified', 4: 'incomplete'}
ATTESTATIONS = {1: 'recovery key', 2: 'check', 3: 'locks'}
READ_DATA, OLDEST_READ = 1, 2
MOST_DAMAGED_POINTS = 1000
MOST_HOST_BYTES = 4096
MOST_REASON_BYTES = 65536


class Counts(NamedTuple):
    """Restore points: the six varints."""
    files: int
    directories: int
    others: int
    bytes: int
    bytes_read: int
    skipped: int


class Point(NamedTuple):
    """Restore points: the record."""
    partial: bool
    type: str
    started: int
    walked: int
    finished: int
    parent: bytes
    base_full: bytes
    session: bytes
    source: bytes
    host: bytes
    name: bytes
    machine_id: bytes
    program: bytes
    tags: list
    counts: Counts
    skipped_paths: list
    root: bytes

    def inverted_time(self):
        """Objects: I of the object's name."""
        return WRAP - 1 - max(0, self.started)

    def identity(self):
        """Objects: what the source id is the keyed hash of, host and name as texts."""
        return b''.join(_as_text(text) for text in (self.host, self.name))


def _as_text(data):
    """Conventions, text: the shortest varint of its length, and the bytes."""
    length, size = b'', len(data)
    while size >= 0x80:
        length += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return length + bytes((size,)) + data


def _text(fields):
    return fields.sized(most=MIB)


def _texts(fields):
    return [_text(fields) for _ in range(fields.count(smallest=1))]


def parse_point(record):
    """Restore points: the record."""
    fields = Fields(record, 'restore point')
    flags = fields.one_of((0, 1, 2, 3), 'restore point flags')
    point = Point(bool(flags & 1),
                  TYPES[fields.one_of(TYPES, 'restore point type')],
                  fields.time(), fields.time(), fields.time(),
                  fields.bytes(16), fields.bytes(16), fields.bytes(8),
                  _text(fields), _text(fields), _text(fields), _text(fields), _text(fields),
                  _texts(fields), Counts(*(fields.varint() for _ in Counts._fields)),
                  _texts(fields), fields.sized())
    if flags & 2:
        fields.bytes(16)  # the origin of a copy
    fields.end()
    return point


def check_lease(record, parts):
    """Leases, Lease: session and renewal are those of the name."""
    fields = Fields(record, 'lease')
    session, renewal = fields.bytes(8), fields.u32()
    fields.time(), fields.time()
    for _ in ('host', 'machine id', 'boot id'):
        fields.sized(most=MOST_HOST_BYTES)
    fields.u64(), fields.u64()
    fields.end()
    require(session.hex() == parts['session'] and str(renewal) == parts['renewal'],
            'the name is of another lease')


def check_fence(record, parts):
    """Leases, Fence."""
    fields = Fields(record, 'fence')
    session, _ = fields.bytes(8), fields.time()
    fields.end()
    require(session.hex() == parts['session'], 'the name is of another fence')


def check_tombstone(record, _parts):
    """Leases, Tombstone."""
    fields = Fields(record, 'tombstone')
    fields.time()
    for size in (16, 32):
        fields.bytes(size * fields.count(smallest=size))
    knows_sessions = fields.one_of((0, 1), 'tombstone flags')
    sessions = fields.count(smallest=8)
    fields.bytes(8 * sessions)
    require(knows_sessions or sessions == 0, 'sessions of a tombstone that knows none')
    fields.end()


def check_mark(record, parts):
    """Leases, Mark: kind and restore point are those of the name."""
    fields = Fields(record, 'mark')
    kind, point, _ = fields.one_of(MARKS, 'mark kind'), fields.bytes(16), fields.time()
    fields.sized(most=MOST_REASON_BYTES)
    fields.end()
    require((MARKS[kind], point.hex()) == (parts['mark'], parts['point']),
            'the name is of another mark')


def check_attestation(record, parts):
    """Attestations: the fields that go with the kind, and no others."""
    del parts
    fields = Fields(record, 'attestation')
    kind, _ = fields.one_of(ATTESTATIONS, 'attestation kind'), fields.time()
    fields.sized(most=MOST_HOST_BYTES)
    if ATTESTATIONS[kind] == 'recovery key':
        fields.bytes(16)
    elif ATTESTATIONS[kind] == 'locks':
        fields.varint()
    else:
        _check_check(fields)
    fields.end()


def _check_check(fields):
    """Attestations, check."""
    flags = fields.u8()
    require(flags & ~(READ_DATA | OLDEST_READ) == 0, 'unknown flags of an attestation')
    _, data_bytes, never_read = fields.varint(), fields.varint(), fields.varint()
    require(never_read <= data_bytes, 'more was never read than there is')
    if flags & OLDEST_READ:
        fields.time()
    for _ in range(fields.varint(most=MOST_DAMAGED_POINTS)):
        fields.bytes(16)
