#!/usr/bin/env python3
"""How fast a replica of a bucket is, and what it takes: against Ceph's gateway on loopback, which the script starts.

    bench/replica.py [--program build/holdfast] [--objects N] [--delay-ms N]

Prints lines of a table. The delay is added to each request of either side, as a distance would.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, '..', 'tests', name) for name in ('servers', 'support')]

from ceph import ACCESS_KEY, SECRET_KEY, Ceph  # noqa: E402
from proxy import Proxy  # noqa: E402
from s3_bucket import Bucket  # noqa: E402


def fill(port, name, count):
    """Objects of 2 KB, by eight threads."""
    def some(first):
        bucket = Bucket(port, name, ACCESS_KEY, SECRET_KEY)
        for i in range(first, count, 8):
            bucket.put('dir%03d/object%06d' % (i % 200, i), b'%08d' % i * 256)
    threads = [threading.Thread(target=some, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Run:
    def __init__(self, program, directory, environment):
        self.program, self.environment = program, {**os.environ, **environment, 'HOLDFAST_STATE_DIR': directory}

    def __call__(self, *args):
        subprocess.run([self.program, '-q', 'replica', *args], env=self.environment, check=True)

    def measure(self, what, source, target, *args):
        source.reset(), target.reset()
        begun = time.monotonic()
        process = subprocess.Popen([self.program, '-q', 'replica', *args], env=self.environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        assert status == 0, status
        print('| %s | %.1f s | %.1f s | %d MiB | %d, %d |' % (what, seconds, usage.ru_utime + usage.ru_stime,
                                                           usage.ru_maxrss >> 10, source.requests, target.requests), flush=True)
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--program', default='build/holdfast')
    parser.add_argument('--objects', type=int, default=10_000)
    parser.add_argument('--delay-ms', type=float, default=0)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix='holdfast-bench-')
    try:
        with Ceph() as ceph:
            port = ceph.gateway_port
            Bucket(port, 'bench-source', ACCESS_KEY, SECRET_KEY).make(versions=True)
            fill(port, 'bench-source', options.objects)
            run = Run(os.path.abspath(options.program), directory, ceph.environment)
            with Proxy(port, delay=options.delay_ms / 1000) as source, Proxy(port, delay=options.delay_ms / 1000) as target:
                urls = ['s3://%s?endpoint=%s' % (name, urllib.parse.quote('http://127.0.0.1:%d' % one.port, safe=''))
                        for name, one in (('bench-source', source), ('bench-target', target))]
                run('create', *urls, '--name', 'r')
                print('| what | wall | CPU | peak memory | requests to source, target |\n|---|---|---|---|---|')
                run.measure('first run, %d objects of 2 KB' % options.objects, source, target, 'run', '--once')
                state = os.path.join(directory, 'replica', 'r.sqlite')
                print('The state has %d bytes for each.' % (os.path.getsize(state) // options.objects), file=sys.stderr)
                run.measure('nothing new', source, target, 'run', '--once')
                source_bucket = Bucket(port, 'bench-source', ACCESS_KEY, SECRET_KEY)
                for i in range(100):
                    source_bucket.put('dir%03d/new' % i, b'new')
                run.measure('100 new versions', source, target, 'run', '--once')
                os.unlink(state)
                run.measure('the state is lost', source, target, 'run', '--once')
                run.measure('check', source, target, 'check', 'r')
                # The connection was idle for too long.
                source_bucket = Bucket(port, 'bench-source', ACCESS_KEY, SECRET_KEY)
                for i in range(4):
                    source_bucket.put('large%d' % i, os.urandom(1 << 20) * 200)
                run.measure('4 objects of 200 MiB', source, target, 'run', '--once')
    finally:
        shutil.rmtree(directory)


if __name__ == '__main__':
    main()
