"""Replicas of buckets, between real gateways (radosgw) that the tests start."""
import base64
import hashlib
import io
import os
import random
import signal
import sys
import threading
import time
import urllib.parse

from harness import E2E, HERE

sys.path.append(os.path.join(HERE, '..', 'servers'))
sys.path.append(os.path.join(HERE, '..', 'support'))

from ceph import ACCESS_KEY, SECRET_KEY, Ceph  # noqa: E402 (it lies beside the end-to-end tests)
from ceph_zones import CephZones  # noqa: E402
from proxy import Fault, Proxy  # noqa: E402
from s3_bucket import Bucket, Refused  # noqa: E402

OTHER_ACCESS_KEY, OTHER_SECRET_KEY = 'HOLDFASTOTHER', 'another-secret-of-the-tests'
MARK = 'x-amz-meta-holdfast-source-version'
ODD_KEYS = ('a', 'a/b', 'a//b', 'dir/', '/leading', '//', 'sp ace/+plus', 'per%cent%20', 'ünï/ß', '\U0001f600/\U0001f600',
            'quote"<&>\'', 'back\\slash', '*?[x]', '~', '-', 'trailing./', '.', '..', 'x' * 300)


class ReplicaWorld(E2E):
    """A gateway for each side, with a user and a bucket of its own."""

    @classmethod
    def setUpClass(cls):
        cls.ceph = Ceph()
        cls.ceph.__enter__()
        cls.addClassCleanup(cls.ceph.__exit__)
        cls.source_port = cls.ceph.gateway_port
        cls.ceph.start_gateway('b')
        cls.target_port = cls.ceph.gateway_port
        cls.ceph.make_user('other', OTHER_ACCESS_KEY, OTHER_SECRET_KEY)

    def setUp(self):
        super().setUp()
        self.env['HOLDFAST_STATE_DIR'] = self.path('state')
        os.makedirs(self.path('home', '.aws'))
        with open(self.path('home', '.aws', 'credentials'), 'w') as file:
            file.write('[source]\naws_access_key_id = %s\naws_secret_access_key = %s\n'
                       '[target]\naws_access_key_id = %s\naws_secret_access_key = %s\n' %
                       (ACCESS_KEY, SECRET_KEY, OTHER_ACCESS_KEY, OTHER_SECRET_KEY))
        number = '%012x' % random.SystemRandom().getrandbits(48)
        self.source_bucket = Bucket(self.source_port, 'from-' + number, ACCESS_KEY, SECRET_KEY)
        self.target_bucket = Bucket(self.target_port, 'to-' + number, OTHER_ACCESS_KEY, OTHER_SECRET_KEY)

    def url(self, bucket, prefix='', port=None, more=''):
        endpoint = urllib.parse.quote('http://127.0.0.1:%d' % (port or bucket.port), safe='')
        return 's3://%s%s?endpoint=%s%s' % (bucket.name, prefix, endpoint, more)

    def replica(self, *args, expect=0, **options):
        return self.run_program(['--json', 'replica', *args], expect=expect, **options)

    def create(self, *args, source=None, target=None, expect=0, name='r'):
        return self.replica('create', source or self.url(self.source_bucket), target or self.url(self.target_bucket),
                            '--name', name, '--source-profile', 'source', '--target-profile', 'target', *args, expect=expect)

    def follow(self, expect=0, **options):
        return self.replica('run', '--once', 'r', expect=expect, **options)

    def status(self, *args, expect=0):
        return self.replica('status', 'r', *args, expect=expect).json['replicas'][0]

    def assert_equal(self, kept=0):
        report = self.replica('check', 'r').json
        self.assertEqual((report['differences'], report['kept'], report['equal']), (0, kept, report['versions']))
        if not kept:
            self.assertEqual(self.history(self.target_bucket), self.history(self.source_bucket))
        return report

    def history(self, bucket):
        """(key, is a mark of deletion, size, ETag) of each version, of each key the oldest first."""
        found = []
        for one in bucket.pages({'versions': ''}):
            kind = one.tag.rsplit('}')[-1]
            if kind not in ('Version', 'DeleteMarker'):
                continue
            text = {child.tag.rsplit('}')[-1]: child.text for child in one}
            found.append((urllib.parse.unquote_plus(text['Key']), kind == 'DeleteMarker', text.get('Size'),
                          text.get('ETag', '').strip('"') if kind == 'Version' else ''))
        return sorted(reversed(found), key=lambda one: one[0].encode())

    def fill(self, count=50, seed=1, keys=20, large=0):
        """A history of puts and deletions."""
        rng = random.Random(seed)
        for i in range(count):
            key = 'dir%d/object%02d' % (i % 3, rng.randrange(keys))
            if rng.random() < 0.2:
                self.source_bucket.delete(key)
            else:
                self.source_bucket.put(key, rng.randbytes(rng.choice((0, 10, 3000, 100_000))), x_amz_meta_number=str(i))
        for i in range(large):
            self.source_bucket.put('large%d' % i, rng.randbytes(20 << 20))


