"""Buckets as sources and as targets, at a real gateway (radosgw) that the tests start."""
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
from proxy import Fault, Proxy  # noqa: E402
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

    def test_a_full_backup_asks_for_all(self):
        self.bucket.put('a', b'a')
        self.backup_bucket()
        # Some services give it another time then, others do not.
        self.bucket.tag('a', new='tag')
        self.backup_bucket('--type', 'full')
        self.restore('latest', self.path('seen'))
        self.assertEqual(os.getxattr(self.path('seen', 'a'), 'user.s3.tags'), b'new=tag')

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

    def test_limits_are_of_buckets_too(self):
        for i in range(12):
            self.bucket.put('part%02d' % i, os.urandom(500_000))
        began = time.monotonic()
        self.run_program(['--limit-download', '3M', 'backup', self.url()])
        self.assertGreater(time.monotonic() - began, 1)
        began = time.monotonic()
        self.run_program(['--limit-upload', '3M', 'restore', 'latest', '--target', self.url(prefix='/back')])
        self.assertGreater(time.monotonic() - began, 1)

    def test_the_repository_is_not_its_own_source(self):
        repository = 's3:http://127.0.0.1:%d/%s/repo' % (self.port, self.bucket.name)
        env = {'HOLDFAST_REPOSITORY': repository, 'HOLDFAST_KEY_FILE': self.path('other-key')}
        self.init(env=env)
        for prefix in ('', '/repo', '/repo/data'):
            error = self.run_program(['backup', self.url(prefix=prefix)], env=env, expect=2).err
            self.assertIn('in one place with the repository', error)
        self.bucket.put('other/x', b'x')
        self.assertEqual(self.backup_bucket(source=self.url(prefix='/other'), env=env)['files'], 1)

    def test_three_of_ten_requests_fail(self):
        self.fill(40)
        self.bucket.put('large', random.Random(8).randbytes(20 << 20))
        fault = Fault(0.3, seed=5, stall_seconds=2.5)
        with Proxy(self.port, fault=fault) as proxy:
            self.backup_bucket(source=self.url(port=proxy.port, more='&timeout=2'), timeout=400)
            self.assertGreater(sum(proxy.faults.values()), 10)
            other = self.new_bucket()
            self.run_program(['restore', 'latest', '--target', self.url(other, port=proxy.port, more='&timeout=2')],
                             timeout=400)
        self.assertEqual(other.everything(), self.bucket.everything())

    def test_locks_are_told(self):
        name = self.bucket.name + '-locked'
        locked = Bucket(self.port, name, ACCESS_KEY, SECRET_KEY)
        locked.request('PUT', headers={'x-amz-bucket-object-lock-enabled': 'true'})
        until = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
        locked.put('a', b'kept', x_amz_object_lock_mode='GOVERNANCE', x_amz_object_lock_retain_until_date=until)
        self.backup_bucket(source=self.url(locked))
        self.restore('latest', self.path('target'), '--source', 's3://' + name)
        self.assertEqual(os.getxattr(self.path('target', 'a'), 'user.s3.lock-mode'), b'GOVERNANCE')
        self.assertEqual(os.getxattr(self.path('target', 'a'), 'user.s3.lock-until')[:19], until.encode()[:19])

    def test_points_are_found_by_the_bucket(self):
        self.bucket.put('a', b'a')
        made = self.backup_bucket()['restore_point']
        self.write('file', b'x')
        self.settle()
        self.backup()
        for choice in ('--source', '--name'):
            self.assertEqual([point['id'] for point in self.points(choice, 's3://' + self.bucket.name)], [made])
            self.restore('latest', self.path(choice), choice, 's3://' + self.bucket.name)
        for option in (('--exclude', 'x'), ('--exclude-caches',), ('--one-file-system',)):
            self.run_program(['backup', self.url(), *option], expect=2)

    def test_interrupted(self):
        self.fill(200)
        with Proxy(self.port, delay=0.3) as proxy:
            process = self.start(['backup', self.url(port=proxy.port)])
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            self.finish(process, expect=130)
            self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.backup_bucket()['files'], 200)

    def test_what_is_not_there(self):
        missing = Bucket(self.port, 'no-such-bucket', ACCESS_KEY, SECRET_KEY)
        error = self.run_program(['backup', self.url(missing)], expect=1).err
        self.assertIn('NoSuchBucket', error)
        self.assertIn('not a bucket', self.run_program(['backup', 's3:///x'], expect=2).err)


