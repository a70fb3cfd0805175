"""Repositories in a bucket, at a real gateway (radosgw) that the tests start."""
import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time

from harness import E2E, HERE

sys.path.append(os.path.join(HERE, '..', 'servers'))

from ceph import Ceph  # noqa: E402 (it lies beside the end-to-end tests)
from proxy import Fault, Proxy  # noqa: E402


class S3World(E2E):
    """One gateway for a class; each test has a bucket of its own."""

    @classmethod
    def setUpClass(cls):
        cls.ceph = Ceph()
        cls.ceph.__enter__()
        cls.addClassCleanup(cls.ceph.__exit__)

    def setUp(self):
        super().setUp()
        self.env.update({name: value for name, value in self.ceph.environment.items() if name.startswith('AWS_')})
        self.bucket = 'test-%016x' % random.SystemRandom().getrandbits(64)
        self.use(self.ceph.gateway_port)

    def use(self, port, more=''):
        """The repository, through the gateway or a proxy."""
        self.repo = 's3:http://127.0.0.1:%d/%s/repo%s' % (port, self.bucket, more)
        self.env['HOLDFAST_REPOSITORY'] = self.repo

    def fill(self, files=40, size=150_000, seed=1):
        rng = random.Random(seed)
        for i in range(files):
            self.write('dir%d/file%03d' % (i % 7, i), rng.randbytes(size))
        self.settle()

    def assert_restores(self, target='target'):
        self.restore('latest', self.path(target))
        self.assert_trees_equal(self.source, self.path(target))


