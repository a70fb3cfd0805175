"""How a restore treats what is there already, and what it never touches."""
import base64
import os
import random
import shutil
import signal
import time
import unittest

from harness import E2E, is_root, needs_root


class RestoreOptions(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.target = self.path('target')

    def content(self, *parts):
        with open(self.path('target', *parts), 'rb') as file:
            return file.read()

    def prepare(self):
        self.small_tree()
        self.point = self.backup()['restore_point']

    def test_target_is_made_with_its_parents(self):
        self.prepare()
        self.restore('latest', self.path('a', 'b', 'c'))
        self.assert_trees_equal(self.source, self.path('a', 'b', 'c'))

    def test_empty_target(self):
        self.prepare()
        os.mkdir(self.target)
        self.restore()
        self.assert_trees_equal(self.source, self.target)

    def test_target_that_is_not_empty(self):
        self.prepare()
        self.write('mine', 'precious', root=self.target)
        result = self.run_program(['restore', 'latest', '--target', self.target], expect=1)
        self.assertIn('not empty', result.err)
        self.assertIn('--overwrite changed|always', result.err)
        self.assertIn('--overwrite changed|always', self.run_program(
            ['restore', 'latest:a.txt', '--target', self.source, '--overwrite', 'never'],
            expect=1).err)
        self.run_program(['restore', 'latest', '--target', self.target, '--dry-run'], expect=1)
        self.assertEqual(os.listdir(self.target), ['mine'])

    def test_target_that_is_a_file(self):
        self.prepare()
        self.write('target', 'precious', root=self.tmp)
        self.run_program(['restore', 'latest', '--target', self.target], expect=1)
        self.assertEqual(self.content(), b'precious')

    def test_no_target(self):
        self.prepare()
        self.run_program(['restore', 'latest'], expect=2)
        self.run_program(['restore', 'latest', '--target', self.target, '--original'], expect=2)
        self.run_program(['restore', 'latest', '--target', self.target, '--overwrite', 'maybe'],
                         expect=2)

    def test_overwrite_always(self):
        self.prepare()
        self.write('a.txt', 'other', root=self.target)
        self.write('extra', 'stays', root=self.target)
        self.write('dir/b.conf', 'newer', root=self.target)
        self.restore('latest', self.target, '--overwrite', 'always')
        self.assertEqual(self.content('extra'), b'stays')
        os.unlink(self.path('target', 'extra'))
        os.utime(self.target, ns=(0, os.stat(self.source).st_mtime_ns))
        self.assert_trees_equal(self.source, self.target)

    def test_overwrite_changed_writes_only_what_differs(self):
        self.prepare()
        self.restore()
        self.write('a.txt', 'ALPHA\n', root=self.target)
        inode = os.stat(self.path('target', 'dir', 'sub', 'c.bin')).st_ino
        document = self.restore('latest', self.target, '--overwrite', 'changed').json
        self.assertEqual(document['bytes_written'], 6)
        self.assertEqual(document['unchanged'], 5)
        self.assertEqual(os.stat(self.path('target', 'dir', 'sub', 'c.bin')).st_ino, inode)
        self.assert_trees_equal(self.source, self.target)

    def test_overwrite_changed_fetches_only_the_pages_that_differ(self):
        rng = random.Random(1)
        self.write('disk.img', rng.randbytes(4 << 20))
        self.backup()
        self.restore()
        with open(self.path('target', 'disk.img'), 'r+b') as file:
            file.seek(1 << 20)
            file.write(b'damage')
        document = self.restore('latest', self.target, '--overwrite', 'changed').json
        self.assertLess(document['bytes_written'], 1 << 20)
        self.assert_trees_equal(self.source, self.target)

    def test_overwrite_changed_brings_metadata_back(self):
        self.prepare()
        self.restore()
        file = self.path('target', 'a.txt')
        before = os.stat(file)
        os.chmod(file, 0o600)
        if is_root():
            os.chown(file, 12, 34)
        os.setxattr(self.path('target', 'dir', 'b.conf'), 'user.extra', b'1')
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.restore('latest', self.target, '--overwrite', 'changed')
        self.assert_trees_equal(self.source, self.target)

    @needs_root
    def test_overwrite_keeps_the_setuid_bit_when_the_owner_changes(self):
        path = self.write('program', 'x' * 1000)
        os.chown(path, 1000, 1000)
        os.chmod(path, 0o4755)
        self.backup()
        for how in ('changed', 'always'):
            shutil.rmtree(self.target, ignore_errors=True)
            os.chmod(self.write('program', 'y' * 1000, root=self.target), 0o4755)
            self.restore('latest', self.target, '--overwrite', how)
            self.assert_trees_equal(self.source, self.target)

    def test_overwrite_across_types(self):
        self.small_tree()
        os.mkfifo(self.path('source', 'fifo'))
        self.backup()
        for how in ('changed', 'always'):
            shutil.rmtree(self.target, ignore_errors=True)
            self.write('a.txt/now a directory', 'x', root=self.target)
            self.write('dir', 'now a file', root=self.target)
            self.write('link/now a directory', 'x', root=self.target)
            self.write('fifo/now a directory', 'x', root=self.target)
            os.symlink('/nowhere', self.path('target', 'empty'))
            self.restore('latest', self.target, '--overwrite', how)
            self.assert_trees_equal(self.source, self.target)

    def test_overwrite_with_hard_links(self):
        self.write('one', 'shared')
        os.link(self.path('source', 'one'), self.path('source', 'two'))
        self.write('three', 'alone')
        self.backup()
        for how in ('changed', 'always'):
            shutil.rmtree(self.target, ignore_errors=True)
            # Linked the wrong way, also to a file outside that must not change.
            outside = self.write('outside', 'precious', root=self.tmp)
            self.write('one', 'shared', root=self.target)
            os.link(self.path('target', 'one'), self.path('target', 'three'))
            os.link(outside, self.path('target', 'two'))
            self.restore('latest', self.target, '--overwrite', how)
            self.assert_trees_equal(self.source, self.target)
            with open(outside) as file:
                self.assertEqual(file.read(), 'precious')

    def test_overwrite_again_and_again(self):
        self.prepare()
        os.link(self.path('source', 'a.txt'), self.path('source', 'dir', 'a too'))
        self.backup()
        for how in ('always', 'changed', 'always', 'changed'):
            self.restore('latest', self.target, '--overwrite', how)
            self.assert_trees_equal(self.source, self.target)

    def test_delete_removes_what_the_point_does_not_have(self):
        self.prepare()
        self.restore()
        self.write('extra', 'x', root=self.target)
        self.write('dir/extra dir/deep', 'x', root=self.target)
        os.symlink('/etc', self.path('target', 'dir', 'extra link'))
        document = self.restore('latest', self.target, '--overwrite', 'changed', '--delete').json
        self.assertEqual(document['removed'], 3)
        self.assert_trees_equal(self.source, self.target)
        self.assertTrue(os.path.exists('/etc'))

    def test_delete_does_not_follow_symlinks(self):
        self.prepare()
        self.write('precious', 'x', root=self.path('outside'))
        os.mkdir(self.target)
        os.symlink(self.path('outside'), self.path('target', 'dir'))
        os.symlink(self.path('outside'), self.path('target', 'extra'))
        self.restore('latest', self.target, '--overwrite', 'changed', '--delete')
        self.assert_trees_equal(self.source, self.target)
        self.assertEqual(os.listdir(self.path('outside')), ['precious'])

    def test_original(self):
        self.prepare()
        self.restore('latest', self.path('copy'))
        self.write('a.txt', 'broken')
        os.unlink(self.path('source', 'dir', 'b.conf'))
        self.run_program(['restore', 'latest', '--original'], expect=1)
        self.run_program(['restore', 'latest', '--original', '--overwrite', 'changed'])
        self.assert_trees_equal(self.path('copy'), self.source)

    def test_original_of_a_path(self):
        self.prepare()
        self.write('a.txt', 'broken')
        self.write('dir/b.conf', 'broken')
        self.run_program(['restore', 'latest:dir', '--original', '--overwrite', 'always'])
        with open(self.path('source', 'dir', 'b.conf')) as file:
            self.assertEqual(file.read(), 'beta\n' * 200)
        with open(self.path('source', 'a.txt')) as file:
            self.assertEqual(file.read(), 'broken')
        self.run_program(['restore', 'latest:a.txt', '--original', '--overwrite', 'always'])
        with open(self.path('source', 'a.txt')) as file:
            self.assertEqual(file.read(), 'alpha\n')

    def test_original_makes_parents_as_they_were(self):
        self.write('one/two/three/file', 'x')
        self.write('one/two/other', 'x')
        for i, name in enumerate(('.', 'one', 'one/two', 'one/two/three')):
            path = self.path('source', name)
            os.chmod(path, (0o2750, 0o711, 0o1777, 0o700)[i])
            os.setxattr(path, 'user.name', name.encode())
            if is_root():
                os.chown(path, 1000 + i, 2000 + i)
            os.utime(path, ns=(0, 10**18 + i))
        self.backup()
        whole = self.path('whole')
        self.restore('latest', whole)
        os.unlink(os.path.join(whole, 'one/two/other'))
        os.utime(os.path.join(whole, 'one/two'), ns=(0, 10**18 + 2))
        for wanted in ('one/two/three', 'one//two/three/', 'one/two/three/file'):
            shutil.rmtree(self.source)
            self.run_program(['restore', 'latest:' + wanted, '--original'])
            # All that the point has on the way there, and nothing else.
            self.assert_trees_equal(whole, self.source)

    def test_original_leaves_parents_that_are_there(self):
        self.write('one/two/file', 'x')
        os.chmod(self.path('source', 'one'), 0o711)
        self.backup()
        shutil.rmtree(self.path('source', 'one', 'two'))
        os.chmod(self.path('source', 'one'), 0o750)
        self.run_program(['restore', 'latest:one/two', '--original', '--dry-run'])
        self.assertFalse(os.path.exists(self.path('source', 'one', 'two')))
        self.run_program(['restore', 'latest:one/two', '--original'])
        self.assertEqual(os.stat(self.path('source', 'one')).st_mode & 0o7777, 0o750)
        self.assertTrue(os.path.exists(self.path('source', 'one', 'two', 'file')))

    def damage_a_large_file(self):
        """A restore point whose file `big`, also named `other name`, has a hole in the repository."""
        self.write('big', random.Random(3).randbytes(24 << 20))
        self.write('small', 'x')
        os.link(self.path('source', 'big'), self.path('source', 'other name'))
        self.backup()
        name, size = max(self.objects('data'), key=lambda one: one[1])
        path = os.path.join(self.repo, name)
        os.chmod(path, 0o600)
        with open(path, 'r+b') as file:
            file.seek(size // 4)
            file.write(bytes(size // 2))  # more than parity can mend

    def test_file_that_fails_is_named_and_not_counted(self):
        self.damage_a_large_file()
        for more in ((), ('--verify',)):
            shutil.rmtree(self.target, ignore_errors=True)
            result = self.restore('latest', self.target, *more, expect=13)
            self.assertEqual(os.listdir(self.target), ['small'])
            self.assertEqual((result.json['files'], result.json['bytes']), (1, 1))
            self.assertEqual(result.json['problems'], 2, result.err)
            for name in ('big', 'other name'):
                self.assertIn(self.path('target', name), result.err)

    def test_file_that_fails_and_was_there_stays(self):
        self.damage_a_large_file()
        self.write('big', 'mine', root=self.target)
        result = self.restore('latest', self.target, '--overwrite', 'changed', expect=13)
        self.assertEqual(sorted(os.listdir(self.target)), ['big', 'small'])
        self.assertEqual(result.json['files'], 1)

    def test_directory_that_fails_is_told_once(self):
        self.write('place/file', 'x')
        self.backup('--exclude', '/.*')
        shutil.rmtree(self.path('source', 'place'))
        os.rename(self.repo, self.path('source', 'place'))
        self.env['HOLDFAST_REPOSITORY'] = self.path('source', 'place')
        result = self.run_program(['--json', 'restore', 'latest', '--original', '--overwrite',
                                   'changed', '--verify'], expect=1)
        self.assertEqual(result.json['problems'], 1, result.err)

    def test_verify_finds_what_changed_takes_for_equal(self):
        self.prepare()
        self.restore()
        path = self.path('target', 'dir', 'sub', 'c.bin')
        before = os.stat(path)
        with open(path, 'r+b') as file:
            file.write(b'other')
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        document = self.restore('latest', self.target, '--overwrite', 'changed').json
        self.assertEqual(document['unchanged'], 6)
        result = self.restore('latest', self.target, '--overwrite', 'changed', '--verify', expect=1)
        self.assertEqual(result.json['problems'], 1)
        self.assertIn(path + ' differs', result.err)
        self.restore('latest', self.target, '--overwrite', 'always', '--verify')
        self.assert_trees_equal(self.source, self.target)

    def test_dry_run_names_what_would_be_removed(self):
        self.prepare()
        self.restore()
        names = [b'dir/extra', b'extra \xff', b'extra dir/deep']
        for name in names:
            self.write(name, 'x', root=self.target)
        arguments = ['restore', 'latest', '--target', self.target, '--overwrite', 'changed',
                     '--delete']
        document = self.run_program(['--json', *arguments, '--dry-run']).json
        text = self.run_program([*arguments, '--dry-run']).text
        self.assertIn('would remove ' + self.path('target', 'dir', 'extra'), text)
        for name in names:
            self.assertTrue(os.path.exists(os.path.join(os.fsencode(self.target), name)))
        done = self.run_program(['--json', *arguments]).json
        for one in (document, done):
            self.assertEqual(one['removed'], 3)
            self.assertEqual(
                sorted(base64.b64decode(p['path_b64']) if 'path_b64' in p else p['path'].encode()
                       for p in one['removed_paths']),
                sorted(os.fsencode(self.target) + b'/' + name.replace(b'/deep', b'')
                       for name in names))

    def test_verify(self):
        self.prepare()
        document = self.restore('latest', self.target, '--verify').json
        size = sum(os.path.getsize(self.path('source', n)) for n in
                   ('a.txt', 'dir/b.conf', 'dir/sub/c.bin', 'dir/sub/d with space.txt',
                    'Ünïcode/ß.txt'))
        # Every byte that was restored was read back.
        self.assertEqual(document['bytes_verified'], size)

    def test_dry_run(self):
        self.prepare()
        document = self.restore('latest', self.target, '--dry-run').json
        self.assertFalse(os.path.exists(self.target))
        self.assertEqual(document['files'], 6)
        self.assertEqual(document['bytes_written'], document['bytes'])  # as it would be

    def test_sub_path(self):
        self.prepare()
        for i, path in enumerate(('dir/sub', '/dir/sub', 'dir/sub/', '//dir/sub')):
            target = self.path('target%d' % i)
            self.restore(self.point + ':' + path, target)
            self.assert_trees_equal(self.path('source', 'dir', 'sub'), target)

    def test_root_as_a_path(self):
        self.prepare()
        self.restore('latest:/')
        self.assert_trees_equal(self.source, self.target)

    def test_single_file_is_placed_in_the_target(self):
        self.prepare()
        self.restore('latest:dir/b.conf')
        self.assertEqual(os.listdir(self.target), ['b.conf'])
        self.assertEqual(self.content('b.conf'), b'beta\n' * 200)
        # Beside what is there already, as long as it is not this file.
        self.restore('latest:a.txt')
        self.assertEqual(sorted(os.listdir(self.target)), ['a.txt', 'b.conf'])
        self.run_program(['restore', 'latest:a.txt', '--target', self.target], expect=1)
        self.write('a.txt', 'other', root=self.target)
        self.restore('latest:a.txt', self.target, '--overwrite', 'changed')
        self.assertEqual(self.content('a.txt'), b'alpha\n')

    def test_single_symlink(self):
        self.prepare()
        self.restore('latest:link')
        self.assertEqual(os.readlink(self.path('target', 'link')), 'a.txt')

    def test_delete_with_a_single_file_leaves_its_neighbours(self):
        self.prepare()
        self.write('neighbour', 'precious', root=self.target)
        self.restore('latest:a.txt', self.target, '--overwrite', 'changed', '--delete')
        self.assertEqual(self.content('neighbour'), b'precious')

    def test_path_with_a_colon(self):
        self.write('a:b', 'colon')
        self.backup()
        self.restore('latest:a:b')
        self.assertEqual(self.content('a:b'), b'colon')

    def test_path_that_is_not_there(self):
        self.prepare()
        for path in ('none', 'dir/none', 'a.txt/none', 'link/none'):
            result = self.run_program(['restore', 'latest:' + path, '--target', self.target], expect=1)
            self.assertIn(path, result.err)
            self.assertFalse(os.path.exists(self.target))

    def test_dot_dot_does_not_lead_out(self):
        self.prepare()
        for path in ('../x', 'dir/../a.txt', '..', './a.txt'):
            self.restore('latest:' + path, expect=(0, 1, 2))
        self.assertEqual([n for n in os.listdir(self.tmp) if n == 'x'], [])

    def test_symlinks_in_the_target_are_not_followed(self):
        self.prepare()
        for how in ('changed', 'always'):
            shutil.rmtree(self.target, ignore_errors=True)
            outside = self.path('outside-' + how)
            self.write('b.conf', 'precious', root=outside)
            self.write('precious', 'precious', root=outside)
            os.mkdir(os.path.join(outside, 'sub'))
            before = sorted(os.listdir(outside))
            os.mkdir(self.target)
            os.symlink(outside, self.path('target', 'dir'))
            os.symlink(os.path.join(outside, 'precious'), self.path('target', 'a.txt'))
            os.symlink(os.path.join(outside, 'made'), self.path('target', 'empty'))
            mode = os.stat(outside).st_mode
            self.restore('latest', self.target, '--overwrite', how)
            self.assert_trees_equal(self.source, self.target)
            self.assertEqual(sorted(os.listdir(outside)), before)
            self.assertEqual(os.listdir(os.path.join(outside, 'sub')), [])
            self.assertEqual(os.stat(outside).st_mode, mode)
            for name in ('b.conf', 'precious'):
                with open(os.path.join(outside, name)) as file:
                    self.assertEqual(file.read(), 'precious')

    def test_symlinks_of_the_tree_itself_are_not_followed(self):
        # In one point a symlink, in the next a directory with files: the second is restored over
        # the first.
        os.mkdir(self.path('outside'))
        os.symlink(self.path('outside'), self.path('source', 'x'))
        self.backup()
        self.restore()
        os.unlink(self.path('source', 'x'))
        self.write('x/file', 'content')
        self.backup()
        self.restore('latest', self.target, '--overwrite', 'changed')
        self.assert_trees_equal(self.source, self.target)
        self.assertEqual(os.listdir(self.path('outside')), [])

    @needs_root
    def test_delete_stays_out_of_what_is_mounted(self):
        os.mkdir(self.path('source', 'mnt'))
        os.mkdir(self.path('source', 'plain'))
        self.write('file', 'x')
        precious = [self.path('source', 'mnt', 'precious'), self.path('source', 'plain', 'precious'),
                    self.path('source', 'extra', 'mnt', 'precious')]
        self.mount('-t', 'tmpfs', 'none', self.path('source', 'mnt'))
        self.backup('--one-file-system')
        self.mount('-t', 'tmpfs', 'none', self.path('source', 'plain'))
        os.makedirs(os.path.dirname(precious[2]))
        self.mount('-t', 'tmpfs', 'none', os.path.dirname(precious[2]))
        for path in precious:
            with open(path, 'w') as file:
                file.write('not of the restore point')
        os.unlink(self.path('source', 'file'))
        result = self.run_program(['restore', 'latest', '--original', '--overwrite', 'changed',
                                   '--delete'], expect=1)
        self.assertIn('mounted', result.err)
        for path in precious:
            self.assertTrue(os.path.exists(path), path)
        self.assertTrue(os.path.exists(self.path('source', 'file')))

    @needs_root
    def test_delete_within_a_mounted_part_of_the_source(self):
        os.mkdir(self.path('source', 'mnt'))
        self.mount('-t', 'tmpfs', 'none', self.path('source', 'mnt'))
        self.write('mnt/sub/file', 'x')
        self.backup()
        extra = self.write('mnt/sub/extra', 'y')
        self.run_program(['restore', 'latest', '--original', '--overwrite', 'changed', '--delete'])
        self.assertFalse(os.path.exists(extra))

    def test_dry_run_counts_what_the_run_does(self):
        self.small_tree()
        self.backup()
        self.restore()
        target = self.path('target')
        self.write('extra/in/it', 'x', root=target)
        with open(os.path.join(target, sorted(n for n in os.listdir(target) if os.path.isfile(
                os.path.join(target, n)) and not os.path.islink(os.path.join(target, n)))[0]), 'a') as file:
            file.write('more')
        for how in ('changed', 'always'):
            args = ['--overwrite', how, '--delete']
            dry = self.restore('latest', target, *args, '--dry-run').json
            text = self.run_program(['restore', 'latest', '--target', target, *args, '--dry-run'])
            self.assertIn('would restore', text.text)
            self.assertIn('1 would be removed', text.text)
            self.assertTrue(os.path.exists(os.path.join(target, 'extra/in/it')))
            self.assertEqual(dry['removed'], 1)
            if how == 'changed':
                self.assertEqual(dry['files'] - dry['unchanged'], 1)
                self.assertGreater(dry['bytes_written'], 0)
            else:
                self.assertEqual((dry['unchanged'], dry['bytes_written']), (0, dry['bytes']))
        done = self.restore('latest', target, '--overwrite', 'changed', '--delete').json
        self.assertEqual((done['removed'], done['files'] - done['unchanged']), (1, 1))

    def interrupt_restore(self, number, status):
        rng = random.Random(5)
        for i in range(30):
            self.write('file%02d' % i, rng.randbytes(4 << 20))
        os.sync()
        self.backup()
        process = self.start(['restore', 'latest', '--target', self.target])
        deadline = time.monotonic() + 30
        # In the middle: some of the files are there, not all.
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if len(os.listdir(self.target)) > 6:
                    process.send_signal(number)
                    break
            except FileNotFoundError:
                pass
        result = self.finish(process, expect=status)
        self.assertLess(len([n for n in os.listdir(self.target)]), 31)
        if number != signal.SIGKILL:
            self.assertIn('--overwrite changed', result.err)
        before = {n: os.stat(self.path('target', n)) for n in os.listdir(self.target)}
        done = [n for n, info in before.items()
                if info.st_mtime_ns == os.stat(self.path('source', n)).st_mtime_ns]
        document = self.restore('latest', self.target, '--overwrite', 'changed').json
        self.assertEqual(document['unchanged'], len(done))
        self.assert_trees_equal(self.source, self.target)

    def test_resume_after_sigterm(self):
        self.interrupt_restore(signal.SIGTERM, 143)

    def test_resume_after_sigint(self):
        self.interrupt_restore(signal.SIGINT, 130)

    def test_resume_after_sigkill(self):
        self.interrupt_restore(signal.SIGKILL, -signal.SIGKILL)

    def test_restore_of_a_point_that_is_not_there(self):
        self.prepare()
        self.run_program(['restore', '0123456789', '--target', self.target], expect=1)
        self.assertFalse(os.path.exists(self.target))

    @needs_root
    def test_target_without_permission(self):
        self.prepare()
        for base, directories, files in os.walk(self.tmp):
            for name in directories + files:
                os.lchown(os.path.join(base, name), 65534, 65534)
        closed = self.path('closed')
        os.mkdir(closed, 0o755)
        result = self.run_program(['restore', 'latest', '--target', os.path.join(closed, 'x')],
                                  user=65534, expect=1)
        self.assertIn('closed', result.err)


if __name__ == '__main__':
    unittest.main()