class BucketTarget(BucketWorld):
    def restore_to(self, bucket, *args, point='latest', prefix='', **options):
        return self.run_program(['--json', 'restore', point, '--target', self.url(bucket, prefix), *args], **options)

    def test_round_trip_of_odd_keys_and_metadata(self):
        rng = random.Random(4)
        for number, key in enumerate(ODD_KEYS):
            self.bucket.put(key, rng.randbytes(rng.choice((0, 10, 400, 70_000))), content_type='text/%d' % number,
                            x_amz_meta_key=str(number), x_amz_meta_empty='', x_amz_tagging='number=%d&%%2F=%%26' % number)
        self.bucket.put('all headers', b'x', cache_control='no-cache, max-age=1', content_encoding='gzip',
                        content_disposition='attachment; filename="a b"', content_language='fr',
                        expires='Thu, 01 Dec 2033 16:00:00 GMT')
        self.bucket.put_parts('parts', [rng.randbytes(5 << 20), rng.randbytes(6 << 20)], content_type='video/x',
                              x_amz_meta_a='b')
        self.bucket.tag('parts', a='b', c='')
        self.backup_bucket()
        other = self.new_bucket()
        document = self.restore_to(other).json
        self.assertEqual(document['files'], len(ODD_KEYS) + 2)
        self.assertEqual(other.everything(), self.bucket.everything())
        self.assertEqual(sorted(other.keys()), sorted(ODD_KEYS + ('all headers', 'parts')))
        # Below a prefix, and of a directory of it.
        self.restore_to(other, prefix='/below/it')
        self.assertEqual(other.everything('below/it/'), self.bucket.everything())
        self.restore_to(other, prefix='/of', point='latest:a')
        self.assertEqual(sorted(other.keys('of/')), ['of/' + key[2:] for key in sorted(ODD_KEYS) if key.startswith('a/')])

    def test_what_is_there_is_kept_or_compared(self):
        self.fill()
        self.bucket.put_parts('parts', [random.Random(7).randbytes(8 << 20), b'end'])
        self.backup_bucket()
        other = self.new_bucket()
        other.put('here', b'already')
        error = self.restore_to(other, expect=1).err
        self.assertIn('is not empty', error)
        self.assertEqual(other.keys(), ['here'])
        self.restore_to(other, '--overwrite', 'changed')
        again = self.restore_to(other, '--overwrite', 'changed').json
        self.assertEqual((again['unchanged'], again['bytes_written']), (51, 0))
        keys = self.bucket.keys()
        other.put(keys[0], b'changed')
        other.delete(keys[1])
        dry = self.restore_to(other, '--overwrite', 'changed', '--dry-run').json
        self.assertEqual(dry['unchanged'], 49)
        self.assertEqual(other.get(keys[0])[1], b'changed')
        self.assertEqual(self.restore_to(other, '--overwrite', 'changed').json['unchanged'], 49)
        self.assertEqual(self.restore_to(other, '--overwrite', 'always').json['unchanged'], 0)
        found = other.everything()
        self.assertEqual(found.pop('here')[1], 7)
        self.assertEqual(found, self.bucket.everything())
        self.restore_to(other, '--delete', expect=1)
        self.restore_to(other, '--verify', expect=1)

    def test_a_bucket_is_made_and_one_object_comes_back(self):
        self.fill(3)
        self.backup_bucket()
        other = Bucket(self.port, self.bucket.name + '-made', ACCESS_KEY, SECRET_KEY)
        self.restore_to(other, point='latest:dir1/object0001')
        self.assertEqual(other.everything(), {'object0001': self.bucket.describe('dir1/object0001')})
        self.restore_to(other, point='latest:dir1/object0001', expect=1)
        self.restore_to(other, point='latest:dir2/object0002')
        self.assertEqual(other.keys(), ['object0001', 'object0002'])

    def test_files_become_objects(self):
        self.small_tree()
        self.backup()
        other = self.new_bucket()
        result = self.restore_to(other, expect=1)  # a link is none
        self.assertIn('link: not a file', result.err)
        expected = {}
        for base, _, names in os.walk(self.source):
            for name in names:
                path = os.path.join(base, name)
                if not os.path.islink(path):
                    with open(path, 'rb') as file:
                        expected[os.path.relpath(path, self.source)] = file.read()
        self.assertEqual({key: other.get(key)[1] for key in other.keys()}, expected)

    def test_sparse_and_large_content(self):
        rng = random.Random(3)
        with open(self.path('source', 'sparse'), 'wb') as file:
            file.seek(30 << 20)
            file.write(rng.randbytes(3_000_000))
            file.truncate(40 << 20)
        self.settle()
        self.backup()
        other = self.new_bucket()
        self.restore_to(other)
        with open(self.path('source', 'sparse'), 'rb') as file:
            self.assertEqual(other.get('sparse')[1], file.read())


