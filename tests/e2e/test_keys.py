"""What opens a repository, and what does not."""
import os
import re
import shutil
import stat
import unittest

from harness import E2E, is_root


class Keys(E2E):
    def init_and_back_up(self, *args):
        document = self.run_program(['--json', *args, 'init']).json
        self.write('file', 'secret words')
        self.run_program([*args, 'backup', self.source])
        return document

    def passphrase(self, name, text):
        return self.write(name, text, root=self.tmp, mode=0o600)

    def without_key(self):
        return {'HOLDFAST_KEY_FILE': None}

    def test_init_tells_where_the_key_is(self):
        text = self.run_program(['init']).text
        self.assertIn(self.key, text)
        self.assertRegex(text, 'HFRK(-[0-9A-F]{4}){17}')
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)

    def test_init_json(self):
        document = self.run_program(['--json', 'init']).json
        self.assertEqual(document['schema'], 1)
        self.assertEqual((document['repository'], document['key_file']), (self.repo, self.key))

    def test_init_never_overwrites(self):
        self.init_and_back_up()
        with open(self.key) as file:
            key = file.read()
        self.run_program(['init'], expect=1)
        self.env['HOLDFAST_REPOSITORY'] = self.path('repo2')
        result = self.run_program(['init'], expect=1)  # the key file is there
        self.assertIn(self.key, result.err)
        self.assertIn('--key-file', result.err)
        self.assertFalse(os.path.exists(self.path('repo2')))
        with open(self.key) as file:
            self.assertEqual(file.read(), key)
        self.env['HOLDFAST_REPOSITORY'] = self.repo
        self.assertEqual(len(self.points()), 1)

    def test_a_refused_init_leaves_nothing_behind(self):
        self.write('key', 'something else', root=self.tmp)
        self.run_program(['init'], expect=1)
        self.assertFalse(os.path.exists(self.repo))
        os.unlink(self.key)
        self.run_program(['--passphrase-file', self.path('none'), 'init'], expect=12)
        self.run_program(['--passphrase-command', 'false', 'init'], expect=12)
        self.assertFalse(os.path.exists(self.repo))
        self.run_program(['init'])

    def test_init_in_a_directory_that_is_not_empty(self):
        self.write('precious', 'x', root=self.repo)
        result = self.run_program(['--json', 'init'], expect=1)
        self.assertEqual(result.error['code'], 'already_exists')
        self.assertIn('not empty', result.err)
        self.assertEqual(os.listdir(self.repo), ['precious'])
        self.assertFalse(os.path.exists(self.key))
        os.unlink(os.path.join(self.repo, 'precious'))
        os.mkdir(os.path.join(self.repo, 'lost+found'))  # of a new file system
        self.run_program(['init'])
        self.assertIn('a repository already', self.run_program(
            ['--key-file', self.path('key2'), 'init'], expect=1).err)

    def test_init_with_a_passphrase_names_no_key_file(self):
        passphrase = self.write('passphrase', 'secret\n', root=self.tmp)
        text = self.run_program(['--passphrase-file', passphrase, 'init']).text
        self.assertIn('recovery key:', text)
        self.assertNotIn('key file:', text)

    def test_wrong_key(self):
        self.init_and_back_up()
        other = {'HOLDFAST_REPOSITORY': self.path('repo2'), 'HOLDFAST_KEY_FILE': self.path('key2')}
        self.run_program(['init'], env=other)
        for args in (['list'], ['backup', self.source], ['check'], ['key', 'list'],
                     ['restore', 'latest', '--target', self.path('t')]):
            result = self.run_program(['--key-file', self.path('key2'), *args], expect=12)
            self.assertIn('key', result.err)
        self.assertEqual(len(self.points()), 1)

    def test_key_files_that_are_none(self):
        self.init_and_back_up()
        for name, content in (('garbage', 'garbage\n'), ('empty', ''), ('short', 'holdfast-key-1 x 00\n'),
                              ('binary', os.urandom(1000))):
            path = self.write(name, content, root=self.tmp)
            self.run_program(['--key-file', path, 'list'], expect=12)
        self.run_program(['--key-file', self.path('missing'), 'list'], expect=(1, 12))

    def test_no_key_at_all(self):
        self.init_and_back_up()
        result = self.run_program(['list'], expect=12, env=self.without_key())
        self.assertIn('--key-file', result.err)

    def test_passphrase_file(self):
        words = self.passphrase('words', 'correct horse battery staple\n')
        self.env.pop('HOLDFAST_KEY_FILE')
        document = self.init_and_back_up('--passphrase-file', words)
        self.assertFalse(document['key_file'])
        self.assertEqual(len(self.points(env={'HOLDFAST_PASSPHRASE_FILE': words})), 1)
        crlf = self.passphrase('crlf', 'correct horse battery staple\r\nanother line\n')
        self.assertEqual(self.run_program(['--passphrase-file', crlf, 'list']).status, 0)
        wrong = self.passphrase('wrong', 'correct horse battery stapler')
        self.run_program(['--passphrase-file', wrong, 'list'], expect=12)
        self.run_program(['--passphrase-file', self.passphrase('empty', ''), 'list'], expect=12)
        self.run_program(['list'], expect=12)

    def test_passphrase_command(self):
        self.env.pop('HOLDFAST_KEY_FILE')
        self.init_and_back_up('--passphrase-command', 'echo open sesame')
        env = {'HOLDFAST_PASSPHRASE_COMMAND': 'printf "open %s" sesame'}
        self.assertEqual(len(self.points(env=env)), 1)
        self.run_program(['--passphrase-command', 'echo wrong', 'list'], expect=12)
        self.run_program(['--passphrase-command', 'echo open sesame; false', 'list'], expect=12)
        self.run_program(['--passphrase-command', 'true', 'list'], expect=12)

    def test_two_kinds_of_keys_at_once(self):
        self.init_and_back_up()
        self.run_program(['--key-file', self.key, '--passphrase-command', 'true', 'list'], expect=2)

    def test_recovery_key_in_a_key_file(self):
        recovery = self.init_and_back_up()['recovery_key']
        os.unlink(self.key)
        for i, text in enumerate((recovery, recovery + '\n', recovery + '\r\nother line',
                                  recovery.replace('-', ' '), recovery.replace('-', ''))):
            path = self.write('recovery%d' % i, text, root=self.tmp)
            self.run_program(['--key-file', path, 'cat', 'latest:file'])
        digits = list(recovery)
        digits[7] = '0' if digits[7] != '0' else '1'
        typo = self.write('typo', ''.join(digits), root=self.tmp)
        result = self.run_program(['--key-file', typo, 'list'], expect=12)
        self.assertIn('digit', result.err)

    def test_recovery_key_in_small_letters(self):
        recovery = self.init_and_back_up()['recovery_key']
        path = self.write('recovery', recovery.lower(), root=self.tmp)
        self.run_program(['--key-file', path, 'cat', 'latest:file'])

    def keys(self, **options):
        return self.run_program(['--json', 'key', 'list'], **options).json['keys']

    def test_key_list(self):
        self.init_and_back_up()
        self.assertEqual(sorted(k['type'] for k in self.keys()), ['key-file', 'recovery'])
        self.assertEqual(self.run_program(['key', 'list']).text.count('\n'), 2)

    def test_key_add_and_remove(self):
        self.init_and_back_up()
        words = self.passphrase('words', 'open sesame')
        self.run_program(['key', 'add', '--new-key-file', self.path('key2'), '--label', 'of Anna'])
        self.run_program(['key', 'add', '--new-passphrase-file', words])
        self.assertEqual(stat.S_IMODE(os.stat(self.path('key2')).st_mode), 0o600)
        self.assertEqual(len(self.keys()), 4)
        self.assertIn('of Anna', self.run_program(['key', 'list']).text)
        none = self.without_key()
        self.run_program(['--passphrase-file', words, 'cat', 'latest:file'], env=none)
        self.run_program(['--key-file', self.path('key2'), 'cat', 'latest:file'], env=none)
        mine = next(k['id'] for k in self.keys() if k['label'] == 'of Anna')
        self.run_program(['key', 'remove', mine[:16]])
        self.run_program(['--key-file', self.path('key2'), 'list'], expect=12)
        self.assertEqual(len(self.keys()), 3)
        self.assert_check_clean()

    def stored(self):
        return [name for name, _ in self.objects()]

    def epoch_of(self, name):
        with open(os.path.join(self.repo, name), 'rb') as file:
            return int.from_bytes(file.read(60)[58:60], 'little')

    def test_key_rotate(self):
        self.init_and_back_up()
        words = self.passphrase('words', 'open sesame')
        self.run_program(['key', 'add', '--new-passphrase-file', words])
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        before, first = self.stored(), self.points()[0]['id']
        self.run_program(['key', 'rotate'])
        # Nothing is written again.
        self.assertEqual(sorted(set(self.stored()) - set(before)), ['epochs/0002', 'epochs/0002.2'])
        self.assertEqual(set(before) - set(self.stored()), set())
        self.write('new', 'more words')
        self.run_program(['backup', self.source])
        self.write('newer', 'and more')
        self.run_program(['--key-file', self.path('writer'), 'backup', self.source])
        new = [n for n in set(self.stored()) - set(before) if n.startswith(('points/', 'data/', 'meta/'))]
        self.assertTrue(new)
        self.assertEqual({self.epoch_of(name) for name in new}, {2})
        none = self.without_key()
        for args, env in ((['--passphrase-file', words], none), ([], {})):
            self.assertEqual(self.run_program([*args, 'cat', 'latest:newer'], env=env).text, 'and more')
            self.assertEqual(self.run_program([*args, 'cat', first + ':file'], env=env).text, 'secret words')
        self.run_program(['key', 'rotate'])
        self.run_program(['key', 'add', '--new-key-file', self.path('key3')])
        self.run_program(['--key-file', self.path('key3'), 'cat', first + ':file'], env=none)
        self.assert_check_clean()
        # One copy of an epoch is enough, and repair makes the other one again.
        os.unlink(os.path.join(self.repo, 'epochs', '0002'))
        self.run_program(['cat', 'latest:new'])
        self.run_program(['repair'])
        self.assertIn('epochs/0002', self.stored())

    def test_key_revoke(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('key2'), '--label', 'lost laptop'])
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        lost = next(k['id'] for k in self.keys() if k['label'] == 'lost laptop')
        kept = os.path.join(self.tmp, 'kept')
        shutil.copytree(self.repo, kept)
        self.run_program(['key', 'revoke', lost[:16]])
        self.write('new', 'of no concern to him')
        self.run_program(['backup', self.source])
        with_lost = ['--key-file', self.path('key2')]
        self.run_program([*with_lost, 'list'], expect=12)
        for copy in (lost, lost + '.2'):
            shutil.copy(os.path.join(kept, 'keys', copy), os.path.join(self.repo, 'keys'))
        self.assertIn('revoked', self.run_program([*with_lost, 'cat', 'latest:new'], expect=12).err)
        self.assertEqual([k['label'] for k in self.keys() if k['revoked']], ['lost laptop'])
        self.assertIn('REVOKED', self.run_program(['key', 'list']).text)
        # He takes the epoch away: nobody who has seen it falls for that, and what it protects stays closed.
        os.rename(os.path.join(self.repo, 'epochs'), os.path.join(self.tmp, 'epochs'))
        self.assertIn('epochs/0002', self.run_program(['list'], expect=13).err)
        cold = {'HOLDFAST_CACHE_DIR': self.path('cold')}
        result = self.run_program([*with_lost, 'cat', 'latest:new'], env=cold, expect=None)
        self.assertNotEqual(result.status, 0)
        self.assertNotIn('concern', result.text)
        os.rename(os.path.join(self.tmp, 'epochs'), os.path.join(self.repo, 'epochs'))
        self.run_program(['--key-file', self.path('writer'), 'backup', self.source])
        self.run_program(['key', 'remove', lost])
        self.assert_check_clean()

    def test_the_last_key_is_not_revoked(self):
        self.init_and_back_up()
        ids = [k['id'] for k in self.keys()]
        self.run_program(['key', 'revoke', next(k['id'] for k in self.keys() if k['type'] == 'recovery')])
        self.run_program(['key', 'revoke', ids[0] if ids[0] in [k['id'] for k in self.keys()] else ids[1]],
                         expect=15)
        self.run_program(['cat', 'latest:file'])

    def test_a_slot_that_nobody_vouches_for_stops_a_rotation(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('key2'), '--label', 'of Anna'])
        anna = next(k['id'] for k in self.keys() if k['label'] == 'of Anna')
        for copy in (anna, anna + '.2'):
            path = os.path.join(self.repo, 'keys', copy)
            with open(path, 'r+b') as file:
                file.write(bytes(os.path.getsize(path)))
        self.run_program(['key', 'rotate'], expect=13)
        self.assertNotIn('epochs/0002', self.stored())

    def test_key_add_does_not_overwrite(self):
        self.init_and_back_up()
        self.write('key2', 'precious', root=self.tmp)
        self.run_program(['key', 'add', '--new-key-file', self.path('key2')], expect=1)
        self.assertEqual(len(self.keys()), 2)
        with open(self.path('key2')) as file:
            self.assertEqual(file.read(), 'precious')

    def test_key_add_usage(self):
        self.init_and_back_up()
        self.run_program(['key', 'add'], expect=2)
        self.run_program(['key'], expect=2)
        self.run_program(['key', 'remove'], expect=2)
        self.run_program(['key', 'remove', 'ffffffffffffffffffffffff0'], expect=1)

    def test_key_recovery(self):
        self.init_and_back_up()
        text = self.run_program(['key', 'recovery']).text
        recovery = re.search('HFRK(-[0-9A-F]{4}){17}', text).group()
        path = self.write('recovery', recovery, root=self.tmp)
        self.run_program(['--key-file', path, 'cat', 'latest:file'])

    def test_the_last_key_is_not_removed(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        full = [k for k in self.keys() if k['role'] == 'full']
        self.assertEqual(len(full), 2)
        recovery = next(k['id'] for k in full if k['type'] == 'recovery')
        last = next(k['id'] for k in full if k['type'] != 'recovery')
        self.run_program(['key', 'remove', recovery])
        self.run_program(['key', 'remove', last], expect=15)
        self.assertEqual(len(self.points()), 1)

    def test_write_only_key(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        writer = ['--key-file', self.path('writer')]
        before = self.run_program(['--json', 'show', 'latest']).json['id']
        self.write('file2', b'from the writer' * 10000)
        document = self.run_program(['--json', *writer, 'backup', self.source]).json['sources'][0]
        self.assertEqual(document['files'], 2)
        point = document['restore_point']
        for args in (['list'], ['ls', 'latest'], ['ls', before], ['cat', before + ':file'],
                     ['cat', point + ':file'], ['find', 'file'], ['show', point],
                     ['restore', point, '--target', self.path('t')], ['diff', before, point],
                     ['delete', before], ['key', 'add', '--new-key-file', self.path('key3')],
                     ['key', 'recovery']):
            result = self.run_program([*writer, *args], expect=None)
            self.assertNotEqual(result.status, 0, result.describe())
            self.assertNotEqual(result.status, 13, 'not damage: ' + result.describe())
            self.assertNotIn(b'secret words', result.stdout)
            self.assertIn('write-only', result.err, result.describe())
        self.assertFalse(os.path.exists(self.path('t', 'file')))
        # The reader sees and restores what the writer stored.
        self.assertEqual([p['id'] for p in self.points()][-1], point)
        self.restore(point)
        self.assert_trees_equal(self.source, self.path('target'))
        self.assert_check_clean()

    def test_a_write_only_key_backs_up_what_changed(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        writer = ['--json', '--key-file', self.path('writer'), 'backup', self.source]
        for number in range(30):
            self.write('dir/file%d' % number, os.urandom(200_000))
        self.settle()
        first = self.run_program(writer).json['sources'][0]
        self.assertEqual(first['type'], 'full')
        self.write('dir/file7', os.urandom(200_000))
        second = self.run_program(writer).json['sources'][0]
        self.assertEqual(second['type'], 'incremental')
        self.assertEqual(second['bytes_read'], 200_000)
        self.restore(second['restore_point'])
        self.assert_trees_equal(self.source, self.path('target'))
        # The parts of the cache that are its alone are for its owner alone.
        kept = [os.path.join(base, name) for base, _, names in os.walk(self.path('cache')) for name in names
                if '/client-' in base]
        self.assertTrue(kept)
        self.assertEqual({stat.S_IMODE(os.stat(path).st_mode) for path in kept}, {0o600})
        # A prune in between, and a lost cache, cost reading at most.
        self.run_program(['delete', first['restore_point']])
        self.run_program(['prune'])
        self.write('dir/file8', os.urandom(200_000))
        third = self.run_program(writer).json['sources'][0]
        shutil.rmtree(self.path('cache'))
        fourth = self.run_program(writer).json['sources'][0]
        self.assertEqual(fourth['type'], 'full')
        for point in (second, third, fourth):
            self.run_program(['cat', point['restore_point'] + ':dir/file9'])
        self.assert_check_clean()

    def test_write_only_key_removes_no_keys(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('key2')])
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only'])
        recovery = next(k['id'] for k in self.keys() if k['type'] == 'recovery')
        result = self.run_program(['--key-file', self.path('writer'), 'key', 'remove', recovery],
                                  expect=None)
        self.assertNotEqual(result.status, 0)
        self.assertEqual(len(self.keys()), 4)

    def test_a_write_only_key_of_one_host(self):
        self.init_and_back_up()
        self.run_program(['key', 'add', '--new-key-file', self.path('writer'), '--write-only', '--host', 'web1'])
        self.assertEqual([k['host'] for k in self.keys() if k['role'] != 'full'], ['web1'])
        self.assertIn('for host web1', self.run_program(['key', 'list']).text)
        writer = ['--key-file', self.path('writer')]
        result = self.run_program([*writer, 'backup', self.source, '--host', 'web2'], expect=None)
        self.assertNotEqual(result.status, 0)
        self.assertIn('web2', result.err)
        self.run_program([*writer, 'backup', self.source, '--host', 'web1'])
        self.assertEqual([p['host'] for p in self.points()][-1], 'web1')
        self.assertFalse(self.points()[-1]['damaged'])
        # Its points stay when its key goes.
        writer_id = next(k['id'] for k in self.keys() if k['role'] != 'full')
        self.run_program(['key', 'revoke', writer_id])
        self.assertFalse(any(p['damaged'] for p in self.points()))
        self.run_program([*writer, 'backup', self.source, '--host', 'web1'], expect=12)
        self.run_program(['key', 'add', '--new-key-file', self.path('key2'), '--host', 'web1'], expect=2)
        self.assertFalse(os.path.exists(self.path('key2')))
        self.assert_check_clean()

    def test_init_like(self):
        self.init_and_back_up()
        self.write('big', os.urandom(3 << 20))
        self.backup()
        env = {'HOLDFAST_REPOSITORY': self.path('repo2'), 'HOLDFAST_KEY_FILE': None}
        self.run_program(['--key-file', self.path('key2'), 'init', '--like', self.repo,
                          '--like-key-file', self.key], env=env)
        env['HOLDFAST_KEY_FILE'] = self.path('key2')
        self.run_program(['backup', self.source], env=env)
        self.run_program(['cat', 'latest:file'], env=env)
        self.run_program(['--key-file', self.key, 'list'], env=env, expect=12)

    def test_nothing_readable_is_stored(self):
        self.init_and_back_up()
        for name, _ in self.objects():
            self.assertNotIn('source', name)
            with open(os.path.join(self.repo, name), 'rb') as file:
                data = file.read()
            for text in (b'secret words', b'file', self.source.encode(), os.uname().nodename.encode()):
                if len(text) > 3:
                    self.assertNotIn(text, data, name)


class Embedded(E2E):
    """Without a repository being named."""

    def setUp(self):
        super().setUp()
        for name in ('HOLDFAST_REPOSITORY', 'HOLDFAST_KEY_FILE', 'HOLDFAST_CACHE_DIR'):
            self.env.pop(name)
        self.user = 65534
        if is_root():
            for name in ('home', 'source'):
                os.chown(self.path(name), self.user, self.user)
        self.default = self.path('home', 'data', 'holdfast', 'repository')

    def test_made_at_the_first_backup(self):
        self.write('file', 'x')
        self.run_program(['list'], user=self.user, expect=10)
        self.assertFalse(os.path.exists(self.default))
        result = self.run_program(['backup', self.source], user=self.user)
        said = result.text + result.err
        self.assertIn(self.default, said)
        self.assertIn(self.path('home', 'config', 'holdfast'), said)
        self.assertRegex(said, 'HFRK(-[0-9A-F]{4}){17}')
        self.assertIn('disk', said)
        self.assertIn('recovery key', said)
        self.run_program(['cat', 'latest:file'], user=self.user)
        self.assertNotIn('HFRK', self.run_program(['backup', self.source], user=self.user).text)

    def test_a_passphrase_in_place_of_a_key_file(self):
        passphrase = self.write('passphrase', 'secret\n', root=self.tmp)
        text = self.run_program(['--passphrase-file', passphrase, 'backup', self.source],
                                user=self.user).text
        self.assertIn('recovery key:', text)
        self.assertNotIn('key file:', text)

    def test_told_with_json_too(self):
        self.write('file', 'x')
        result = self.run_program(['--json', 'backup', self.source], user=self.user)
        self.assertEqual(result.json['schema'], 1)
        self.assertIn('HFRK', result.text + result.err)
        self.assertIn(self.default, result.text + result.err)

    def test_dry_run_makes_nothing(self):
        self.write('file', 'x')
        before = sorted(os.walk(self.path('home')))
        result = self.run_program(['--json', 'backup', '--dry-run', self.source], user=self.user)
        [one] = result.json['sources']
        self.assertEqual((one['restore_point'], one['type'], one['bytes_read']), ('', 'full', 1))
        self.assertEqual(sorted(os.walk(self.path('home'))), before)

    def test_a_backup_that_cannot_begin_makes_nothing(self):
        self.write('file', 'x')
        before = sorted(os.walk(self.path('home')))
        for args, status in (([self.path('none')], 1), (['none:x'], 2),
                             ([self.source, '-e', '['], 2),
                             ([self.source, '--exclude-file', self.path('none')], 1),
                             ([self.source, '--files-from0', '-'], 2)):
            self.run_program(['backup', *args], user=self.user, expect=status)
            self.assertEqual(sorted(os.walk(self.path('home'))), before, args)

    def test_home_with_the_repository_in_it(self):
        self.write('document', 'x', root=self.path('home'))
        home = self.path('home')
        for _ in range(2):
            self.run_program(['backup', home], user=self.user)
            lines = self.run_program(['--json', 'ls', 'latest'], user=self.user).json_lines
            inside = [l['path'] for l in lines if '/holdfast/repository/' in l['path']
                      or l['path'].startswith('cache/holdfast/')]
            self.assertEqual(inside, [])
        self.assertIn('document', [l['path'] for l in lines])

    def test_a_named_repository_is_never_made_silently(self):
        for args, env in ((['-r', self.path('none')], None),
                          ([], {'HOLDFAST_REPOSITORY': self.path('none')})):
            result = self.run_program([*args, 'backup', self.source], env=env, expect=10)
            self.assertIn(self.path('none'), result.err)
            self.assertFalse(os.path.exists(self.path('none')))


if __name__ == '__main__':
    unittest.main()
