"""Configuration files: what they say, what is wrong with them, and repositories by their names."""
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import E2E, HERE, needs_root

ROOT = os.path.join(HERE, '..', '..')


class ConfigWorld(E2E):
    def setUp(self):
        super().setUp()
        self.config = self.path('holdfast.toml')
        self.state = self.path('state')
        self.env.update({'HOLDFAST_CONFIG': self.config, 'HOLDFAST_STATE_DIR': self.state})
        # Nothing of the environment may stand in for the configuration.
        del self.env['HOLDFAST_REPOSITORY'], self.env['HOLDFAST_KEY_FILE']

    def configure(self, text, path=None, mode=0o644):
        path = path or self.config
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def repository(self, name='main', more=''):
        return '[repository.%s]\nurl = "%s"\nkey_file = "%s"\n%s\n' % (
            name, self.path('repo-' + name), self.path('key-' + name), more)

    def problems(self):
        return self.run_program(['--json', 'config', 'check'], expect=2).json['problems']


class Config(ConfigWorld):
    def test_a_repository_by_its_name(self):
        self.small_tree()
        self.configure(self.repository())
        self.init('-r', 'main')
        self.assertTrue(os.path.exists(self.path('key-main')))
        self.run_program(['-r', 'main', 'backup', self.source])
        self.assertEqual(len(self.points('-r', 'main')), 1)
        self.assertEqual(len(self.points(env={'HOLDFAST_REPOSITORY': 'main'})), 1)
        # The configuration goes before the environment, the command line before the configuration.
        self.assertEqual(len(self.points('-r', 'main', env={'HOLDFAST_KEY_FILE': '/no/such/key'})), 1)
        self.run_program(['-r', 'main', '--key-file', '/no/such/key', 'list'], expect=12)
        # A name goes before a directory of that name; what has a slash is a path.
        os.mkdir(self.path('here'))
        os.mkdir(self.path('here', 'main'))
        self.run_program(['-r', 'main', 'list'], cwd=self.path('here'))
        self.run_program(['-r', './main', 'list'], cwd=self.path('here'), expect=10)
        self.run_program(['-r', 'mani', 'list'], expect=10)

    def test_a_lock_is_asked_for_at_init(self):
        self.configure(self.repository(more='lock = "30d"'))
        # A directory cannot lock: it is said, and nothing is made.
        self.init('-r', 'main', expect=1)
        self.assertFalse(os.path.exists(self.path('key-main')))
        self.configure(self.repository())
        self.init('-r', 'main')

    def test_two_repositories_and_a_copy(self):
        self.small_tree()
        self.configure(self.repository('main') + self.repository('other'))
        self.init('-r', 'main')
        self.init('-r', 'other')
        self.run_program(['-r', 'main', 'backup', self.source])
        self.run_program(['-r', 'main', 'copy', '--to', 'other'])
        self.assertEqual(len(self.points('-r', 'other')), 1)

    def test_secrets_of_every_kind(self):
        self.small_tree()
        secret = self.write('secret', 'pass phrase\nsecond line\n', root=self.tmp)
        os.makedirs(self.path('credentials'))
        shutil.copy(secret, self.path('credentials', 'repository'))
        kinds = {'file': secret, 'command': 'cat %s' % secret, 'environment': 'MY_SECRET', 'credential': 'repository'}
        env = {'MY_SECRET': 'pass phrase', 'CREDENTIALS_DIRECTORY': self.path('credentials')}
        made = False
        for kind, value in kinds.items():
            self.configure('[repository.main]\nurl = "%s"\npassphrase = {%s = "%s"}\n' % (self.repo, kind, value))
            if not made:
                self.init('-r', 'main', env=env)
                made = True
            self.assertEqual(self.points('-r', 'main', env=env), [], kind)
            shown = self.run_program(['config', 'show', '--origin'], env=env).text
            self.assertIn('passphrase = {%s = "%s"}' % (kind, value), shown)
            self.assertNotIn('pass phrase', shown)
        for kind, value, env in (('environment', 'MY_SECRET', {}), ('credential', 'repository', {}),
                                 ('file', self.path('none'), {}), ('command', 'false', {}), ('command', 'true', {})):
            self.configure('[repository.main]\nurl = "%s"\npassphrase = {%s = "%s"}\n' % (self.repo, kind, value))
            self.run_program(['-r', 'main', 'list'], env=env, expect=12)

    def test_every_problem_has_its_place(self):
        self.configure('''
[repository.main]
url = "/repo"
pasphrase = {file = "/secret"}
passphrase = "clear-secret"
limit_upload = 5

[source.home]
path = "home"
repository = "mian"
policy = "nightly"
tags = ["a", 1]

[policy.nightly]
type = "sometimes"
schedule = "at noon"
synthetic_after = "30d"
keep.daily = 0

[notify.me]
on = ["failure", "never"]

[sauce.x]
y = 1
''')
        found = [(p['line'], p['message']) for p in self.problems()]
        expected = [
            (4, "no such key: 'repository.main.pasphrase'; did you mean 'passphrase'?"),
            (5, 'in clear'), (6, 'limit_upload: a number of bytes such as 2M is wanted, not 5'),
            (9, 'not an absolute path'), (10, "no repository 'mian'; did you mean 'main'?"),
            (12, 'a text is wanted, not a number'), (15, "'sometimes' is none of"), (16, 'not times such as daily'),
            (17, 'is for type = "forever-incremental"'), (18, 'a number from 1 to 1,000,000 is wanted'),
            (20, 'mail or webhook is missing'), (21, "'never' is none of"),
            (23, "no such key: 'sauce'")]
        self.assertEqual([line for line, _ in found], [line for line, _ in expected], found)
        for (_, message), (_, part) in zip(found, expected):
            self.assertIn(part, message)
        # Each on a line of its own, with its place; and no secret, not even one that stands in the file.
        text = self.run_program(['config', 'check'], expect=2).err
        self.assertIn(self.config + ':4:1: ', text)
        self.assertEqual(len(text.splitlines()), len(expected))
        for args in (['config', 'check'], ['config', 'show', '--origin'], ['run'], ['-r', 'main', 'list']):
            result = self.run_program(args, expect=2)
            self.assertNotIn('clear-secret', result.text + result.err)
            self.assertIn("did you mean 'passphrase'?", result.err)

    def test_defaults_are_shown_and_words_are_no_values(self):
        self.configure('[repository.main]\nurl = "/r"\n[source.s]\npath = "/s"\nrepository = "main"\npolicy = "p"\n[policy.p]\n')
        lines = self.run_program(['config', 'show']).text.splitlines()
        self.assertIn('policy.p.objective.copies = "3"', lines)
        self.assertIn('repository.main.medium = (by the URL: disk or object)', lines)
        self.assertIn('source.s.host = (this host)', lines)

    def test_locations_that_nothing_is_at(self):
        self.configure('[repository.a]\nurl = "gopher://x"\n[repository.b]\nurl = "s3:https://host"\n[repository.c]\nurl = "/ok"\n'
                       '[source.s]\nurl = "s3://"\nrepository = "c"\n'
                       '[source.t]\nurl = "s3://photos"\nexclude = ["*.tmp"]\nrepository = "c"\n'
                       '[replica.r]\nsource.url = "/a"\ntarget.url = "s3://b"\n')
        problems = self.run_program(['--json', 'config', 'check'], expect=2).json['problems']
        self.assertEqual([p['line'] for p in problems], [2, 4, 8, 12, 15])
        self.configure('[repository.a]\nurl = "s3:https://host/bucket"\n[repository.b]\nurl = "sftp://u@h/p"\n'
                       '[repository.c]\nurl = "swift:container/p"\n[repository.d]\nurl = "rados:pool/n"\n'
                       '[repository.e]\nurl = "s3:eu-west-3/bucket"\n[source.s]\nurl = "s3://photos"\nrepository = "a"\n')
        self.run_program(['config', 'check'])

    def test_what_belongs_together(self):
        self.configure(self.repository('main', 'passphrase = {file = "/secret"}\ns3.access_key = {file = "/a"}') +
                       '[source.a]\nrepository = "main"\n'
                       '[source.b]\npath = "/b"\nurl = "files:/b"\nrepository = "main"\n'
                       '[source.c]\npath = "/c"\n'
                       '[policy.a]\n'
                       '[notify.m]\nmail.from = "me"\n'
                       '[repository.second]\nenvironment.OS_PASSWORD = "clear"\n')
        text = '\n'.join(p['message'] for p in self.problems())
        for part in ('passphrase: there is a key_file, too', 's3.access_key: s3.secret_key is missing',
                     'source.a: path or url is missing', 'source.b.url: there is a path, too',
                     'source.c.repository is missing', 'a policy has this name, too', 'mail.to is missing',
                     'repository.second.url is missing', 'environment.OS_PASSWORD: in clear'):
            self.assertIn(part, text)

    def test_a_syntax_error(self):
        self.configure('[repository.main]\nurl = \n')
        problem = self.problems()[0]
        self.assertEqual((problem['file'], problem['line']), (self.config, 2))

    def test_includes(self):
        self.configure('include = ["conf.d/*.toml", "more.toml"]\n' + self.repository())
        self.configure('[source.a]\npath = "/a"\nrepository = "main"\n', self.path('conf.d', 'a.toml'))
        self.configure('[source.b]\npath = "/b"\nrepository = "main"\n', self.path('conf.d', 'b.toml'))
        self.configure('[policy.p]\n', self.path('more.toml'))
        document = self.run_program(['--json', 'config', 'check']).json
        self.assertEqual(document['files'], [self.config, self.path('conf.d', 'a.toml'), self.path('conf.d', 'b.toml'),
                                             self.path('more.toml')])
        shown = self.run_program(['config', 'show', '--origin']).text
        self.assertIn('source.b.path = "/b"  # %s:2\n' % self.path('conf.d', 'b.toml'), shown)
        self.assertIn('source.b.compression = "standard"  # default\n', shown)
        self.assertNotIn('mail', shown)
        # The same name twice, and an include in what is included.
        self.configure('include = "x"\n[source.a]\npath = "/a"\nrepository = "main"\n', self.path('conf.d', 'b.toml'))
        texts = [p['message'] for p in self.problems()]
        self.assertEqual(len(texts), 2, texts)
        self.assertIn('only the first file', texts[0])
        self.assertIn(self.path('conf.d', 'a.toml') + ':1', texts[1])
        os.unlink(self.path('more.toml'))
        self.run_program(['config', 'check'], expect=1)

    def test_where_the_file_is(self):
        self.configure(self.repository())
        self.run_program(['config', 'check'], env={'HOLDFAST_CONFIG': None, 'HOME': '/nowhere'}, expect=(0, 2))
        self.run_program(['--config', self.path('none'), 'config', 'check'], expect=1)
        other = self.configure('[source.x]\n', self.path('other.toml'))
        self.run_program(['config', 'check', '--config', other], expect=2)
        self.run_program(['config', 'check'])

    @needs_root
    def test_the_file_of_a_user(self):
        self.configure(self.repository(), self.path('home', 'config', 'holdfast', 'holdfast.toml'))
        found = self.run_program(['--json', 'config', 'check'], env={'HOLDFAST_CONFIG': None}, user=65534).json
        # It belongs to root, which may.
        self.assertEqual(len(found['files']), 1)
        os.unlink(self.path('home', 'config', 'holdfast', 'holdfast.toml'))
        found = self.run_program(['--json', 'config', 'check'], env={'HOLDFAST_CONFIG': None}, user=65534).json
        self.assertEqual(found['files'], [])

    def test_a_file_that_others_can_write(self):
        self.configure(self.repository(), mode=0o664)
        self.assertIn('others than its owner can write it', self.run_program(['config', 'check'], expect=15).err)
        self.run_program(['-r', 'main', 'list'], expect=15)
        self.configure('include = "more.toml"\n')
        self.configure('', self.path('more.toml'), mode=0o646)
        self.run_program(['config', 'check'], expect=15)

    @needs_root
    def test_a_file_of_another_user(self):
        self.configure(self.repository())
        os.chown(self.config, 65534, 65534)
        self.assertIn('another user', self.run_program(['config', 'check'], expect=15).err)

    def test_commands_that_need_none_do_not_read_it(self):
        self.configure('broken', mode=0o666)
        self.run_program(['version'])
        self.run_program(['-r', self.path('no repository'), 'list'], expect=10)

    def test_schema_and_reference_are_up_to_date(self):
        schema = self.run_program(['config', 'schema']).text
        with open(os.path.join(ROOT, 'docs', 'reference', 'holdfast.schema.json')) as file:
            self.assertEqual(file.read(), schema, 'run tools/make-config-reference.sh')
        with open(os.path.join(ROOT, 'docs', 'reference', 'config.md')) as file:
            self.assertEqual(file.read(), self.run_program(['config', 'reference']).text)
        json.loads(schema)

    def test_the_example_of_the_documentation(self):
        with open(os.path.join(ROOT, 'docs', 'how-to', 'run-from-a-configuration.md')) as file:
            examples = re.findall(r'```toml\n(.*?)```', file.read(), re.DOTALL)
        self.assertGreater(len(examples), 0)
        self.configure('\n'.join(examples))
        self.assertEqual(self.run_program(['config', 'check']).err, '')


if __name__ == '__main__':
    unittest.main()
