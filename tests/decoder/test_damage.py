"""A single wrong bit anywhere in a repository, and the decoder refuses the object that has it."""
import os
import random
import shutil
import subprocess
import unittest

from decoder import decode, open_repository
from storage import Storage
from world import World

# More than what goes into the restore point's own object: it takes a pack.
FILE_BYTES = 33 << 16


class FlippedStorage(Storage):
    """Reads one bit of one object wrong."""

    def __init__(self, directory, name, bit):
        super().__init__(directory)
        self._name, self._bit = name, bit

    def read(self, name):
        data = bytearray(super().read(name))
        if name == self._name:
            data[self._bit // 8] ^= 1 << self._bit % 8
        return bytes(data)

    def read_range(self, name, offset, size):
        return self.read(name)[offset:offset + size]


class Damage(unittest.TestCase):
    """A repository that has every kind of object that programs write."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.remove)
        with open(os.path.join(cls.world.tree, 'file'), 'wb') as file:
            file.write(random.Random(1).randbytes(FILE_BYTES))
        with open(os.path.join(cls.world.tree, 'small'), 'wb') as file:
            file.write(b'in a node')
        cls.world.holdfast('hold', cls.world.backup(cls.world.tree))
        cls.repository = cls.world.path('with-lease')
        cls.copy_while_a_backup_runs()
        cls.objects = list(Storage(cls.repository).objects())
        cls.whole = list(cls.decode(Storage(cls.repository)))

    @classmethod
    def copy_while_a_backup_runs(cls):
        """It waits for its input. A reader meets a repository at any moment (Commit)."""
        backup = cls.world.start('backup', '--stdin-name', 'stream', stdin=subprocess.PIPE)
        cls.world.wait_for_lease()
        shutil.copytree(cls.world.path('repository'), cls.repository)
        backup.communicate(b'the end')

    @classmethod
    def decode(cls, storage, **how):
        return decode(open_repository(storage, cls.world.path('test.key'), **how))

    def names_of(self, prefix):
        return [name for name, _, _ in self.objects if name.startswith(prefix)]

    def test_nothing_is_wrong_before(self):
        self.assertEqual(self.whole[-1]['summary']['problems'], [])
        self.assertEqual({kind for _, kind, _ in self.objects}, {1, 2, 3, 5, 6, 7, 10})

    def test_a_bit_in_each_object(self):
        noise = random.Random(2)
        for name, _, _ in self.objects:
            bit = noise.randrange(8 * os.path.getsize(os.path.join(self.repository, name)))
            problems = self.problems_of(FlippedStorage(self.repository, name, bit))
            self.assertTrue([text for text in problems if name in text], (name, bit, problems))

    def flip(self, name, bit):
        """The decoder's lines and problems with one bit wrong."""
        *lines, summary = self.decode(FlippedStorage(self.repository, name, bit))
        return lines, summary['summary']['problems']

    def test_a_bit_in_each_object(self):
        noise = random.Random(2)
        for name, _, _ in self.objects:
            bit = noise.randrange(8 * os.path.getsize(os.path.join(self.repository, name)))
            _, problems = self.flip(name, bit)
            self.assertTrue([text for text in problems if text.startswith(name + ':')],
                            (name, bit, problems))

    def test_second_copies_serve(self):
        for name in ('config', self.names_of('keys/')[0]):
            lines, _ = self.flip(name, bit=1000)
            self.assertEqual(lines, self.whole[:-1])

    def test_a_restore_point_with_a_damaged_chunk_is_refused(self):
        (name,) = self.names_of('data/')
        lines, problems = self.flip(name, bit=4 * FILE_BYTES)
        self.assertEqual(lines, [])
        self.assertTrue([text for text in problems if text.startswith('restore point')])

    def test_tables_serve_without_the_index(self):
        (name,) = self.names_of('index/')
        storage = FlippedStorage(self.repository, name, bit=2000)
        with_index = list(self.decode(storage))
        without_index = list(self.decode(storage, trust_index=False))
        self.assertEqual(with_index[:-1], [])
        self.assertEqual(without_index[:-1], self.whole[:-1])