class S3(S3World):
    def test_every_day(self):
        self.init()
        self.small_tree()
        self.fill()
        first = self.backup()
        self.write('dir1/new', b'new')
        self.settle()
        second = self.backup()
        self.assertEqual(second['bytes_read'], 3)
        self.assertEqual([p['id'] for p in self.points()], [first['restore_point'], second['restore_point']])
        self.assert_restores()
        self.assert_check_clean()
        self.run_program(['delete', first['restore_point']])
        self.run_program(['prune'])
        self.assertEqual(len(self.points()), 1)
        self.assert_restores('again')
        self.assert_check_clean()

    def test_a_pack_of_many_parts(self):
        self.init()
        # Packs grow with the session: 1/64 of it.
        rng = random.Random(5)
        with open(self.path('source', 'large'), 'wb') as file:
            for _ in range(600):
                file.write(rng.randbytes(1 << 20))
        self.settle()
        with Proxy(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            self.backup()
            self.assertGreater(proxy.counts['POST'], 2)
            self.assertEqual(proxy.counts['POST'] % 2, 0)
        self.use(self.ceph.gateway_port)
        self.assert_restores()
        self.assert_check_clean()

    def test_what_is_not_there(self):
        self.init()
        self.init(expect=1, env={'HOLDFAST_KEY_FILE': self.path('other-key')})
        self.use(self.ceph.gateway_port, '/elsewhere')
        self.run_program(['list'], expect=10)

    def test_nothing_is_mixed_with_what_is_there(self):
        self.init()
        self.repo = self.env['HOLDFAST_REPOSITORY'] = self.repo[:-len('/repo')]
        error = self.init(expect=1, env={'HOLDFAST_KEY_FILE': self.path('other-key')}).err
        self.assertIn('is not empty', error)

    def test_wrong_credentials(self):
        self.init()
        wrong = {'AWS_SECRET_ACCESS_KEY': 'not-the-secret'}
        error = self.run_program(['list'], env=wrong, expect=1).err
        self.assertIn('SignatureDoesNotMatch', error)
        self.assertNotIn('not-the-secret', error)
        none = {'AWS_ACCESS_KEY_ID': None, 'AWS_SECRET_ACCESS_KEY': None, 'AWS_EC2_METADATA_DISABLED': 'true'}
        self.assertIn('no credentials for S3', self.run_program(['list'], env=none, expect=1).err)

    def test_credentials_of_a_configuration(self):
        """Two repositories of one process, each with credentials of its own; the environment's are none."""
        names = ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY')
        access, secret = (self.env.pop(name) for name in names)
        self.env.update(AWS_ACCESS_KEY_ID='nobody', AWS_SECRET_ACCESS_KEY='nothing', SECRET_OF_THE_TEST=secret)
        del self.env['HOLDFAST_REPOSITORY'], self.env['HOLDFAST_KEY_FILE']
        self.env['HOLDFAST_CONFIG'] = self.path('holdfast.toml')
        self.env['HOLDFAST_STATE_DIR'] = self.path('state')
        self.write('access', access + '\n', root=self.tmp)
        os.mkdir(self.path('home', '.aws'))
        with open(self.path('home', '.aws', 'credentials'), 'w') as file:
            file.write('[there]\naws_access_key_id = %s\naws_secret_access_key = %s\n' % (access, secret))
        with open(self.path('holdfast.toml'), 'w') as file:
            file.write('[repository.keys]\nurl = "%s"\ns3.access_key = {file = "%s"}\n'
                       's3.secret_key = {environment = "SECRET_OF_THE_TEST"}\n'
                       '[repository.profile]\nurl = "%s-too"\ns3.profile = "there"\n'
                       '[repository.none]\nurl = "%s"\n'
                       '[source.s]\npath = "%s"\nrepository = "keys"\npolicy = "p"\n'
                       '[policy.p]\ncopies = ["profile"]\n' %
                       (self.repo, self.path('access'), self.repo, self.repo, self.source))
        self.init('-r', 'keys')
        self.init('-r', 'profile')
        self.fill(5)
        document = self.run_program(['--json', 'run']).json
        self.assertNotIn(secret, str(document))
        self.assertEqual(len(self.points('-r', 'profile')), 1)
        self.run_program(['-r', 'none', 'list'], expect=1)

    def test_credentials_of_a_profile(self):
        os.mkdir(self.path('home', '.aws'))
        with open(self.path('home', '.aws', 'credentials'), 'w') as file:
            file.write('[there]\naws_access_key_id = %s\naws_secret_access_key = %s\n' % (
                self.env.pop('AWS_ACCESS_KEY_ID'), self.env.pop('AWS_SECRET_ACCESS_KEY')))
        self.env['AWS_PROFILE'] = 'there'
        self.init()
        self.small_tree()
        self.backup()
        self.assert_restores()

    def test_requests(self):
        """Few requests: one for each object that is stored, and the same number for each backup."""
        self.init()
        self.fill()
        with Proxy(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            self.backup()
            self.assertLessEqual(proxy.requests, 30)
            self.write('dir1/new', b'new')
            self.settle()
            proxy.reset()
            self.backup()
            self.assertLessEqual(proxy.requests, 24)
            self.assertEqual(proxy.counts['PUT'], 2)  # the lease and the restore point
            proxy.reset()
            self.restore('latest:dir1/new', self.path('one'), env={'HOLDFAST_CACHE_DIR': self.path('cold')})
            self.assertLessEqual(proxy.requests, 12)

    def back_up_to_a_point_of_two_blocks(self):
        """A restore point of more than a block of the cache: small files are in it."""
        rng = random.Random(5)
        for i in range(3000):
            self.write('dir%02d/small%d' % (i % 50, i), rng.randbytes(500))
        self.write('large', rng.randbytes(3_000_000))
        self.settle()
        self.backup()
        in_points = self.run_program(['--json', 'usage']).json['folders']['points']['bytes']
        self.assertTrue(1 << 20 < in_points < 4 << 20, in_points)

    def test_a_restore_waits_four_times(self):
        """What does not need another answer is asked for at once: listings and keys; listings; index and point; data."""
        self.init()
        self.back_up_to_a_point_of_two_blocks()
        with Proxy(self.ceph.gateway_port, delay=0.2) as proxy:
            self.use(proxy.port)
            self.restore('latest', self.path('target'), env={'HOLDFAST_CACHE_DIR': self.path('cold')})
            self.assertEqual(4, proxy.waits)
            self.assertLessEqual(proxy.requests, 13)
            proxy.reset()
            self.restore('latest:large', self.path('one'), env={'HOLDFAST_CACHE_DIR': self.path('colder')})
            self.assertEqual(4, proxy.waits)
            self.assertLessEqual(proxy.requests, 12)
        self.assert_trees_equal(self.source, self.path('target'))

    def test_a_point_is_one_request(self):
        """Whether the index comes to it first, or what looks for latest."""
        class Late(Proxy):
            late, listings = 0, 0

            async def exchange(self, head, *connection):
                if 'prefix=repo%2Fpoints%2F' in head.first[1]:
                    self.listings += 1
                    if self.listings == self.late:
                        await asyncio.sleep(0.4)
                if '/repo/points/' in head.first[1]:
                    self.counts['reads of points'] += 1
                await super().exchange(head, *connection)

        self.init()
        self.back_up_to_a_point_of_two_blocks()
        with Late(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            for proxy.late in (1, 2):
                proxy.listings = 0
                proxy.reset()
                self.restore('latest:large', self.path('target%d' % proxy.late), env={'HOLDFAST_CACHE_DIR': self.path('cold%d' % proxy.late)})
                self.assertEqual(2, proxy.listings)
                self.assertEqual(1, proxy.counts['reads of points'])

    def test_a_point_that_comes_while_a_restore_begins(self):
        """Listed for latest, and not when the index was read."""
        class Between(Proxy):
            listings = 0

            async def exchange(self, head, *connection):
                if 'prefix=repo%2Fpoints%2F' in head.first[1]:
                    self.listings += 1
                    if self.listings == 2:
                        await asyncio.sleep(0.3)  # the first one has been answered
                        come()
                await super().exchange(head, *connection)

        def come():
            self.write('file', b'new' + content)
            self.settle()
            self.run_program(['-r', direct, 'backup', self.source])

        direct = self.repo
        self.init()
        content = random.Random(3).randbytes(50_000)
        self.write('file', b'old' + content)
        self.settle()
        self.backup()
        with Between(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            self.restore('latest', self.path('target'), env={'HOLDFAST_CACHE_DIR': self.path('cold')})
            self.assertGreaterEqual(proxy.listings, 2)
        self.assert_trees_equal(self.source, self.path('target'))

    def test_a_lost_cache_is_made_again(self):
        self.init()
        self.fill()
        self.backup()
        for directory, _, files in os.walk(self.path('cache')):
            for file in files:
                path = os.path.join(directory, file)
                with open(path, 'r+b') as damaged:
                    damaged.truncate(os.path.getsize(path) // 2)
        self.assert_restores()
        self.assertEqual(self.backup()['bytes_read'], 0)

    def test_bandwidth_is_bounded(self):
        self.init()
        self.fill(files=20)  # 3 MB
        began = time.monotonic()
        self.run_program(['--limit-upload', '1M', 'backup', self.source])
        self.assertGreater(time.monotonic() - began, 1.5)
        began = time.monotonic()
        self.run_program(['--limit-download', '1M', 'restore', 'latest', '--target', self.path('target')])
        self.assertGreater(time.monotonic() - began, 0.8)


class S3Faults(S3World):
    def backup_until_done(self, tries=10):
        """As cron does it: a backup that fails is begun again."""
        for _ in range(tries):
            result = self.run_program(['--json', 'backup', self.source], expect=None, timeout=400)
            if result.status == 0:
                return result.json['sources'][0]['restore_point']
            self.assertEqual(result.status, 1, result.describe())
            self.assertIn('unavailable', result.error['code'], result.describe())
        self.fail('no backup of %d was done' % tries)

    def test_three_of_ten_requests_fail(self):
        self.init()
        acknowledged = []
        fault = Fault(0.3, seed=3, stall_seconds=2.5)
        with Proxy(self.ceph.gateway_port, fault=fault) as proxy:
            self.use(proxy.port, '?timeout=2')
            for round in range(4):
                self.fill(seed=round)
                acknowledged.append(self.backup_until_done())
            self.assert_restores()
            self.run_program(['delete', acknowledged.pop(0)], timeout=400)
            self.run_program(['prune'], expect=(0, 1), timeout=400)
            self.assertGreater(sum(proxy.faults.values()), 30)
            for kind in Fault.KINDS:
                self.assertGreater(proxy.faults[kind], 0, kind)
        self.use(self.ceph.gateway_port)
        self.assertEqual([p['id'] for p in self.points()], acknowledged)
        self.assert_check_clean()
        self.run_program(['prune'])
        self.assert_check_clean()
        self.assert_restores('again')

    def test_a_listing_that_is_less_than_all_stops_a_prune(self):
        self.init()
        self.fill()
        first = self.backup()['restore_point']
        self.fill(seed=2)
        self.backup()
        self.run_program(['delete', first])
        with Proxy(self.ceph.gateway_port, fault=Fault(1, seed=1, kinds=('half listing',))) as proxy:
            self.use(proxy.port)
            error = self.run_program(['--json', 'prune'], expect=1).error
            self.assertIn('listing', error['message'] + str(error.get('context')))
            self.assertEqual(proxy.counts['DELETE'], 0)
        self.use(self.ceph.gateway_port)
        self.assert_check_clean()
        self.assert_restores()

    def test_the_gateway_is_killed_and_comes_back(self):
        self.init()
        self.fill(files=100, size=400_000)
        process = self.start(['--limit-upload', '16M', 'backup', self.source])
        time.sleep(0.6)
        self.ceph.stop('gateway-a')
        time.sleep(1.5)
        self.ceph.restart_gateway()
        self.finish(process)
        self.assert_restores()
        self.assert_check_clean()

    def test_interrupted_while_nobody_answers(self):
        self.init()
        self.fill()
        self.backup()
        self.ceph.stop('gateway-a')
        try:
            process = self.start(['backup', self.source])
            time.sleep(1)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            self.finish(process, expect=130)
            self.assertLess(time.monotonic() - began, 5)
        finally:
            self.ceph.restart_gateway()

    def test_a_wrong_clock(self):
        self.init()
        self.fill(files=5)
        for offset in ('-3h', '+3h'):
            line = ['faketime', '-f', offset] + self.command(['backup', self.source])
            done = subprocess.run(line, env=self.environment(), capture_output=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_restores()
        self.assert_check_clean()

    def test_killed_in_the_middle(self):
        self.init()
        self.fill(files=100, size=400_000)
        for moment in (0.2, 0.5, 0.8, 1.1):
            process = self.start(['--limit-upload', '20M', 'backup', self.source])
            time.sleep(moment)
            process.kill()
            process.wait()
        self.backup()
        self.assert_restores()
        self.run_program(['prune'])
        self.assert_check_clean()

    def test_two_writers_at_once(self):
        self.init()
        self.fill()
        threads = [threading.Thread(target=self.backup, args=('--name', str(i))) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.points()), 4)
        self.assert_check_clean()


class LosesPuts(Proxy):
    """Each put is carried out and its answer lost, the first time; what is on an old connection libcurl sends again itself."""

    puts = 0

    async def answer(self, method, fault, writer, server_reader):
        self.puts += method == 'PUT'
        await super().answer(method, 'lose answer' if method == 'PUT' and self.puts % 2 else fault, writer, server_reader)


class S3LostAnswers(S3World):
    def test_a_put_that_was_carried_out_has_succeeded(self):
        self.init()
        with LosesPuts(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            for seed in range(3):
                self.fill(seed=seed)
                self.backup()
            self.assertGreater(proxy.puts, 10)
        self.use(self.ceph.gateway_port)
        self.assertEqual(len(self.points()), 3)
        self.assert_check_clean()


class S3Tls(E2E):
    """A gateway with a certificate that only who is told trusts."""

    @classmethod
    def setUpClass(cls):
        cls.ceph = Ceph()
        directory = cls.ceph.directory
        cls.certificate = (str(directory / 'certificate.pem'), str(directory / 'key.pem'))
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                        '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1',
                        '-out', cls.certificate[0], '-keyout', cls.certificate[1]], check=True, capture_output=True)
        cls.ceph.certificate = cls.certificate
        cls.ceph.__enter__()
        cls.addClassCleanup(cls.ceph.__exit__)

    def setUp(self):
        super().setUp()
        self.env.update({name: value for name, value in self.ceph.environment.items() if name.startswith('AWS_')})
        self.env['HOLDFAST_REPOSITORY'] = 's3:%s/bucket/repo' % self.ceph.tls_endpoint

    def test_the_certificate_is_asked_for(self):
        error = self.init(expect=1).err
        self.assertIn('certificate', error)
        self.env['HOLDFAST_CA_FILE'] = self.certificate[0]
        self.init()
        self.small_tree()
        self.backup()
        self.restore()
        self.assert_trees_equal(self.source, self.path('target'))
        self.run_program(['list'], env={'HOLDFAST_CA_FILE': None}, expect=1)
        self.run_program(['--ca-file', self.certificate[0], 'list'], env={'HOLDFAST_CA_FILE': None})
