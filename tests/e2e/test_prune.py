"""Retention, and the space that comes back."""
import os
import random
import subprocess
import threading
import time
import unittest

from harness import E2E


class Prune(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.rng = random.Random(1)

    def data(self, count=60, size=20000):
        for i in range(count):
            self.write('dir%d/file%03d' % (i % 7, i), self.rng.randbytes(size))

    def prune(self, *args, expect=0, **options):
        result = self.run_program(['--json', 'prune', *args], expect=expect, **options)
        return result.json if result.status == 0 else result

    def at(self, moment, *args):
        """A restore point of that moment, with a file of its own."""
        self.write('changes', self.rng.randbytes(100_000))
        return self.backup('--time', moment, *args)['restore_point']

    def times(self):
        return sorted(one['time'] for one in self.points())

    def test_rules(self):
        self.data()
        for day in range(1, 29):
            for hour in (3, 15):
                self.at('2026-01-%02dT%02d:00:00Z' % (day, hour))
        before = self.repository_bytes()
        plan = self.prune('--keep-daily', '3', '--keep-weekly', '2', '--dry-run')
        self.assertEqual(len(self.points()), 56)
        self.assertEqual(self.repository_bytes(), before)
        stay = sorted(p['time'] for p in plan['restore_points'] if p['stays'])
        self.assertEqual(stay, ['2026-01-25T15:00:00Z', '2026-01-26T15:00:00Z',
                                '2026-01-27T15:00:00Z', '2026-01-28T15:00:00Z'])
        document = self.prune('--keep-daily', '3', '--keep-weekly', '2')
        self.assertEqual(self.times(), stay)
        self.assertEqual(document['removed_restore_points'], 52)
        self.assertGreater(document['bytes_reclaimed'], 3_000_000)
        self.assertLess(self.repository_bytes(), before - 3_000_000)
        self.assert_check_clean()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))
        reasons = {p['time']: p['reasons'] for p in document['restore_points']}
        self.assertEqual(reasons['2026-01-28T15:00:00Z'], ['daily 1', 'weekly 1'])
        self.assertEqual(reasons['2026-01-01T03:00:00Z'], ['no rule keeps it'])

    def test_space_comes_back_and_nothing_is_left(self):
        self.data()
        first = self.backup()['restore_point']
        empty = self.path('empty')
        os.mkdir(empty)
        self.backup(source=empty)
        self.run_program(['delete', first])
        self.assertGreater(self.repository_bytes(), 1_000_000)
        kept = self.prune()
        self.assertEqual([p['reasons'] for p in kept['restore_points'] if p['id'] == first],
                         [['the last of its source']])
        self.run_program(['undelete', first])
        self.run_program(['delete', first])
        document = self.prune('--allow-last')
        self.assertEqual(document['removed_restore_points'], 1)
        self.assertLess(self.repository_bytes(), 20_000)
        self.run_program(['undelete', first], expect=1)
        self.assert_check_clean()

    def test_held_and_tagged_points_stay(self):
        held = self.at('2026-01-01')
        tagged = self.at('2026-01-02', '--tag', 'release')
        gone = self.at('2026-01-03')
        last = self.at('2026-01-04')
        self.run_program(['hold', held])
        document = self.prune('--keep-last', '1', '--keep-tag', 'release')
        self.assertEqual({p['id'] for p in self.points()}, {held, tagged, last})
        self.assertEqual([p['id'] for p in document['restore_points'] if not p['stays']], [gone])

    def test_sources_are_apart(self):
        other = self.path('other')
        os.mkdir(other)
        for i in range(3):
            self.at('2026-01-0%d' % (i + 1))
            self.write('x', str(i), root=other)
            self.backup('--time', '2026-02-0%d' % (i + 1), source=other)
            self.backup('--time', '2026-02-0%d' % (i + 1), '--host', 'elsewhere')
        self.prune('--keep-last', '1', '--source', other)
        self.assertEqual(len(self.points('--source', other)), 1)
        self.assertEqual(len(self.points()), 7)
        self.prune('--keep-last', '2', '--host', 'elsewhere')
        self.assertEqual(len(self.points()), 6)
        self.prune('--keep-last', '1')
        self.assertEqual(len(self.points()), 3)
        self.assert_check_clean()

    def test_usage_errors(self):
        self.backup()
        for args in (['--keep-last', '0'], ['--keep-last', 'x'], ['--keep-daily', '-1'],
                     ['--keep-within', '3w'], ['--keep-within', '']):
            error = self.run_program(['--json', 'prune', *args], expect=2).error
            self.assertEqual(error['code'], 'invalid_argument')
        self.assertEqual(len(self.points()), 1)

    def test_nothing_to_do(self):
        self.data()
        self.backup()
        before = self.objects()
        document = self.prune()
        self.assertEqual(document['removed_restore_points'], 0)
        self.assertEqual(self.objects(), before)
        result = self.run_program(['prune'])
        self.assertIn('removed 0 restore points', result.text)

    def test_a_write_only_key_cannot_prune(self):
        self.backup()
        self.run_program(['key', 'add', '--write-only', '--new-key-file', self.path('w')])
        self.run_program(['--key-file', self.path('w'), 'prune'], expect=1)

    def test_a_damaged_point_stops_it(self):
        self.data()
        first = self.at('2026-01-01')
        self.at('2026-01-02')
        name = [n for n, _ in self.objects('points') if n.endswith(first)][0]
        path = os.path.join(self.repo, name)
        with open(path, 'r+b') as file:
            file.write(bytes(os.path.getsize(path)))  # nothing that parity could mend
        before = self.objects()
        result = self.run_program(['prune', '--keep-last', '1'], expect=13)
        self.assertIn(first[:12], result.err)
        self.assertEqual(self.objects(), before)

    def test_while_backups_run(self):
        self.data(200)
        self.backup()
        stop = threading.Event()
        failures = []

        def back_up(number):
            source = self.path('source%d' % number)
            os.mkdir(source)
            rng = random.Random(number)
            while not stop.is_set():
                for i in range(5):
                    self.write('f%d' % rng.randrange(20), rng.randbytes(30_000), root=source)
                try:
                    self.backup(source=source)
                except AssertionError as error:
                    failures.append(error)
                    return
        threads = [threading.Thread(target=back_up, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self.prune('--keep-last', '2')
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.prune('--keep-last', '2')
        self.assert_check_clean()
        self.assertEqual(len(self.points()), 7)
        for i in range(3):
            self.restore('latest', self.path('target%d' % i), '--source', self.path('source%d' % i))
            self.assert_trees_equal(self.path('source%d' % i), self.path('target%d' % i))

    def test_killed_again_and_again(self):
        self.data(300)
        for i in range(12):
            self.at('2026-01-%02d' % (i + 1))
            self.data(30)
        for i in range(12, 1, -1):
            process = self.start(['prune', '--keep-last', str(i - 1)])
            time.sleep(self.rng.random() * 0.08)
            process.kill()
            process.wait()
            self.assert_check_clean()
            self.restore('latest', self.path('target%d' % i))
            self.assertEqual(self.backup()['result'].status, 0)
        self.prune('--keep-last', '1')
        self.assertEqual(len(self.points()), 1)
        self.assert_check_clean()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))


if __name__ == '__main__':
    unittest.main()
