"""Data packs in an archive class: a real gateway, and in front of it a fake of the thaw (servers/fake_cold_tier.py)."""
import os
import random
import signal
import time

from test_s3 import S3World

from ceph import ACCESS_KEY, SECRET_KEY
from fake_cold_tier import FakeColdTier
from s3_request import S3Requester


class ColdWorld(S3World):
    THAW_SECONDS = 1.0

    def setUp(self):
        super().setUp()
        self.tier = FakeColdTier(self.ceph.gateway_port, ACCESS_KEY, SECRET_KEY, thaw_seconds=self.THAW_SECONDS)
        self.tier.__enter__()
        self.addCleanup(self.tier.__exit__)
        self.use(self.tier.port, '?class=GLACIER')

    def big_tree(self, seed=1, files=40):
        """More than a restore point keeps in its own object."""
        self.small_tree()
        self.fill(files=files, seed=seed)

    def frozen_repository(self, *args):
        self.init(*args)
        self.big_tree()
        point = self.backup()['restore_point']
        self.assertGreater(len(self.tier.archived), 0)
        self.assertEqual({state.storage_class for state in self.tier.archived.values()}, {'GLACIER'})
        for key in self.tier.archived:
            self.assertIn('/repo/data/', key)
        return point

    def thaw(self, *args, point='latest', target='target', **options):
        return self.restore(point, self.path(target), '--thaw', '--thaw-poll', '1s', *args, **options)

    def plan(self, point='latest', *args, target='target', **options):
        return self.restore(point, self.path(target), '--plan', *args, **options).json

    def usage_of_data(self):
        return self.run_program(['--json', 'usage']).json['folders']['data']['bytes']

    def asked(self):
        """Requests to restore, by key."""
        counts = {}
        for one in self.tier.asked:
            counts[one.key] = counts.get(one.key, 0) + 1
        return counts

    def assert_restored(self, target='target'):
        self.assert_trees_equal(self.source, self.path(target))


