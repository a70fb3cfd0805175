"""Backup types, and what they read and store."""
import os
import random
import unittest

from harness import E2E


class Types(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def data(self):
        rng = random.Random(1)
        for i in range(200):
            self.write('dir%d/file%03d' % (i % 7, i), rng.randbytes(rng.randrange(20000)))
        self.write('big', rng.randbytes(2 << 20))
        self.settle()

    def test_first_backup_is_full(self):
        self.data()
        for kind in ('incremental', 'differential', 'full'):
            one = self.backup('--type', kind, '--name', kind)
            self.assertEqual(one['type'], 'full')

    def test_unchanged_second_backup_reads_nothing(self):
        self.data()
        first = self.backup()
        second = self.backup()
        self.assertEqual(second['type'], 'incremental')
        self.assertEqual(second['bytes_read'], 0)
        self.assertEqual((second['files'], second['directories'], second['bytes_scanned']),
                         (first['files'], first['directories'], first['bytes_scanned']))
        self.assertLess(second['bytes_added'], 5000)

    def test_unchanged_backup_without_a_cache(self):
        self.data()
        self.backup()
        self.env['HOLDFAST_CACHE_DIR'] = self.path('another cache')
        self.assertEqual(self.backup()['bytes_read'], 0)

    def test_full_reads_every_byte_and_stores_nothing_twice(self):
        self.data()
        first = self.backup()
        second = self.backup('--type', 'full')
        self.assertEqual(second['type'], 'full')
        self.assertEqual(second['bytes_read'], first['bytes_scanned'])
        self.assertLess(second['bytes_added'], 20000)

    def test_incremental_reads_what_changed(self):
        self.data()
        self.backup()
        self.write('dir1/file001', b'n' * 3000)
        one = self.backup()
        self.assertEqual(one['bytes_read'], 3000)
        self.assertLess(one['bytes_added'], 20000)

    def test_differential_reads_what_changed_since_the_last_full(self):
        self.data()
        self.backup()
        self.write('dir1/file001', b'n' * 3000)
        self.settle()
        self.backup()
        self.write('dir1/new', b'm' * 5000)
        self.settle()
        incremental = self.backup()
        self.assertEqual(incremental['bytes_read'], 5000)
        differential = self.backup('--type', 'differential')
        self.assertEqual(differential['type'], 'differential')
        self.assertEqual(differential['bytes_read'], 8000)
        self.restore(differential['restore_point'])
        self.assert_trees_equal(self.source, self.path('target'))

    def test_a_full_finds_what_metadata_hides(self):
        # A file system that lies about times, as some network file systems do, cannot be had here;
        # a full must read everything and restore exactly all the same.
        self.data()
        self.backup()
        self.write('big', random.Random(9).randbytes(2 << 20))
        self.backup('--type', 'full')
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_unknown_type(self):
        for kind in ('synthetic-full', 'nonsense', ''):
            self.run_program(['backup', '--type', kind, self.source], expect=2)

    def test_dry_run(self):
        self.data()
        before = self.objects()
        one = self.backup('--dry-run')
        self.assertEqual(one['files'], 201)
        self.assertFalse(one['restore_point'])
        self.assertEqual(self.objects(), before)
        self.assertEqual(self.points(), [])

    def test_dry_run_of_an_incremental_says_what_would_be_read(self):
        self.data()
        self.backup()
        self.write('dir1/file001', b'n' * 3000)
        before = self.objects()
        one = self.backup('--dry-run')
        self.assertEqual(self.objects(), before)
        self.assertEqual(one['type'], 'incremental')
        self.assertEqual(one['bytes_read'], 3000)

    def image(self, name, mebibytes, change):
        rng = random.Random(11)
        path = self.write(name, rng.randbytes(mebibytes << 20))
        self.settle()
        first = self.backup()
        pages = rng.sample(range(mebibytes << 8), change)
        with open(path, 'r+b') as file:
            for page in pages:
                file.seek(page * 4096)
                file.write(rng.randbytes(4096))
        second = self.backup()
        self.assertLess(second['bytes_added'], change * 4096 * 1.15 + 16384,
                        '%d pages changed' % change)
        self.assertGreater(first['bytes_added'], mebibytes << 20)
        self.restore(second['restore_point'], self.path('t2'))
        self.restore(first['restore_point'], self.path('t1'))
        self.assert_trees_equal(self.source, self.path('t2'))
        self.assert_check_clean()

    def test_disk_image_stores_only_changed_pages(self):
        self.image('disk.img', 16, 80)

    def test_disk_image_with_few_changes(self):
        self.image('disk.raw', 8, 3)

    def test_disk_image_that_grows_shrinks_and_gets_holes(self):
        rng = random.Random(12)
        path = self.write('disk.img', rng.randbytes(4 << 20))

        def verify(step):
            one = self.backup()
            self.restore(one['restore_point'], self.path('t-' + step))
            self.assert_trees_equal(self.source, self.path('t-' + step), holes=step == 'hole')
        verify('first')
        with open(path, 'ab') as file:
            file.write(rng.randbytes(3 << 20))
        verify('grown')
        with open(path, 'r+b') as file:
            file.truncate(5 << 20)
            file.seek(1 << 20)
            file.write(bytes(1 << 20))
        verify('shrunk')
        with open(path, 'r+b') as file:
            file.truncate((5 << 20) + 5)
        verify('odd')
        with open(path, 'r+b') as file:
            file.truncate(2 << 20)
            file.truncate(6 << 20)
            file.seek(5 << 20)
            file.write(rng.randbytes(4096))
        os.sync()
        verify('hole')
        os.truncate(path, 0)
        verify('empty')
        self.assert_check_clean()

    def test_renamed_directory_adds_little(self):
        self.data()
        self.backup()
        os.rename(self.path('source', 'dir1'), self.path('source', 'renamed'))
        self.assertLess(self.backup()['bytes_added'], 20000)

    def test_insertion_into_a_large_file_adds_little(self):
        data = random.Random(13).randbytes(8 << 20)
        self.write('archive.tar', data)
        self.backup()
        self.write('archive.tar', data[:3000000] + b'inserted' + data[3000000:])
        self.assertLess(self.backup()['bytes_added'], 3 << 20)

    def test_many_points_stay_restorable_when_folded(self):
        # Index fragments are folded every 16 objects.
        for i in range(40):
            self.write('file', 'version %d' % i)
            self.write('f%d' % i, os.urandom(3000))
            self.backup()
        points = self.points()
        self.assertEqual(len(points), 40)
        for i in (0, 15, 16, 17, 33, 39):
            self.assertEqual(self.run_program(['cat', points[i]['id'] + ':file']).text, 'version %d' % i)
        self.assert_check_clean()
        self.env['HOLDFAST_CACHE_DIR'] = self.path('another cache')
        self.assertEqual(len(self.points()), 40)
        self.restore('latest')
        self.assert_trees_equal(self.source, self.path('target'))


if __name__ == '__main__':
    unittest.main()
