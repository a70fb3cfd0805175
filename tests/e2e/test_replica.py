"""Replicas of buckets, between real gateways (radosgw) that the tests start."""
import os
import random
import signal
import sys
import time
import urllib.parse
import xml.etree.ElementTree

from harness import E2E, HERE

sys.path.append(os.path.join(HERE, '..', 'servers'))
sys.path.append(os.path.join(HERE, '..', 'support'))

from ceph import ACCESS_KEY, SECRET_KEY, Ceph  # noqa: E402 (it lies beside the end-to-end tests)
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

