"""repair: what comes back, from where, and how what does not is told."""
import os
import random
import shutil

from harness import E2E


class Repair(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        rng = random.Random(1)
        for number in range(40):
            self.write('dir/file%02d' % number, rng.randbytes(3000))
        self.write('large', rng.randbytes(5 << 20))
        self.settle()
        self.point = self.backup()['restore_point']

    def stored(self, prefix):
        return [os.path.join(self.repo, name) for name, _ in self.objects() if name.startswith(prefix)]

    def damage(self, path, offset, data):
        with open(path, 'r+b') as file:
            file.seek(offset)
            file.write(data)

    def repair(self, *args, **options):
        return self.run_program(['--json', 'repair', *args], **options)

    def assert_restores(self):
        shutil.rmtree(self.path('target'), ignore_errors=True)
        self.restore(self.point)
        self.assert_trees_equal(self.source, self.path('target'))

    def test_nothing_to_do(self):
        before = self.objects()
        document = self.repair().json
        self.assertEqual((document['mended'], document['problems']), ([], 0))
        self.assertEqual(self.objects(), before)

    def test_a_bad_sector_everywhere(self):
        for path in self.stored(''):
            self.damage(path, os.path.getsize(path) // 3 & -512, b'\xff' * 300)
        shutil.rmtree(self.path('cache'))
        # Whoever reads need not wait for a repair.
        self.assert_restores()
        names = sorted(name for name, _ in self.objects())
        self.check(expect=13)
        self.assertEqual(sorted(self.repair('--dry-run', expect=13).json['mended']), names)
        self.check(expect=13)
        self.assertEqual(sorted(self.repair().json['mended']), names)
        self.assert_check_clean()
        self.assert_restores()

    def test_second_copies(self):
        os.unlink(os.path.join(self.repo, 'config'))
        os.unlink(self.stored('keys/')[0])
        self.assertEqual(len(self.repair().json['mended']), 2)
        self.assert_check_clean()

    def test_lost_index(self):
        shutil.rmtree(os.path.join(self.repo, 'index'))
        shutil.rmtree(self.path('cache'))
        self.assertGreater(self.repair().json['indexed_packs'], 0)
        self.assert_check_clean()
        self.assert_restores()

    def test_what_is_lost_is_named_and_comes_from_the_source(self):
        for path in self.stored('data/'):
            os.unlink(path)
        result = self.run_program(['repair'], expect=13)
        self.assertIn('restore point %s: /large' % self.point[:12], result.err)
        self.assertIn('incomplete', result.err)
        os.unlink(self.path('source', 'dir', 'file00'))
        second = self.backup()
        self.assertGreater(second['bytes_read'], 5 << 20)
        again = self.repair(expect=None).json
        # Groups hold several files, so one that is gone keeps its group from coming back.
        for problem in again['problem_texts']:
            self.assertIn('/dir/', problem)
        self.restore(second['restore_point'])
        self.assert_trees_equal(self.source, self.path('target'))

    def test_another_repository(self):
        other = {'HOLDFAST_REPOSITORY': self.path('other'), 'HOLDFAST_KEY_FILE': self.path('other.key')}
        self.init('--like', self.repo, '--like-key-file', self.key, env=other)
        self.backup(env=other)
        for path in self.stored('data/') + self.stored('meta/'):
            os.unlink(path)
        document = self.repair('--from', self.path('other'), '--from-key-file', self.path('other.key')).json
        self.assertGreater(document['fetched_chunks'], 0)
        self.assert_check_clean()
        self.assert_restores()

    def test_a_stranger_is_refused(self):
        other = {'HOLDFAST_REPOSITORY': self.path('other'), 'HOLDFAST_KEY_FILE': self.path('other.key')}
        self.init(env=other)
        result = self.repair('--from', self.path('other'), '--from-key-file', self.path('other.key'), expect=2)
        self.assertIn('--like', result.err)

    def test_a_write_only_key_cannot(self):
        self.run_program(['key', 'add', '--write-only', '--new-key-file', self.path('writer')])
        self.repair(env={'HOLDFAST_KEY_FILE': self.path('writer')}, expect=(1, 15))
