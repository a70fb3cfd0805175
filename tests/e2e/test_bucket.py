"""Buckets as sources and as targets, at a real gateway (radosgw) that the tests start."""
import os
import random
import sys
import threading
import time
import urllib.parse

from harness import E2E, HERE

sys.path.append(os.path.join(HERE, '..', 'servers'))
sys.path.append(os.path.join(HERE, '..', 'support'))

from ceph import ACCESS_KEY, SECRET_KEY, Ceph  # noqa: E402 (it lies beside the end-to-end tests)
from proxy import Proxy  # noqa: E402
from s3_bucket import Bucket  # noqa: E402

ODD_KEYS = ('a', 'a/b', 'a/b/c', 'a.b', 'a-b', 'a//b', 'a/', 'dir/', 'dir/x', '/leading', '//', '.', '..', './x', '../up',
            'x/./y', 'x/../z', ' ', 'sp ace/+plus', 'per%cent%20', '.s3~e', '.s3~xyz/.s3~c', 'ünï/ß', '\U0001f600/\U0001f600',
            'long/' + 'x' * 300, 'l' * 255, 'l' * 256 + '/below', 'é' * 200, 'quote"<&>\'', 'back\\slash', 'tab\tand\nline',
            '*?[x]', '~', '-', '!', 'a!', 'a!/b', 'trailing./', 'end//')


class BucketWorld(E2E):
    """One gateway for a class; each test has buckets of its own, and a repository on disk."""

    @classmethod
    def setUpClass(cls):
        cls.ceph = Ceph()
        cls.ceph.__enter__()
        cls.addClassCleanup(cls.ceph.__exit__)

    def setUp(self):
        super().setUp()
        self.env.update({name: value for name, value in self.ceph.environment.items() if name.startswith('AWS_')})
        self.port = self.ceph.gateway_port
        self.bucket = self.new_bucket()
        self.init()

    def new_bucket(self, **options):
        name = 'test-%016x' % random.SystemRandom().getrandbits(64)
        return Bucket(self.ceph.gateway_port, name, ACCESS_KEY, SECRET_KEY).make(**options)

    def url(self, bucket=None, prefix='', more='', port=None):
        endpoint = urllib.parse.quote('http://127.0.0.1:%d' % (port or self.port), safe='')
        return 's3://%s%s?endpoint=%s%s' % ((bucket or self.bucket).name, prefix, endpoint, more)

    def fill(self, count=50, seed=1):
        rng = random.Random(seed)
        for i in range(count):
            self.bucket.put('dir%d/object%04d' % (i % 7, i), rng.randbytes(rng.randrange(3000)))

    def backup_bucket(self, *args, **options):
        return self.backup(*args, source=options.pop('source', None) or self.url(), **options)


