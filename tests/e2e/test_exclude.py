"""What a backup leaves out."""
import os
import unittest

from harness import E2E, FS_NODUMP, needs_root, needs_tool, set_flags


class Exclude(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def tree(self, *names):
        for name in names:
            self.write(name, 'content of ' + name)

    def kept(self, *args, **options):
        """The files and directories of a new restore point."""
        point = self.backup(*args, **options)['restore_point']
        lines = self.run_program(['--json', 'ls', point]).json_lines
        return {one['path'] for one in lines}

    def files_kept(self, *args, **options):
        return {p for p in self.kept(*args, **options) if not os.path.isdir(self.path('source', p))}

    def test_patterns(self):
        self.tree('a.o', 'a.c', 'dir/b.o', 'dir/c.c', 'build/x', 'dir/build/y', 'top/build')
        self.assertEqual(self.files_kept('--exclude', '*.o'),
                         {'a.c', 'dir/c.c', 'build/x', 'dir/build/y', 'top/build'})
        self.assertEqual(self.files_kept('--exclude', '/build'),
                         {'a.o', 'a.c', 'dir/b.o', 'dir/c.c', 'dir/build/y', 'top/build'})
        self.assertEqual(self.files_kept('-e', 'build/'),
                         {'a.o', 'a.c', 'dir/b.o', 'dir/c.c', 'top/build'})
        self.assertEqual(self.files_kept('-e', 'dir/**'),
                         {'a.o', 'a.c', 'build/x', 'top/build'})
        self.assertEqual(self.files_kept('-e', '**/build', '-e', '[ab].?'), {'dir/c.c'})

    def test_excluded_directories_are_left_out_themselves(self):
        self.tree('keep/x', 'drop/deep/y')
        self.assertEqual(self.kept('-e', 'drop'), {'keep', 'keep/x'})

    def test_absolute_patterns(self):
        self.tree('cache/x', 'dir/cache/y')
        self.assertEqual(self.files_kept('--exclude', self.path('source', 'cache')), {'dir/cache/y'})
        self.assertEqual(self.files_kept('--exclude', self.path('source', '*', 'cache')), {'cache/x'})

    def test_negation(self):
        self.tree('a.log', 'important.log', 'dir/b.log')
        self.assertEqual(self.files_kept('-e', '*.log', '-e', '!important.log'), {'important.log'})

    def test_exclude_file(self):
        self.tree('a.o', 'b.tmp', '#c', 'd', 'space ')
        patterns = self.write('patterns', '# a comment\n\n*.o\r\n*.tmp   \n\\#c\nspace\\ \n',
                              root=self.tmp)
        self.assertEqual(self.files_kept('--exclude-file', patterns), {'d'})
        self.assertEqual(self.files_kept('--exclude-from', patterns), {'d'})

    def test_files_of_options_may_be_pipes(self):
        self.tree('a.o', 'b', 'c')
        line = ' '.join('"%s"' % part for part in self.command(['backup', self.source]))
        for option, text, kept in (('--exclude-file', '*.o\\n', {'b', 'c'}),
                                   ('--files-from0', 'b\\0', {'b'})):
            self.tool('bash', '-c', "%s %s <(printf '%s')" % (line, option, text))
            lines = self.run_program(['--json', 'ls', 'latest']).json_lines
            self.assertEqual({one['path'] for one in lines}, kept)

    def test_files_of_options_that_cannot_be_read(self):
        self.tree('a')
        for option in ('--exclude-file', '--files-from0'):
            error = self.run_program(['--json', 'backup', option, self.tmp, self.source],
                                     expect=2).error
            self.assertEqual(error['code'], 'invalid_argument')
            error = self.run_program(['--json', 'backup', option, '/proc/self/mem', self.source],
                                     expect=1).error
            self.assertEqual(error['code'], 'unavailable')

    def test_a_missing_exclude_file_is_an_error(self):
        self.tree('a')
        result = self.run_program(['backup', '--exclude-file', self.path('none'), self.source],
                                  expect=(1, 2))
        self.assertIn('none', result.err)
        self.assertEqual(self.points(), [])

    def test_a_bad_pattern_is_a_usage_error(self):
        self.tree('a')
        self.run_program(['backup', '--exclude', '[', self.source], expect=2)
        bad = self.write('bad', 'fine\n[\n', root=self.tmp)
        result = self.run_program(['backup', '--exclude-file', bad, self.source], expect=2)
        self.assertIn(bad, result.err)

    def test_exclude_if_present(self):
        self.tree('keep/x', 'drop/.nobackup', 'drop/y', 'deep/er/.nobackup', 'deep/z')
        self.assertEqual(self.files_kept('--exclude-if-present', '.nobackup'), {'keep/x', 'deep/z'})

    def test_cachedir_tag(self):
        signature = 'Signature: 8a477f597d28d172789f06886806bc55'
        self.tree('keep/x', 'drop/y', 'fake/z')
        self.write('drop/CACHEDIR.TAG', signature + '\n# more\n')
        self.write('fake/CACHEDIR.TAG', 'not the signature')
        self.assertEqual(self.files_kept('--exclude-caches'),
                         {'keep/x', 'fake/CACHEDIR.TAG', 'fake/z'})
        self.assertIn('drop/y', self.files_kept())

    @needs_tool('chattr')
    def test_nodump(self):
        self.tree('a', 'b', 'dir/c')
        try:
            set_flags(self.path('source', 'b'), FS_NODUMP)
            set_flags(self.path('source', 'dir'), FS_NODUMP)
        except OSError as error:
            self.skipTest('no nodump attribute here: %s' % error)
        self.assertEqual(self.kept('--exclude-nodump'), {'a'})
        self.assertEqual(self.files_kept(), {'a', 'b', 'dir/c'})

    @needs_root
    def test_one_file_system(self):
        self.tree('a')
        self.mount('-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', self.path('source', 'mounted'))
        self.write('mounted/inner', 'x')
        self.assertEqual(self.kept('--one-file-system'), {'a', 'mounted'})
        self.assertEqual(self.kept('-x'), {'a', 'mounted'})
        self.assertEqual(self.kept(), {'a', 'mounted', 'mounted/inner'})

    def test_files_from0(self):
        self.tree('a', 'a-b', 'a0', 'dir/x', 'dir/y', 'dir-z/w', 'new\nline', 'other/deep/file')
        names = self.path('names')

        def listed(*entries):
            with open(names, 'wb') as file:
                file.write(b''.join(os.fsencode(e) + b'\0' for e in entries))
            return self.files_kept('--files-from0', names)
        self.assertEqual(listed('a'), {'a'})
        self.assertEqual(listed('dir'), {'dir/x', 'dir/y'})
        self.assertEqual(listed('./dir/x', 'new\nline'), {'dir/x', 'new\nline'})
        self.assertEqual(listed(self.path('source', 'other', 'deep', 'file')), {'other/deep/file'})
        self.assertEqual(listed('dir/', 'a0', 'dir-z/w'), {'dir/x', 'dir/y', 'a0', 'dir-z/w'})

    def test_files_from0_through_a_symbolic_link(self):
        self.tree('dir/x', 'a')
        os.symlink('dir', self.path('source', 'link'))
        result = self.run_program(['backup', '--files-from0', '-', self.source],
                                  input=b'a\0link/x\0', expect=3)
        self.assertIn("link/x: 'link' is a symbolic link", result.err)
        self.assertEqual(self.kept('--files-from0', '-', input=b'link\0a\0'), {'link', 'a'})

    def test_files_from0_on_standard_input(self):
        self.tree('a', 'b', 'c')
        self.assertEqual(self.files_kept('--files-from0', '-', input=b'a\0c\0'), {'a', 'c'})

    def test_an_empty_list_of_files_is_an_error(self):
        self.tree('a', 'b')
        for names in (b'', b'\0\0'):
            result = self.run_program(['backup', '--files-from0', '-', self.source],
                                      input=names, expect=2)
            self.assertIn('empty', result.err)
        self.assertEqual(self.points(), [])

    def test_files_from0_of_the_root_itself(self):
        self.tree('a', 'dir/b')
        for names in (b'.\0./a\0', os.fsencode(self.source) + b'\0', b'./\0'):
            self.assertEqual(self.files_kept('--files-from0', '-', input=names), {'a', 'dir/b'})
        self.assertEqual(self.files_kept('--files-from0', '-', input=b'.//dir/./b\0'), {'dir/b'})

    def test_files_from0_that_do_not_exist_are_reported(self):
        self.tree('a')
        result = self.run_program(['backup', '--files-from0', '-', self.source],
                                  input=b'a\0missing\0', expect=(1, 3))
        self.assertIn('missing', result.err)

    def test_files_from0_outside_of_the_source(self):
        self.tree('a')
        self.write('f', 'x', root=self.path('source2'))
        for name in ('/etc/passwd', '../source2/f', 'a/../../source2/f', self.path('source2', 'f'), '..'):
            result = self.run_program(['backup', '--files-from0', '-', self.source],
                                      input=os.fsencode(name) + b'\0', expect=2)
            self.assertIn(name, result.err)
        self.assertEqual(self.points(), [])

    def test_excludes_hold_for_the_next_backup_too(self):
        self.tree('a.o', 'b')
        self.settle()
        self.assertEqual(self.files_kept(), {'a.o', 'b'})
        self.assertEqual(self.files_kept('-e', '*.o'), {'b'})
        self.assertEqual(self.files_kept(), {'a.o', 'b'})

    def test_the_repository_in_its_own_source_is_left_out(self):
        self.tree('a')
        self.env['HOLDFAST_REPOSITORY'] = self.repo = self.path('source', 'backups', 'repo')
        self.env['HOLDFAST_CACHE_DIR'] = self.path('source', 'cache')
        self.env['HOLDFAST_KEY_FILE'] = self.path('key2')
        os.mkdir(self.path('source', 'backups'))
        self.init()
        for _ in range(3):
            self.assertEqual(self.files_kept(), {'a'})

    def test_the_repository_named_through_a_symlink_is_left_out(self):
        self.tree('a')
        os.mkdir(self.path('source', 'real'))
        os.symlink(self.path('source', 'real'), self.path('door'))
        self.env['HOLDFAST_KEY_FILE'] = self.path('key2')
        self.env['HOLDFAST_REPOSITORY'] = self.path('door', 'repo')
        self.init()
        self.assertEqual(self.files_kept(), {'a'})

    def test_a_source_inside_the_repository_is_refused(self):
        self.tree('a')
        self.backup()
        for source in (self.repo, os.path.join(self.repo, 'points')):
            result = self.run_program(['backup', source], expect=(1, 2, 15))
            self.assertIn('repository', result.err)


if __name__ == '__main__':
    unittest.main()
