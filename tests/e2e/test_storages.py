"""Every day's work in repositories in Swift, in a Ceph pool and on an SSH server, each a real one."""
import os
import sys

from harness import E2E, HERE

sys.path.append(os.path.join(HERE, '..', 'servers'))

from ceph import Ceph  # noqa: E402 (they lie beside the end-to-end tests)
from sshd import Sshd  # noqa: E402
from swift import Swift  # noqa: E402


class Storages(E2E):
    def every_day(self, server, url):
        with server as running:
            self.env.update(running.environment)
            self.env['HOLDFAST_REPOSITORY'] = url(running)
            self.init()
            self.small_tree()
            self.write('large', os.urandom(5_000_000))
            self.settle()
            first = self.backup()['restore_point']
            self.write('dir/new', b'new')
            self.settle()
            self.assertEqual(self.backup()['bytes_read'], 3)
            self.restore('latest', self.path('target'), env={'HOLDFAST_CACHE_DIR': self.path('cold')})
            self.assert_trees_equal(self.source, self.path('target'))
            self.run_program(['delete', first])
            self.run_program(['prune'])
            self.assertEqual(len(self.points()), 1)
            self.assert_check_clean()
            self.init(expect=1, env={'HOLDFAST_KEY_FILE': self.path('other')})
            # The same from elsewhere: a copy on a disk.
            there = {'HOLDFAST_REPOSITORY': self.path('copy'), 'HOLDFAST_KEY_FILE': self.path('copy-key')}
            self.init(env=there)
            self.run_program(['copy', '--to', self.path('copy'), '--to-key-file', self.path('copy-key')])
            self.restore('latest', self.path('again'), env=there)
            self.assert_trees_equal(self.source, self.path('again'))

    def test_swift(self):
        self.every_day(Swift(), lambda server: 'swift:holdfast/repo')

    def test_rados(self):
        self.every_day(Ceph(), lambda server: 'rados:%s/repo?conf=%s' % (
            server.environment['HOLDFAST_TEST_CEPH_POOL'], server.environment['HOLDFAST_TEST_CEPH_CONF']))

    def test_sftp(self):
        self.every_day(Sshd(), lambda server: server.environment['HOLDFAST_TEST_SFTP'] + '/repo')
