"""check --read-data=AMOUNT: the data in parts, and the memory of what was read when."""
import os
import random
import shutil

from harness import E2E

FILE_BYTES = 3_000_000


class CheckInParts(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        rng = random.Random(1)
        for number in range(8):
            self.write('file', rng.randbytes(FILE_BYTES))
            self.backup()

    def read(self, amount, **options):
        return self.check('--read-data=' + amount, **options).json

    def test_parts_come_to_the_whole(self):
        never_read = [self.read('25%')['data_bytes_never_read'] for _ in range(4)]
        self.assertEqual(sorted(never_read, reverse=True), never_read)
        self.assertGreater(never_read[1], 0)
        self.assertEqual(never_read[3], 0)
        document = self.read('1K')
        self.assertEqual(document['data_bytes_never_read'], 0)
        # One object, and the few records that every check reads.
        self.assertLess(document['bytes_read'], 2 * FILE_BYTES)

    def test_what_was_read_longest_ago_comes_first(self):
        self.check()
        before = self.read('1K')['oldest_read']
        for _ in range(4):
            document = self.read('30%')
        self.assertGreater(document['oldest_read'], before)

    def test_size_and_duration(self):
        document = self.read('10M')
        self.assertGreater(document['bytes_read'], 10 << 20)
        self.assertLess(document['bytes_read'], (10 << 20) + 2 * FILE_BYTES)
        self.assertEqual(self.read('10m')['data_bytes_never_read'], 0)

    def test_damage_is_found_once_all_was_read(self):
        size, name = max((size, name) for name, size in self.objects())
        with open(os.path.join(self.repo, name), 'r+b') as file:
            file.seek(size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        statuses = [self.run_program(['check', '--read-data=15%'], expect=None).status
                    for _ in range(8)]
        self.assertIn(13, statuses)
        # What is damaged does not count as read: it is said again.
        self.assertEqual(statuses[-1], 13)

    def test_a_lost_cache_forgets_and_nothing_else(self):
        self.check()
        shutil.rmtree(self.path('cache'))
        document = self.read('1K')
        self.assertGreater(document['data_bytes_never_read'], 6 * FILE_BYTES)

    def test_wrong_amounts(self):
        for amount in ('0%', '101%', '10', 'x', '5d', '-1G', '99999999999999T'):
            result = self.run_program(['check', '--read-data=' + amount], expect=2)
            self.assertIn('read-data', result.err)
