#!/usr/bin/env python3
"""Decodes a repository with what docs/format.md says and nothing else.

It shares no code with Holdfast: what it can read, the document alone is enough to read. Every
object is read and everything that the document says of it is verified: hashes, seals, commitments,
chunk ids, and that index, tables, names and records agree. Standard output has a line of JSON for
each restore point, after it one for each entry, and a summary as the last line. The exit status is
0 when all is whole, 1 when there are problems, which the summary names, and 2 when nothing could be
read.
"""
import argparse
import hashlib
import json
import os
import sys

from errors import Refused, require
from key_slots import parse_key_file, parse_passphrase_file
from manifest import (BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK,
                      Manifest, parse_root)
from repository import (Repository, bundles_by_key_file, bundles_by_passphrase,
                        read_config)
from storage import Storage

TYPE_NAMES = {FILE: 'file', DIRECTORY: 'directory', SYMLINK: 'symlink', FIFO: 'fifo',
              SOCKET: 'socket', CHARACTER_DEVICE: 'character device', BLOCK_DEVICE: 'block device'}


def text_or_hex(name, value):
    """Bytes for JSON: as text where they are UTF-8, else in hexadecimal."""
    try:
        return {name: value.decode('utf-8')}
    except UnicodeDecodeError:
        return {name + '_hex': value.hex()}


def describe_point(point):
    record = point.record
    return {'restore_point': point.point_id, 'type': record.type, 'held': point.held,
            **text_or_hex('host', record.host), **text_or_hex('name', record.name),
            **text_or_hex('source', record.source), 'started_ns': record.started,
            'tags': [os.fsdecode(tag) for tag in record.tags], 'counts': record.counts._asdict()}


def describe_metadata(entry):
    """Entries: the fields that a restore brings back. The ctime only serves to find changes."""
    described = {'type': TYPE_NAMES[entry.type], 'mode': '%04o' % entry.mode, 'uid': entry.uid,
                 'gid': entry.gid, 'mtime_ns': entry.mtime}
    if entry.attributes:
        described['attributes'] = entry.attributes
    if entry.xattrs:
        described['xattrs'] = {os.fsdecode(name): value.hex()
                               for name, value in entry.xattrs.items()}
    if entry.type in (CHARACTER_DEVICE, BLOCK_DEVICE):
        described['device'] = list(entry.device_numbers())
    if entry.type == SYMLINK:
        described.update(text_or_hex('target', entry.target))
    if entry.hard_link:
        described['hard_link'] = [entry.file_system, entry.inode]
    return described


def describe_content(manifest, entry):
    digest, size = hashlib.sha256(), 0
    for piece in manifest.content(entry):
        digest.update(piece)
        size += len(piece)
    require(size == entry.size, 'a file has %d bytes, not %d' % (size, entry.size))
    described = {'size': size, 'sha256': digest.hexdigest()}
    if holes := manifest.holes(entry):
        described['holes'] = holes
    return described


def describe_entries(manifest):
    """Every entry. All names of a hard link carry the same metadata and content."""
    links = {}
    for path, entry in manifest.walk():
        described = describe_metadata(entry)
        if entry.type == FILE:
            described.update(describe_content(manifest, entry))
        if entry.hard_link:
            first = links.setdefault((entry.file_system, entry.inode), described)
            require(first == described, 'names of one hard link differ')
        yield {**text_or_hex('path', path), **described}


def check_counts(counts, entries):
    """Restore points: the counts are of names, so that a hard link counts each time, and the root
    is one of them."""
    types = [entry['type'] for entry in entries]
    files, directories = types.count('file'), types.count('directory')
    require(counts[:4] == (files, directories, len(types) - files - directories,
                           sum(entry.get('size', 0) for entry in entries)),
            'the restore point counts other entries than it has')


def decode_point(repository, point):
    """The lines of one restore point, complete before the first is given out."""
    root = parse_root(point.record.root, repository.chunks)
    entries = list(describe_entries(Manifest(root, repository.chunks)))
    check_counts(point.record.counts, entries)
    return [describe_point(point), *entries]


def decode(repository):
    """All lines; the last one is the summary."""
    points = repository.points()
    for point in points:
        try:
            yield from decode_point(repository, point)
        except Refused as error:
            repository.note_point(point.point_id, error)
    compared = repository.prove_rest()
    yield {'summary': {'objects': repository.objects, 'restore_points': len(points),
                       'chunks': len(repository.chunks.proven), 'fingerprints_compared': compared,
                       'thinned_chunks': repository.thinned_chunks(),
                       'problems': repository.problems}}


def open_repository(storage, key_file=None, passphrase_file=None, trust_index=True):
    """Opens a repository with one of the two files."""
    config = read_config(storage)
    if key_file:
        with open(key_file, 'rb') as file:
            bundles = bundles_by_key_file(storage, config, parse_key_file(file.read()))
    else:
        with open(passphrase_file, 'rb') as file:
            passphrase = parse_passphrase_file(file.read())
        bundles = bundles_by_passphrase(storage, config, passphrase)
    return Repository(storage, config, bundles, trust_index)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('repository')
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument('--key-file', help='a key file, or a file with a recovery key')
    secret.add_argument('--passphrase-file')
    parser.add_argument('--without-index', action='store_true',
                        help='find chunks by the tables of packs, not by index fragments')
    options = parser.parse_args()
    try:
        repository = open_repository(Storage(options.repository), options.key_file,
                                     options.passphrase_file, not options.without_index)
    except (Refused, OSError) as error:
        print('decoder: %s: %s' % (type(error).__name__, error), file=sys.stderr)
        return 2
    for line in decode(repository):
        print(json.dumps(line))
    return 1 if repository.problems else 0


if __name__ == '__main__':
    sys.exit(main())
