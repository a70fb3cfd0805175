"""Index fragments, and which of them are read (docs/format.md, Index fragments and Folding)."""
from typing import NamedTuple

from chunks import Container
from envelope import (CIPHERS, CONTAINER_KINDS, DATA_PACK, MOST_RECORD_BYTES, POINT,
                      SEALED, SYMMETRIC, ChunkRow, Header, check_keys_of, parse_absent, parse_layout,
                      parse_raw_bytes, parse_stored)
from errors import require
from fields import Fields


class PointObject(NamedTuple):
    """What a restore point's object is, and what a fragment that has folded it says of it."""
    name: str
    size: int
    record: bytes


class Fragment(NamedTuple):
    """Index fragments: the record."""
    tier: int
    superseded: set
    folded: dict        # of points, by their object's name
    chunks: list        # of (container, row)


def point_name(source_id, inverted, object_id):
    """Objects: points/R/I-O."""
    return 'points/%s/%016x-%s' % (source_id.hex(), inverted, object_id.hex())


def parse_fragment(record, repository_id):
    """Index fragments: the record."""
    fields = Fields(record, 'index fragment')
    tier = fields.u8()
    superseded = {fields.bytes(16) for _ in range(fields.count(smallest=16))}
    folded = [_parse_folded(fields) for _ in range(fields.count(smallest=34))]
    containers = [_parse_container(fields, repository_id)
                  for _ in range(fields.count(smallest=30))]
    ids = [fields.bytes(32) for _ in range(fields.count(smallest=32))]
    numbered = [_parse_chunk(fields, chunk_id, containers) for chunk_id in ids]
    places = [(chunk_id, number, row.first_frame) for chunk_id, (number, row) in zip(ids, numbered)]
    require(all(low < high for low, high in zip(places, places[1:])), 'chunks do not ascend')
    chunks = [(containers[number], row) for number, row in numbered]
    fields.end()
    return Fragment(tier, superseded, {point.name: point for point in folded}, chunks)


def _parse_folded(fields):
    name = point_name(fields.bytes(8), fields.u64(), fields.bytes(16))
    return PointObject(name, fields.varint(), fields.sized(most=MOST_RECORD_BYTES))


def _parse_container(fields, repository_id):
    """Index fragments, containers: the name follows from the fields."""
    kind = fields.one_of(CONTAINER_KINDS, 'container kind')
    # The high bit: the chunks stand in the order of a restore.
    aead = fields.u8() & 127
    require(aead in CIPHERS, 'AEAD %d' % aead)
    key_mode = fields.one_of((SYMMETRIC, SEALED), 'key mode')
    epoch, object_id, group = fields.u16(), fields.bytes(16), fields.bytes(8)
    if kind == POINT:
        name = point_name(group, fields.u64(), object_id)
    else:
        folder = 'data' if kind == DATA_PACK else 'meta'
        name = '%s/%s/%s' % (folder, group.hex(), object_id.hex())
    size = fields.varint()
    header = Header(kind, aead, repository_id, object_id, key_mode, epoch, fields.sized())
    check_keys_of(header)
    return Container(name, header, size)


def _parse_chunk(fields, chunk_id, containers):
    number = fields.varint()
    require(number < len(containers), 'a chunk is in container %d, which is not there' % number)
    first_frame, offset = fields.varint(), fields.varint()
    raw_bytes = parse_raw_bytes(fields)
    purpose, frame_log2, frames, is_thinned = parse_layout(fields, raw_bytes)
    stored = parse_stored(fields, frames)
    row = ChunkRow(chunk_id, raw_bytes, purpose, frame_log2, first_frame, offset, stored,
                   parse_absent(fields, raw_bytes, is_thinned))
    require(offset + row.stored_bytes() <= containers[number].size,
            'a frame reaches beyond its object')
    return number, row


def choose_fragments(fragments):
    """Folding: from the highest tier down, without those that one of the read ones supersedes,
    whichever of a tier was read first. `fragments` are by object id."""
    read, superseded = {}, set()
    for object_id, fragment in sorted(fragments.items(), key=lambda item: -item[1].tier):
        if object_id not in superseded:
            read[object_id] = fragment
            superseded |= fragment.superseded
    return [fragment for object_id, fragment in read.items() if object_id not in superseded]
