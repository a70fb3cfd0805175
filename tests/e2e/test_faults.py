"""Damage, full disks, missing permission, signals, several at once: nothing acknowledged is lost."""
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import threading
import time
import unittest

from harness import E2E, NOBODY, blake3, is_root, needs_root, needs_tool

TAIL_FIXED_BYTES = 80  # docs/format.md, the trailer


def sealed_with_version(data, version):
    """An object in which header and repeated header say another format version."""
    data = bytearray(data)
    fixed = len(data) - TAIL_FIXED_BYTES
    header_bytes = struct.unpack_from('<I', data, fixed + 64)[0]
    body_bytes = struct.unpack_from('<Q', data, fixed)[0]
    for start in (0, fixed - header_bytes):
        assert data[start:start + 4] == b'HFST'
        struct.pack_into('<H', data, start + 4, version)
    data[fixed + 16:fixed + 48] = blake3(bytes(data[:body_bytes]))
    checked = bytes(data[fixed - header_bytes:fixed + TAIL_FIXED_BYTES - 12])
    data[fixed + 68:fixed + 72] = blake3(checked)[:4]
    return bytes(data)


class Faults(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def stored(self, name):
        return os.path.join(self.repo, name)

    def object_bytes(self, name):
        with open(self.stored(name), 'rb') as file:
            return file.read()

    def put_object(self, name, data):
        with open(self.stored(name), 'wb') as file:
            file.write(data)

    def forget_cache(self):
        shutil.rmtree(self.path('cache'), ignore_errors=True)

    def assert_nothing_wrong(self, result, target):
        """After a restore from a damaged repository: whatever differs was reported, and no byte is
        other than it was (what is missing reads as zeros)."""
        wrong = []
        for base, _, names in os.walk(self.source):
            for name in names:
                path = os.path.relpath(os.path.join(base, name), self.source)
                if os.path.islink(os.path.join(base, name)):
                    continue
                with open(os.path.join(base, name), 'rb') as file:
                    wanted = file.read()
                try:
                    with open(os.path.join(target, path), 'rb') as file:
                        got = file.read()
                except FileNotFoundError:
                    got = None
                if got == wanted:
                    continue
                wrong.append(path)
                if got is not None:
                    self.assertTrue(all(g in (0, w) for g, w in zip(got, wanted)),
                                    path + ': garbage was restored')
                    self.assertLessEqual(len(got), len(wanted))
        if wrong:
            self.assertNotEqual(result.status, 0, 'files are missing: %s\n%s' %
                                (wrong[:5], result.describe()))
            if os.path.exists(target) and 'restored' in result.text:
                for path in wrong:
                    self.assertIn(path, result.err)
        elif result.status == 0:
            self.assert_trees_equal(self.source, target)
        return wrong


class Damage(Faults):
    @classmethod
    def setUpClass(cls):
        cls.saved = None

    def setUp(self):
        super().setUp()
        rng = random.Random(1)
        for i in range(300):
            self.write('dir%d/file%03d' % (i % 5, i), rng.randbytes(rng.randrange(6000)))
        for i in range(3):
            self.write('big%d' % i, rng.randbytes(2 << 20))
        os.symlink('big0', self.path('source', 'link'))
        self.settle()
        self.point = self.backup()['restore_point']
        self.names = [name for name, _ in self.objects()]

    def kind(self, folder):
        return [n for n in self.names if n.startswith(folder)]

    def metadata_packs(self):
        # The seventh byte of an object is its kind: 4 is a metadata pack.
        return [n for n in self.names if self.object_bytes(n)[6] == 4]

    def data_packs(self):
        return [n for n in self.names if self.object_bytes(n)[6] == 3]

    def assert_check_finds(self, name, what):
        result = self.check(expect=None)
        said = result.text + result.err
        self.assertEqual(result.status, 13, '%s in %s\n%s' % (what, name, result.describe()))
        self.assertIn(name, said, what)

    def flip(self, name, seed, count=10, restore_must_fail=False):
        data = self.object_bytes(name)
        rng = random.Random(seed)
        positions = {0, len(data) - 1, len(data) // 2} | {rng.randrange(len(data)) for _ in range(count)}
        # The end holds table and trailer, which a position by chance would seldom meet.
        positions |= {len(data) - 1 - rng.randrange(min(len(data), 400)) for _ in range(count)}
        try:
            for number, position in enumerate(sorted(positions)):
                damaged = bytearray(data)
                damaged[position] ^= 1 << rng.randrange(8)
                self.put_object(name, damaged)
                self.forget_cache()
                what = 'byte %d of %d' % (position, len(data))
                with self.subTest(object=name.split('/')[0], what=what):
                    self.assert_check_finds(name, what)
                    target = self.path('target%d' % number)
                    result = self.run_program(['restore', self.point, '--target', target],
                                              expect=None)
                    self.assertIn(result.status, (0, 1, 13), result.describe())
                    wrong = self.assert_nothing_wrong(result, target)
                    shutil.rmtree(target, ignore_errors=True)
        finally:
            self.put_object(name, data)

    def test_flipped_bits_in_a_data_pack(self):
        self.flip(self.data_packs()[0], 11, 12)

    def test_flipped_bits_in_a_metadata_pack(self):
        # Metadata has a pack of its own only when there is enough of it: attributes that do not
        # compress are the cheapest way to that.
        rng = random.Random(21)
        for i in range(2600):
            path = self.write('attributed/%04d' % i)
            os.setxattr(path, 'user.random', rng.randbytes(2000))
        self.point = self.backup()['restore_point']
        self.names = [name for name, _ in self.objects()]
        self.assertTrue(self.metadata_packs(), self.objects())
        self.flip(self.metadata_packs()[0], 12, 4)

    def test_flipped_bits_in_an_index_fragment(self):
        self.flip(self.kind('index/')[0], 13, 10)

    def test_flipped_bits_in_a_restore_point(self):
        self.flip(self.kind('points/')[0], 14, 12)

    def test_flipped_bits_in_a_point_that_holds_its_data(self):
        self.write('dir0/file000', b'changed' * 500)
        self.point = self.backup()['restore_point']
        self.names = [name for name, _ in self.objects()]
        self.flip(next(n for n in self.kind('points/') if self.point in n), 15, 12)

    def test_check_names_every_point_that_shares_the_damage(self):
        self.write('elsewhere', 'new')
        points = [self.point, self.backup()['restore_point']]
        for name in self.kind('data/'):
            os.unlink(self.stored(name))
        checked = self.run_program(['--json', 'check'], expect=13)
        self.assertEqual(sorted(checked.json['damaged_restore_points']), sorted(points))
        for point in points:
            self.assertIn('restore point ' + point[:12], ' '.join(checked.json['problem_texts']))

    def test_lost_index_is_made_up_for_by_the_packs(self):
        fragments = self.kind('index/')
        self.assertTrue(fragments)
        for name in fragments:
            data = self.object_bytes(name)
            half = len(data) // 2
            for lost in (data[:half] + bytes([data[half] ^ 1]) + data[half + 1:], b'', None):
                if lost is None:
                    os.unlink(os.path.join(self.repo, name))
                else:
                    self.put_object(name, lost)
                self.forget_cache()
                self.run_program(['list'])
                self.restore(self.point, self.path('again'))
                self.assert_trees_equal(self.source, self.path('again'))
                subprocess.run(['rm', '-rf', self.path('again')], check=True)
                checked = self.run_program(['--json', 'check'], expect=13)
                self.assertEqual(checked.json['damaged_restore_points'], [], checked.describe())
                self.forget_cache()
                self.backup('--name', 'other', '--exclude', '*')
            self.put_object(name, data)
        self.forget_cache()
        self.assert_check_clean()

    def test_a_damaged_point_does_not_hide_the_others(self):
        other = self.backup('--name', 'other')['restore_point']
        name = next(n for n in self.kind('points/') if self.point in n)
        data = bytearray(self.object_bytes(name))
        data[-60] ^= 1
        self.put_object(name, data)
        self.forget_cache()
        result = self.restore(other, expect=None)
        self.assertEqual(result.status, 0, result.describe())
        listed = self.run_program(['list'], expect=None)
        self.assertIn(other[:12], listed.text, listed.describe())
        self.backup('--name', 'third')

    def test_one_damaged_copy_of_the_configuration(self):
        for name in ('config', 'config.2'):
            data = self.object_bytes(name)
            rng = random.Random(16)
            for position in [0, len(data) - 1] + [rng.randrange(len(data)) for _ in range(15)]:
                damaged = bytearray(data)
                damaged[position] ^= 0x10
                self.put_object(name, damaged)
                with self.subTest(name=name, position=position):
                    # A format version that is newer by accident is damage as well.
                    self.assertEqual(len(self.points()), 1)
                    self.assert_check_finds(name, 'byte %d' % position)
            self.put_object(name, b'')
            self.assertEqual(len(self.points()), 1)
            os.unlink(self.stored(name))
            self.assertEqual(len(self.points()), 1)
            self.assert_check_finds(name, 'missing')
            self.put_object(name, data)
        self.assert_check_clean()

    def test_both_copies_of_the_configuration_damaged(self):
        rng = random.Random(17)
        copies = {n: self.object_bytes(n) for n in ('config', 'config.2')}
        for _ in range(10):
            for name, data in copies.items():
                self.put_object(name, self.beyond_mending(data, rng.randrange(6, 40)))
            for args in (['list'], ['check'], ['backup', self.source]):
                result = self.run_program(args, expect=13)
                self.assertIn('config', result.err)

    def test_damaged_key_slot(self):
        for name in self.kind('keys/'):
            data = self.object_bytes(name)
            damaged = bytearray(data)
            damaged[len(data) // 2] ^= 1
            self.put_object(name, damaged)
            with self.subTest(copy=name[-2:]):
                self.assertEqual(len(self.points()), 1)
                self.assert_check_finds(name, 'a flipped bit')
            self.put_object(name, data)

    def test_both_copies_of_every_key_slot_damaged(self):
        for name in self.kind('keys/'):
            self.put_object(name, self.beyond_mending(self.object_bytes(name)))
        self.run_program(['list'], expect=13)

    @staticmethod
    def beyond_mending(data, first=6):
        """Damaged in body and parity alike."""
        damaged = bytearray(data)
        for position in range(first, len(data), 40):
            damaged[position] ^= 0x10
        return damaged

    def test_truncated_objects(self):
        rng = random.Random(18)
        for name in (self.data_packs()[0], self.kind('index/')[0], self.kind('points/')[0]):
            data = self.object_bytes(name)
            for size in (0, 1, 79, len(data) // 2, len(data) - 1, rng.randrange(len(data))):
                with self.subTest(object=name.split('/')[0], size=size):
                    self.put_object(name, data[:size])
                    self.forget_cache()
                    self.assert_check_finds(name, 'cut to %d of %d' % (size, len(data)))
                    target = self.path('t')
                    result = self.run_program(['restore', self.point, '--target', target], expect=None)
                    self.assert_nothing_wrong(result, target)
                    shutil.rmtree(target, ignore_errors=True)
            self.put_object(name, data)
        self.assert_check_clean()

    def test_missing_pack(self):
        name = self.data_packs()[0]
        os.rename(self.stored(name), self.path('away'))
        self.forget_cache()
        self.assert_check_finds(name, 'missing')
        # Without reading data, too.
        self.assertIn(name, self.run_program(['--json', 'check'], expect=13).text)
        result = self.run_program(['restore', 'latest', '--target', self.path('t')], expect=(1, 13))
        self.assertTrue(self.assert_nothing_wrong(result, self.path('t')))
        # What it held is stored again by a full, and the point before is whole again.
        self.backup('--type', 'full')
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_check_names_the_damaged_restore_points(self):
        name = self.data_packs()[0]
        data = self.object_bytes(name)
        os.unlink(self.stored(name))
        with self.subTest('missing'):
            self.assertEqual(self.check(expect=13).json['damaged_restore_points'], [self.point])
        damaged = bytearray(data)
        for i in range(0, len(data) - 4096, 4096):
            damaged[i + 100] ^= 1
        self.put_object(name, damaged)
        with self.subTest('rotten'):
            self.assertEqual(self.check(expect=13).json['damaged_restore_points'], [self.point])

    def test_restore_of_undamaged_files_goes_on(self):
        os.unlink(self.stored(self.data_packs()[0]))
        result = self.run_program(['restore', 'latest', '--target', self.path('t')], expect=(1, 13))
        wrong = self.assert_nothing_wrong(result, self.path('t'))
        self.assertLess(len(wrong), 303)
        self.assertTrue(os.path.islink(self.path('t', 'link')))

    def test_cat_of_damaged_content(self):
        os.unlink(self.stored(self.data_packs()[0]))
        statuses = [self.run_program(['cat', 'latest:big%d' % i], expect=None).status for i in range(3)]
        self.assertTrue(any(statuses))

    def test_lost_index_is_rebuilt_from_packs(self):
        for name in self.kind('index/'):
            os.unlink(self.stored(name))
        self.forget_cache()
        result = self.run_program(['restore', 'latest', '--target', self.path('t')], expect=None)
        self.assert_nothing_wrong(result, self.path('t'))
        self.assertNotEqual(self.check(expect=None).status, 0)
        # A full backup makes it whole again.
        self.backup('--type', 'full')
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_damaged_cache_does_no_harm(self):
        rng = random.Random(19)
        for base, _, names in os.walk(self.path('cache')):
            for name in names:
                size = os.path.getsize(os.path.join(base, name))
                with open(os.path.join(base, name), 'wb') as file:
                    file.write(rng.randbytes(size))
        self.write('dir0/new', rng.randbytes(5000))
        self.write('dir0/copy', open(self.path('source', 'dir0', 'file005'), 'rb').read())
        self.backup()
        self.assert_check_clean()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_cache_that_cannot_be_written(self):
        self.write('cache-file', 'x', root=self.tmp)
        self.env['HOLDFAST_CACHE_DIR'] = self.path('cache-file')
        self.backup()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_foreign_files_in_the_repository(self):
        for name in ('README', 'points/README', 'data/x', 'index/zz', 'lost+found/x', 'keys/x'):
            path = self.stored(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w') as file:
                file.write('not of us')
        self.backup()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_newer_format(self):
        for name in ('config', 'config.2'):
            self.put_object(name, sealed_with_version(self.object_bytes(name), 2))
        for args in (['list'], ['backup', self.source], ['check']):
            result = self.run_program(args, expect=1)
            self.assertIn('newer', result.err)
            self.assertIn('update', result.err)

    def test_newer_object_in_an_older_repository(self):
        name = self.kind('points/')[0]
        data = self.object_bytes(name)
        self.put_object(name, sealed_with_version(data, 9))
        self.forget_cache()
        result = self.run_program(['restore', self.point, '--target', self.path('t')], expect=(1, 13))
        self.assertIn('newer', result.err)
        # Nothing is damaged, but not all was checked.
        checked = self.check(expect=1)
        self.assertEqual(checked.json['problems'], 0)
        self.assertEqual(checked.json['damaged_restore_points'], [])
        self.assertTrue(checked.json['newer_texts'])
        self.assertIn('newer', self.run_program(['check', '--read-data'], expect=1).err)
        self.put_object(name, sealed_with_version(data, 1))
        self.assert_check_clean()

    def test_unknown_required_feature(self):
        def with_feature(data):
            data = bytearray(data)
            fixed = len(data) - TAIL_FIXED_BYTES
            header_bytes = struct.unpack_from('<I', data, fixed + 64)[0]
            for start in (0, fixed - header_bytes):
                data[start + 8 + 5] = 1
            return sealed_with_version(data, 1)
        for name in ('config', 'config.2'):
            self.put_object(name, with_feature(self.object_bytes(name)))
        result = self.run_program(['list'], expect=1)
        self.assertIn('feature', result.err)

    def test_swapped_objects(self):
        self.write('dir1/file001', 'changed')
        two = self.backup()['restore_point']
        names = [n for n, _ in self.objects('points')]
        one, other = (self.object_bytes(n) for n in names)
        self.put_object(names[0], other)
        self.put_object(names[1], one)
        self.forget_cache()
        self.assertEqual(self.check(expect=None).status, 13)
        result = self.run_program(['cat', two + ':dir1/file001'], expect=None)
        self.assertTrue(result.status != 0 or result.stdout == b'changed', result.describe())


class Space(Faults):
    def random_source(self, mebibytes):
        rng = random.Random(3)
        for i in range(mebibytes):
            self.write('r%03d' % i, rng.randbytes(1 << 20))

    def small_repository(self, path):
        self.repo = self.env['HOLDFAST_REPOSITORY'] = os.path.join(path, 'repo')
        self.env['HOLDFAST_KEY_FILE'] = self.path('key of it')
        self.init()

    def usable_again(self, first):
        """Nothing that was acknowledged is lost, and backups go on."""
        self.assert_check_clean()
        self.restore(first, self.path('first'))
        self.assertEqual(os.listdir(self.path('first')), ['first'])

    @needs_root
    def test_full_disk_at_many_moments(self):
        disk = self.mount_ext4('disk', 24, self.path('disk'))
        self.small_repository(disk)
        self.write('first', b'first content')
        first = self.backup()['restore_point']
        self.random_source(6)
        ballast = os.path.join(disk, 'ballast')
        statuses = []
        for left in (0, 4, 16, 64, 300, 1000, 3000, 5000, 6400):
            with open(ballast, 'wb') as file:
                try:
                    while True:
                        file.write(bytes(65536))
                        file.flush()
                except OSError:
                    pass
            os.sync()
            info = os.statvfs(disk)
            size = os.path.getsize(ballast) + info.f_bavail * info.f_frsize
            with open(ballast, 'r+b') as file:
                file.truncate(max(0, size - (left << 10)))
            os.sync()
            result = self.run_program(['--json', 'backup', self.source], expect=(0, 14))
            statuses.append(result.status)
            if result.status == 14:
                self.assertTrue(result.error['message'])
                # Reading goes on while it is full.
                self.assertEqual(self.run_program(['cat', first + ':first']).stdout, b'first content')
            os.unlink(ballast)
            os.sync()
            self.assert_check_clean()
        self.assertEqual(statuses[0], 14, statuses)
        self.usable_again(first)
        self.backup()
        self.restore('latest', self.path('target'))
        self.assert_trees_equal(self.source, self.path('target'))
        # What the failed ones left behind is used, not left lying about.
        self.assertLess(self.repository_bytes(), 9 << 20)

    @needs_root
    def test_repository_that_is_read_only(self):
        self.mount('-t', 'tmpfs', 'tmpfs', self.path('disk'))
        self.env['HOLDFAST_REPOSITORY'] = self.path('disk', 'repo')
        self.env['HOLDFAST_KEY_FILE'] = self.path('key3')
        self.init()
        self.write('file', 'x')
        point = self.backup()['restore_point']
        self.run_program(['hold', point])
        self.tool('mount', '-o', 'remount,ro', self.path('disk'))
        for args in (['backup', self.source], ['release', point], ['key', 'recovery']):
            err = self.run_program(args, expect=1).err
            self.assertIn('the repository %s cannot be written: Read-only file system' %
                          self.path('disk', 'repo'), err)
            self.assertNotIn('tmp/', err.replace(self.tmp, ''))
        self.run_program(['cat', point + ':file'])

    @needs_root
    def test_full_tmpfs_that_gets_larger(self):
        disk = self.mount('-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', self.path('disk'))
        self.small_repository(disk)
        self.write('first', b'first content')
        first = self.backup()['restore_point']
        self.random_source(20)
        result = self.run_program(['backup', self.source], expect=14)
        self.assertIn('space', result.err)
        self.assertIn('what was stored so far is kept for the next backup', result.err)
        self.tool('mount', '-o', 'remount,size=60m', disk)
        self.usable_again(first)
        self.backup()
        self.restore('latest', self.path('target'))
        self.assert_trees_equal(self.source, self.path('target'))

    @needs_root
    def test_restore_into_a_full_disk(self):
        self.random_source(12)
        self.backup()
        disk = self.mount_ext4('disk', 10, self.path('disk'))
        target = os.path.join(disk, 'target')
        result = self.run_program(['restore', 'latest', '--target', target], expect=14)
        self.assertIn('space', result.err)

    def test_file_size_limit(self):
        # A limit on the size of files (EFBIG), which every user can have.
        self.write('first', b'first content')
        first = self.backup()['restore_point']
        self.random_source(10)
        result = self.run_program(
            ['backup', self.source], expect=None,
            preexec=lambda: (resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
                             signal.signal(signal.SIGXFSZ, signal.SIG_IGN)))
        self.assertIn(result.status, (1, 14), result.describe())
        self.usable_again(first)
        self.backup()
        self.restore('latest', self.path('target'))
        self.assert_trees_equal(self.source, self.path('target'))

    @needs_root
    def test_full_cache_does_no_harm(self):
        cache = self.mount('-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', self.path('small cache'))
        self.env['HOLDFAST_CACHE_DIR'] = cache
        self.random_source(5)
        for i in range(300):
            self.write('small%d' % i, os.urandom(1000))
        self.backup()
        self.backup()
        self.assert_check_clean()


class Permission(Faults):
    def give_to_nobody(self):
        if is_root():
            for base, directories, files in os.walk(self.tmp):
                for name in directories + files:
                    os.lchown(os.path.join(base, name), NOBODY, NOBODY)
            os.chown(self.tmp, NOBODY, NOBODY)

    def test_unreadable_file_and_directory(self):
        self.write('readable', 'x')
        self.write('closed file', 'x')
        self.write('closed dir/inner', 'x')
        self.write('dir/closed file', 'x')
        self.give_to_nobody()
        os.chmod(self.path('source', 'closed file'), 0)
        os.chmod(self.path('source', 'dir', 'closed file'), 0)
        os.chmod(self.path('source', 'closed dir'), 0)
        result = self.run_program(['--json', 'backup', self.source], user=NOBODY, expect=3)
        one = result.json['sources'][0]
        self.assertEqual((one['files'], one['skipped']), (1, 3))
        for name in ('closed file', 'dir/closed file', 'closed dir'):
            self.assertIn(name, result.err)
        self.assertNotIn('inner', result.err)
        # The point says so for ever.
        text = self.run_program(['show', 'latest'], user=NOBODY).text
        self.assertIn('dir/closed file', text)
        self.assertEqual(self.points(user=NOBODY)[0]['skipped'], 3)
        self.restore('latest', user=NOBODY)
        self.assertEqual(sorted(os.listdir(self.path('target'))), ['dir', 'readable'])
        # It must not cost them their lives.
        result = self.run_program(['restore', 'latest', '--original', '--overwrite', 'changed',
                                   '--delete'], user=NOBODY, expect=15)
        self.assertIn('could not be read', result.err)
        # Once they can be read, they are in the next point.
        for name in ('closed file', 'dir/closed file', 'closed dir'):
            os.chmod(self.path('source', name), 0o755)
        self.run_program(['backup', self.source], user=NOBODY)
        self.restore('latest', self.path('target2'), user=NOBODY)
        self.assert_trees_equal(self.source, self.path('target2'))

    def read_only_tree(self):
        """Directories that nobody may write to: finished ones, and ones where links come last; in more than one window."""
        for i in range(700):
            name = 'dir%03d' % i
            self.write(name + '/deep/er/file', 'x' * i)
            self.write(name + '/file', b'%d' % i)
            if i % 50 == 7:
                os.symlink('file', self.path('source', name, 'deep', 'er', 'link'))
            if i % 50 == 9:
                os.link(self.path('source', 'dir000', 'file'), self.path('source', name, 'deep', 'again'))
        self.give_to_nobody()
        for base, directories, _ in os.walk(self.source, topdown=False):
            for name in directories:
                os.chmod(os.path.join(base, name), 0o555)
        self.settle()

    def make_writable(self):
        for base, directories, _ in os.walk(self.tmp):
            for name in directories:
                path = os.path.join(base, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755)

    def test_directories_that_nobody_may_write_to(self):
        self.addCleanup(self.make_writable)
        self.read_only_tree()
        self.run_program(['backup', self.source], user=NOBODY)
        self.restore('latest', self.path('target'), '--verify', user=NOBODY)
        self.assert_trees_equal(self.source, self.path('target'))

    def test_an_interrupted_restore_goes_on_in_them(self):
        self.addCleanup(self.make_writable)
        self.read_only_tree()
        self.run_program(['backup', self.source], user=NOBODY)
        target = self.path('target')
        os.mkdir(target)
        self.give_to_nobody()
        for share in (0.1, 0.4, 0.7):
            process = self.start(['restore', 'latest', '--target', target, '--overwrite', 'changed'], user=NOBODY)
            deadline = time.monotonic() + 30
            while process.poll() is None and time.monotonic() < deadline and len(os.listdir(target)) < 700 * share:
                pass
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            self.finish(process, expect=None)
        self.restore('latest', target, '--overwrite', 'changed', user=NOBODY)
        self.assert_trees_equal(self.source, target)

    def test_files_that_turn_unreadable_are_not_taken_from_the_point_before(self):
        self.write('file', 'x' * 2000)
        self.settle()
        self.give_to_nobody()
        self.run_program(['backup', self.source], user=NOBODY)
        os.chmod(self.path('source', 'file'), 0)
        result = self.run_program(['backup', self.source], user=NOBODY, expect=3)
        self.assertIn('file', result.err)

    def test_unreadable_root(self):
        self.write('file', 'x')
        self.give_to_nobody()
        os.chmod(self.source, 0)
        result = self.run_program(['backup', self.source], user=NOBODY, expect=1)
        self.assertIn(self.source, result.err)

    def test_repository_without_permission(self):
        self.write('file', 'x')
        self.backup()
        if is_root():
            os.chmod(self.key, 0o644)
            result = self.run_program(['list'], user=NOBODY, expect=1)
            self.assertIn('ermission', result.err)

    @needs_root
    def test_repository_on_a_read_only_file_system(self):
        self.small_tree()
        self.backup()
        self.mount('--bind', self.repo, self.repo)
        self.tool('mount', '-o', 'remount,bind,ro', self.repo)
        self.assertEqual(len(self.points()), 1)
        self.run_program(['ls', 'latest'])
        self.run_program(['cat', 'latest:a.txt'])
        self.run_program(['find', '*.txt'])
        self.run_program(['usage'])
        self.run_program(['key', 'list'])
        self.assert_check_clean()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))
        for args in (['backup', self.source], ['delete', 'latest'], ['key', 'recovery'],
                     ['hold', 'latest']):
            result = self.run_program(args, expect=1)
            self.assertIn('ead-only', result.err, args)

    @needs_root
    def test_target_on_a_read_only_file_system(self):
        self.small_tree()
        self.backup()
        disk = self.mount('-t', 'tmpfs', '-o', 'ro', 'tmpfs', self.path('disk'))
        self.run_program(['restore', 'latest', '--target', disk + '/x'], expect=1)
        self.run_program(['restore', 'latest', '--target', disk], expect=1)


class Interruption(Faults):
    MEBIBYTES = 120

    def setUp(self):
        super().setUp()
        rng = random.Random(4)
        for i in range(self.MEBIBYTES // 4):
            self.write('d%d/r%03d' % (i % 3, i), rng.randbytes(4 << 20))
        self.settle()

    def interrupt(self, number, share):
        """Signals a backup when it has stored that share of the source."""
        process = self.start(['backup', self.source])
        wanted = share * (self.MEBIBYTES << 20)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if self.repository_bytes() >= wanted:
                process.send_signal(number)
                return process
            time.sleep(0.002)
        self.fail('it was done before it could be interrupted')

    def goes_on(self):
        """The next run completes, adding little to what is there."""
        before = self.repository_bytes()
        one = self.backup()
        self.assertFalse(one.get('partial'))
        self.assertEqual(one['type'], 'full')
        self.assertLess(self.repository_bytes(), (self.MEBIBYTES << 20) * 1.12 + (1 << 20))
        self.assertLess(one['bytes_added'], (self.MEBIBYTES << 20) - before + (14 << 20))
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))
        self.assert_check_clean()
        self.assertEqual(len(self.points()), 1)

    def signalled(self, number, status):
        result = self.finish(self.interrupt(number, 0.5), expect=status)
        # Nothing looks like a restore point that is none.
        self.assertEqual(self.points(), [])
        self.assert_check_clean()
        self.goes_on()
        self.assertIn('kept', result.err)

    def test_sigint(self):
        self.signalled(signal.SIGINT, 130)

    def test_sigterm(self):
        self.signalled(signal.SIGTERM, 143)

    def test_sigkill(self):
        self.finish(self.interrupt(signal.SIGKILL, 0.6), expect=-signal.SIGKILL)
        self.assertEqual(self.points(), [])
        self.assertEqual(self.check(expect=(0,)).status, 0)
        self.goes_on()

    def test_leftovers_of_killed_writers_are_removed(self):
        self.finish(self.interrupt(signal.SIGKILL, 0.3), expect=-signal.SIGKILL)
        self.backup()
        self.assertEqual(os.listdir(self.stored('tmp')), [])
        self.assertEqual(self.objects('leases'), [])

    def test_killed_again_and_again(self):
        for share in (0.15, 0.3, 0.5, 0.7):
            self.finish(self.interrupt(signal.SIGKILL, share), expect=-signal.SIGKILL)
        self.goes_on()


class Together(Faults):
    def test_two_backups_at_once(self):
        rng = random.Random(6)
        shared = [rng.randbytes(1 << 20) for _ in range(8)]
        for side in 'xy':
            for i, data in enumerate(shared):
                self.write('%s/shared%d' % (side, i), data)
            for i in range(200):
                self.write('%s/own%d' % (side, i), rng.randbytes(3000))
        for _ in range(3):
            both = [self.start(['backup', self.path('source', side)]) for side in 'xy']
            for process in both:
                self.finish(process)
            self.write('x/own5', rng.randbytes(2000))
            self.write('y/own7', rng.randbytes(2000))
        self.assert_check_clean()
        self.assertEqual(len(self.points()), 6)
        for side in 'xy':
            one = self.backup(source=self.path('source', side))
            self.restore(one['restore_point'], self.path('target-' + side))
            self.assert_trees_equal(self.path('source', side), self.path('target-' + side))

    def test_the_same_source_at_once(self):
        for i in range(300):
            self.write('f%d' % i, os.urandom(5000))
        processes = [self.start(['backup', self.source]) for _ in range(4)]
        for process in processes:
            self.finish(process)
        self.assertEqual(len(self.points()), 4)
        self.assert_check_clean()
        for point in self.points():
            self.restore(point['id'], self.path('t-' + point['id']))
            self.assert_trees_equal(self.source, self.path('t-' + point['id']))

    def test_many_small_backups_at_once_while_folding(self):
        self.write('file', 'x')
        for _ in range(10):
            processes = [self.start(['backup', '--name', 'n%d' % i, self.source]) for i in range(4)]
            for process in processes:
                self.finish(process)
        self.assertEqual(len(self.points()), 40)
        self.assert_check_clean()
        self.forget_cache()
        self.assertEqual(len(self.points()), 40)

    def test_reading_while_a_backup_runs(self):
        self.write('file', 'x')
        point = self.backup()['restore_point']
        for i in range(40):
            self.write('r%d' % i, os.urandom(1 << 20))
        process = self.start(['backup', self.source])
        while process.poll() is None:
            self.assertEqual(self.run_program(['cat', point + ':file']).stdout, b'x')
            self.check('--read-data')
        self.finish(process)
        self.assert_check_clean()

    def test_two_inits_at_once(self):
        self.env['HOLDFAST_REPOSITORY'] = self.path('repo2')
        env = [{'HOLDFAST_KEY_FILE': self.path('key-%d' % i)} for i in range(4)]
        processes = [self.start(['init'], env=e) for e in env]
        results = [self.finish(p, expect=(0, 1, 11)) for p in processes]
        made = [e for e, r in zip(env, results) if r.status == 0]
        self.assertEqual(len(made), 1, [r.status for r in results])
        self.run_program(['backup', self.source], env=made[0])
        self.run_program(['check'], env=made[0])


class ChangingSource(Faults):
    """Files that change while they are read."""

    def while_changing(self, change, expect=(0, 3), rounds=4):
        stop = threading.Event()
        errors = []

        def run():
            n = 0
            while not stop.is_set():
                n += 1
                try:
                    change(n)
                except Exception as error:  # shown by the test
                    errors.append(error)
                    return
        thread = threading.Thread(target=run)
        thread.start()
        try:
            results = [self.run_program(['--json', 'backup', self.source], expect=expect)
                       for _ in range(rounds)]
        finally:
            stop.set()
            thread.join()
        self.assertEqual(errors, [])
        self.assert_check_clean()
        for i, result in enumerate(results):
            target = self.path('round%d' % i)
            self.restore(result.json['sources'][0]['restore_point'], target)
            yield result, target

    def test_files_that_grow(self):
        log, big = self.write('log', 'line 0\n'), self.write('big.log', b'0123456789abcde\n' * 100000)

        def grow(n):
            with open(log, 'a') as file:
                file.write('line %d\n' % n)
            with open(big, 'ab') as file:
                file.write(b'0123456789abcde\n' * 1000)
            if os.path.getsize(big) > 40 << 20:
                time.sleep(0.01)
        for result, target in self.while_changing(grow):
            # A prefix of what it became; where it changed each time, that is said.
            for name in ('log', 'big.log'):
                with open(os.path.join(target, name), 'rb') as a, \
                        open(self.path('source', name), 'rb') as b:
                    got = a.read()
                    self.assertEqual(got, b.read(len(got)), name)

    def test_file_written_in_place_is_never_taken_half(self):
        size, name = 48 << 20, 'database'
        old = b'old version.....' * (size // 16)
        stop = threading.Event()

        def write_on():
            fd = os.open(self.path('source', name), os.O_WRONLY)
            letter = 0
            while not stop.is_set():
                letter = (letter + 1) % 26
                block = bytes([ord('a') + letter]) * (1 << 20)
                for offset in range(0, size, 1 << 20):
                    os.pwrite(fd, block, offset)
            os.close(fd)

        for has_previous in (False, True):
            self.write('still', 'other')
            self.write(name, old)
            if has_previous:
                self.backup()
            stop.clear()
            thread = threading.Thread(target=write_on)
            thread.start()
            try:
                result = self.run_program(['--json', 'backup', '--host', str(has_previous), self.source]
                                          if not has_previous else ['--json', 'backup', self.source],
                                          expect=3)
            finally:
                stop.set()
                thread.join()
            self.assertIn(name.encode(), result.stderr)
            one = result.json['sources'][0]
            self.assertEqual((one['skipped'], one['files']), (1, 2 if has_previous else 1))
            target = self.path('target %s' % has_previous)
            self.restore(one['restore_point'], target)
            self.assertTrue(os.path.exists(os.path.join(target, 'still')))
            if not has_previous:
                self.assertFalse(os.path.exists(os.path.join(target, name)))
                continue
            with open(os.path.join(target, name), 'rb') as file:
                self.assertTrue(file.read() == old, 'not the version of the restore point before')
        self.assert_check_clean()

    def test_files_that_are_replaced_are_whole(self):
        names = ['f%d' % i for i in range(20)] + ['big']

        def content(name, n):
            return (b'%09d\n' % n) * (150000 if name == 'big' else 500)
        for name in names:
            self.write(name, content(name, 0))

        def replace(n):
            name = names[n % len(names)]
            with open(self.path('new'), 'wb') as file:
                file.write(content(name, n))
            os.rename(self.path('new'), self.path('source', name))
        for result, target in self.while_changing(replace):
            self.assertEqual(sorted(os.listdir(target)), sorted(names))
            for name in names:
                with open(os.path.join(target, name), 'rb') as file:
                    data = file.read()
                self.assertEqual(data, data[:10] * (len(data) // 10), name)
                self.assertEqual(len(data), len(content(name, 0)))

    def test_files_that_shrink(self):
        paths = [self.write('f%d' % i, b'x' * (300000 if i % 2 else 30000)) for i in range(30)]

        def shrink(n):
            path = paths[n % len(paths)]
            size = os.path.getsize(path)
            os.truncate(path, size // 2 if size > 100 else 300000)
        for result, target in self.while_changing(shrink):
            for name in os.listdir(target):
                with open(os.path.join(target, name), 'rb') as file:
                    self.assertFalse(file.read().strip(b'x\0'))

    def test_files_that_come_and_go(self):
        self.write('stays', 'x')
        rng = random.Random(7)

        def churn(n):
            path = 'd%d/f%d' % (rng.randrange(20), rng.randrange(30))
            try:
                if rng.random() < 0.5:
                    self.write(path, b'whole content' * 100)
                elif rng.random() < 0.8:
                    os.unlink(self.path('source', path))
                else:
                    shutil.rmtree(self.path('source', os.path.dirname(path)), ignore_errors=True)
            except OSError:
                pass
        # A file that is gone is no problem worth a status: nobody could have backed it up.
        for result, target in self.while_changing(churn, expect=(0, 3)):
            self.assertTrue(os.path.exists(os.path.join(target, 'stays')))
            for base, _, names in os.walk(target):
                for name in names:
                    if name != 'stays':
                        size = os.path.getsize(os.path.join(base, name))
                        self.assertIn(size, (0, 1300), name)

    def test_a_file_that_changes_all_the_time_is_reported(self):
        path = self.write('busy', os.urandom(30 << 20))
        self.write('quiet', 'x')

        def rewrite(n):
            with open(path, 'r+b') as file:
                file.seek(random.randrange(30 << 20))
                file.write(b'change %d' % n)
            time.sleep(0.005)
        for result, target in self.while_changing(rewrite, expect=3, rounds=1):
            self.assertIn('busy', result.err)
            self.assertEqual(result.json['sources'][0]['skipped'], 1)

    def test_types_that_change(self):
        def change(n):
            path = self.path('source', 'x%d' % (n % 5))
            subprocess.call(['rm', '-rf', path])
            kind = n % 4
            if kind == 0:
                os.mkfifo(path)
            elif kind == 1:
                os.mkdir(path)
            elif kind == 2:
                os.symlink('/etc/passwd', path)
            else:
                self.write(os.path.basename(path), b'file')
        for result, target in self.while_changing(change):
            for name in os.listdir(target):
                path = os.path.join(target, name)
                if not os.path.islink(path) and os.path.isfile(path):
                    with open(path, 'rb') as file:
                        self.assertIn(file.read(), (b'file', b''))


if __name__ == '__main__':
    unittest.main()