class Replica(ReplicaWorld):
    def setUp(self):
        super().setUp()
        self.source_bucket.make(versions=True)

    def test_versions_and_marks(self):
        self.fill(60)
        self.create()
        self.follow()
        self.assert_equal()
        document = self.status()
        self.assertEqual((document['condition'], document['pending_versions']), ('following', 0))
        self.assertEqual(document['applied_versions'], len(self.history(self.source_bucket)))
        self.assertGreater(document['lag_seconds'], 0)
        # And what comes then.
        self.fill(30, seed=2)
        self.replica('check', 'r', expect=13)
        self.follow()
        self.assert_equal()


    def test_odd_keys_metadata_and_tags(self):
        for key in ODD_KEYS:
            self.source_bucket.put(key, key.encode(), x_amz_meta_owner='me & you', content_type='text/x-test',
                                   x_amz_tagging='k=v%20w&l=', cache_control='no-cache')
        self.source_bucket.put('in parts', b'')
        self.source_bucket.put_parts('tagged parts', [bytes(5 << 20), b'end'], x_amz_meta_a='b')
        self.source_bucket.tag('tagged parts', of='parts')
        self.create()
        self.follow()
        self.assert_equal()
        expected, found = self.source_bucket.everything(), self.target_bucket.everything()
        for _, _, kept, _ in found.values():
            self.assertTrue(kept.pop(MARK))
        self.assertEqual(found, expected)

    def test_a_prefix_becomes_another_one(self):
        for key in ('in/a', 'in/b/c', 'in/', 'in', 'inner/d'):
            self.source_bucket.put(key, key.encode())
        self.create(source=self.url(self.source_bucket, '/in'), target=self.url(self.target_bucket, '/out/deep'))
        self.follow()
        self.assertEqual(self.target_bucket.keys(), ['out/deep/', 'out/deep/a', 'out/deep/b/c'])
        self.assertEqual(self.replica('check', 'r').json['equal'], 3)

    def test_objects_of_many_parts(self):
        rng = random.Random(4)
        for size, count in ((5, 4), (8, 3), (6, 4)):
            self.source_bucket.put_parts('parts%d' % size, [rng.randbytes(size << 20) for _ in range(count)] + [b'end'],
                                         content_type='video/x')
        self.source_bucket.put_parts('one part', [b'one'])
        self.source_bucket.put('whole', rng.randbytes(15 << 20))
        self.source_bucket.put('large', rng.randbytes(40 << 20))
        self.create()
        self.follow()
        report = self.replica('check', 'r').json
        self.assertEqual((report['differences'], report['equal']), (0, 6))
        tags = {one[0]: one[3] for one in self.history(self.source_bucket)}
        same = {one[0] for one in self.history(self.target_bucket) if one[3] == tags[one[0]]}
        # Parts of 6 MiB are of no program that is known; what was put whole and is large goes in parts.
        self.assertLessEqual({'parts5', 'parts8', 'one part', 'whole'}, same)
        self.assertEqual(report['other_etags'], 6 - len(same))
        self.assertEqual({key: one[:2] for key, one in self.target_bucket.everything().items()},
                         {key: one[:2] for key, one in self.source_bucket.everything().items()})

    def test_what_is_removed_for_good_stays_at_the_target(self):
        self.source_bucket.put('a', b'first')
        self.source_bucket.put('a', b'second')
        self.source_bucket.put('b', b'only')
        self.create()
        self.follow()
        for one in self.versions(self.source_bucket):
            if one[0] == 'b' or one[2] == len(b'first'):
                self.source_bucket.request('DELETE', one[0], {'versionId': one[1]})
        self.source_bucket.put('a', b'third one')
        self.follow()
        self.assertEqual([(key, size) for key, _, size in self.versions(self.target_bucket)],
                         [('a', 9), ('a', 6), ('a', 5), ('b', 4)])
        self.assert_equal(kept=2)

    def versions(self, bucket):
        """(key, id, size) as they are listed."""
        return [(one.findtext('{*}Key'), one.findtext('{*}VersionId'), int(one.findtext('{*}Size') or 0))
                for one in bucket.pages({'versions': ''}) if one.tag.rsplit('}')[-1] in ('Version', 'DeleteMarker')]

    def test_objects_from_before_the_versions(self):
        plain = Bucket(self.source_port, self.source_bucket.name + '-plain', ACCESS_KEY, SECRET_KEY).make()
        plain.put('old', b'old')
        refused = self.create(source=self.url(plain), expect=15)
        self.assertIn('keeps no versions', refused.err)
        self.assertIn('--enable-versioning', refused.err)
        self.create('--enable-versioning', source=self.url(plain))
        plain.put('old', b'newer')
        self.source_bucket = plain
        self.follow()
        self.assert_equal()

    def test_what_cannot_be_a_replica(self):
        here = self.url(self.source_bucket)
        for source, target in ((here, here), (here, self.url(self.source_bucket, '/in')), (self.url(self.source_bucket, '/a'), here)):
            refused = self.create(source=source, target=target, expect=2)
            self.assertIn('is the source', refused.err)
        self.create(source='s3://nowhere-%s?endpoint=http%%3A%%2F%%2F127.0.0.1%%3A%d' % (os.urandom(4).hex(), self.source_port), expect=1)
        self.replica('status', expect=2)
        # A target with something of its own.
        self.target_bucket.make(versions=True).put('own', b'own')
        self.create()
        self.source_bucket.put('a', b'a')
        refused = self.follow(expect=1)
        self.assertIn('objects that no replica has put there', refused.err)
        self.assertEqual(self.target_bucket.keys(), ['own'])

    def test_killed_again_and_again(self):
        self.fill(120, large=3)
        self.create()
        rng = random.Random(9)
        for round in range(12):
            process = self.start(['replica', 'run', '--once', 'r'])
            time.sleep(rng.uniform(0.02, 0.35))
            process.send_signal(signal.SIGKILL)
            process.wait()
            if round % 4 == 3:
                self.fill(10, seed=round)
        self.follow()
        report = self.replica('check', 'r').json
        self.assertEqual((report['differences'], report['kept']), (0, 0))
        # Parts of 20 MiB objects have other ETags; all else is the same, and nothing is there twice.
        self.assertEqual([one[:3] for one in self.history(self.target_bucket)],
                         [one[:3] for one in self.history(self.source_bucket)])

    def test_three_of_ten_requests_fail(self):
        self.fill(60, large=1)
        kinds = ('busy', 'cut before', 'cut request', 'cut answer', 'lose answer')
        with Proxy(self.source_port, fault=Fault(0.3, seed=3, kinds=kinds)) as source, \
                Proxy(self.target_port, fault=Fault(0.3, seed=4, kinds=kinds)) as target:
            self.create(source=self.url(self.source_bucket, port=source.port), target=self.url(self.target_bucket, port=target.port))
            for _ in range(6):
                if self.follow(expect=(0, 1), timeout=300).status == 0:
                    break
            self.assertGreater(target.faults['lose answer'], 3)
            self.assertGreater(source.faults['cut answer'], 3)
            source.fault.share = target.fault.share = 0
            self.follow()
            self.assertEqual(self.replica('check', 'r').json['differences'], 0)
        self.assertEqual([one[:3] for one in self.history(self.target_bucket)],
                         [one[:3] for one in self.history(self.source_bucket)])

    def test_a_lost_state_is_found_again(self):
        self.fill(80)
        self.source_bucket.delete('dir0/object00')
        self.source_bucket.delete('dir0/object00')
        with Proxy(self.target_port) as target:
            self.create(target=self.url(self.target_bucket, port=target.port))
            self.follow()
            self.source_bucket.put('late', b'late')
            for damage in (lambda path: os.unlink(path), lambda path: open(path, 'wb').write(b'not a database' * 1000)):
                damage(self.path('state', 'replica', 'r.sqlite'))
                target.reset()
                self.follow()
                self.assertLessEqual(target.counts['PUT'], 1)
                self.assertEqual(target.counts['DELETE'], 0)
                self.assertEqual(self.replica('check', 'r').json['differences'], 0)
        self.assertEqual(self.history(self.target_bucket), self.history(self.source_bucket))

    def test_an_unchanged_bucket_costs_its_listing(self):
        for i in range(1100):
            self.source_bucket.put('d%02d/o%04d' % (i % 20, i), b'%d' % i)
        with Proxy(self.source_port) as source, Proxy(self.target_port) as target:
            self.create(source=self.url(self.source_bucket, port=source.port), target=self.url(self.target_bucket, port=target.port))
            self.follow()
            source.reset(), target.reset()
            self.follow()
            # Settings of the two buckets, and two pages.
            self.assertLessEqual(source.requests, 6)
            self.assertLessEqual(target.requests, 3)
            self.source_bucket.put('d00/new', b'new')
            source.reset(), target.reset()
            self.follow()
            self.assertEqual((source.counts['HEAD'], target.counts['PUT']), (0, 1))
            self.assertLessEqual(source.requests, 7)

    def test_a_large_listing_is_divided(self):
        """Four ranges at once, and each version once."""
        def some(first):
            bucket = Bucket(self.source_port, self.source_bucket.name, ACCESS_KEY, SECRET_KEY)
            for i in range(first, 4400, 8):
                bucket.put('d%02d/o%04d%s' % (i % 37, i // 2, 'ü+ %' if i % 2 else ''), b'%d' % i)
        threads = [threading.Thread(target=some, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.create()
        self.follow()
        for i in range(300):
            self.source_bucket.put('d11/o0005ü+ %', b'%d' % i)
        self.follow()
        asked = io.StringIO()
        with Proxy(self.source_port, log=asked) as source:
            self.replica('remove', 'r')
            self.create(source=self.url(self.source_bucket, port=source.port))
            self.follow()
            asked.truncate(0)
            self.follow()
            self.assertEqual(self.status()['listed_versions'], 4700)
            self.assertEqual(self.replica('check', 'r').json['equal'], 4700)
        begins = [line for line in asked.getvalue().splitlines() if '&versions=' in line and 'version-id-marker' not in line]
        # Four ranges of the run, and the one listing of the check.
        self.assertEqual((len(begins), sum('key-marker=' in line for line in begins)), (5, 3), asked.getvalue())

    def test_one_key_that_fails_keeps_no_other(self):
        self.source_bucket.put('good', b'good')
        self.source_bucket.put('bad', b'bad')
        self.source_bucket.put('bad', b'worse')
        # Nobody but its owner may read it.
        owner = Bucket(self.source_port, self.source_bucket.name, ACCESS_KEY, SECRET_KEY)
        policy = ('{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": '
                  '["s3:GetObjectVersion", "s3:GetObject"], "Resource": "arn:aws:s3:::%s/bad"}]}' % owner.name)
        owner.request('PUT', query={'policy': ''}, body=policy.encode())
        self.create()
        failed = self.follow(expect=1)
        self.assertIn('bad', failed.err)
        self.assertEqual(self.target_bucket.keys(), ['good'])
        document = self.status(expect=17)
        self.assertEqual((document['condition'], document['failed_keys'], document['failed_key'], document['pending_versions']),
                         ('failing', 1, 'bad', 2))
        self.replica('check', 'r', expect=13)
        owner.request('DELETE', query={'policy': ''})
        deadline = time.monotonic() + 60
        while self.follow(expect=(0, 1)).status != 0 and time.monotonic() < deadline:
            time.sleep(1)
        self.assert_equal()
        self.assertEqual(self.status()['condition'], 'following')


class ReplicaRuns(ReplicaWorld):
    """Runs that go on."""

    def setUp(self):
        super().setUp()
        self.source_bucket.make(versions=True)

    def wait(self, ready, seconds=30):
        deadline = time.monotonic() + seconds
        while not ready():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_goes_on_pauses_and_ends(self):
        self.create('--rpo', '1h')
        self.status(expect=17)  # nothing is known yet
        process = self.start(['replica', 'run'])
        self.wait(lambda: self.status(expect=(0, 17))['condition'] == 'following')
        self.source_bucket.put('a', b'a')
        self.wait(lambda: self.target_bucket.keys() == ['a'])
        self.wait(lambda: self.status()['delay_max_seconds'] > 0)
        self.assertLess(self.status()['delay_max_seconds'], 10)
        self.assertIn('another run works on the replica', self.follow(expect=11).text)
        self.replica('remove', 'r', expect=11)
        self.replica('pause', 'r')
        self.assertEqual(self.status(expect=17)['condition'], 'paused')
        time.sleep(2.5)
        self.source_bucket.put('b', b'b')
        time.sleep(2.5)
        self.assertEqual(self.target_bucket.keys(), ['a'])
        self.replica('resume', 'r')
        self.wait(lambda: self.target_bucket.keys() == ['a', 'b'])
        process.send_signal(signal.SIGTERM)
        self.finish(process, expect=0)
        self.replica('pause', 'r')
        self.follow(expect=15)
        self.replica('resume', 'r')
        self.assert_equal()
        # Nobody follows any more: the target falls behind.
        self.assertEqual(self.status()['condition'], 'following')
        time.sleep(2)
        document = self.status('--rpo', '1s', expect=17)
        self.assertEqual(document['condition'], 'behind')
        self.assertGreater(document['lag_seconds'], 1)
        self.replica('remove', 'r')
        self.replica('status', expect=2)
        self.assertEqual(self.target_bucket.keys(), ['a', 'b'])

    def test_ended_in_the_middle(self):
        self.fill(40, large=2)
        self.create()
        with Proxy(self.target_port, delay=0.1) as proxy:
            self.replica('remove', 'r')
            self.create(target=self.url(self.target_bucket, port=proxy.port))
            process = self.start(['replica', 'run', '--once', 'r'])
            self.wait(lambda: len(self.target_bucket.keys()) > 3)
            process.send_signal(signal.SIGTERM)
            self.finish(process, expect=143)
            self.follow()
        self.assertEqual([one[:3] for one in self.history(self.target_bucket)],
                         [one[:3] for one in self.history(self.source_bucket)])

    def test_a_source_that_is_away_is_waited_for(self):
        self.source_bucket.put('a', b'a')
        fault = Fault(0, seed=1, kinds=('cut before',))
        with Proxy(self.source_port, fault=fault) as proxy:
            self.create(source=self.url(self.source_bucket, port=proxy.port))
            process = self.start(['replica', 'run'])
            self.wait(lambda: self.status(expect=(0, 17))['condition'] == 'following')
            fault.share = 1
            self.wait(lambda: self.status(expect=(0, 17))['condition'] == 'failing', seconds=90)
            self.assertEqual(self.target_bucket.keys(), ['a'])
            fault.share = 0
            self.source_bucket.put('b', b'b')
            self.wait(lambda: self.target_bucket.keys() == ['a', 'b'], seconds=60)
            self.wait(lambda: self.status(expect=(0, 17))['condition'] == 'following')
            process.send_signal(signal.SIGTERM)
            self.finish(process, expect=0)

    def test_replicas_of_the_configuration(self):
        self.source_bucket.put('a', b'a')
        config = self.path('holdfast.toml')
        with open(self.path('secret'), 'w') as file:
            file.write(OTHER_SECRET_KEY + '\n')
        with open(config, 'w') as file:
            file.write('[replica.r]\nsource.url = "%s"\nsource.s3.profile = "source"\ntarget.url = "%s"\n'
                       'target.s3.access_key = {environment = "OTHER_ACCESS"}\ntarget.s3.secret_key = {file = "%s"}\nrpo = "1h"\n' %
                       (self.url(self.source_bucket), self.url(self.target_bucket), self.path('secret')))
        os.chmod(config, 0o600)
        self.env.update(HOLDFAST_CONFIG=config, OTHER_ACCESS=OTHER_ACCESS_KEY)
        self.assertEqual(self.status(expect=17)['condition'], 'new')
        self.create(expect=1)  # it needs none
        self.follow()
        self.assert_equal()
        self.assertEqual(self.status()['rpo_seconds'], 3600)
        for base, _, names in os.walk(self.path('state')):
            for name in names:
                with open(os.path.join(base, name), 'rb') as file:
                    self.assertNotIn(OTHER_SECRET_KEY.encode(), file.read())


class ReplicaLocks(ReplicaWorld):
    def setUp(self):
        super().setUp()
        self.source_bucket.request('PUT', headers={'x-amz-bucket-object-lock-enabled': 'true'})
        self.until = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
        self.later = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 7200))

    def lock(self, mode='COMPLIANCE'):
        return {'x_amz_object_lock_mode': mode, 'x_amz_object_lock_retain_until_date': self.until}

    def lock_of(self, bucket, key):
        headers, _ = bucket.get(key)
        return tuple(headers.get('x-amz-object-lock-' + name, '')[:19] for name in ('mode', 'retain-until-date', 'legal-hold'))

    def test_locks_are_kept_and_followed(self):
        self.source_bucket.put('compliance', b'c', **self.lock())
        self.source_bucket.put('governance', b'g', **self.lock('GOVERNANCE'))
        self.source_bucket.put('hold', b'h', x_amz_object_lock_legal_hold='ON')
        self.source_bucket.put('free', b'f')
        self.source_bucket.put_parts('parts', [bytes(5 << 20), b'end'])
        version = self.source_bucket.get('parts')[0]['x-amz-version-id']
        self.retain('parts', version, self.until)
        self.create()
        self.follow()
        self.assert_equal()
        for key in ('compliance', 'governance', 'hold', 'free', 'parts'):
            self.assertEqual(self.lock_of(self.target_bucket, key), self.lock_of(self.source_bucket, key), key)
        # Nobody takes away what is locked, at the target neither.
        version = self.target_bucket.get('compliance')[0]['x-amz-version-id']
        with self.assertRaises(Refused) as refused:
            self.target_bucket.request('DELETE', 'compliance', {'versionId': version})
        self.assertEqual(refused.exception.status, 403)
        # What is locked longer, or later, is locked there too; nothing is ever locked less.
        self.retain('compliance', self.source_bucket.get('compliance')[0]['x-amz-version-id'], self.later)
        self.hold('free', 'ON')
        self.hold('hold', 'OFF')
        self.replica('check', 'r', expect=13)
        self.follow()
        self.assertEqual(self.lock_of(self.target_bucket, 'compliance'), ('COMPLIANCE', self.later[:19], ''))
        self.assertEqual(self.lock_of(self.target_bucket, 'free')[2], 'ON')
        self.assertEqual(self.lock_of(self.target_bucket, 'hold')[2], 'ON')
        self.assertEqual(self.replica('check', 'r').json['differences'], 0)

    def retain(self, key, version, until, mode='COMPLIANCE'):
        self.put_xml(key, {'retention': '', 'versionId': version},
                     '<Retention><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>' % (mode, until))

    def hold(self, key, status):
        self.put_xml(key, {'legal-hold': ''}, '<LegalHold><Status>%s</Status></LegalHold>' % status)

    def put_xml(self, key, query, text):
        digest = base64.b64encode(hashlib.md5(text.encode()).digest()).decode()
        self.source_bucket.request('PUT', key, query, {'content-md5': digest}, text.encode())

    def test_a_target_that_cannot_lock_is_refused(self):
        self.target_bucket.make(versions=True)
        self.assertIn('the target cannot', self.create(expect=15).err)


class BesideCeph(E2E):
    """The same history, brought to the second zone by Ceph itself and to a bucket of another service by a replica."""

    def test_the_target_is_what_cephs_own_second_zone_is(self):
        with CephZones() as zones, Ceph() as other:
            measured = compare(self, zones, other, changes=150, seconds=12)
        for who, delays in measured.items():
            print('# replication by %s: %s' % (who, describe_delays(delays)), flush=True)

    def history(self, bucket):
        return ReplicaWorld.history(self, bucket)


def describe_delays(delays):
    delays = sorted(delays)
    return '%d versions, %.2f s on average, %.2f s for 95 of 100, %.2f s at most' % (
        len(delays), sum(delays) / len(delays), delays[len(delays) * 95 // 100], delays[-1])


def compare(test, zones, other, changes, seconds):
    """Writes a history into a bucket that both follow; returns how long each took for each version."""
    source = Bucket(zones.ports['north'], 'history', ACCESS_KEY, SECRET_KEY)
    south = Bucket(zones.ports['south'], 'history', ACCESS_KEY, SECRET_KEY)
    target = Bucket(other.gateway_port, 'history', ACCESS_KEY, SECRET_KEY)
    source.request('PUT', headers={'x-amz-bucket-object-lock-enabled': 'true'})
    env = {**other.environment, 'HOLDFAST_STATE_DIR': test.path('state')}
    urls = ['s3://history?endpoint=' + urllib.parse.quote('http://127.0.0.1:%d' % one.port, safe='') for one in (source, target)]
    test.run_program(['replica', 'create', *urls, '--name', 'r'], env=env)
    wait_for(lambda: south.keys() is not None, 'the bucket in the second zone')
    process = test.start(['replica', 'run'], env=env)
    source.put('first')  # all are at work when it is there
    for bucket in (south, target):
        wait_for(lambda: bucket.keys() == ['first'], 'the first object')
    watch = {name: Watch(Bucket(bucket.port, 'history', ACCESS_KEY, SECRET_KEY)) for name, bucket in
             (('Ceph', south), ('Holdfast', target))}
    put_at = write_history(source, changes, seconds)
    expected = count_versions(source)
    for one in watch.values():
        one.wait(expected)
    process.send_signal(signal.SIGTERM)
    test.finish(process)
    histories = {bucket: locked_history(bucket) for bucket in (source, south, target)}
    test.assertEqual(histories[south], histories[source])
    test.assertEqual(histories[target], histories[source])
    test.run_program(['replica', 'check', 'r'], env=env)
    return {name: one.delays(put_at) for name, one in watch.items()}


def write_history(bucket, changes, seconds):
    """Puts, deletions and locks; returns when each key got each of its versions."""
    rng = random.Random(11)
    put_at, keys, there = {}, 25, set()
    until = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
    for number in range(changes):
        key = 'dir%d/object%02d' % (number % 3, rng.randrange(keys))
        lock = {} if number % 5 else {'x_amz_object_lock_mode': 'GOVERNANCE', 'x_amz_object_lock_retain_until_date': until}
        # Ceph makes no mark of deletion where there is nothing, or one already.
        if key in there and rng.random() < 0.2:
            bucket.delete(key)
            there.discard(key)
        else:
            bucket.put(key, rng.randbytes(rng.choice((10, 3000, 200_000))), x_amz_meta_number=str(number), **lock)
            there.add(key)
        put_at.setdefault(key, []).append(time.time())
        time.sleep(seconds / changes)
    return put_at


def count_versions(bucket):
    return sum(1 for one in bucket.pages({'versions': ''}) if one.tag.rsplit('}')[-1] in ('Version', 'DeleteMarker'))


def locked_history(bucket):
    """(key, is a mark of deletion, size, ETag, lock), of each key the oldest version first."""
    found = []
    for one in bucket.pages({'versions': ''}):
        kind = one.tag.rsplit('}')[-1]
        if kind not in ('Version', 'DeleteMarker'):
            continue
        key, version = urllib.parse.unquote_plus(one.findtext('{*}Key')), one.findtext('{*}VersionId')
        headers = bucket.request('HEAD', key, {'versionId': version})[0] if kind == 'Version' else {}
        found.append((key, kind, one.findtext('{*}Size'), (one.findtext('{*}ETag') or '').strip('"') if headers else '',
                      headers.get('x-amz-object-lock-mode'), headers.get('x-amz-object-lock-retain-until-date', '')[:19]))
    return sorted(reversed(found), key=lambda one: one[0].encode())


def wait_for(ready, what, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except Refused:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


class Watch:
    """Lists a bucket again and again, and notes when each version is first seen."""

    def __init__(self, bucket):
        self.bucket, self.seen_at, self.is_ended = bucket, {}, False
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.is_ended:
            counts, now = {}, None
            for one in self.bucket.pages({'versions': ''}):
                if one.tag.rsplit('}')[-1] in ('Version', 'DeleteMarker'):
                    key = urllib.parse.unquote_plus(one.findtext('{*}Key'))
                    counts[key] = counts.get(key, 0) + 1
            now = time.time()
            for key, count in counts.items():
                seen = self.seen_at.setdefault(key, [])
                seen.extend([now] * (count - len(seen)))
            time.sleep(0.05)

    def wait(self, count):
        wait_for(lambda: sum(len(seen) for seen in list(self.seen_at.values())) >= count, 'the last version', 120)
        self.is_ended = True
        self.thread.join()

    def delays(self, put_at):
        """Seconds, of each version that `put_at` tells of."""
        return [seen - put for key, times in put_at.items() for put, seen in zip(times, self.seen_at[key])]
