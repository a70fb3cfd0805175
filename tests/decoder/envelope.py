"""Objects: header, frames, table and trailer (docs/format.md, Envelope)."""
import struct
from typing import NamedTuple

import zstandard

import blake3
from aead import CIPHERS, open_sealed
from errors import Damaged, Unsupported, require
from fields import Fields
from parity import check_parity

MIB = 1 << 20
CONFIG, SLOT, DATA_PACK, META_PACK, FRAGMENT, POINT, LEASE, FENCE, TOMBSTONE, MARK, \
    EPOCH, CLIENT, ATTESTATION = range(1, 14)
CLEAR_KINDS = (CONFIG, SLOT, EPOCH)
CONTAINER_KINDS = (DATA_PACK, META_PACK, POINT)
CLEAR, SYMMETRIC, SEALED = range(3)
KEY_BLOCK_BYTES = {CLEAR: 0, SYMMETRIC: 32, SEALED: 112}
CHUNK_FRAME, RECORD_FRAME, TABLE_FRAME = 1, 2, 3
DATA, NODE, FINGERPRINTS = 1, 2, 3
FIXED_HEADER_BYTES = 64
TRAILER_BYTES = 80
MOST_CHUNK_BYTES = 16 * MIB
MOST_FRAME_BYTES = 32 * MIB
MOST_RECORD_BYTES = 256 * MIB


def decompress(codec, payload, raw_size):
    """Frames: the codecs; the result has exactly `raw_size` bytes."""
    if codec == 0:
        raw = payload
    elif codec == 1:
        raw = _decompress_zstd(payload, raw_size)
    else:
        raise Damaged('unknown codec %d' % codec)
    require(len(raw) == raw_size, 'a frame holds %d bytes, not %d' % (len(raw), raw_size))
    return raw


def _decompress_zstd(payload, raw_size):
    """Frames, codec 1: one or more zstd frames. One byte more is asked for, to see excess."""
    reader = zstandard.ZstdDecompressor().stream_reader(payload, read_across_frames=True)
    try:
        return reader.read(raw_size + 1)
    except zstandard.ZstdError as error:
        raise Damaged('zstd: %s' % error) from error


class Header(NamedTuple):
    """Header."""
    kind: int
    aead: int
    repository_id: bytes
    object_id: bytes
    key_mode: int
    epoch: int
    key_block: bytes

    def size(self):
        return FIXED_HEADER_BYTES + len(self.key_block)


def parse_header(data):
    """Header; Versions and unknown values."""
    fields = Fields(data, 'header')
    require(fields.bytes(4) == b'HFST', 'the header has no magic')
    _check_version(fields.u16())
    kind = fields.one_of(range(CONFIG, ATTESTATION + 1), 'kind')
    aead = fields.one_of((0, *CIPHERS), 'AEAD')
    if fields.u64() != 0:
        raise Unsupported('a required feature is unknown')
    fields.u64()  # Optional features: none is known, all are ignored.
    repository_id, object_id = fields.bytes(16), fields.bytes(16)
    key_mode = fields.one_of(KEY_BLOCK_BYTES, 'key mode')
    zero, epoch, key_block_bytes, zeros = fields.u8(), fields.u16(), fields.u16(), fields.u16()
    key_block = fields.bytes(key_block_bytes)
    fields.end()
    header = Header(kind, aead, repository_id, object_id, key_mode, epoch, key_block)
    check_keys_of(header)
    require(zero == zeros == 0, 'reserved bytes of the header are not 0')
    return header


def _check_version(version):
    require(version != 0, 'format version 0')
    if version > 1:
        raise Unsupported('format version %d' % version)


def check_keys_of(header):
    """Keys of objects: which kinds are clear, and what goes with each key mode."""
    clear = header.key_mode == CLEAR
    require(clear == (header.kind in CLEAR_KINDS) or clear and header.kind == TOMBSTONE,
            'this kind may not have key mode %d' % header.key_mode)
    require(clear == (header.aead == 0), 'this key mode may not have AEAD %d' % header.aead)
    require(len(header.key_block) == KEY_BLOCK_BYTES[header.key_mode], 'size of the key block')
    require(not clear or header.epoch == 0, 'a clear object has key epoch %d' % header.epoch)