class BucketSource(BucketWorld):
    def test_into_a_directory(self):
        rng = random.Random(2)
        objects = {'a/b.txt': b'text', 'a/c': rng.randbytes(10_000_000), 'd': b'', 'e/f/g': rng.randbytes(200_000)}
        for key, body in objects.items():
            self.bucket.put(key, body, content_type='text/x-test', x_amz_meta_owner='me & you', x_amz_tagging='k=v%20w&l=')
        done = self.backup_bucket()
        self.assertEqual(done['files'], 4)
        self.assertEqual(done['name'], 's3://' + self.bucket.name)
        self.restore('latest', self.path('target'))
        for key, body in objects.items():
            path = self.path('target', key)
            with open(path, 'rb') as file:
                self.assertEqual(file.read(), body, key)
            self.assertEqual(os.getxattr(path, 'user.s3.content-type'), b'text/x-test')
            self.assertEqual(os.getxattr(path, 'user.s3.meta.owner'), b'me & you')
            self.assertEqual(os.getxattr(path, 'user.s3.tags'), b'k=v%20w&l=')
            self.assertEqual(len(os.getxattr(path, 'user.s3.etag')), 32)
        self.assert_check_clean()

    def test_odd_keys_have_usable_names(self):
        for key in ODD_KEYS:
            self.bucket.put(key, key.encode())
        self.assertEqual(self.backup_bucket()['files'], len(ODD_KEYS))
        self.restore('latest', self.path('target'))
        found = set()
        for base, _, names in os.walk(self.path('target')):
            for name in names:
                with open(os.path.join(base, name), 'rb') as file:
                    found.add(file.read().decode())
        self.assertEqual(found, set(ODD_KEYS))

    def test_unchanged_objects_are_only_listed(self):
        for i in range(2000):
            self.bucket.put('d%02d/o%04d' % (i % 20, i), b'%d' % i, x_amz_meta_number=str(i))
        with Proxy(self.port) as proxy:
            source = self.url(port=proxy.port)
            self.backup_bucket(source=source)
            first = dict(proxy.counts)
            self.assertLessEqual(proxy.requests, 2000 + 6)
            proxy.reset()
            second = self.backup_bucket(source=source)
            self.assertEqual(second['bytes_read'], 0)
            self.assertLessEqual(proxy.requests, 3, (first, proxy.counts))
            # One is new, one changed, one has gone.
            self.bucket.put('d00/new', b'new')
            self.bucket.put('d01/o0001', b'other', x_amz_meta_number='other')
            self.bucket.delete('d02/o0002')
            proxy.reset()
            third = self.backup_bucket(source=source)
            self.assertEqual(third['bytes_read'], 8)
            self.assertEqual(third['files'], 2000)
            self.assertLessEqual(proxy.requests, 5)
        self.restore('latest', self.path('target'))
        number = {key: os.getxattr(self.path('target', key), 'user.s3.meta.number') for key in ('d01/o0001', 'd03/o0003')}
        self.assertEqual(number, {'d01/o0001': b'other', 'd03/o0003': b'3'})
        self.assertFalse(os.path.exists(self.path('target', 'd02/o0002')))

    def test_a_part_of_a_bucket(self):
        for key in ('in/a', 'in/b/c', 'in', 'inner/d', 'in/'):
            self.bucket.put(key, key.encode())
        done = self.backup_bucket(source=self.url(prefix='/in'))
        self.assertEqual((done['files'], done['name']), (3, 's3://%s/in' % self.bucket.name))
        self.restore('latest', self.path('target'))
        self.assertEqual(sorted(os.listdir(self.path('target'))), ['.s3~e', 'a', 'b'])

    def test_objects_of_many_parts(self):
        parts = [random.Random(7).randbytes(5 << 20) for _ in range(4)] + [b'end']
        self.bucket.put_parts('parts', parts, content_type='video/x')
        self.backup_bucket()
        self.assertEqual(self.backup_bucket()['bytes_read'], 0)
        self.restore('latest', self.path('target'))
        with open(self.path('target', 'parts'), 'rb') as file:
            self.assertEqual(file.read(), b''.join(parts))
        self.assertEqual(os.getxattr(self.path('target', 'parts'), 'user.s3.content-type'), b'video/x')

    def test_replaced_while_it_is_read(self):
        """What is restored is one version or another, never both."""
        bodies = [bytes([letter]) * (24 << 20) for letter in b'abc']
        self.bucket.put('large', bodies[0])
        stop = threading.Event()

        def replace():
            other = Bucket(self.port, self.bucket.name, ACCESS_KEY, SECRET_KEY)
            for round in range(1, 1000):
                if stop.wait(0.05):
                    return
                other.put('large', bodies[round % 3])

        with Proxy(self.port, delay=0.02) as proxy:
            thread = threading.Thread(target=replace)
            thread.start()
            try:
                done = self.backup_bucket(source=self.url(port=proxy.port), expect=(0, 3))
            finally:
                stop.set()
                thread.join()
        if done['result'].status == 3:
            self.assertIn('large: it changed each time it was read', done['result'].err)
            self.backup_bucket()
        self.restore('latest', self.path('target'))
        with open(self.path('target', 'large'), 'rb') as file:
            content = file.read()
        self.assertIn(content, bodies)
        self.assertEqual(self.backup_bucket()['result'].status, 0)

    def test_the_repository_is_not_its_own_source(self):
        repository = 's3:http://127.0.0.1:%d/%s/repo' % (self.port, self.bucket.name)
        env = {'HOLDFAST_REPOSITORY': repository, 'HOLDFAST_KEY_FILE': self.path('other-key')}
        self.init(env=env)
        for prefix in ('', '/repo', '/repo/data'):
            error = self.run_program(['backup', self.url(prefix=prefix)], env=env, expect=2).err
            self.assertIn('in one place with the repository', error)
        self.bucket.put('other/x', b'x')
        self.assertEqual(self.backup_bucket(source=self.url(prefix='/other'), env=env)['files'], 1)

    def test_what_is_not_there(self):
        missing = Bucket(self.port, 'no-such-bucket', ACCESS_KEY, SECRET_KEY)
        error = self.run_program(['backup', self.url(missing)], expect=1).err
        self.assertIn('NoSuchBucket', error)
        self.assertIn('not a bucket', self.run_program(['backup', 's3:///x'], expect=2).err)
