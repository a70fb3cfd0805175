"""What a restore leaves alone: the repository it reads, the cache, the key, other file systems."""
import os
import shutil
import unittest

from harness import E2E


class RestoreKeeps(E2E):
    """Everything of the program lies in the source, as with a home directory."""

    def setUp(self):
        super().setUp()
        self.repo = self.path('source', '.local', 'share', 'holdfast', 'repository')
        self.key = self.path('source', '.config', 'holdfast', 'keys', 'key')
        self.cache = self.path('source', '.cache', 'holdfast')
        self.env.update(HOLDFAST_REPOSITORY=self.repo, HOLDFAST_KEY_FILE=self.key,
                        HOLDFAST_CACHE_DIR=self.cache)
        self.init()
        self.small_tree()
        with open(self.key, 'rb') as file:
            self.key_bytes = file.read()

    def in_place(self, *args, expect=0):
        return self.run_program(['--json', 'restore', 'latest', '--original', '--overwrite',
                                 'changed', '--delete', *args], expect=expect)

    def assert_ours_is_there(self):
        with open(self.key, 'rb') as file:
            self.assertEqual(file.read(), self.key_bytes)
        self.assertTrue(os.listdir(self.cache))
        self.assert_check_clean()

    def test_delete_in_place(self):
        self.backup()
        self.write('extra', 'x')
        self.assertEqual(self.in_place().json['removed'], 1)
        self.assertFalse(os.path.exists(self.path('source', 'extra')))
        self.assert_ours_is_there()

    def test_delete_when_all_above_was_excluded(self):
        self.backup('--exclude', '/.*')
        before = self.objects()
        self.write('.local/share/other/deep', 'x')
        self.write('.local/share/holdfast/beside', 'x')
        self.write('.config/holdfast/keys/other key', 'x')
        self.assertEqual(self.in_place().json['removed'], 3)
        self.assertEqual(os.listdir(self.path('source', '.local', 'share')), ['holdfast'])
        self.assertEqual(self.objects(), before)
        self.assert_ours_is_there()

    def test_delete_behind_a_symlink(self):
        # The only name that leads to the repository is a link; both of it and its end are kept.
        os.rename(self.path('source', '.local'), self.path('source', 'moved'))
        os.symlink('moved', self.path('source', '.local'))
        for exclude in ('/.*', '/moved'):
            self.backup('--exclude', exclude, '--exclude', '/moved')
            self.in_place()
            self.assertEqual(os.readlink(self.path('source', '.local')), 'moved')
            self.assert_ours_is_there()

    def test_what_is_in_the_way_holds_the_repository(self):
        # In the point a file and a link, now directories with the repository and the key.
        hidden = self.path('hidden')
        os.mkdir(hidden)
        self.env.update(HOLDFAST_REPOSITORY=os.path.join(hidden, 'share/holdfast/repository'))
        for name in ('.local', '.config'):
            os.rename(self.path('source', name), os.path.join(hidden, name))
        os.rename(os.path.join(hidden, '.local', 'share'), os.path.join(hidden, 'share'))
        self.env['HOLDFAST_KEY_FILE'] = os.path.join(hidden, '.config', 'holdfast', 'keys', 'key')
        self.write('.local', 'a file')
        os.symlink('nowhere', self.path('source', '.config'))
        self.backup()
        os.unlink(self.path('source', '.local'))
        os.unlink(self.path('source', '.config'))
        os.mkdir(self.path('source', '.local'))
        os.rename(os.path.join(hidden, 'share'), self.path('source', '.local', 'share'))
        os.rename(os.path.join(hidden, '.config'), self.path('source', '.config'))
        self.env.update(HOLDFAST_REPOSITORY=self.repo, HOLDFAST_KEY_FILE=self.key)
        for how in ('changed', 'always'):
            result = self.run_program(['--json', 'restore', 'latest', '--original', '--overwrite',
                                       how], expect=1)
            self.assertEqual(result.json['problems'], 2, result.err)
            self.assertIn('.local: left alone', result.err)
            self.assertIn('.config: left alone', result.err)
            self.assert_ours_is_there()

    def test_key_file_in_the_point_is_another(self):
        self.backup()
        self.write(self.key, self.key_bytes + b'# the same key, written anew\n')
        with open(self.key, 'rb') as file:
            self.key_bytes = file.read()
        for how in ('changed', 'always'):
            result = self.run_program(['restore', 'latest', '--original', '--overwrite', how],
                                      expect=1)
            self.assertIn('key: left alone', result.err)
            self.assert_ours_is_there()

    def test_key_file_that_is_equal_is_no_problem(self):
        self.backup()
        for how in ('changed', 'always'):
            self.run_program(['restore', 'latest', '--original', '--overwrite', how])
        self.assert_ours_is_there()

    def test_repository_as_the_target(self):
        self.backup()
        before = self.objects()
        link = self.path('link')
        os.symlink(self.repo, link)
        for target in (self.repo, self.repo + '/', self.repo + '/x/y', self.repo + '/packs', link,
                       link + '/x'):
            for how in ('never', 'changed', 'always'):
                result = self.run_program(['restore', 'latest', '--target', target, '--overwrite',
                                           how, '--delete'], expect=2)
                self.assertIn('is the repository, or in it', result.err)
        self.assertFalse(os.path.exists(self.repo + '/x'))
        self.assertEqual(self.objects(), before)

    def test_point_with_a_directory_where_the_repository_is(self):
        # It was an ordinary directory when it was backed up.
        self.write('place/file', 'x')
        self.backup('--exclude', '/.*')
        shutil.rmtree(self.path('source', 'place'))
        os.rename(self.repo, self.path('source', 'place'))
        self.repo = self.env['HOLDFAST_REPOSITORY'] = self.path('source', 'place')
        names = sorted(os.listdir(self.repo))
        result = self.in_place(expect=1)
        self.assertIn('place: left alone', result.err)
        self.assertEqual(sorted(os.listdir(self.repo)), names)
        self.assert_check_clean()


if __name__ == '__main__':
    unittest.main()
