"""What a process is started with: descriptors, pipes for files, roundabout paths, and how it ends."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

from harness import E2E, NOBODY


class Surroundings(E2E):
    def setUp(self):
        super().setUp()
        self.init()

    def test_closed_standard_input_is_no_stream(self):
        self.write('file', 'content')
        result = self.run_program(['backup', '--stdin-name', 'stream'], expect=1,
                                  preexec=lambda: os.close(0))
        self.assertIn(b'Bad file descriptor', result.stderr)
        self.assertEqual(self.run_program(['--json', 'list']).json['restore_points'], [])

    def test_closed_descriptors_are_not_given_to_files(self):
        self.write('file', os.urandom(3 << 20))
        os.chmod(self.write('unreadable'), 0)

        def close_all():
            for fd in (0, 1, 2):
                os.close(fd)
        # Its summary cannot be printed; the messages must not stand in a pack.
        self.run_program(['backup', '--progress=json', self.source], expect=1, preexec=close_all)
        self.run_program(['check', '--read-data'])

    def test_files_of_options_may_be_pipes(self):
        self.write('keep', 'x')
        self.write('leave.tmp', 'y')
        backup = ' '.join(self.command(['backup', '--json', self.source]))
        done = subprocess.run(['bash', '-c', backup + " --exclude-from <(echo '*.tmp')"],
                              env=self.environment(), stdout=subprocess.PIPE, check=True)
        self.assertEqual(json.loads(done.stdout)['sources'][0]['files'], 1)
        key = ' '.join(self.command(['--key-file', '<(cat %s)' % self.key, 'list']))
        subprocess.run(['bash', '-c', key], env=self.environment(), check=True,
                       stdout=subprocess.DEVNULL)

    def test_repository_is_no_source_whatever_path_leads_to_it(self):
        os.symlink(self.repo, self.path('link'))
        os.mkdir(self.path('repo', 'inner'))
        for repository, source, cwd in ((self.repo, self.path('link'), None),
                                        (self.path('link'), self.repo, None),
                                        ('repo', self.path('link', 'keys'), self.tmp),
                                        (self.repo, self.path('repo', 'inner'), None)):
            result = self.run_program(['-r', repository, 'backup', source], expect=2, cwd=cwd,
                                      env={'HOLDFAST_REPOSITORY': None})
            self.assertIn(b'is the repository, or in it', result.stderr)

    def test_bytes_read_are_counted_for_each_source(self):
        sources = []
        for i, size in enumerate((1000, 300000)):
            sources.append(self.path('source%d' % i))
            self.write('file', os.urandom(size), root=sources[-1])
        result = self.run_program(['--json', 'backup', *sources])
        self.assertEqual([one['bytes_read'] for one in result.json['sources']], [1000, 300000])

    def test_progress_says_how_much_there_is(self):
        self.write('large', os.urandom(64 << 20))
        for _ in range(2):
            result = self.run_program(['backup', '--progress=json', '--type', 'full', self.source])
            lines = [json.loads(line)['progress'] for line in result.stderr.splitlines()
                     if line.startswith(b'{')]
            if lines:  # a backup that takes less than 0.2 s shows nothing
                self.assertEqual((lines[-1]['total_files'], lines[-1]['total_bytes']), (1, 64 << 20))

    def test_recovery_key_is_told_before_the_first_backup_ends(self):
        self.write('large', os.urandom(256 << 20))
        env = {'HOLDFAST_REPOSITORY': None, 'HOLDFAST_KEY_FILE': None,
               'XDG_DATA_HOME': self.path('home', 'data'), 'XDG_CONFIG_HOME': self.path('home', 'config')}
        os.chmod(self.path('home'), 0o777)
        process = self.start(['backup', self.source], env=env, user=NOBODY)
        for _ in range(500):
            process.out.seek(0, os.SEEK_END)
            if process.out.tell() or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        result = self.finish(process, expect=None)
        self.assertRegex(result.stdout.decode(), r'recovery key: +HFRK(-[0-9A-F]{4}){17}')
        self.assertIsNone(re.search(r'added', result.stdout.decode()), 'it was done before the kill')

    def test_init_after_one_that_was_killed(self):
        repository = self.path('repo2')
        os.makedirs(os.path.join(repository, 'keys'))
        os.mkdir(os.path.join(repository, 'tmp'))
        for name in os.listdir(os.path.join(self.repo, 'keys')):
            shutil.copy(os.path.join(self.repo, 'keys', name), os.path.join(repository, 'keys'))
        env = {'HOLDFAST_REPOSITORY': repository, 'HOLDFAST_KEY_FILE': self.path('key2')}
        self.run_program(['init'], env=env)
        self.write('file', 'x')
        self.run_program(['backup', self.source], env=env)
        self.run_program(['key', 'list'], env=env)
        self.run_program(['check'], env=env)

    def test_init_beside_foreign_keys(self):
        repository = self.path('repo2')
        os.makedirs(os.path.join(repository, 'keys'))
        with open(os.path.join(repository, 'keys', 'id_ed25519'), 'w') as file:
            file.write('mine')
        env = {'HOLDFAST_REPOSITORY': repository, 'HOLDFAST_KEY_FILE': self.path('key2')}
        self.assertIn('not empty', self.run_program(['init'], env=env, expect=1).err)
        self.assertFalse(os.path.exists(self.path('key2')))
