"""A directory of its own for a test, and the program in it as a user runs it."""
import json
import os
import subprocess
import tempfile
import time

POLL_SECONDS = 0.001
PATIENCE_SECONDS = 20


class World:
    """A repository with a key file, a tree, and no trace of either elsewhere."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix='decoder-')
        self.directory = self._temporary.name
        self.tree = self.path('tree')
        os.mkdir(self.tree)
        self.holdfast('init')

    def remove(self):
        self._temporary.cleanup()

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, *arguments, key='test.key', **pipes):
        environment = {'PATH': os.environ['PATH'], 'HOME': self.directory,
                       'HOLDFAST_CACHE_DIR': self.path('cache')}
        return subprocess.Popen(
            [os.environ['HOLDFAST_PROGRAM'], '--json', '-r', self.path('repository'),
             '--key-file', self.path(key), *arguments],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **pipes)

    def holdfast(self, *arguments, data=b'', key='test.key'):
        """What the program prints as JSON. That it fails is an error of the test."""
        process = self.start(*arguments, key=key, stdin=subprocess.PIPE)
        output, errors = process.communicate(data)
        if process.returncode != 0:
            raise RuntimeError('%s: exit status %d: %s' % (' '.join(arguments), process.returncode,
                                                          errors.decode(errors='replace')))
        return json.loads(output)

    def backup(self, *options, **how):
        """The id of the restore point."""
        return self.holdfast('backup', *options, **how)['sources'][0]['restore_point']

    def wait_for_lease(self):
        """Until a backup that was started has begun; sessions before it took their leases away."""
        leases = self.path('repository/leases')
        end = time.monotonic() + PATIENCE_SECONDS
        while not (os.path.isdir(leases) and os.listdir(leases)):
            if time.monotonic() > end:
                raise RuntimeError('a backup took no lease')
            time.sleep(POLL_SECONDS)
