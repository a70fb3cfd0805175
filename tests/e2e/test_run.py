"""`run`: what the configuration says, source by source; its states, and who is told of them."""
import http.server
import json
import os
import random
import stat
import threading
import time

from test_config import ConfigWorld


class Webhook:
    """A real server on loopback that keeps what is posted to it."""

    def __init__(self, status=200, delay=0):
        self.posts, outer = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.posts.append({'path': self.path, 'headers': dict(self.headers), 'json': json.loads(body)})
                time.sleep(outer.delay)
                self.send_response(outer.status)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass
        self.status, self.delay = status, delay
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = 'http://127.0.0.1:%d/hook/geheim-42' % self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class RunWorld(ConfigWorld):
    def setUp(self):
        super().setUp()
        self.small_tree()

    def source_text(self, name='home', more='', policy='nightly', path=None):
        return '[source.%s]\npath = "%s"\nrepository = "main"\n%s%s\n' % (
            name, path or self.source, 'policy = "%s"\n' % policy if policy else '', more)

    def run_all(self, *args, expect=0, **options):
        result = self.run_program(['--json', 'run', *args], expect=expect, **options)
        document = result.json
        self.assertEqual(document['schema'], 1)
        self.assertEqual(document['status'], result.status)
        document['err'] = result.err
        return document

    def record(self, name='home'):
        with open(os.path.join(self.state, name + '.json')) as file:
            return json.load(file)

    def kinds(self, document):
        return [(step['kind'], step['source'] or step['repository'], step['status']) for step in document['steps']]