class FrameOpener:
    """Frames: opens those of one object."""

    def __init__(self, header, keys):
        self._associated = struct.pack('<HB', 1, header.kind) + header.repository_id \
            + header.object_id
        self._cipher = None
        if header.key_mode != CLEAR:
            self._cipher = CIPHERS[header.aead](keys.of(header))

    def open(self, number, role, stored):
        if self._cipher is None:
            return stored
        associated = self._associated + struct.pack('<QB', number, role)
        return open_sealed(self._cipher, number, stored, associated)


class ChunkRow(NamedTuple):
    """Table: where a chunk stands in its object, and in which form."""
    chunk_id: bytes
    raw_bytes: int
    purpose: int
    frame_log2: int
    first_frame: int
    offset: int
    stored: tuple
    absent: tuple = ()       # of (offset, bytes)

    def stored_bytes(self):
        return sum(self.stored)

    def has(self, offset, size):
        return all(at >= offset + size or offset >= at + count for at, count in self.absent)


def parse_layout(fields, raw_bytes):
    """Table, layout: the purpose, frame_log2 with the number of frames that follows from it, and
    whether something is absent."""
    layout = fields.u8()
    purpose, frame_log2 = layout >> 5 & 3, layout & 0x1F
    require(purpose in (DATA, NODE, FINGERPRINTS), 'unknown chunk purpose %d' % purpose)
    require(frame_log2 == 0 or 12 <= frame_log2 <= 24, 'unknown frame_log2 %d' % frame_log2)
    frames = -(-raw_bytes >> frame_log2) if frame_log2 else 1
    return purpose, frame_log2, frames, bool(layout & 0x80)


def parse_raw_bytes(fields):
    """Limits: raw bytes of a chunk."""
    raw_bytes = fields.varint(most=MOST_CHUNK_BYTES)
    require(raw_bytes > 0, 'a chunk is empty')
    return raw_bytes


def parse_absent(fields, raw_bytes, is_thinned):
    """Table: what is absent, as gaps and sizes."""
    if not is_thinned:
        return ()
    ranges, end = [], 0
    for number in range(fields.count(smallest=2)):
        gap = fields.varint(most=raw_bytes - end)
        size = fields.varint(most=raw_bytes - end - gap)
        require(size > 0 and (gap > 0 or number == 0), 'what is absent is not in ranges')
        ranges.append((end + gap, size))
        end += gap + size
    require(ranges, 'a thinned chunk without anything absent')
    return tuple(ranges)


def parse_stored(fields, frames):
    """Table: stored bytes of each frame."""
    return tuple(fields.varint(most=MOST_FRAME_BYTES) for _ in range(frames))


class Table(NamedTuple):
    """Table, with the offsets that follow from the sizes."""
    chunks: list
    record_frames: tuple
    record_offset: int
    signature: object        # ObjectSignature or None

    def frames_before_record(self):
        return sum(len(row.stored) for row in self.chunks)


def parse_table(plaintext, offset):
    """Table; the first frame stands at `offset`."""
    fields = Fields(plaintext, 'table')
    chunks, number = [], 0
    for _ in range(fields.count(smallest=35)):
        chunk_id, raw_bytes = fields.bytes(32), parse_raw_bytes(fields)
        purpose, frame_log2, frames, is_thinned = parse_layout(fields, raw_bytes)
        stored = parse_stored(fields, frames)
        absent = parse_absent(fields, raw_bytes, is_thinned)
        row = ChunkRow(chunk_id, raw_bytes, purpose, frame_log2, number, offset, stored, absent)
        chunks.append(row)
        number += frames
        offset += row.stored_bytes()
    record_frames = parse_stored(fields, fields.count(smallest=1))
    signature = parse_signature(fields, plaintext) if fields.remaining() else None
    fields.end()
    return Table(chunks, record_frames, offset, signature)


class ObjectSignature(NamedTuple):
    """Table: who has made the object."""
    signer: bytes
    epoch: int
    signature: bytes
    unsigned_table: bytes


def parse_signature(fields, plaintext):
    """Table, signature."""
    unsigned = plaintext[:len(plaintext) - fields.remaining()]
    return ObjectSignature(fields.bytes(16), fields.u16(), fields.bytes(64), unsigned)


class Trailer(NamedTuple):
    """Trailer."""
    body_bytes: int
    table_bytes: int
    frames: int
    body_hash: bytes
    parity: tuple
    header: Header