class BucketVersions(BucketTarget):
    def setUp(self):
        super().setUp()
        self.bucket = self.new_bucket(versions=True)

    def fill_versions(self):
        rng = random.Random(6)
        for round in range(3):
            for key in ('a', 'a/b', 'dir/c', 'é//', '!first', 'x' * 300):
                self.bucket.put(key, b'%s %d ' % (key.encode(), round) + rng.randbytes(rng.choice((1, 2000))),
                                content_type='text/%d' % round)
        self.bucket.put('large', rng.randbytes(600_000))
        self.bucket.put('large', rng.randbytes(700_000))
        self.bucket.delete('dir/c')
        self.bucket.delete('é//')
        self.bucket.put('é//', b'again')
        self.bucket.delete('never/there')

    def test_all_versions_come_back_in_order(self):
        self.fill_versions()
        source = self.url(more='&versions=all')
        done = self.backup_bucket(source=source)
        self.assertEqual(done['name'], 's3://' + self.bucket.name)
        self.assertEqual(done['files'], len(self.bucket.versions()))
        self.assertEqual(self.backup_bucket(source=source)['bytes_read'], 0)
        made = Bucket(self.port, self.bucket.name + '-made', ACCESS_KEY, SECRET_KEY)
        for target in (self.new_bucket(versions=True), made):
            self.restore_to(target)
            self.assertEqual(target.versions(), self.bucket.versions())
            self.assertEqual(target.everything(), self.bucket.everything())
        # Beside what is there they would not be older.
        again = self.restore_to(made, '--overwrite', 'changed', expect=1)
        self.assertIn('the bucket has these keys already', again.err)
        self.assertEqual(made.versions(), self.bucket.versions())
        plain = self.new_bucket()
        self.assertIn('the bucket keeps no versions', self.restore_to(plain, expect=1).err)
        self.assertEqual(plain.everything(), self.bucket.everything())
        self.assert_check_clean()

    def test_only_new_versions_are_read(self):
        self.fill_versions()
        source = self.url(more='&versions=all')
        self.backup_bucket(source=source)
        self.bucket.put('a', b'newest')
        # What was current is another entry now, of which the repository has the content.
        added = self.backup_bucket(source=source)
        self.assertLess(added['bytes_read'], 3000)
        self.restore('latest', self.path('target'))
        with open(self.path('target', '.s3~oa'), 'rb') as file:
            self.assertEqual(file.read(), b'newest')
        self.assertEqual(len(os.listdir(self.path('target', '.s3~va'))), 3)
        deleted = [name for name in os.listdir(self.path('target', 'dir', '.s3~vc')) if name.endswith('-deleted')]
        self.assertEqual(len(deleted), 1)

    def test_without_being_asked_only_the_current_ones(self):
        self.fill_versions()
        self.assertEqual(self.backup_bucket()['files'], len(self.bucket.keys()))