class Run(RunWorld):
    def setUp(self):
        super().setUp()
        self.configure(self.repository())
        self.init('-r', 'main')

    def test_one_source(self):
        self.configure(self.repository() + self.source_text(policy=None, more='tags = ["t"]\nexclude = ["*.bin"]'))
        document = self.run_all()
        self.assertEqual(self.kinds(document), [('backup', 'home', 0)])
        point, = self.points('-r', 'main')
        self.assertEqual((point['id'], point['tags']), (document['sources'][0]['restore_point'], ['t']))
        self.run_program(['-r', 'main', 'restore', 'latest', '--target', self.path('target')])
        self.assertFalse(os.path.exists(self.path('target', 'dir', 'sub', 'c.bin')))
        self.assertTrue(os.path.exists(self.path('target', 'dir', 'b.conf')))
        record = self.record()
        self.assertEqual((record['state'], record['restore_point']), ('done', point['id']))
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o700)

    def test_names_of_sources_and_policies(self):
        other = self.path('other')
        os.mkdir(other)
        self.configure(self.repository() + self.source_text('a') + self.source_text('b', policy='weekly', path=other) +
                       self.source_text('c', policy=None, path=other) + '[policy.nightly]\n[policy.weekly]\n')
        names = lambda document: [one['name'] for one in document['sources']]
        self.assertEqual(names(self.run_all('a')), ['a'])
        self.assertEqual(names(self.run_all('weekly', 'a')), ['a', 'b'])
        self.assertEqual(names(self.run_all()), ['a', 'b', 'c'])
        self.assertIn("did you mean 'weekly'?", self.run_program(['run', 'weekyl'], expect=2).err)

    def test_one_that_fails_does_not_keep_the_others(self):
        self.configure(self.repository() + self.source_text('a', path='/no/such/path') + self.source_text('b') +
                       '[repository.gone]\nurl = "%s"\n[source.c]\npath = "%s"\nrepository = "gone"\n' %
                       (self.path('gone'), self.source) + '[policy.nightly]\n')
        document = self.run_all(expect=1)
        self.assertEqual([one['status'] for one in document['sources']], [1, 0, 10])
        self.assertEqual(len(self.points('-r', 'main')), 1)
        self.assertEqual(self.record('a')['state'], 'failed')
        self.run_all('c', expect=10)
        self.run_all('b', 'c', expect=10)

    def test_options_that_would_mean_nothing(self):
        self.configure(self.repository() + self.source_text(policy=None))
        self.run_program(['-r', 'main', 'run'], expect=2)
        self.run_program(['--key-file', self.path('key-main'), 'run'], expect=2)

    def test_nothing_to_do(self):
        self.assertIn('no source', self.run_program(['run'], expect=2).err)
        self.run_program(['run'], env={'HOLDFAST_CONFIG': None, 'HOME': self.path('x')}, expect=2)

    def test_hooks(self):
        log = self.path('log')
        line = 'echo "$HOLDFAST_HOOK $HOLDFAST_SOURCE $HOLDFAST_STATUS ${HOLDFAST_RESTORE_POINT:+point}" >> ' + log

        def run(more, **options):
            self.configure(self.repository() + self.source_text(policy=None, more=more))
            if os.path.exists(log):
                os.unlink(log)
            document = self.run_all(**options)
            with open(log) as file:
                return document, file.read().splitlines()
        hooks = "hooks.before = ['%s', 'true']\nhooks.after = '%s'\nhooks.failure = '%s'\n" % (line, line, line)
        document, lines = run(hooks)
        self.assertEqual(lines, ['before home 0 ', 'after home 0 point'])
        # A hook before that fails: no backup.
        count = len(self.points('-r', 'main'))
        document, lines = run("hooks.before = ['%s', 'exit 5', '%s']\nhooks.failure = '%s'" % (line, line, line), expect=1)
        self.assertEqual(lines, ['before home 0 ', 'failure home 1 '])
        self.assertEqual(len(self.points('-r', 'main')), count)
        self.assertIn('hook before 2: ended with status 5', document['sources'][0]['error'])
        # One after it: the restore point stays, the source has failed.
        document, lines = run("hooks.after = ['exit 6']\nhooks.failure = '%s'" % line, expect=1)
        self.assertEqual(lines, ['failure home 1 point'])
        self.assertEqual(len(self.points('-r', 'main')), count + 1)
        # What a hook prints does not get into the document, and its command into no message.
        document, _ = run("hooks.before = ['echo printed; %s; exit 1 # geheim-42']" % line, expect=1)
        self.assertIn('printed', document['err'])
        self.assertNotIn('geheim-42', json.dumps(document))

    def test_a_hook_that_hangs(self):
        self.configure(self.repository() + self.source_text(
            policy=None, more="hooks.before = 'sleep 600 & sleep 600'\nhooks.timeout = '1s'"))
        begun = time.monotonic()
        document = self.run_all(expect=1)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertIn('no end after 1 seconds', document['sources'][0]['error'])

    def test_an_interrupted_run(self):
        marker = self.path('began')
        self.configure(self.repository() + self.source_text(
            policy=None, more="hooks.before = 'touch %s; sleep 600'\nhooks.failure = 'touch %s'" %
            (marker, self.path('undone'))))
        process = self.start(['run'])
        while not os.path.exists(marker):
            time.sleep(0.02)
        process.terminate()
        self.finish(process, expect=143)
        self.assertTrue(os.path.exists(self.path('undone')))
        # It says nothing of the source.
        self.assertFalse(os.path.exists(os.path.join(self.state, 'home.json')))

    def test_two_runs_at_once(self):
        marker, go = self.path('began'), self.path('go')
        self.configure(self.repository() + self.source_text(
            'a', policy=None, more="hooks.before = 'touch %s; while ! test -e %s; do sleep 0.05; done'" % (marker, go)) +
            self.source_text('b', policy=None, path=self.path('home')))
        process = self.start(['run', 'a'])
        while not os.path.exists(marker):
            time.sleep(0.02)
        document = self.run_all(expect=11)
        self.assertEqual([one['status'] for one in document['sources']], [11, 0])
        self.assertFalse(os.path.exists(os.path.join(self.state, 'a.json')))
        with open(go, 'w'):
            pass
        self.finish(process)
        self.run_all()

    def test_incomplete(self):
        fifo = self.path('source', 'closed')
        os.mkdir(fifo)
        self.configure(self.repository() + self.source_text(policy=None))
        if os.geteuid() == 0:
            self.tool('chown', '-R', '65534', self.tmp)
        os.chmod(fifo, 0)
        document = self.run_all(expect=3, user=65534)
        self.assertEqual(document['sources'][0]['status'], 3)
        self.assertIn('closed', document['sources'][0]['error'])

    def test_prune_by_policy(self):
        other = self.path('other')
        os.mkdir(other)
        self.configure(self.repository() + self.source_text('a') + self.source_text('b', policy='weekly', path=other) +
                       '[policy.nightly]\nkeep.last = 2\n[policy.weekly]\nkeep.last = 3\n')
        self.run_program(['-r', 'main', 'backup', self.path('home'), '--time', '2026-01-01'])
        for day in range(1, 6):
            self.write('day', str(day))
            self.settle()
            document = self.run_all('--time', '2026-02-%02d' % day)
        self.assertEqual(self.kinds(document), [('backup', 'a', 0), ('prune', 'main', 0), ('backup', 'b', 0)])
        names = [(point['name'], point['time'][:10]) for point in self.points('-r', 'main')]
        self.assertEqual(sorted(names), [(self.path('home'), '2026-01-01'), (other, '2026-02-03'), (other, '2026-02-04'),
                                         (other, '2026-02-05'), (self.source, '2026-02-04'), (self.source, '2026-02-05')])
        # A dry run says what would go, and leaves all as it is.
        dry = self.run_all('--dry-run', '--time', '2026-03-01')
        self.assertTrue(dry['dry_run'])
        self.assertEqual(self.kinds(dry), [('backup', 'a', 0), ('prune', 'main', 0), ('backup', 'b', 0)])
        self.assertEqual(len(self.points('-r', 'main')), 6)

    def test_forever_incremental(self):
        rng = random.Random(5)
        self.configure(self.repository() + self.source_text() +
                       '[policy.nightly]\ntype = "forever-incremental"\nsynthetic_after = "10d"\nkeep.last = 4\ncheck = "all"\n')
        made = []
        for day in range(1, 25):
            self.write('file%02d' % (day % 5), rng.randbytes(30000))
            self.settle()
            document = self.run_all('--time', '2026-03-%02d' % day)
            for step in document['steps']:
                if step['kind'] == 'synthesize':
                    made.append((day, step['detail']))
        self.assertEqual(made, [(11, 'the newest full is 10 days old'), (21, 'the newest full is 10 days old')])
        points = self.points('-r', 'main')
        self.assertEqual([(p['time'][:10], p['type']) for p in points],
                         [('2026-03-21', 'synthetic-full'), ('2026-03-22', 'incremental'),
                          ('2026-03-23', 'incremental'), ('2026-03-24', 'incremental')])
        check = self.run_program(['--json', '-r', 'main', 'check', '--read-data']).json
        self.assertEqual(check['problems'], 0)
        self.run_program(['-r', 'main', 'restore', 'latest', '--target', self.path('target')])
        self.assert_trees_equal(self.source, self.path('target'))

    def test_synthetic_after_backups(self):
        self.configure(self.repository() + self.source_text() +
                       '[policy.nightly]\ntype = "forever-incremental"\nsynthetic_after_backups = 3\n')
        types = []
        for day in range(1, 6):
            self.run_all('--time', '2026-03-%02d' % day)
            types.append([p['type'][:1] for p in self.points('-r', 'main')])
        self.assertEqual(types[2], ['f', 'i', 'i'])
        self.assertEqual(types[3], ['f', 'i', 'i', 's'])
        self.assertEqual(types[4], ['f', 'i', 'i', 's', 'i'])

    def test_synthetic_at_fragmentation(self):
        self.configure(self.repository() + self.source_text() +
                       '[policy.nightly]\ntype = "forever-incremental"\nsynthetic_at_fragmentation = 150\n')
        rng, percents = random.Random(3), []
        for day in range(1, 9):
            for i in range(240 if day == 1 else 40):
                self.write('file%03d' % (i if day == 1 else rng.randrange(240)), rng.randbytes(20_000))
            self.settle()
            document = self.run_all('--time', '2026-03-%02d' % day)
            shown = self.run_program(['-r', 'main', '--json', 'show', '--fragmentation', 'latest']).json
            percents.append((shown['fragmentation']['percent'], shown['type']))
            if shown['type'] == 'synthetic-full':
                made = [step for step in document['steps'] if step['kind'] == 'synthesize'][0]
                self.assertIn('% of what a full does', made['detail'])
                break
        self.assertEqual([kind for _, kind in percents[:3]], ['full', 'incremental', 'incremental'])
        self.assertEqual(percents[-1][1], 'synthetic-full')
        self.assertLess(percents[-1][0], max(percent for percent, _ in percents[:-1]))
        self.assertTrue(all(percent < 150 for percent, _ in percents), percents)

    def test_copies(self):
        self.configure(self.repository() + self.repository('second') + self.source_text() +
                       '[policy.nightly]\ntype = "forever-incremental"\nsynthetic_after_backups = 2\n'
                       'keep.last = 3\ncopies = ["second"]\n')
        self.init('-r', 'second')
        for day in range(1, 8):
            self.write('day', str(day))
            self.settle()
            document = self.run_all('--time', '2026-03-%02d' % day)
            self.assertEqual(len({p['time'] for p in self.points('-r', 'second')}), min(day, 3))
        self.assertIn(('copy', 'home', 0), self.kinds(document))
        there = self.points('-r', 'second')
        self.assertEqual([p['time'][:10] for p in there], ['2026-03-05', '2026-03-06', '2026-03-07'])
        self.run_program(['-r', 'second', 'restore', 'latest', '--target', self.path('target')])
        self.assert_trees_equal(self.source, self.path('target'))
        # One that is gone is a failure of the source, and keeps nothing else.
        os.rename(self.path('repo-second'), self.path('away'))
        document = self.run_all(expect=10)
        self.assertEqual(self.kinds(document)[0], ('backup', 'home', 0))
        self.assertEqual(self.record()['state'], 'failed')

    def test_damage_that_a_check_finds(self):
        self.configure(self.repository() + self.source_text() + '[policy.nightly]\ncheck = "all"\n')
        self.run_all()
        self.repo = self.path('repo-main')
        name = max(self.objects('data') or self.objects('points'), key=lambda one: one[1])[0]
        with open(os.path.join(self.repo, name), 'r+b') as file:
            file.truncate(os.path.getsize(os.path.join(self.repo, name)) // 2)
        document = self.run_all(expect=13)
        self.assertEqual(document['steps'][-1]['kind'], 'check')
        self.assertEqual(self.record()['state'], 'failed')


class Notifications(RunWorld):
    def setUp(self):
        super().setUp()
        self.configure(self.repository())
        self.init('-r', 'main')
        self.mails = self.path('mails')
        os.mkdir(self.mails)
        # A fake: it keeps what it is given.
        self.sendmail = self.write('sendmail', '#!/bin/sh\ncat > "$(mktemp %s/XXXXXX)"\n' % self.mails, mode=0o755, root=self.tmp)
        self.away = self.path('away')

    def lose_source(self):
        os.rename(self.source, self.away)

    def bring_source(self):
        os.rename(self.away, self.source)

    def texts(self):
        found = []
        for name in os.listdir(self.mails):
            path = os.path.join(self.mails, name)
            with open(path) as file:
                found.append(file.read())
            os.unlink(path)
        return found

    def test_mail_on_changes_only(self):
        self.configure(self.repository() + self.source_text(policy=None) +
                       '[notify.admin]\nmail.to = ["a@example.org", "b@example.org"]\nmail.command = "%s"\n' % self.sendmail)
        self.run_all()
        self.run_all()
        self.assertEqual(self.texts(), [])
        self.lose_source()
        self.run_all(expect=1)
        mail, = self.texts()
        self.assertIn('To: a@example.org, b@example.org\nSubject: [holdfast] failure: backup of home on ', mail)
        self.assertIn('No such file', mail)
        since = self.record()['since']
        self.run_all(expect=1)
        self.assertEqual(self.texts(), [])
        self.assertEqual(self.record()['since'], since)
        self.bring_source()
        self.run_all()
        mail, = self.texts()
        self.assertIn('recovery: backup of home', mail)
        self.run_all()
        self.assertEqual(self.texts(), [])

    def test_a_first_failure_is_told(self):
        self.configure(self.repository() + self.source_text(policy=None) +
                       '[notify.admin]\nmail.to = "a@example.org"\nmail.command = "%s"\non = "failure"\n' % self.sendmail)
        self.lose_source()
        self.run_all(expect=1)
        self.assertEqual(len(self.texts()), 1)
        self.bring_source()
        self.run_all()
        self.assertEqual(self.texts(), [])
        self.lose_source()
        self.run_all(expect=1)
        self.assertEqual(len(self.texts()), 1)

    def webhook(self, more='', **options):
        webhook = Webhook(**options)
        self.addCleanup(webhook.close)
        secret = self.write('hook-url', webhook.url + '\n', root=self.tmp)
        self.configure(self.repository() + self.source_text(policy=None) +
                       '[notify.chat]\nwebhook.url = {file = "%s"}\nwebhook.headers.X-Team = "ops"\n'
                       'webhook.headers.Authorization = {environment = "HOOK_TOKEN"}\ntimeout = "1s"\n%s' % (secret, more))
        self.env['HOOK_TOKEN'] = 'Bearer geheim-43'
        return webhook

    def test_webhook(self):
        webhook = self.webhook()
        self.lose_source()
        document = self.run_all(expect=1)
        self.assertEqual(document['warnings'], [])
        post, = webhook.posts
        self.assertEqual(post['path'], '/hook/geheim-42')
        self.assertEqual((post['headers']['X-Team'], post['headers']['Authorization']), ('ops', 'Bearer geheim-43'))
        one = post['json']
        self.assertEqual((one['schema'], one['event'], one['state'], one['source'], one['repository']),
                         (1, 'failure', 'failed', 'home', 'main'))
        self.assertIn('No such file', one['error'])
        self.run_all(expect=1)
        self.assertEqual(len(webhook.posts), 1)

    def test_a_broken_notifier_fails_nothing(self):
        for status, delay, part in ((500, 0, 'answered with status 500'), (200, 600, 'no answer after 1 seconds')):
            webhook = self.webhook(status=status, delay=delay)
            self.lose_source()
            document = self.run_all(expect=1)
            self.bring_source()
            self.assertEqual(document['sources'][0]['status'], 1)
            warning, = document['warnings']
            self.assertIn(part, warning)
            text = json.dumps(document) + json.dumps(self.record())
            self.assertNotIn('geheim', text)
            # It is told when that can be done; what has passed meanwhile is not.
            self.run_all()
            webhook.status, webhook.delay = 200, 0
            self.lose_source()
            self.run_all(expect=1)
            self.assertEqual([p['json']['event'] for p in webhook.posts][-1], 'failure')
            self.bring_source()
            self.run_all()
            self.assertEqual([p['json']['event'] for p in webhook.posts][-1], 'recovery')
            os.unlink(os.path.join(self.state, 'home.json'))

    def test_a_broken_way_keeps_nothing_from_the_other(self):
        webhook = self.webhook(more='mail.to = "a@example.org"\nmail.command = "exit 75"\n')
        self.lose_source()
        for _ in range(3):
            self.assertEqual(len(self.run_all(expect=1)['warnings']), 1)
        self.bring_source()
        self.run_all()
        self.run_all()
        self.assertEqual([p['json']['event'] for p in webhook.posts], ['failure', 'recovery'])

    def test_a_webhook_that_is_not_there(self):
        webhook = self.webhook()
        webhook.close()
        self.lose_source()
        document = self.run_all(expect=1)
        self.assertEqual(len(document['warnings']), 1)
        self.assertNotIn('geheim', json.dumps(document))

    def test_a_mailer_that_fails_or_hangs(self):
        for command in ('exit 75', 'sleep 600', '/no/such/program'):
            self.configure(self.repository() + self.source_text(policy=None) +
                           '[notify.admin]\nmail.to = "a@example.org"\nmail.command = "%s"\ntimeout = "1s"\n' % command)
            self.lose_source()
            document = self.run_all(expect=1)
            self.assertEqual(len(document['warnings']), 1, command)
            self.bring_source()
            self.run_all()
            os.unlink(os.path.join(self.state, 'home.json'))

    def test_a_state_that_cannot_be_kept(self):
        self.configure(self.repository() + self.source_text(policy=None))
        self.run_all()
        path = os.path.join(self.state, 'home.json')
        with open(path, 'w') as file:
            file.write('{"state": 7, "told": []')
        self.run_all()
        self.assertEqual(self.record()['state'], 'done')
        os.unlink(path)
        os.mkdir(path)
        document = self.run_all()
        self.assertEqual(len(document['warnings']), 1)