class Cold(ColdWorld):
    def test_nothing_is_written_before_it_can_be_read(self):
        self.frozen_repository()
        error = self.restore(expect=11).error
        self.assertEqual(error['code'], 'frozen')
        self.assertIn('--thaw', error['message'])
        self.assertIn('%d packs' % len(self.tier.archived), error['message'])
        self.assertFalse(os.path.exists(self.path('target')))
        self.assertEqual(self.tier.asked, [])
        self.assertEqual(self.tier.refused.total(), 0)

    def test_plan(self):
        self.frozen_repository()
        packs = {key.split('/repo/')[1]: None for key in self.tier.archived}
        plan = self.plan()
        self.assertEqual({pack['name'] for pack in plan['packs']}, set(packs))
        self.assertEqual({pack['state'] for pack in plan['packs']}, {'frozen'})
        self.assertEqual(plan['needed'], plan['frozen'])
        self.assertEqual(plan['needed']['packs'], len(packs))
        self.assertEqual(plan['needed']['bytes'], self.usage_of_data())
        self.assertEqual(plan['readable'], {'packs': 0, 'bytes': 0})
        # One file takes one pack, an inlined one none; what is there already takes none.
        self.assertEqual(self.plan('latest:dir1/file001')['needed']['packs'], 1)
        self.assertEqual(self.plan('latest:empty')['needed']['packs'], 0)
        self.assertFalse(os.path.exists(self.path('target')))
        self.assertEqual(self.tier.asked, [])
        # Asked for, and not waited for.
        asked = self.plan('latest', '--thaw=bulk', '--thaw-days', '3')
        self.assertEqual((asked['asked'], asked['thawing']['packs'], asked['frozen']['packs']), (len(packs), len(packs), 0))
        self.assertEqual({(one.tier, one.days, one.status) for one in self.tier.asked}, {('Bulk', 3, 202)})
        self.assertEqual(self.plan('latest', '--thaw')['asked'], 0)
        time.sleep(self.THAW_SECONDS + 0.2)
        later = self.plan()
        self.assertEqual(later['readable'], plan['needed'])
        self.assertIsNotNone(later['readable_until'])
        self.assertIn('readable_until', later['packs'][0])
        text = self.run_program(['restore', 'latest', '--target', self.path('target'), '--plan']).text
        self.assertIn('%d packs (' % len(packs), text)
        # Now it needs no thaw.
        self.restore()
        self.assert_restored()
        self.assertEqual(set(self.asked().values()), {1})
        self.assertEqual(self.plan('latest', '--overwrite', 'changed')['needed']['packs'], 0)
        self.assertEqual(self.plan('latest', '--overwrite', 'changed', '--verify')['needed'], plan['needed'])

    def test_thaw_waits_and_restores(self):
        self.frozen_repository()
        self.thaw('--verify')
        self.assert_restored()
        self.assertEqual(set(self.asked()), set(self.tier.archived))
        self.assertEqual(set(self.asked().values()), {1})
        self.assertEqual({(one.tier, one.days) for one in self.tier.asked}, {('Standard', 7)})
        self.assertEqual(self.tier.refused.total(), 0)

    def test_killed_while_it_waits(self):
        self.frozen_repository()
        self.tier.thaw_seconds = 6
        for _ in range(3):
            process = self.start(['restore', 'latest', '--target', self.path('target'), '--thaw', '--thaw-poll', '1s'])
            time.sleep(1.2)
            self.assertIsNone(process.poll())
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.assertFalse(os.path.exists(self.path('target')))
        self.thaw()
        self.assert_restored()
        self.assertEqual(set(self.asked().values()), {1})

    def test_killed_while_it_writes(self):
        self.frozen_repository()
        line = ['--limit-download', '2M', 'restore', 'latest', '--target', self.path('target'), '--overwrite', 'changed',
                '--thaw', '--thaw-poll', '1s']
        process = self.start(line)
        while self.tier.read.total() < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertTrue(os.path.exists(self.path('target')))
        self.run_program(line)
        self.assert_restored()
        self.assertEqual(set(self.asked().values()), {1})

    def test_interrupted_while_it_waits(self):
        self.frozen_repository()
        self.tier.thaw_seconds = 60
        process = self.start(['restore', 'latest', '--target', self.path('target'), '--thaw'])
        time.sleep(1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.finish(process, expect=130)
        self.assertLess(time.monotonic() - began, 5)

    def test_copies_expire_in_the_middle(self):
        self.frozen_repository()
        # Reads are under way at once: no thread of the test is fast enough.
        self.tier.freezes_after = 1
        self.thaw()
        self.assert_restored()
        self.assertGreater(self.tier.refused.total(), 0)
        self.assertGreater(max(self.asked().values()), 1)

    def test_a_file_by_file_restore_of_a_hot_and_a_cold_part(self):
        """What came later, small enough for a restore point's own object, is never frozen."""
        self.frozen_repository()
        self.write('dir1/new', os.urandom(5000))
        self.settle()
        self.backup()
        self.restore('latest:dir1/new', self.path('one'))
        self.assertEqual(os.listdir(self.path('one')), ['new'])
        self.restore('latest:dir1/file001', self.path('two'), expect=11)

    def test_many_packs_are_told_apart_by_a_listing(self):
        self.init()
        rng = random.Random(4)
        with open(self.path('source', 'large'), 'wb') as file:
            for _ in range(200):
                file.write(rng.randbytes(1 << 20))
        self.settle()
        self.backup()
        packs = len(self.tier.archived)
        self.assertGreater(packs, 8)
        # Some are not in an archive class after all: HEAD asks only for those that are.
        hot = sorted(self.tier.archived)[::2]
        for key in hot:
            del self.tier.archived[key]
        self.tier.reset()
        plan = self.plan()
        self.assertEqual((plan['readable']['packs'], plan['frozen']['packs']), (len(hot), packs - len(hot)))
        self.assertLessEqual(self.tier.counts['HEAD'], packs - len(hot) + 3)
        self.thaw()
        self.assert_restored()
        self.assertEqual(len(self.tier.asked), packs - len(hot))

    def test_without_the_class_in_the_url(self):
        """Nothing is known before a read is refused; then it ends, and is no damage."""
        self.frozen_repository()
        self.use(self.tier.port)
        self.assertEqual(self.restore(expect=11).error['code'], 'frozen')
        self.assertEqual(self.check('--read-data').json['frozen_packs'], len(self.tier.archived))
        self.thaw('--overwrite', 'changed')
        self.assert_restored()

    def test_a_repository_that_is_not_cold_pays_nothing(self):
        self.use(self.tier.port)
        self.init()
        self.big_tree()
        self.backup()
        self.tier.reset()
        self.restore('latest:dir1/file001', self.path('one'), env={'HOLDFAST_CACHE_DIR': self.path('fresh')})
        self.assertLessEqual(self.tier.requests, 10)
        self.assertEqual(self.plan()['readable'], self.plan()['needed'])
        self.thaw()
        self.assert_restored()
        self.assertEqual(self.tier.asked, [])

    def test_wrong_options(self):
        self.frozen_repository()
        for wrong in (['--thaw=soon'], ['--thaw', '--thaw-days', '0'], ['--thaw', '--thaw-days', 'x'], ['--thaw', '--thaw-poll', '9']):
            self.restore('latest', self.path('target'), *wrong, expect=2)


class ColdOperations(ColdWorld):
    def test_backups_go_on(self):
        self.frozen_repository()
        image = self.path('source', 'disk.img')
        with open(image, 'wb') as file:
            file.write(random.Random(8).randbytes(8 << 20))
        self.settle()
        self.backup()
        with open(image, 'r+b') as file:
            file.seek(3 << 20)
            file.write(b'changed' * 100)
        self.write('dir1/new', os.urandom(5000))
        os.remove(self.path('source', 'dir2', 'file002'))
        self.settle()
        self.assertLess(self.backup()['bytes_added'], 1 << 20)
        # It knows what is stored by the index: what it stores again is the chunk around the page that has changed.
        self.assertLess(self.backup('--type', 'full')['bytes_added'], 3 << 20)
        self.assertEqual(self.tier.refused.total() + self.tier.read.total(), 0)
        self.thaw()
        self.assert_restored()

    def test_a_killed_backup_is_no_hindrance(self):
        self.init()
        self.fill(files=100, size=400_000)
        process = self.start(['--limit-upload', '20M', 'backup', self.source])
        time.sleep(1.2)
        process.kill()
        process.wait()
        self.backup()
        self.run_program(['prune'])
        self.assert_check_clean()
        self.thaw()
        self.assert_restored()

    def test_check_takes_nothing_for_damaged(self):
        self.frozen_repository()
        for args in ((), ('--read-data',)):
            document = self.run_program(['--json', 'check', *args]).json
            self.assertEqual((document['problems'], document['frozen_packs'], document['frozen_bytes']),
                             (0, len(self.tier.archived), self.usage_of_data()))
        self.assertEqual(self.tier.refused.total(), 0)
        self.assertGreaterEqual(document['data_bytes_never_read'], self.usage_of_data())
        self.assertIn('frozen', self.run_program(['check']).text)
        # A pack that is gone is damage, frozen or not.
        gone = sorted(self.tier.archived)[0]
        self.lose(gone)
        document = self.check('--read-data', expect=13).json
        self.assertIn('missing', ' '.join(document['problem_texts']))

    def lose(self, key):
        bucket, _, name = key.partition('/')
        self.assertTrue(S3Requester(self.tier.port, ACCESS_KEY, SECRET_KEY)('DELETE', bucket, name).ok)

    def test_what_has_been_thawed_is_checked(self):
        self.frozen_repository()
        self.plan('latest', '--thaw')
        time.sleep(self.THAW_SECONDS + 0.2)
        document = self.check('--read-data').json
        self.assertEqual((document['problems'], document['frozen_packs'], document['data_bytes_never_read']), (0, 0, 0))

    def test_repair_takes_nothing_for_damaged(self):
        self.frozen_repository()
        before = set(self.tier.archived)
        document = self.run_program(['--json', 'repair']).json
        self.assertEqual((document['frozen'], document['beyond_mending'], document['mended'], document['problems']),
                         (len(before), [], [], 0))
        self.assertEqual(set(self.tier.archived), before)

    def test_prune_removes_dead_packs_and_writes_none_anew(self):
        first = self.frozen_repository()
        dead_soon = set(self.tier.archived)
        for i in range(40):
            # Of the first backup two files are left.
            if i not in (3, 4):
                os.remove(self.path('source', 'dir%d' % (i % 7), 'file%03d' % i))
        os.remove(self.path('source', 'dir', 'sub', 'c.bin'))
        rng = random.Random(9)
        for i in range(40):
            self.write('more/file%03d' % i, rng.randbytes(150_000))
        self.settle()
        second = self.backup()['restore_point']
        self.run_program(['delete', first])
        dry = self.run_program(['--json', 'prune', '--dry-run']).json
        pruned = self.run_program(['--json', 'prune']).json
        # What filled no pack stands in the restore point, which is not cold, as metadata is not: one of the two files may.
        self.assertLess(pruned['bytes_copied'], 151_000)
        self.assertGreater(pruned['bytes_archived'], 500_000)
        self.assertEqual(dry['bytes_archived'], pruned['bytes_archived'])
        self.assertIn('archive class', self.run_program(['prune']).text)
        # Its pack stays, as two files of it are needed.
        self.assertTrue(dead_soon & set(self.tier.archived))
        self.assertEqual(self.tier.read.total() + self.tier.refused.total(), 0)
        self.assert_check_clean()
        self.thaw()
        self.assert_restored()
        # When nothing of it is needed it goes, though it is frozen.
        self.tier.freeze()
        for i in (3, 4):
            os.remove(self.path('source', 'dir%d' % (i % 7), 'file%03d' % i))
        self.settle()
        self.backup()
        self.run_program(['delete', second])
        self.run_program(['prune'])
        self.assertEqual(dead_soon & set(self.tier.archived), set())
        self.assertEqual(self.tier.refused.total(), 0)
        self.assert_check_clean()

    def test_copy_synthesize_and_cat_say_what_is_the_matter(self):
        self.frozen_repository()
        before = len(self.points())
        second = {'HOLDFAST_REPOSITORY': self.path('second'), 'HOLDFAST_KEY_FILE': self.path('second-key')}
        self.init(env=second)
        for line in (['copy', '--to', self.path('second'), '--to-key-file', self.path('second-key')],
                     ['synthesize', 'latest'], ['cat', 'latest:dir1/file001']):
            error = self.run_program(['--json', *line], expect=11).error
            self.assertEqual(error['code'], 'frozen')
            self.assertIn('--thaw', error['message'])
        self.assertEqual((len(self.points()), self.points(env=second)), (before, []))
        self.assertEqual(self.tier.asked, [])
        # What is thawed for a restore serves them too.
        self.plan('latest', '--thaw')
        time.sleep(self.THAW_SECONDS + 0.2)
        self.run_program(['copy', '--to', self.path('second'), '--to-key-file', self.path('second-key')])
        self.restore('latest', self.path('copied'), env=second)
        self.assert_restored('copied')
        self.run_program(['synthesize', 'latest'])
        self.assertEqual(len(self.points()), before + 1)

    def test_a_restore_into_a_bucket(self):
        self.frozen_repository()
        target = 's3://%s-target/all?endpoint=http%%3A%%2F%%2F127.0.0.1:%d' % (self.bucket, self.ceph.gateway_port)
        self.assertEqual(self.restore('latest:dir1', target, expect=11).error['code'], 'frozen')
        plan = self.restore('latest:dir1', target, '--plan').json
        self.assertEqual(plan['frozen'], plan['needed'])
        self.assertGreater(plan['needed']['packs'], 0)
        self.assertEqual(self.restore('latest:dir1', target, '--thaw', '--thaw-poll', '1s').json['problems'], 0)
        self.assertEqual(set(self.asked().values()), {1})

    def test_with_locks(self):
        """Versions are asked for by their ids."""
        self.frozen_repository('--lock', '1d')
        self.restore(expect=11)
        self.thaw()
        self.assert_restored()
        self.assertEqual(set(self.asked().values()), {1})
        for one in self.tier.asked:
            self.assertTrue(one.version)
        document = self.check('--read-data', '--locks').json
        self.assertEqual((document['problems'], document['unprotected'], document['frozen_packs']), (0, 0, 0))
