"""Standard input and commands as sources."""
import os
import random
import unittest

from harness import E2E


class Stream(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def from_command(self, *command, name='dump.sql', options=(), expect=0):
        return self.run_program(['--json', 'backup', '--stdin-from-command', '--stdin-name', name,
                                 *options, '--', *command], expect=expect)

    def test_standard_input(self):
        data = random.Random(1).randbytes(3 << 20)
        one = self.run_program(['--json', 'backup', '--stdin-name', 'dump.sql'],
                               input=data).json['sources'][0]
        self.assertEqual((one['files'], one['bytes_scanned']), (1, len(data)))
        self.restore(one['restore_point'], self.path('target'))
        self.assertEqual(os.listdir(self.path('target')), ['dump.sql'])
        with open(self.path('target', 'dump.sql'), 'rb') as file:
            self.assertEqual(file.read(), data)
        self.assert_check_clean()

    def test_sizes(self):
        for size in (0, 1, 512, 513, 131072, 2097152, 2097153, 9000000):
            data = random.Random(size).randbytes(size)
            self.run_program(['backup', '--stdin-name', 'x'], input=data)
            self.assertEqual(self.run_program(['cat', 'latest:x']).stdout, data, size)
        self.assert_check_clean()

    def test_the_stream_is_a_file_of_that_name(self):
        self.run_program(['backup', '--stdin-name', 'dump.sql'], input=b'data')
        self.assertEqual(self.run_program(['ls', 'latest']).text.split('\n')[0].lstrip('/'), 'dump.sql')
        self.assertEqual(self.run_program(['cat', 'latest:dump.sql']).stdout, b'data')
        found = self.run_program(['find', '*.sql']).text
        self.assertIn('dump.sql', found)

    def test_the_same_stream_adds_little(self):
        data = random.Random(2).randbytes(6 << 20)
        for expected in ('full', 'incremental'):
            one = self.run_program(['--json', 'backup', '--stdin-name', 'x'],
                                   input=data).json['sources'][0]
            self.assertEqual(one['type'], expected)
        self.assertLess(one['bytes_added'], 20000)

    def test_two_streams_are_two_identities(self):
        self.run_program(['backup', '--stdin-name', 'x'], input=b'1')
        self.run_program(['backup', '--stdin-name', 'y'], input=b'2')
        self.assertEqual(len({p['name'] for p in self.points()}), 2)

    def test_command(self):
        one = self.from_command('sh', '-c', 'printf "%s|" "$0" "$@"', 'a', '-b', '--json', 'c d').json
        self.assertEqual(one['sources'][0]['files'], 1)
        self.restore(one['sources'][0]['restore_point'], self.path('target'))
        with open(self.path('target', 'dump.sql')) as file:
            self.assertEqual(file.read(), 'a|-b|--json|c d|')

    def test_command_with_its_own_options_needs_no_separator(self):
        self.run_program(['backup', '--stdin-name', 'x', '--stdin-from-command', 'seq', '3'])
        self.restore('latest', self.path('target'))
        with open(self.path('target', 'x')) as file:
            self.assertEqual(file.read(), '1\n2\n3\n')

    def test_failing_command_makes_no_restore_point(self):
        for command in (('sh', '-c', 'echo some output; exit 3'), ('false',),
                        ('sh', '-c', 'head -c 3000000 /dev/urandom; exit 1'),
                        ('sh', '-c', 'echo x; kill -9 $$'), ('/no/such/command',)):
            result = self.from_command(*command, expect=1)
            self.assertIn('command', result.err, command)
            self.assertEqual(self.points(), [], command)
        self.assert_check_clean()

    def test_failing_command_is_no_fault_of_the_program(self):
        for command in (('sh', '-c', 'echo x; exit 3'), ('no-such-program',)):
            error = self.from_command(*command, expect=1).error
            self.assertEqual(error['code'], 'unavailable', error)

    def test_failing_command_leaves_the_points_before_alone(self):
        self.from_command('echo', 'one')
        self.from_command('sh', '-c', 'echo two; exit 1', expect=1)
        self.assertEqual(len(self.points()), 1)
        self.from_command('echo', 'three')
        self.assertEqual(len(self.points()), 2)

    def test_no_command(self):
        self.run_program(['backup', '--stdin-from-command'], expect=2)

    def test_bad_names(self):
        for name in ('', 'a/b', '..', '.'):
            self.run_program(['backup', '--stdin-name', name], input=b'x', expect=2)

    def test_stream_and_paths(self):
        self.run_program(['backup', '--stdin-name', 'x', self.source], input=b'x', expect=2)

    def test_messages_of_the_command_are_shown(self):
        result = self.from_command('sh', '-c', 'echo warning >&2; echo x')
        self.assertIn('warning', result.err)


if __name__ == '__main__':
    unittest.main()
