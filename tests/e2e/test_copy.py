"""Restore points in two places."""
import os
import random
import time

from harness import E2E
from test_s3 import Proxy, S3World


class CopyWorld:
    """Two repositories: `first`, that is backed up into, and `second`, that is copied to."""

    def make(self, like=False):
        self.second, self.second_key = self.path('second'), self.path('second-key')
        self.init()
        more = ['--like', self.repo, '--like-key-file', self.key] if like else []
        self.init(*more, env=self.at_second())

    def at_second(self):
        return {'HOLDFAST_REPOSITORY': self.second, 'HOLDFAST_KEY_FILE': self.second_key}

    def copy(self, *args, expect=0, **options):
        return self.run_program(['--json', 'copy', '--to', self.second, '--to-key-file', self.second_key, *args],
                                expect=expect, **options)

    def fill(self, files=40, size=150_000, seed=1):
        rng = random.Random(seed)
        for i in range(files):
            self.write('dir%d/file%03d' % (i % 7, i), rng.randbytes(size))
        self.settle()

    def assert_second_restores(self, target):
        self.restore('latest', self.path(target), env=self.at_second())
        self.assert_trees_equal(self.source, self.path(target))
        self.assertEqual(self.check(env=self.at_second()).json['problems'], 0)


class Copy(CopyWorld, E2E):
    def days(self):
        self.small_tree()
        self.fill()
        ids = [self.backup()['restore_point']]
        for day in range(3):
            self.write('dir1/new%d' % day, os.urandom(5000))
            self.settle()
            ids.append(self.backup('--tag', 'day%d' % day)['restore_point'])
        return ids

    def everything(self, like):
        self.make(like)
        ids = self.days()
        document = self.copy().json
        self.assertEqual([one['restore_point'] for one in document['copied']], ids)
        self.assertEqual(document['present'], 0)
        for one in document['copied'][1:]:
            self.assertLess(one['bytes_read'], 400_000)
        copies = self.points(env=self.at_second())
        self.assertEqual([one['id'] for one in copies], [one['copy'] for one in document['copied']])
        self.assertEqual([one['time'] for one in copies], [one['time'] for one in self.points()])
        self.assertEqual(copies[-1]['tags'], ['day2'])
        self.assert_second_restores('target')
        again = self.copy().json
        self.assertEqual((again['copied'], again['present']), ([], 4))
        # A copy says what it is of, and a copy of a copy says the same.
        shown = self.run_program(['--json', 'show', 'latest'], env=self.at_second()).json
        self.assertEqual(shown['origin'], ids[-1])
        third = {'HOLDFAST_REPOSITORY': self.path('third'), 'HOLDFAST_KEY_FILE': self.path('third-key')}
        self.init(env=third)
        self.run_program(['copy', '--to', self.path('third'), '--to-key-file', self.path('third-key')],
                         env=self.at_second())
        self.assertEqual(self.run_program(['--json', 'show', 'latest'], env=third).json['origin'], ids[-1])
        # What the source has lost, the copy has.
        self.run_program(['delete', ids[-1]])
        self.run_program(['prune'])
        self.assert_second_restores('after')
        self.assertEqual(self.copy().json['present'], 3)

    def test_with_keys_of_their_own(self):
        self.everything(like=False)

    def test_with_shared_keys(self):
        self.everything(like=True)

    def test_copies_and_backups_share_chunks(self):
        self.make(like=True)
        self.fill()
        self.backup()
        self.backup(env=self.at_second())
        document = self.copy().json
        self.assertEqual(document['copied'][0]['chunks'], 0)
        self.assertLess(document['copied'][0]['bytes_stored'], 20_000)

    def test_one_point_and_what_a_filter_passes(self):
        self.make()
        ids = self.days()
        self.assertEqual(len(self.copy('latest', '--dry-run').json['copied']), 1)
        self.assertEqual(self.points(env=self.at_second()), [])
        self.assertEqual([one['restore_point'] for one in self.copy(ids[2][:12]).json['copied']], [ids[2]])
        self.assertEqual([one['restore_point'] for one in self.copy('--tag', 'day0').json['copied']], [ids[1]])
        self.assertEqual(len(self.copy('--tag', 'nothing').json['copied']), 0)

    def test_a_copy_is_a_parent_for_backups(self):
        self.make(like=True)
        self.fill()
        self.backup()
        self.copy()
        self.assertEqual(self.backup(env=self.at_second())['bytes_read'], 0)

    def test_errors(self):
        self.make()
        self.fill(files=2)
        self.backup()
        self.run_program(['copy'], expect=2)
        self.run_program(['copy', '--to', self.repo, '--to-key-file', self.key], expect=2)
        self.run_program(['copy', '--to', self.path('none'), '--to-key-file', self.key], expect=10)
        self.run_program(['copy', '--to', self.second, '--to-key-file', self.key], expect=12)
        # The environment's key is the first repository's.
        self.assertIn('no key for this repository', self.run_program(['copy', '--to', self.second], expect=12).err)
        self.copy('nothing-like-it', expect=2)
        self.copy('0123456789ab', expect=1)

    def test_killed_and_begun_again(self):
        self.make()
        self.fill(files=150, size=400_000)
        self.backup()
        for moment in (0.1, 0.2, 0.3):
            process = self.start(['copy', '--to', self.second, '--to-key-file', self.second_key])
            time.sleep(moment)
            process.kill()
            process.wait()
        self.copy()
        self.assert_second_restores('target')


class CopyToBucket(CopyWorld, S3World):
    fill = S3World.fill

    def test_requests_do_not_grow_with_what_is_there(self):
        bucket = self.repo
        self.repo = self.env['HOLDFAST_REPOSITORY'] = self.path('repo')
        self.make()
        self.second = bucket
        self.second_key = self.path('bucket-key')
        self.init(env=self.at_second())
        self.fill()
        for day in range(1, 29):
            self.write('dir1/new', os.urandom(2000))
            self.backup('--time', '2026-01-%02dT00:00:00Z' % day)
        self.copy()
        with Proxy(self.ceph.gateway_port) as proxy:
            self.use(proxy.port)
            self.second = self.repo
            self.repo = self.env['HOLDFAST_REPOSITORY'] = self.path('repo')
            self.assertEqual(self.copy().json['present'], 28)
            self.assertLess(proxy.requests, 20)
            proxy.reset()
            self.assertEqual(self.copy(env={'HOLDFAST_CACHE_DIR': self.path('cold')}).json['present'], 28)
            self.assertLess(proxy.requests, 40)
        self.assert_second_restores_through(bucket)

    def assert_second_restores_through(self, bucket):
        self.second = bucket
        self.assert_second_restores('target')
