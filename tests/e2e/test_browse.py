"""Looking into restore points, as text and as JSON."""
import base64
import os
import re
import shutil
import time
import unittest

from harness import E2E


class Browse(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.small_tree()
        self.point = self.backup('--tag=one')['restore_point']

    def json_lines(self, *args):
        lines = self.run_program(['--json', *args]).json_lines
        for line in lines:
            self.assertEqual(line['schema'], 1)
        return lines

    def change(self):
        self.write('a.txt', 'changed\n')
        os.unlink(self.path('source', 'dir', 'b.conf'))
        self.write('new/file', 'new')
        os.chmod(self.path('source', 'empty'), 0o600)

    CHANGES = {'a.txt': 'modified', 'dir/b.conf': 'removed', 'new': 'added', 'new/file': 'added',
               'empty': 'metadata', 'dir': 'metadata', '.': 'metadata'}

    def test_list_json(self):
        document = self.run_program(['--json', 'list']).json
        self.assertEqual(document['schema'], 1)
        [point] = document['restore_points']
        self.assertEqual(point['id'], self.point)
        self.assertRegex(point['id'], '^[0-9a-f]{32}$')
        self.assertEqual(point['host'], os.uname().nodename)
        self.assertEqual(point['name'], self.source)
        self.assertEqual(point['source'], 'files:' + self.source)
        self.assertRegex(point['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
        self.assertEqual((point['type'], point['tags'], point['files']), ('full', ['one'], 6))
        self.assertEqual(point['bytes'], 6 + 1000 + 300000 + 6 + 8)

    def test_list_text(self):
        line = self.run_program(['list']).text
        self.assertIn(self.point[:12], line)
        self.assertIn(self.source, line)
        self.assertIn('one', line)
        self.assertEqual(line.count('\n'), 1)

    def test_show(self):
        document = self.run_program(['--json', 'show', self.point]).json
        self.assertEqual((document['schema'], document['id']), (1, self.point))
        text = self.run_program(['show', 'latest']).text
        for part in (self.point, self.source, 'full', os.uname().nodename):
            self.assertIn(part, text)

    def expected_paths(self):
        paths = []
        for base, directories, files in os.walk(self.source):
            for name in directories + files:
                paths.append(os.path.relpath(os.path.join(base, name), self.source))
        return sorted(paths)

    def test_ls(self):
        self.assertEqual(sorted(self.run_program(['ls', 'latest']).text.splitlines()),
                         self.expected_paths())
        lines = self.json_lines('ls', 'latest')
        self.assertEqual(sorted(line['path'] for line in lines), self.expected_paths())
        one = next(line for line in lines if line['path'] == 'dir/b.conf')
        self.assertEqual((one['type'], one['size']), ('file', 1000))
        link = next(line for line in lines if line['path'] == 'link')
        self.assertEqual((link['type'], link['target']), ('symlink', 'a.txt'))

    def test_ls_of_a_path(self):
        self.assertEqual(sorted(self.run_program(['ls', 'latest:dir']).text.splitlines()),
                         ['dir/b.conf', 'dir/sub'])
        self.assertEqual(sorted(self.run_program(['ls', '-R', 'latest:/dir/']).text.splitlines()),
                         ['dir/b.conf', 'dir/sub', 'dir/sub/c.bin', 'dir/sub/d with space.txt'])
        self.assertEqual(sorted(self.run_program(['ls', 'latest:/']).text.splitlines()),
                         sorted(os.listdir(self.source)))
        self.assertEqual(self.run_program(['ls', 'latest:dir/b.conf']).text, 'dir/b.conf\n')
        self.run_program(['ls', 'latest:none'], expect=1)

    def test_ls_long(self):
        os.chmod(self.path('source', 'a.txt'), 0o4751)
        self.backup()
        line = next(l for l in self.run_program(['ls', '-l', 'latest']).text.splitlines()
                    if l.endswith(' a.txt'))
        # As `ls -l` writes it: the special bits show.
        self.assertTrue(line.startswith('-rwsr-x--x '), line)

    def test_ls_of_a_lone_file(self):
        path = self.write('lone.txt', 'alone', root=self.tmp)
        point = self.backup(source=path)['restore_point']
        self.assertEqual(self.run_program(['ls', point]).text.strip().lstrip('/'), 'lone.txt')
        self.assertEqual(self.run_program(['cat', point + ':lone.txt']).text, 'alone')
        self.assertIn('lone.txt', self.run_program(['find', 'lone*']).text)

    def test_names_that_are_not_utf8(self):
        name = b'bad-\xff\xfe.txt'
        with open(os.fsencode(self.source) + b'/' + name, 'wb') as file:
            file.write(b'x')
        self.backup()
        for command in (('ls', 'latest'), ('find', 'bad-*'), ('diff', self.point, 'latest')):
            found = [l for l in self.json_lines(*command) if 'path_b64' in l]
            self.assertEqual([base64.b64decode(l['path_b64']) for l in found], [name], command)
            self.assertIn('path', found[0])

    def test_names_of_points_that_are_not_utf8(self):
        source = os.fsencode(self.tmp) + b'/source-\xff'
        os.mkdir(source)
        with open(source + b'/f', 'wb') as file:
            file.write(b'x')
        text = os.fsdecode(source)
        host = os.fsdecode(b'host-\xfe')
        one = self.backup('--host', host, source=text)
        fields = {'source': b'files:' + source, 'name': source, 'host': b'host-\xfe'}
        [listed] = self.run_program(['--json', 'list', '--host', host]).json['restore_points']
        shown = self.run_program(['--json', 'show', one['restore_point']]).json
        for document in (one, listed, shown):
            for field, value in fields.items():
                self.assertEqual(base64.b64decode(document[field + '_b64']), value, document)
                self.assertIn('\\xf', document[field])
        [line] = self.json_lines('find', 'f')
        self.assertEqual(base64.b64decode(line['name_b64']), source)
        self.assertEqual(base64.b64decode(line['host_b64']), b'host-\xfe')
        self.assertEqual(line['time'], listed['time'])

    def test_find(self):
        id12 = self.point[:12]
        self.assertEqual(self.run_program(['find', 'b.conf']).text, id12 + ':/dir/b.conf\n')
        self.assertEqual(sorted(self.run_program(['find', '*.txt']).text.splitlines()),
                         sorted(id12 + ':/' + p for p in self.expected_paths() if p.endswith('.txt')))
        self.assertEqual(self.run_program(['find', 'dir/*.conf']).text, id12 + ':/dir/b.conf\n')
        self.assertEqual(self.run_program(['find', '/dir/*.conf']).text, id12 + ':/dir/b.conf\n')
        [line] = self.json_lines('find', 'c.bin')
        self.assertEqual((line['path'], line['restore_point'], line['size']),
                         ('dir/sub/c.bin', self.point, 300000))
        self.assertEqual(self.run_program(['find', 'nothing like this']).stdout, b'')

    def test_find_in_several_points(self):
        self.change()
        two = self.backup()['restore_point']
        self.assertEqual([l['restore_point'] for l in self.json_lines('find', 'b.conf')], [self.point])
        self.assertEqual([l['restore_point'] for l in self.json_lines('find', 'a.txt')],
                         [self.point, two])
        self.assertEqual([l['restore_point'] for l in self.json_lines('find', 'a.txt', '--in', two)],
                         [two])

    def test_what_find_prints_restore_accepts(self):
        self.write('a:colon', 'x')
        self.write(' blanks  ', 'x')
        self.write('pattern [*]?', 'x')
        self.backup()
        printed = self.run_program(['find', '*']).text.splitlines()
        self.assertGreater(len(printed), 10)
        for i, one in enumerate(p for p in printed if not p.startswith(self.point[:12])):
            target = self.path('found', str(i))
            self.restore(one, target)
            path = one.split(':/', 1)[1]
            if os.path.isfile(self.path('source', path)):
                self.assertEqual(os.listdir(target), [os.path.basename(path)])

    def test_what_find_prints_restore_accepts_for_odd_names(self):
        names = [b'escape\x1b[31m', b'bytes\xff', b'newline\n.', b'back\\x41slash']
        for name in names:
            with open(os.fsencode(self.source) + b'/' + name, 'wb') as file:
                file.write(name)
        two = self.backup()['restore_point']
        printed = []
        for pattern in ('escape*', 'bytes*', 'newline*', 'back*'):
            printed += self.run_program(['find', pattern, '--in', two]).text.splitlines()
        self.assertEqual(len(printed), len(names))
        for i, one in enumerate(printed):
            self.restore(one, self.path('found', str(i)))
            self.assertEqual(os.listdir(os.fsencode(self.path('found', str(i)))), [names[i]])

    def test_diff(self):
        self.change()
        two = self.backup()['restore_point']
        lines = self.json_lines('diff', self.point, two)
        self.assertEqual({l['path']: l['change'] for l in lines}, self.CHANGES)
        text = self.run_program(['diff', self.point, two]).text
        self.assertEqual(set(text.splitlines()),
                         {'M a.txt', '- dir/b.conf', '+ new', '+ new/file', 'U empty', 'U dir', 'U .'})
        self.assertEqual(self.run_program(['diff', two, two]).stdout, b'')
        reverse = {l['path']: l['change'] for l in self.json_lines('diff', two, self.point)}
        self.assertEqual(reverse['new/file'], 'removed')

    def test_diff_of_paths(self):
        self.change()
        self.backup()
        text = self.run_program(['diff', self.point + ':dir', 'latest:dir']).text
        self.assertEqual(text, 'U .\n- b.conf\n')

    def test_diff_of_single_files(self):
        self.change()
        self.backup()
        for path, text in (('a.txt', 'M a.txt\n'), ('empty', 'U empty\n'), ('dir/sub/c.bin', '')):
            self.assertEqual(
                self.run_program(['diff', self.point + ':' + path, 'latest:' + path]).text, text)
            self.assertEqual(
                self.run_program(['diff', self.point + ':' + path, '--live']).text, text)

    def test_diff_of_the_root_itself(self):
        os.chmod(self.source, 0o700)
        self.assertEqual(self.run_program(['diff', 'latest', '--live']).text, 'U .\n')
        self.backup()
        self.assertEqual(self.run_program(['diff', self.point, 'latest']).text, 'U .\n')
        [line] = self.json_lines('diff', self.point, 'latest')
        self.assertEqual((line['path'], line['type'], line['mode']), ('.', 'directory', 0o700))

    def test_diff_of_a_directory_and_a_file(self):
        text = self.run_program(['diff', 'latest:dir/sub', 'latest:a.txt']).text
        self.assertEqual(text, 'M a.txt\n- c.bin\n- d with space.txt\n')

    def test_diff_of_symlinks(self):
        os.unlink(self.path('source', 'link'))
        os.symlink('b.txt', self.path('source', 'link'))
        self.backup()
        self.assertIn('M link\n', self.run_program(['diff', self.point, 'latest']).text)

    def test_diff_of_types(self):
        os.unlink(self.path('source', 'link'))
        self.write('link/inner', 'x')
        self.backup()
        lines = {l['path']: l['change'] for l in self.json_lines('diff', self.point, 'latest')}
        self.assertEqual(lines, {'.': 'metadata', 'link': 'modified', 'link/inner': 'added'})

    def test_diff_live(self):
        self.assertEqual(self.run_program(['diff', 'latest', '--live']).stdout, b'')
        self.change()
        lines = self.json_lines('diff', 'latest', '--live')
        self.assertEqual({l['path']: l['change'] for l in lines}, self.CHANGES)
        os.rename(self.path('source', 'dir'), self.path('source', 'dir2'))
        changes = {l['path']: l['change'] for l in self.json_lines('diff', 'latest', '--live')}
        self.assertEqual(changes['dir/sub/c.bin'], 'removed')
        self.assertEqual(changes['dir2/sub/c.bin'], 'added')

    def test_diff_live_sees_symlinks_and_types(self):
        info = os.lstat(self.path('source', 'link'))
        os.unlink(self.path('source', 'link'))
        os.symlink('b.txt', self.path('source', 'link'))
        os.utime(self.path('source', 'link'), ns=(info.st_atime_ns, info.st_mtime_ns),
                 follow_symlinks=False)
        os.rmdir(self.path('source', 'empty dir'))
        self.write('empty dir', 'a file')
        changes = {l['path']: l['change'] for l in self.json_lines('diff', 'latest', '--live')}
        self.assertEqual(changes, {'.': 'metadata', 'link': 'modified', 'empty dir': 'modified'})

    def assert_live_is_as_point_to_point(self, expected):
        live = self.run_program(['diff', self.point, '--live']).text
        self.assertEqual(set(live.splitlines()), expected)
        self.backup()
        self.assertEqual(self.run_program(['diff', self.point, 'latest']).text, live)

    def test_diff_live_sees_xattrs(self):
        os.setxattr(self.path('source', 'a.txt'), 'user.note', b'new')
        os.setxattr(self.path('source', 'dir'), 'user.note', b'new')
        os.setxattr(self.source, 'user.note', b'new')
        self.assert_live_is_as_point_to_point({'U a.txt', 'U dir', 'U .'})

    def test_diff_live_of_a_directory_that_became_a_file(self):
        shutil.rmtree(self.path('source', 'dir'))
        self.write('dir', 'a file')
        self.assert_live_is_as_point_to_point(
            {'U .', 'M dir', '- dir/b.conf', '- dir/sub', '- dir/sub/c.bin',
             '- dir/sub/d with space.txt'})

    def test_diff_live_leaves_out_what_a_backup_would(self):
        patterns = self.write('patterns', '*.tmp\n', root=self.tmp)
        excludes = ('-e', '*.o', '--exclude-file', patterns, '--exclude-if-present', '.no',
                    '--exclude-caches')
        self.write('x.o')
        self.write('x.tmp')
        self.write('drop/.no')
        self.write('cache/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55')
        self.settle()
        self.backup(*excludes)
        self.assertEqual(self.run_program(['diff', 'latest', '--live', *excludes]).text, '')
        self.assertEqual(set(self.run_program(['diff', 'latest', '--live']).text.splitlines()),
                         {'+ x.o', '+ x.tmp', '+ drop', '+ drop/.no', '+ cache',
                          '+ cache/CACHEDIR.TAG'})

    def test_diff_live_leaves_out_the_repository(self):
        self.run_program(['-r', self.path('source', 'repo'), '--key-file', self.path('k2'), 'init'])
        self.env.update(HOLDFAST_REPOSITORY=self.path('source', 'repo'),
                        HOLDFAST_KEY_FILE=self.path('k2'))
        self.backup()
        self.assertEqual(self.run_program(['diff', 'latest', '--live']).text, '')

    def test_diff_usage(self):
        self.run_program(['diff', 'latest'], expect=2)
        self.run_program(['diff', 'latest', 'latest', '--live'], expect=2)

    def test_cat(self):
        for path in ('a.txt', 'dir/sub/c.bin', '/dir/b.conf', 'empty'):
            with open(os.path.join(self.source, path.lstrip('/')), 'rb') as file:
                self.assertEqual(self.run_program(['cat', 'latest:' + path]).stdout, file.read())
        self.run_program(['cat', 'latest:dir'], expect=(1, 2))
        self.run_program(['cat', 'latest:none'], expect=1)
        self.run_program(['cat', 'latest'], expect=(1, 2))

    def test_cat_of_a_sparse_file(self):
        with open(self.path('source', 'sparse'), 'wb') as file:
            file.truncate(3 << 20)
            file.seek(1 << 20)
            file.write(b'middle')
        self.backup()
        with open(self.path('source', 'sparse'), 'rb') as file:
            self.assertEqual(self.run_program(['cat', 'latest:sparse']).stdout, file.read())

    def test_cat_into_a_full_device(self):
        with open('/dev/full', 'wb') as full:
            import subprocess
            done = subprocess.run(self.command(['cat', 'latest:dir/sub/c.bin']), env=self.env,
                                  stdout=full, stderr=subprocess.PIPE)
        self.assertNotEqual(done.returncode, 0)

    def test_usage(self):
        document = self.run_program(['--json', 'usage']).json
        self.assertEqual(document['schema'], 1)
        self.assertEqual(document['bytes'], self.repository_bytes())
        self.assertEqual(document['objects'], len(self.objects()))
        self.assertEqual(document['restore_points'], 1)
        self.assertIn(self.repo, self.run_program(['usage']).text)

    def test_check(self):
        for args in ((), ('--read-data',)):
            document = self.run_program(['--json', 'check', *args]).json
            self.assertEqual((document['schema'], document['problems']), (1, 0))
        self.assertIn('no damage', self.run_program(['check']).text)

    def test_large_directory_in_order(self):
        for i in range(3000):
            self.write('many/f%05d' % i, '%d' % i)
        self.backup()
        lines = self.run_program(['ls', 'latest:many']).text.splitlines()
        self.assertEqual(lines, ['many/f%05d' % i for i in range(3000)])
        self.assertEqual(self.run_program(['cat', 'latest:many/f02345']).text, '2345')


if __name__ == '__main__':
    unittest.main()
