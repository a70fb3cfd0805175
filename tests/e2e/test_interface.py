"""The program as a user or a script meets it."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import E2E, needs_tool, program

VERBS = ('init', 'backup', 'list', 'show', 'ls', 'find', 'diff', 'usage', 'restore', 'cat', 'check',
         'delete', 'undelete', 'hold', 'release', 'key', 'version')


class Interface(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.write('file', 'x')

    def test_usage_errors(self):
        for args in ([], ['nonsense'], ['--nonsense'], ['backup', '--nonsense', self.source],
                     ['backup'], ['restore'], ['show'], ['ls'], ['cat'], ['find'], ['diff'],
                     ['show', 'latest', 'latest', 'latest'], ['list', 'operand'], ['delete'],
                     ['--progress', 'nonsense', 'list'], ['backup', '--type'], ['-r'],
                     ['backup', '--name', 'x', self.source, self.tmp],
                     ['completion', 'nonsense'], ['backup', '--compression', '99', self.source]):
            result = self.run_program(args, expect=2)
            self.assertEqual(result.stdout, b'', result.describe())
            self.assertTrue(result.err.strip(), args)

    def test_unknown_verbs(self):
        for verb, hint in (('bakup', '`backup`'), ('retsore', '`restore`'), ('lst', '`list`'),
                           ('snapshots', '`list`'), ('forget', '`prune`'), ('unlock', 'nothing'),
                           ('help', '--help'), ('purne', '`prune`'), ('mount', 'not there yet'),
                           ('nonsense', '--help'), ('x', '--help')):
            for args in ([verb], ['-r', self.repo, verb, self.source], [verb, '-q', '--other'],
                         ['--json', verb]):
                result = self.run_program(args, expect=2)
                self.assertIn("unknown verb '%s'" % verb, result.err)
                self.assertIn(hint, result.err)
                self.assertEqual(result.stdout, b'')
        self.assertNotIn('verb', self.run_program(['--nonsense', 'list'], expect=2).err)
        for verb, hint in (('lst', '`list`'), ('recvery', '`recovery`'), ('nonsense', '--help')):
            result = self.run_program(['key', verb], expect=2)
            self.assertIn("unknown verb '%s'" % verb, result.err)
            self.assertIn(hint, result.err)

    def test_errors_are_json_with_json(self):
        for args, status in ((['nonsense'], 2), (['backup', '--nonsense'], 2), (['show', 'zz'], 2),
                             (['show', 'latest'], 1), (['-r', '/none', 'list'], 10),
                             (['--key-file', '/dev/null', 'list'], 12), (['cat', 'latest:x'], 1)):
            for line in (['--json', *args], [*args, '--json']):
                result = self.run_program(line, expect=status)
                self.assertIn('code', result.error, result.describe())
                self.assertTrue(result.error['message'])
                if result.stdout:
                    json.loads(result.stdout)

    def test_no_repository(self):
        for args in (['list'], ['backup', self.source], ['check'], ['usage'],
                     ['restore', 'latest', '--target', self.path('t')]):
            result = self.run_program(['-r', self.path('none'), *args], expect=10)
            self.assertIn(self.path('none'), result.err)
        os.mkdir(self.path('empty'))
        self.run_program(['-r', self.path('empty'), 'list'], expect=10)
        self.run_program(['-r', self.path('source', 'file'), 'list'], expect=10)

    def test_unknown_storage(self):
        result = self.run_program(['-r', 'nonsense://host/path', 'list'], expect=(1, 2, 10))
        self.assertIn('nonsense', result.err)

    def test_missing_source(self):
        result = self.run_program(['backup', self.path('none')], expect=1)
        self.assertIn(self.path('none'), result.err)
        self.assertEqual(self.points(), [])
        result = self.run_program(['backup', 'volume:/dev/none'], expect=(1, 2))
        self.assertIn('volume:', result.err)

    def test_global_options_before_and_after_the_verb(self):
        env = {'HOLDFAST_REPOSITORY': None}
        self.run_program(['-r', self.repo, 'list'], env=env)
        self.run_program(['list', '-r', self.repo], env=env)
        self.run_program(['--repository=' + self.repo, 'list'], env=env)

    def test_help(self):
        text = self.run_program(['--help']).text
        for verb in VERBS:
            self.assertIn(verb, text)
        for verb in VERBS:
            text = self.run_program([verb, '--help']).text
            # A user sees names of operands, not of variables.
            self.assertNotIn('operand1', text, verb)

    def test_help_and_manual_list_the_same_exit_statuses(self):
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'reference',
                               'exit-status.md')) as page:
            documented = re.findall(r'^\| (\d+) \|', page.read(), re.M)
        shown = self.run_program(['--help']).text.split('Exit status:\n')[1].split('\n\n')[0]
        manual = self.run_program(['man']).text.split('.SH "EXIT STATUS"\n')[1].split('.\n')[0]
        self.assertEqual([line.strip() for line in shown.splitlines()], manual.split('; '))
        self.assertEqual([one.split()[0] for one in manual.split('; ')], documented)

    def test_version(self):
        text = self.run_program(['version']).text
        self.assertRegex(text, r'^holdfast \d+\.\d+')
        self.assertEqual(self.run_program(['--version']).text, text)
        document = self.run_program(['--json', 'version', '--features']).json
        self.assertEqual(document['schema'], 1)
        self.assertIn('format 1', self.run_program(['version', '--features']).text)

    def test_bash_completion_parses_and_completes(self):
        script = self.run_program(['completion', 'bash']).text
        path = self.write('completion', script, root=self.tmp)
        self.tool('bash', '-n', path)

        def complete(*words):
            program = ('source %s; COMP_WORDS=(%s); COMP_CWORD=%d; f=$(complete -p holdfast | sed '
                       "'s/.*-F *//;s/ .*//'); $f holdfast; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
                           path, ' '.join("'%s'" % w for w in words), len(words) - 1))
            return self.tool('bash', '-c', program).decode().split()
        self.assertEqual(complete('holdfast', 'res'), ['restore'])
        self.assertEqual(sorted(complete('holdfast', '')), sorted(set(complete('holdfast', ''))))
        for verb in VERBS:
            self.assertIn(verb, complete('holdfast', ''))
        self.assertIn('--overwrite', complete('holdfast', 'restore', '--ov'))
        self.assertEqual(complete('holdfast', 'restore', '--overwrite', 'ch'), ['changed'])
        self.assertIn('--exclude-file', complete('holdfast', 'backup', '--exclude-f'))
        self.assertIn('recovery', complete('holdfast', 'key', 're'))

    def test_other_completions(self):
        for shell in ('zsh', 'fish'):
            script = self.run_program(['completion', shell]).text
            for verb in VERBS:
                self.assertIn(verb, script)
            if shutil.which(shell):
                path = self.write('completion', script, root=self.tmp)
                self.tool(shell, '-n', path)

    @needs_tool('groff')
    def test_man_page_renders(self):
        page = self.write('holdfast.1', self.run_program(['man']).text, root=self.tmp)
        done = subprocess.run(['groff', '-man', '-Tutf8', '-ww', page], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.env)
        self.assertEqual((done.returncode, done.stderr), (0, b''))
        text = re.sub('\x1b\\[[0-9;]*m|.\x08', '', done.stdout.decode())
        for part in VERBS + ('NAME', 'SYNOPSIS', 'EXIT STATUS', 'ENVIRONMENT', '--one-file-system'):
            self.assertIn(part, text)
        if shutil.which('man'):
            self.tool('man', '-l', page, stdin=subprocess.DEVNULL)

    def test_progress_as_json_lines(self):
        result = self.run_program(
            ['--progress=json', '--json', 'backup', '--stdin-name', 'x', '--stdin-from-command',
             '--', 'sh', '-c', 'for i in 1 2 3 4; do head -c 3000000 /dev/zero; sleep 0.25; done'])
        result.json
        lines = [json.loads(line) for line in result.stderr.splitlines()]
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            for field in ('files', 'bytes', 'total_bytes', 'seconds'):
                self.assertIn(field, line['progress'])
        self.assertGreater(lines[-1]['progress']['bytes'], 0)

    def test_no_progress_without_a_terminal(self):
        result = self.run_program(
            ['backup', '--stdin-name', 'x', '--stdin-from-command', '--', 'sh', '-c', 'sleep 0.5'])
        self.assertEqual(result.stderr, b'')
        self.assertEqual(result.text.count('\n'), 1)

    def test_progress_bar_on_a_terminal(self):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            self.command(['backup', '--stdin-name', 'x', '--stdin-from-command', '--', 'sh', '-c',
                          'head -c 3000000 /dev/zero; sleep 0.8']),
            env=self.env, stdin=slave, stdout=slave, stderr=slave)
        self.processes.append(process)
        os.close(slave)
        seen = b''
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data
        os.close(master)
        self.assertEqual(process.wait(), 0)
        self.assertIn(b'\r', seen)
        self.assertIn(b'/s', seen)
        # The bar is gone at the end; the summary stays.
        self.assertIn(b'stream:x', seen.split(b'\x1b[K')[-1])

    def test_quiet(self):
        result = self.run_program(['--quiet', 'backup', self.source])
        self.assertEqual((result.stdout, result.stderr), (b'', b''))
        result = self.run_program(['-q', 'restore', 'latest', '--target', self.path('t')])
        self.assertEqual((result.stdout, result.stderr), (b'', b''))

    def test_nothing_prompts_without_a_terminal(self):
        env = {'HOLDFAST_KEY_FILE': None}
        for args in (['list'], ['backup', self.source], ['key', 'list']):
            process = self.start(args, env=env, stdin=subprocess.PIPE,
                                 preexec=os.setsid)  # standard input stays open and says nothing
            self.finish(process, expect=12, timeout=20)

    def test_names_cannot_drive_the_terminal(self):
        bad = 'evil\x1b]0;title\x07\x1b[31mred\r\nfake line\x9b1m\u202e'
        self.write(bad, 'x')
        os.symlink(bad, self.path('source', 'link'))
        host = 'host\x1b[2J'
        label = 'name\x1b[2J'
        one = self.backup('--host', host, '--name=' + label, '--tag=' + bad)['restore_point']
        self.backup('--host', host, '--name=other' + label)
        self.write(bad, 'changed')
        commands = [(['ls', one], 0), (['ls', '-l', one], 0), (['find', 'evil*'], 0),
                    (['list'], 0), (['show', one], 0), (['diff', one, '--live'], 0),
                    # The candidates are shown.
                    (['show', 'latest', '--host', host], 2),
                    (['backup', '--host', host, '--name', label, self.source], 0),
                    (['cat', one + ':none' + bad], 1), (['restore', one + ':none' + bad,
                                                        '--target', self.path('t')], 1),
                    (['restore', one, '--target', self.path('to ' + bad.replace('/', ''))], 0),
                    (['restore', one, '--target', self.path('to ' + bad.replace('/', ''))], 1)]
        for args, status in commands:
            result = self.run_program(args, expect=status)
            for byte in (b'\x1b', b'\x07', b'\r', b'\xc2\x9b'):
                self.assertNotIn(byte, result.stdout + result.stderr, (args, result.describe()))
            self.assertNotIn('\nfake line', result.text + result.err, args)

    def test_names_are_whole_in_json(self):
        bad = 'evil\x1b]0;title\x07\r\n"\\\u202e'
        self.write(bad, 'x')
        self.backup()
        paths = [l['path'] for l in self.run_program(['--json', 'ls', 'latest']).json_lines]
        self.assertIn(bad, paths)

    def test_reader_that_goes_away(self):
        for i in range(2000):
            self.write('many/a rather long name of a file that fills the pipe %05d' % i)
        self.backup()
        done = subprocess.run(['bash', '-c', '"$0" ls latest | head -n 1; echo ${PIPESTATUS[0]}',
                               program()], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn(lines[1], ('0', '141'))
        self.assertEqual(done.stderr, b'')

    def test_standard_output_that_is_full(self):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run(self.command(['list']), env=self.env, stdout=full,
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 0)  # nothing to print
            self.backup()
            done = subprocess.run(self.command(['--json', 'list']), env=self.env, stdout=full,
                                  stderr=subprocess.PIPE)
        self.assertNotEqual(done.returncode, 0)

    def test_repeated_options_leave_the_operands_alone(self):
        self.write('b.o', 'x')
        self.run_program(['backup', '--exclude', '*.o', '--tag', 'a', '--tag', 'b',
                          '--exclude-if-present', '.no', self.source])
        [point] = self.points()
        self.assertEqual((point['tags'], point['files']), (['a', 'b'], 1))

    def test_dashes_end_the_options(self):
        os.mkdir(self.path('-x'))
        self.run_program(['backup', '--', '-x'], cwd=self.tmp)
        self.assertEqual(self.points()[0]['name'], self.path('-x'))


if __name__ == '__main__':
    unittest.main()
