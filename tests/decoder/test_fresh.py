"""Repositories that the program writes now, decoded and compared with what was on disk."""
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import unittest

import made_tree
import on_disk
from world import World

HERE = os.path.dirname(os.path.abspath(__file__))
STREAM_BYTES = 5 << 19
# With 16 fragments of tier 0 and unfolded points a writer may fold (docs/format.md, Folding).
SMALL_STREAMS = 16


def by_path(entries):
    """Entries by path, hard links by their first path."""
    entries = sorted(entries, key=path_of)
    links = {}
    for entry in entries:
        if 'hard_link' in entry:
            entry['hard_link'] = links.setdefault(tuple(entry['hard_link']), path_of(entry))
    return {path_of(entry): entry for entry in entries}


def path_of(entry):
    return os.fsencode(entry['path']) if 'path' in entry else bytes.fromhex(entry['path_hex'])


def differences(found, expected):
    """Paths whose entries differ, with both entries."""
    return {path: (found.get(path), expected.get(path)) for path in found.keys() | expected.keys()
            if found.get(path) != expected.get(path)}


def decode(world):
    """Exit status of the decoder, its restore points by id with their entries, and its summary."""
    decoder = subprocess.run(
        [sys.executable, '-B', os.path.join(HERE, 'decoder.py'), world.path('repository'),
         '--key-file', world.path('test.key')], capture_output=True, check=False)
    lines = [json.loads(line) for line in decoder.stdout.splitlines()]
    if not lines:
        raise RuntimeError('the decoder says nothing but %r' % decoder.stderr)
    points = {}
    for line in lines[:-1]:
        if 'restore_point' in line:
            entries = []
            points[line['restore_point']] = line, entries
        else:
            entries.append(line)
    return decoder.returncode, points, lines[-1]['summary']


class Fresh(unittest.TestCase):
    """One repository with everything, decoded once."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.remove)
        cls.on_disk = {}
        cls.thin_out()
        made_tree.apply(made_tree.first, cls.world.tree, seed=1)
        cls.interrupt_backup()
        cls.full = cls.back_up_tree('--type', 'full', '--tag', 'first', '--tag', 'caf\u00e9')
        # What follows is of other epochs, and the key is one that is older than they are.
        cls.world.holdfast('key', 'rotate')
        cls.world.holdfast('key', 'add', '--new-key-file', cls.world.path('revoked.key'), '--label', 'revoked')
        revoked, = (key['id'] for key in cls.world.holdfast('key', 'list')['keys'] if key['label'] == 'revoked')
        cls.world.holdfast('key', 'revoke', revoked)
        made_tree.apply(made_tree.second, cls.world.tree, seed=2)
        cls.incremental = cls.back_up_tree()
        cls.back_up_streams()
        made_tree.apply(made_tree.third, cls.world.tree, seed=3)
        cls.differential = cls.back_up_tree('--type', 'differential')
        cls.world.holdfast('hold', cls.full)
        cls.world.holdfast('check')
        cls.world.holdfast('check', '--read-data')
        recovery = cls.world.path('recovery.txt')
        with open(recovery, 'w') as file:
            file.write(cls.world.holdfast('key', 'recovery')['recovery_key'])
        cls.world.holdfast('key', 'confirm', '--recovery-key-file', recovery)
        cls.listed = cls.world.holdfast('list')['restore_points']
        cls.names = [os.path.relpath(os.path.join(directory, file), cls.world.path('repository'))
                     for directory, _, files in os.walk(cls.world.path('repository'))
                     for file in files]
        cls.status, cls.points, cls.summary = decode(cls.world)

    @classmethod
    def thin_out(cls):
        """Half of the files of one chunk are nobody's any more."""
        folder, rng = cls.world.path('small'), random.Random(5)
        os.mkdir(folder)
        points = []
        for step in (1, 2):
            for number in range(0, 40, step):
                with open(os.path.join(folder, 'file%d' % number), 'wb') as file:
                    file.write(rng.randbytes(8000))
            points.append(cls.world.backup(folder, '--name', 'small files'))
        cls.world.holdfast('delete', points[0])
        cls.world.holdfast('prune')
        cls.thinned = points[1]
        cls.on_disk[cls.thinned] = by_path(on_disk.describe(os.fsencode(folder)))

    @classmethod
    def interrupt_backup(cls):
        """Leaves a partial restore point behind, of an identity of its own; a machine that is fast
        enough to finish leaves a whole one."""
        backup = cls.world.start('backup', cls.world.tree, '--name', 'interrupted')
        cls.world.wait_for_lease()
        backup.send_signal(signal.SIGINT)
        backup.communicate()

    @classmethod
    def back_up_tree(cls, *options):
        point = cls.world.backup(cls.world.tree, '--name', 'tree', *options)
        cls.on_disk[point] = by_path(on_disk.describe(os.fsencode(cls.world.tree)))
        return point

    @classmethod
    def back_up_streams(cls):
        """A sealed one that takes a pack, then so many that the index is folded; one is deleted."""
        cls.world.holdfast('key', 'add', '--new-key-file', cls.world.path('writer.key'),
                           '--write-only', '--host', socket.gethostname())
        cls.stream = random.Random(4).randbytes(STREAM_BYTES)
        cls.sealed = cls.world.backup('--stdin-name', 'sealed', data=cls.stream, key='writer.key')
        small = [cls.world.backup('--stdin-name', 'small', data=b'stream %d ' % i * 100)
                 for i in range(SMALL_STREAMS)]
        cls.deleted = small[0]
        cls.world.holdfast('delete', cls.deleted)

    def check_tree(self, point):
        self.assertEqual(differences(by_path(self.points[point][1]), self.on_disk[point]), {})

    def test_full(self):
        self.check_tree(self.full)

    def test_incremental(self):
        self.check_tree(self.incremental)

    def test_differential(self):
        self.check_tree(self.differential)

    def test_thinned(self):
        self.check_tree(self.thinned)
        self.assertGreater(self.summary['thinned_chunks'], 0)

    def test_sealed_stream(self):
        (entry,) = self.points[self.sealed][1]
        self.assertEqual((entry['path'], entry['type'], entry['size'], entry['sha256']),
                         ('sealed', 'file', STREAM_BYTES, hashlib.sha256(self.stream).hexdigest()))

    def test_restore_points_are_those_that_the_program_lists(self):
        listed = [(point['id'], point['host'], point['name'], point['source'], point['type'],
                   point['tags'], point['held']) for point in self.listed]
        decoded = [tuple(point[name] for name in ('restore_point', 'host', 'name', 'source', 'type',
                                                  'tags', 'held'))
                   for point, _ in self.points.values()]
        self.assertEqual(sorted(decoded), sorted(listed))
        self.assertTrue(self.points[self.full][0]['held'])
        self.assertNotIn(self.deleted, self.points)

    def test_all_is_whole(self):
        self.assertEqual(self.summary['problems'], [])
        self.assertEqual(self.status, 0)

    def test_the_repository_has_what_is_to_be_decoded(self):
        for form in ('data/', 'meta/', 'index/00-', 'index/01-', 'points/', 'marks/',
                     'attestations/'):
            self.assertTrue([name for name in self.names if name.startswith(form)], form)
        self.assertGreater(self.summary['fingerprints_compared'], 0)
