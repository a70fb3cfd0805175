"""A tree goes in and comes back: every kind of entry, every piece of metadata."""
import os
import random
import socket
import stat
import subprocess
import unittest

from harness import (E2E, FS_APPEND, FS_IMMUTABLE, FS_NODUMP, is_root, needs_root, needs_tool,
                     scan_tree, set_flags)


class BackupRestore(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def round_trip(self, **options):
        self.backup()
        result = self.restore('latest', self.path('target'), '--verify')
        self.assert_trees_equal(self.source, self.path('target'), **options)
        self.assert_check_clean()
        return result

    def make_deep(self, levels, name):
        fd = os.open(self.source, os.O_RDONLY)
        for _ in range(levels):
            os.mkdir(name, dir_fd=fd)
            child = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = child
        leaf = os.open('leaf', os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=fd)
        os.write(leaf, b'at the very end')
        os.close(leaf)
        os.symlink('leaf', 'link to leaf', dir_fd=fd)
        os.mkfifo('fifo', dir_fd=fd)
        os.link('leaf', 'second name', src_dir_fd=fd, dst_dir_fd=fd)
        os.setxattr('/proc/self/fd/%d/leaf' % fd, 'user.deep', b'yes')
        os.close(fd)

    def test_small_tree(self):
        self.small_tree()
        one = self.backup()
        self.assertEqual((one['files'], one['type'], one['skipped']), (6, 'full', 0))
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_empty_source(self):
        self.round_trip()

    def test_sizes_around_the_thresholds(self):
        rng = random.Random(1)
        for size in (0, 1, 511, 512, 513, 4095, 4096, 4097, 131071, 131072, 131073, 524288, 2097152,
                     2097153, 5 << 20):
            self.write('random-%d' % size, rng.randbytes(size))
            self.write('text-%d' % size, (b'the same line again\n' * (size // 20 + 1))[:size])
            self.write('zeros-%d' % size, bytes(size))
        self.round_trip()

    def test_many_small_files(self):
        rng = random.Random(2)
        for i in range(3000):
            self.write('d%02d/f%04d' % (i % 37, i), rng.randbytes(rng.randrange(3000)))
        self.round_trip()

    def test_what_is_left_of_dead_groups_is_stored_again(self):
        rng = random.Random(5)

        def write(numbers):
            for i in numbers:
                self.write('f%02d' % i, rng.randbytes(8000))
            self.settle()
            return self.backup()

        # Extended attributes come along; a group of 60 files, of which 4 live on.
        self.write('f58')
        os.setxattr(self.path('source', 'f58'), 'user.kept', b'yes')
        self.assertEqual(write(range(60))['bytes_again'], 0)
        self.assertEqual(write(range(56))['bytes_again'], 0)
        one = write(range(10))
        self.assertEqual((one['bytes_again'], one['bytes_read']), (4 * 8000, 14 * 8000))
        self.round_trip()

    def test_hard_links(self):
        self.write('one', 'shared content')
        self.write('big', random.Random(3).randbytes(400000))
        os.makedirs(os.path.join(self.source, 'z/y'))
        for name in ('two', 'z/three', 'z/y/four'):
            os.link(self.path('source', 'one'), self.path('source', name))
        os.link(self.path('source', 'big'), self.path('source', 'a-big'))
        os.symlink('nowhere', self.path('source', 'symlink'))
        os.link(self.path('source', 'symlink'), self.path('source', 'z', 'symlink too'),
                follow_symlinks=False)
        os.mkfifo(self.path('source', 'fifo'))
        os.link(self.path('source', 'fifo'), self.path('source', 'z', 'fifo too'))
        # Linked to from outside of the source only: one name of it is ours.
        self.write('outside', 'partly ours')
        os.link(self.path('source', 'outside'), self.path('outside'))
        self.round_trip()

    def test_hard_links_after_an_incremental(self):
        self.write('one', 'shared content')
        os.link(self.path('source', 'one'), self.path('source', 'two'))
        self.settle()
        self.backup()
        os.link(self.path('source', 'one'), self.path('source', 'three'))
        self.settle()
        self.round_trip()

    def test_symlinks(self):
        for name, target in ((b'relative', b'../x/y'), (b'absolute', b'/etc/passwd'),
                             (b'dangling', b'no such thing'), (b'long', b'x' * 4000),
                             (b'to itself', b'to itself'), (b'bytes', b'\xff\xfe/\x01'),
                             (b'newline', b'a\nb')):
            os.symlink(target, os.path.join(os.fsencode(self.source), name))
        os.mkdir(self.path('source', 'dir'))
        os.symlink('dir', self.path('source', 'to dir'))
        os.utime(self.path('source', 'relative'), ns=(5, 1234567890123456789), follow_symlinks=False)
        self.round_trip()

    def test_sparse_files_keep_their_holes(self):
        def sparse(name, size, pieces):
            with open(self.path('source', name), 'wb') as file:
                file.truncate(size)
                for offset, data in pieces:
                    file.seek(offset)
                    file.write(data)
        rng = random.Random(4)
        sparse('only a hole', 10 << 20, [])
        sparse('starts with data', 8 << 20, [(0, rng.randbytes(65536))])
        sparse('ends with data', 8 << 20, [((8 << 20) - 4096, rng.randbytes(4096))])
        sparse('islands', 64 << 20, [(i << 20, rng.randbytes(8192)) for i in range(0, 64, 7)])
        sparse('long', 1 << 30, [(1 << 29, b'in the middle')])
        sparse('odd end', (1 << 20) + 123, [(4096, rng.randbytes(4096))])
        sparse('disk.img', 16 << 20, [(1 << 20, rng.randbytes(1 << 20))])
        sparse('small', 100000, [(65536, b'data')])
        # Zeros that were written are not a hole.
        sparse('real zeros', 4 << 20, [(0, bytes(2 << 20))])
        os.sync()
        result = self.round_trip()
        self.assertLess(sum(size for _, size in self.objects()), 6 << 20)
        self.assertLess(os.stat(self.path('target', 'long')).st_blocks * 512, 1 << 20)
        self.assertEqual(result.json['problems'], 0)

    def test_files_that_are_written_around_the_page_cache(self):
        rng = random.Random(6)
        block = rng.randbytes(1 << 20)
        # Chunks of any length; pages; pages of zeros; data and holes.
        for name in ('any', 'image.img'):
            with open(self.path('source', name), 'wb') as file:
                for i in range(70):
                    file.write(block[i:] + block[:i])
                    if i % 10 == 3:
                        file.write(bytes(1 << 20))
                if name == 'any':
                    file.write(b'the end')
        with open(self.path('source', 'holes'), 'wb') as file:
            for i in range(8):
                file.seek(i << 24)
                file.write(block[:(1 << 20) - 77 * i])
            file.truncate(8 << 24)
        os.sync()
        self.round_trip()
        # In place: only what differs.
        with open(self.path('target', 'any'), 'r+b') as file:
            file.seek(33_333_333)
            file.write(b'other')
        result = self.restore('latest', self.path('target'), '--overwrite', 'changed', '--verify')
        self.assert_trees_equal(self.source, self.path('target'))
        self.assertEqual(result.json['problems'], 0)

    def test_huge_sparse_file(self):
        with open(self.path('source', 'huge'), 'wb') as file:
            file.truncate(1 << 40)
            file.seek(1 << 39)
            file.write(b'in the middle')
        self.assertEqual(self.backup()['bytes_scanned'], 1 << 40)
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_fifos_and_sockets(self):
        os.mkfifo(self.path('source', 'fifo'), 0o620)
        os.chmod(self.path('source', 'fifo'), 0o620)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path('source', 'socket'))
            os.chmod(self.path('source', 'socket'), 0o755)
            self.round_trip()

    @needs_root
    def test_devices(self):
        os.mknod(self.path('source', 'null'), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.chmod(self.path('source', 'null'), 0o666)
        os.mknod(self.path('source', 'disk'), stat.S_IFBLK | 0o660, os.makedev(259, 1000000))
        os.chown(self.path('source', 'disk'), 0, 6)
        os.mknod(self.path('source', 'zero'), stat.S_IFCHR | 0o600, os.makedev(0, 0))
        self.round_trip()

    def test_user_xattrs(self):
        file, directory = self.write('file', 'x'), self.path('source', 'dir')
        os.mkdir(directory)
        for path in (file, directory):
            os.setxattr(path, 'user.empty', b'')
            os.setxattr(path, 'user.bytes', bytes(range(256)))
            os.setxattr(path, b'user.\xc3\xa4\xff', b'name that is not UTF-8')
        many = self.write('many', 'x')
        for i in range(60):
            os.setxattr(many, 'user.number%d' % i, b'%d' % i)
        large = self.write('large', 'x')
        os.setxattr(large, 'user.large', os.urandom(3000))
        big = self.write('big', bytes(300000))
        os.setxattr(big, 'user.on-big', b'1')
        self.round_trip()

    @needs_root
    def test_trusted_xattrs(self):
        os.symlink('target', self.path('source', 'link'))
        os.setxattr(self.path('source', 'link'), 'trusted.on-link', b'value', follow_symlinks=False)
        os.mkfifo(self.path('source', 'fifo'))
        os.setxattr(self.path('source', 'fifo'), 'trusted.on-fifo', b'value')
        os.setxattr(self.write('file', 'x'), 'trusted.on-file', b'value')
        self.round_trip()

    @needs_tool('setfacl')
    def test_posix_acls(self):
        file = self.write('file', 'x', mode=0o640)
        directory = self.path('source', 'dir')
        os.mkdir(directory)
        self.tool('setfacl', '-m', 'u:12345:rwx,g:54321:r,m::rx', file)
        self.tool('setfacl', '-m', 'u:12345:rwx', '-m', 'd:u:12345:rx,d:g:54321:-', directory)
        # Made below a default ACL, and without one of its own.
        self.write('dir/inherits', 'x')
        plain = self.write('dir/plain', 'x')
        self.tool('setfacl', '-b', plain)
        os.mkdir(os.path.join(directory, 'plain dir'))
        self.tool('setfacl', '-b', '-k', os.path.join(directory, 'plain dir'))
        self.assertIn('system.posix_acl_access', os.listxattr(file))
        self.round_trip()

    @needs_tool('setfacl')
    def test_no_acl_of_the_targets_stays(self):
        self.write('file', 'x', mode=0o640)
        self.write('dir/file', 'x' * 100_000, mode=0o640)
        self.write('empty', '')
        os.mkdir(self.path('target'))
        self.tool('setfacl', '-m', 'd:u:12345:rwx,d:g:54321:r', self.path('target'))
        self.backup()
        self.restore('latest', self.path('target'), '--verify')
        for name in ('file', 'dir', 'dir/file', 'empty'):
            self.assertEqual([], os.listxattr(self.path('target', name)), name)
        self.assertEqual(0o640, os.stat(self.path('target', 'dir/file')).st_mode & 0o7777)

    @needs_root
    @needs_tool('setcap')
    def test_capabilities(self):
        file = self.write('ping', 'x', mode=0o755)
        self.tool('setcap', 'cap_net_raw+ep', file)
        owned = self.write('owned', 'x', mode=0o750)
        os.chown(owned, 1000, 1000)
        self.tool('setcap', 'cap_net_bind_service+ep', owned)
        self.assertIn('security.capability', os.listxattr(file))
        self.round_trip()

    @needs_root
    @needs_tool('chattr')
    def test_file_flags(self):
        set_flags(self.write('nodump', 'x'), FS_NODUMP)
        set_flags(self.write('append only.log', 'x' * 1000), FS_APPEND)
        set_flags(self.write('immutable', 'x'), FS_IMMUTABLE)
        directory = self.path('source', 'dir')
        os.mkdir(directory)
        self.write('dir/inner', 'x')
        set_flags(directory, FS_NODUMP | FS_IMMUTABLE)
        self.round_trip()

    def test_modes(self):
        for mode in (0o000, 0o400, 0o444, 0o755, 0o777, 0o4755, 0o2755, 0o6711, 0o1644, 0o7777):
            self.write('file-%04o' % mode, 'x', mode=mode)
        for mode in (0o500, 0o555, 0o700, 0o1777, 0o2775, 0o3777):
            path = self.path('source', 'dir-%04o' % mode)
            os.mkdir(path)
            self.write('dir-%04o/inner' % mode, 'x')
            os.chmod(path, mode)
        if not is_root():
            os.unlink(self.path('source', 'file-0000'))
        os.chmod(self.source, 0o711)
        self.round_trip()

    @needs_root
    def test_owners(self):
        for i, (uid, gid, mode) in enumerate(((1, 2, 0o644), (1000, 1000, 0o4755), (65534, 0, 0o2711),
                                              (4294967294, 4294967294, 0o600))):
            os.chown(self.write('file%d' % i, 'x'), uid, gid)
            os.chmod(self.path('source', 'file%d' % i), mode)
            os.mkdir(self.path('source', 'dir%d' % i))
            os.chown(self.path('source', 'dir%d' % i), uid, gid)
            os.symlink('x', self.path('source', 'link%d' % i))
            os.lchown(self.path('source', 'link%d' % i), uid, gid)
            os.mkfifo(self.path('source', 'fifo%d' % i))
            os.lchown(self.path('source', 'fifo%d' % i), uid, gid)
        self.round_trip()

    def test_times(self):
        for i, ns in enumerate((0, 1, 999999999, 1234567890123456789, -1, -1000000000,
                                -1234567890123456789, 4102444800000000001)):
            self.write('file%d' % i, 'x', mtime_ns=ns)
            os.mkdir(self.path('source', 'dir%d' % i))
            self.write('dir%d/inner' % i, 'x')
            os.symlink('x', self.path('source', 'link%d' % i))
            os.mkfifo(self.path('source', 'fifo%d' % i))
            for kind in ('dir', 'link', 'fifo'):
                os.utime(self.path('source', kind + str(i)), ns=(7, ns), follow_symlinks=False)
        os.utime(self.source, ns=(1, -987654321))
        self.assertEqual(os.stat(self.path('source', 'file4')).st_mtime_ns, -1)
        self.round_trip()

    def test_names(self):
        base = os.fsencode(self.source) + b'/'
        names = [b'\xff\xfe', b'\xc3(', b'latin1-\xe4', b'new\nline', b'tab\tquote"\'', b'-rf', b' ',
                 b'trailing ', b'...', b'a:b', b'back\\slash', b'*?[]', b'\x01\x1b[31m', b'\x7f',
                 'ä'.encode(), 'a\u0308'.encode(), '😀'.encode(), b'x' * 255, b'\xff' * 255,
                 b'CON', b'.hidden', b'#', b'~', b'%41']
        for name in names:
            with open(base + name, 'wb') as file:
                file.write(b'content of ' + name)
        for name in names:
            os.makedirs(base + b'dirs/' + name)
            os.symlink(name, base + b'dirs/' + name + b'/link')
        self.round_trip()
        self.assertEqual(sorted(os.listdir(os.fsencode(self.path('target')))),
                         sorted(names + [b'dirs']))

    def test_paths_longer_than_path_max(self):
        self.make_deep(22, 'n' * 250)
        self.round_trip()

    def test_deep_tree(self):
        self.make_deep(700, 'd')
        self.round_trip()

    def test_large_directory(self):
        directory = self.path('source', 'many')
        os.mkdir(directory)
        for i in range(6000):
            os.close(os.open('%s/entry-%06d' % (directory, i), os.O_CREAT | os.O_WRONLY, 0o600))
        self.round_trip()

    def test_empty_directories(self):
        os.makedirs(self.path('source', 'a', 'b', 'c'))
        os.mkdir(self.path('source', 'd'))
        self.round_trip()

    def test_lone_file(self):
        path = self.write('lone file.txt', 'alone', mtime_ns=1600000000123456789)
        self.backup(source=path)
        self.restore('latest', self.path('target'))
        self.assertEqual(os.listdir(self.path('target')), ['lone file.txt'])
        self.assert_trees_equal(self.source, self.path('target'), root=False)

    def test_source_named_by_url_and_by_relative_path(self):
        self.small_tree()
        one = self.backup(source='files:' + self.source)
        other = self.run_program(['--json', 'backup', 'source'], cwd=self.tmp).json['sources'][0]
        self.assertEqual((one['name'], one['source']), (other['name'], other['source']))
        self.assertEqual(other['type'], 'incremental')

    def test_several_sources(self):
        self.write('x/file', '1')
        self.write('y/file', '2')
        document = self.run_program(['--json', 'backup', self.path('source', 'x'),
                                     self.path('source', 'y')]).json
        self.assertEqual([s['name'] for s in document['sources']],
                         [self.path('source', 'x'), self.path('source', 'y')])
        for one, name in zip(document['sources'], 'xy'):
            self.restore(one['restore_point'], self.path('target-' + name))
            self.assert_trees_equal(self.path('source', name), self.path('target-' + name))

    def test_document_of_a_backup(self):
        self.small_tree()
        before = self.repository_bytes()
        one = self.backup('--host', 'web1', '--name', 'site')
        for field in ('source', 'host', 'name', 'restore_point', 'type', 'files', 'directories',
                      'bytes_scanned', 'bytes_read', 'bytes_added', 'skipped', 'seconds'):
            self.assertIn(field, one)
        self.assertEqual(one['source'], 'files:' + self.source)
        self.assertEqual((one['host'], one['name']), ('web1', 'site'))
        # What the repository grew by, metadata included.
        self.assertEqual(one['bytes_added'], self.repository_bytes() - before)

    def test_document_of_a_large_backup(self):
        self.write('random', random.Random(5).randbytes(12 << 20))
        before = self.repository_bytes()
        one = self.backup()
        self.assertEqual(one['bytes_added'], self.repository_bytes() - before)
        self.assertEqual(one['bytes_scanned'], 12 << 20)

    def test_as_an_ordinary_user(self):
        self.write('file', 'x', mode=0o640)
        self.write('dir/setuid', 'x', mode=0o4755)
        self.write('dir/closed', 'x', mode=0o400)
        os.chmod(self.path('source', 'dir'), 0o555)
        user = 65534
        if is_root():
            for base, directories, files in os.walk(self.tmp):
                for name in directories + files:
                    os.lchown(os.path.join(base, name), user, user)
            os.chown(self.tmp, user, user)
            os.chmod(self.path('source', 'dir', 'setuid'), 0o4755)
        self.run_program(['backup', self.source], user=user)
        self.restore('latest', self.path('target'), '--verify', user=user)
        self.assert_trees_equal(self.source, self.path('target'))

    def test_changes_come_back_incrementally(self):
        self.small_tree()
        self.backup()
        self.write('a.txt', 'changed\n')
        os.unlink(self.path('source', 'dir', 'b.conf'))
        self.write('new/file', 'new')
        os.rename(self.path('source', 'dir', 'sub'), self.path('source', 'renamed'))
        os.unlink(self.path('source', 'link'))
        os.mkdir(self.path('source', 'link'))
        os.rmdir(self.path('source', 'empty dir'))
        os.symlink('a.txt', self.path('source', 'empty dir'))
        os.chmod(self.path('source', 'empty'), 0o600)
        one = self.backup()
        self.assertEqual(one['type'], 'incremental')
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_metadata_changes_alone_are_found(self):
        file = self.write('file', 'x' * 2000, mtime_ns=10 ** 18)
        self.write('dir/other', 'y')
        self.settle()
        self.backup()
        os.setxattr(file, 'user.new', b'1')
        os.setxattr(self.path('source', 'dir'), 'user.new', b'1')
        os.utime(file, ns=(0, 10 ** 18))
        self.backup()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))

    def test_content_change_that_hides_behind_an_old_mtime(self):
        file = self.write('file', 'A' * 5000, mtime_ns=10 ** 18)
        self.settle()
        self.backup()
        self.write('file', 'B' * 5000, mtime_ns=10 ** 18)
        self.backup()
        self.assertEqual(self.run_program(['cat', 'latest:file']).stdout, b'B' * 5000)
        self.assertEqual(os.path.getsize(file), 5000)

    def test_random_trees_changed_again_and_again(self):
        rng = random.Random(20)

        def some_path():
            return '/'.join('n%d' % rng.randrange(6) for _ in range(rng.randrange(1, 4)))
        for round_number in range(8):
            for _ in range(60):
                path = os.path.join(self.source, some_path())
                try:
                    action = rng.randrange(7)
                    if action <= 2:
                        self.write(path, rng.randbytes(int(rng.expovariate(1 / 20000))))
                    elif action == 3:
                        os.symlink(some_path(), path)
                    elif action == 4:
                        subprocess.call(['rm', '-rf', path], stderr=subprocess.DEVNULL)
                    elif action == 5:
                        os.rename(path, os.path.join(self.source, some_path()))
                    else:
                        os.chmod(path, rng.choice((0o600, 0o755, 0o700)), follow_symlinks=True)
                except OSError:
                    pass  # something else is there
            kind = rng.choice(('incremental', 'incremental', 'differential', 'full'))
            one = self.backup('--type', kind)
            target = self.path('target%d' % round_number)
            self.restore(one['restore_point'], target)
            self.assert_trees_equal(self.source, target)
        self.assert_check_clean()


if __name__ == '__main__':
    unittest.main()