def parse_trailer(data):
    """Trailer, and the header before it, of a whole object."""
    require(len(data) >= TRAILER_BYTES + 2 * FIXED_HEADER_BYTES, 'too short for an object')
    require(data[-4:] == b'HFTE', 'the trailer has no magic')
    fields = Fields(data[-TRAILER_BYTES:], 'trailer')
    body_bytes, table_bytes, frames = fields.u64(), fields.u32(), fields.u32()
    body_hash = fields.bytes(32)
    fields.u8()  # Signature: none is known, all are passed over.
    parity = (fields.u8(), fields.u8(), fields.u8(), fields.u32())
    extra_bytes, header_bytes = fields.u64(), fields.u32()
    require(body_bytes + extra_bytes + header_bytes + TRAILER_BYTES == len(data),
            'the sizes in the trailer do not add up')
    repeated = data[-TRAILER_BYTES - header_bytes:-TRAILER_BYTES]
    check = blake3.digest(repeated + data[-TRAILER_BYTES:-TRAILER_BYTES + 68])[:4]
    require(fields.bytes(4) == check, 'the check of the tail does not hold')
    require(fields.u32() == 0, 'reserved bytes of the trailer are not 0')
    return Trailer(body_bytes, table_bytes, frames, body_hash, parity,
                   parse_header(repeated))


class StoredObject:
    """A whole object with everything verified that Envelope says, but for its chunks' frames."""

    def __init__(self, data, kind, keys=None, repository_id=None, object_id=None):
        """Clear objects need no `keys`; repository and object are compared where they are given."""
        self._data = data
        trailer = parse_trailer(data)
        self.header = trailer.header
        require(self.header.kind == kind, 'kind %d, not %d' % (self.header.kind, kind))
        require(repository_id in (None, self.header.repository_id), 'of another repository')
        require(object_id in (None, self.header.object_id), 'the name is of another object')
        body = data[:trailer.body_bytes]
        require(body[:self.header.size()] == data[-TRAILER_BYTES - self.header.size():
                                                  -TRAILER_BYTES], 'the two headers differ')
        require(blake3.digest(body) == trailer.body_hash, 'the hash of the body does not hold')
        tail = data[-TRAILER_BYTES - self.header.size():]
        check_parity(body, data[trailer.body_bytes:-len(tail)], tail, trailer.parity)
        self._opener = FrameOpener(self.header, keys)
        self.table = self._open_table(trailer)
        self._check_contents()

    def _open_table(self, trailer):
        at = trailer.body_bytes - trailer.table_bytes
        require(at >= self.header.size(), 'the table has no place in the body')
        plaintext = self._opener.open(trailer.frames - 1, TABLE_FRAME,
                                      self._data[at:trailer.body_bytes])
        table = parse_table(plaintext, self.header.size())
        require(table.record_offset + sum(table.record_frames) == at,
                'the frames of the table do not fill the body')
        require(table.frames_before_record() + len(table.record_frames) + 1 == trailer.frames,
                'the number of frames is not the table\'s')
        return table

    def _check_contents(self):
        """Packs have chunks and no record, restore points may have both, all others a record."""
        kind, purposes = self.header.kind, {row.purpose for row in self.table.chunks}
        require(kind in CONTAINER_KINDS or not purposes, 'chunks in an object of kind %d' % kind)
        require((kind in (DATA_PACK, META_PACK)) != bool(self.table.record_frames),
                'a record that is missing or too much')
        require(kind != DATA_PACK or purposes <= {DATA}, 'a pack of data has other chunks')
        require(kind != META_PACK or purposes <= {NODE, FINGERPRINTS}, 'a pack of nodes has data')

    def size(self):
        return len(self._data)

    def signed_message(self):
        """Signatures: what is signed of the object."""
        signature = self.table.signature
        return (b'holdfast 2026 signed object' + signature.signer + struct.pack('<H', signature.epoch)
                + blake3.digest(self._data[:self.header.size()]) + blake3.digest(self.record())
                + blake3.digest(signature.unsigned_table))

    def record(self):
        """Frames, record frame: the pieces joined."""
        pieces, at = [], self.table.record_offset
        for number, size in enumerate(self.table.record_frames, self.table.frames_before_record()):
            plaintext = self._opener.open(number, RECORD_FRAME, self._data[at:at + size])
            fields = Fields(plaintext, 'record frame')
            raw_bytes = fields.varint(most=MIB)
            pieces.append(decompress(fields.u8(), fields.rest(), raw_bytes))
            at += size
        require(sum(map(len, pieces)) <= MOST_RECORD_BYTES, 'a record is too long')
        return b''.join(pieces)
