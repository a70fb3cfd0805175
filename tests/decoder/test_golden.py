"""The golden repositories, decoded with every key that they have, against their manifests."""
import json
import os
import unittest

from decoder import decode, open_repository
from errors import WrongKey
from storage import Storage

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden')


def golden_directories():
    return sorted(os.path.join(GOLDEN, name) for name in os.listdir(GOLDEN)
                  if os.path.exists(os.path.join(GOLDEN, name, 'manifest.json')))


def expected_points(directory):
    """Points by id: what the manifest says of the point, and its entries by path."""
    with open(os.path.join(directory, 'manifest.json'), encoding='utf-8') as file:
        points = json.load(file)['points']
    return {point['id']: (without(point, 'id', 'entries'), by_path(point['entries']))
            for point in points}


def decoded_points(lines):
    """The same of the decoder's lines, in the words of the manifest."""
    points = {}
    for line in lines:
        if 'restore_point' in line:
            links, entries = {}, {}
            said = {name: line[name] for name in ('type', 'host', 'name', 'source', 'tags', 'held')}
            points[line['restore_point']] = said, entries
        else:
            entries.update(by_path([as_in_manifest(line, links)]))
    return points


def as_in_manifest(line, links):
    """The manifest has neither owners nor places of holes, and names a hard link's first name."""
    entry = without(line, 'uid', 'gid', 'holes', 'hard_link')
    if 'holes' in line:
        entry['sparse'] = True
    if 'hard_link' in line:
        entry['same_inode_as'] = links.setdefault(tuple(line['hard_link']), line['path'])
    return entry


def without(fields, *names):
    return {name: value for name, value in fields.items() if name not in names}


def by_path(entries):
    return {entry['path'] if 'path' in entry else bytes.fromhex(entry['path_hex']): entry
            for entry in entries}


class Golden(unittest.TestCase):
    maxDiff = 4000

    def check(self, directory, **access):
        repository = open_repository(Storage(os.path.join(directory, 'repository')), **access)
        *lines, summary = decode(repository)
        self.assertEqual(summary['summary']['problems'], [])
        self.assertEqual(decoded_points(lines), expected_points(directory))
        return summary['summary']

    def check_with(self, option, name):
        """Every golden repository that has such a file; there is one at least."""
        directories = [directory for directory in golden_directories()
                       if os.path.exists(os.path.join(directory, name))]
        self.assertTrue(directories)
        for directory in directories:
            self.check(directory, **{option: os.path.join(directory, name)})

    def test_with_key_file(self):
        self.check_with('key_file', 'test.key')

    def test_with_recovery_key(self):
        self.check_with('key_file', 'recovery.key')

    def test_with_passphrase(self):
        self.check_with('passphrase_file', 'test.passphrase')

    def test_without_index(self):
        directory = os.path.join(GOLDEN, 'v1-folded')
        self.check(directory, key_file=os.path.join(directory, 'test.key'), trust_index=False)

    def test_a_write_only_key_opens_nothing(self):
        with self.assertRaises(WrongKey):
            self.check_with('key_file', 'writer.key')
