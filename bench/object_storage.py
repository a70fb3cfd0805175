#!/usr/bin/env python3
"""Measures repositories in a bucket of a real gateway (radosgw, its objects in memory), beside restic in the same run.

usage: object_storage.py --corpus DIR [--holdfast PROGRAM] [--work DIR] [--target DIR] [--rounds N] [--tiny N]
                         [--phases NAME,...]

Phases: backup (to the gateway), restore (with 30 ms for each request), one (one file, with a cold cache), cache (what a lost
cache costs), copy (of 1,000 restore points that are there already; the second time nothing is cached), tiny (so many backups
of a tree of ten files, 16 at once, with 30 ms for each request), floor (a tar archive in memory unpacked to where restores go,
and synced: what the file system itself takes). Restores go to memory, where the gateway's objects are, too,
or below --target. Ratios are of the same round. Prints a table in Markdown.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / 'tests' / 'servers'))

from ceph import Ceph  # noqa: E402 (it lies beside the tests)
from measure import populate  # noqa: E402 (lint cannot see the path above)
from proxy import Proxy  # noqa: E402

DELAY = 0.03


class Bench:
    def __init__(self, options, ceph, work, target):
        self.options, self.ceph, self.work, self.target = options, ceph, work, target
        self.rows = []

    def environment(self, name):
        return {**os.environ, **self.ceph.environment, 'HOLDFAST_KEY_FILE': str(self.work / (name + '.key')),
                'HOLDFAST_CACHE_DIR': str(self.work / (name + '.cache')), 'RESTIC_PASSWORD': 'bench',
                'RESTIC_CACHE_DIR': str(self.work / (name + '.cache'))}

    def run(self, name, *args):
        """Runs a program, and returns its wall time and its CPU time."""
        before = os.times()
        begin = time.monotonic()
        subprocess.run([str(arg) for arg in args], env=self.environment(name), check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        return time.monotonic() - begin, cpu

    def holdfast(self, name, port, *args):
        return self.run(name, self.options.holdfast, '-q', '-r', 's3:http://127.0.0.1:%d/bench/%s' % (port, name), *args)

    def restic(self, name, port, *args):
        return self.run(name, 'restic', '-q', '-r', 's3:http://127.0.0.1:%d/bench/%s' % (port, name), *args)

    def row(self, *cells):
        self.rows.append(cells)
        print(*cells, flush=True)

    def forget_cache(self, name):
        shutil.rmtree(self.work / (name + '.cache'), ignore_errors=True)

    def backups(self, round):
        corpus, port = self.options.corpus, self.ceph.gateway_port
        own, other = 'holdfast%d' % round, 'restic%d' % round
        self.holdfast(own, port, 'init')
        with Proxy(port) as proxy:
            wall, cpu = self.holdfast(own, proxy.port, 'backup', corpus)
            puts = proxy.counts['PUT']
            requests = proxy.requests
        self.row('backup through a counting proxy', 'holdfast', '%.2f' % wall, '%.2f' % cpu,
                 '%d requests, %d of them puts' % (requests, puts))
        self.holdfast(own + 'd', port, 'init')
        wall, cpu = self.holdfast(own + 'd', port, 'backup', corpus)
        self.restic(other, port, 'init')
        other_wall, other_cpu = self.restic(other, port, 'backup', corpus)
        self.row('backup', 'holdfast', '%.2f' % wall, '%.2f' % cpu, '%.3f x restic' % (wall / other_wall))
        self.row('backup', 'restic', '%.2f' % other_wall, '%.2f' % other_cpu, '')
        return wall / other_wall

    def restores(self, round):
        own, other = 'holdfast%d' % round, 'restic%d' % round
        times = {}
        for name, program in ((own, self.holdfast), (other, self.restic)):
            self.forget_cache(name)
            populate(self.corpus_bytes() * 3 // 2)
            os.sync()
            with Proxy(self.ceph.gateway_port, delay=DELAY) as proxy:
                target = self.target / ('out-' + name)
                wall, cpu = program(name, proxy.port, 'restore', 'latest', '--target', target)
                times[name] = wall
                self.row('restore, 30 ms a request', name.rstrip('0123456789'), '%.2f' % wall, '%.2f' % cpu,
                         '%d requests' % proxy.requests)
        self.row('restore, 30 ms a request', 'ratio', '', '', '%.3f x restic' % (times[own] / times[other]))
        return times[own] / times[other]

    def floor(self, round):
        corpus = pathlib.Path(self.options.corpus)
        with tempfile.NamedTemporaryFile(dir='/dev/shm', suffix='.tar') as archive:
            subprocess.run(['tar', '-cf', archive.name, '-C', corpus.parent, corpus.name], check=True)
            target = self.target / ('out-floor%d' % round)
            target.mkdir()
            populate(self.corpus_bytes() * 3 // 2)
            os.sync()
            begin = time.monotonic()
            subprocess.run(['tar', '-xf', archive.name, '-C', target], check=True)
            unpacked = time.monotonic()
            subprocess.run(['sync', '-f', target], check=True)
            self.row('floor: an archive in memory unpacked', 'tar', '%.2f' % (unpacked - begin), '',
                     '%.2f s more for a sync' % (time.monotonic() - unpacked))

    def corpus_bytes(self):
        return sum(path.stat().st_size for path in pathlib.Path(self.options.corpus).rglob('*') if path.is_file())

    def one_file(self, round):
        own = 'holdfast%d' % round
        path = next(str(path.relative_to(self.options.corpus)) for path in sorted(pathlib.Path(self.options.corpus).rglob('*'))
                    if path.is_file() and path.stat().st_size > 10_000)
        self.forget_cache(own)
        with Proxy(self.ceph.gateway_port, delay=DELAY) as proxy:
            wall, cpu = self.holdfast(own, proxy.port, 'restore', 'latest:' + path, '--target', self.target / ('one-' + own))
            self.row('one file, cold cache, 30 ms a request', 'holdfast', '%.2f' % wall, '%.2f' % cpu,
                     '%d requests' % proxy.requests)

    def lost_cache(self, round):
        own, port = 'holdfast%d' % round, self.ceph.gateway_port
        self.holdfast(own, port, 'backup', self.options.corpus)
        with_cache = self.holdfast(own, port, 'backup', self.options.corpus)[0]
        self.forget_cache(own)
        without = self.holdfast(own, port, 'backup', self.options.corpus)[0]
        size = self.corpus_bytes()
        self.row('unchanged backup, the cache lost before', 'holdfast', '%.2f' % without, '',
                 '%.2f s more than with it: %.2f s for 10 GiB' % (without - with_cache,
                                                                  (without - with_cache) * (10 << 30) / size))

    def small_tree(self, name):
        tree = self.work / name
        tree.mkdir()
        for i in range(10):
            (tree / ('file%d' % i)).write_bytes(os.urandom(500))
        return tree

    def copies(self, points=1000):
        port, source = self.ceph.gateway_port, self.small_tree('copied')
        self.holdfast('from', port, 'init')
        self.holdfast('to', port, 'init')
        for _ in range(points):
            (source / 'file0').write_bytes(os.urandom(500))
            self.holdfast('from', port, 'backup', source)

        def copy(port):
            return self.holdfast('from', port, 'copy', '--to', 's3:http://127.0.0.1:%d/bench/to' % port,
                                 '--to-key-file', self.work / 'to.key')[0]
        self.row('copy of %d restore points' % points, 'holdfast', '%.2f' % copy(port), '', '')
        for what in ('there already', 'there already, nothing cached'):
            with Proxy(port) as proxy:
                wall = copy(proxy.port)
                self.row('the same, ' + what, 'holdfast', '%.2f' % wall, '', '%d requests' % proxy.requests)
            self.forget_cache('from')

    def tiny(self):
        source = self.small_tree('tiny')
        self.holdfast('tiny', self.ceph.gateway_port, 'init')
        with Proxy(self.ceph.gateway_port, delay=DELAY) as proxy:
            def back_up(number):
                own = self.work / ('tiny%d' % (number % 16))
                if not own.exists():
                    shutil.copytree(source, own)
                (own / 'file0').write_bytes(os.urandom(500))
                self.holdfast('tiny', proxy.port, 'backup', '--name', 'tiny%d' % (number % 16), own)

            begin = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                lanes = [range(lane, self.options.tiny, 16) for lane in range(16)]
                list(pool.map(lambda lane: [back_up(number) for number in lane], lanes))
            wall, requests = time.monotonic() - begin, proxy.requests
        out = subprocess.run([self.options.holdfast, '--json', '-r', 's3:http://127.0.0.1:%d/bench/tiny' %
                              self.ceph.gateway_port, 'usage'], env=self.environment('tiny'), check=True,
                             capture_output=True, text=True).stdout
        objects = json.loads(out)['objects']
        self.row('%d tiny backups, 16 at once, 30 ms a request' % self.options.tiny, 'holdfast', '%.1f' % wall, '',
                 '%d objects, %.3f each; %.1f requests each' % (objects, objects / self.options.tiny,
                                                                 requests / self.options.tiny))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--corpus', required=True)
    parser.add_argument('--holdfast', default=str(ROOT / 'build' / 'holdfast'))
    parser.add_argument('--work', default='/var/tmp')
    parser.add_argument('--target', default='/dev/shm')
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--tiny', type=int, default=1000)
    parser.add_argument('--phases', default='backup,restore,one,cache,copy,tiny')
    options = parser.parse_args()
    phases = options.phases.split(',')
    # The gateway, and gigabytes in memory, must not stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work = pathlib.Path(tempfile.mkdtemp(prefix='holdfast-object-storage-', dir=options.work))
    target = pathlib.Path(tempfile.mkdtemp(prefix='holdfast-object-storage-', dir=options.target))
    ratios = {'backup': [], 'restore': []}
    try:
        with Ceph(memory=8 << 30) as ceph:
            bench = Bench(options, ceph, work, target)
            for round in range(options.rounds):
                if 'backup' in phases:
                    ratios['backup'].append(bench.backups(round))
                if 'restore' in phases:
                    ratios['restore'].append(bench.restores(round))
                if 'one' in phases:
                    bench.one_file(round)
                if 'cache' in phases:
                    bench.lost_cache(round)
                if 'floor' in phases:
                    bench.floor(round)
            if 'copy' in phases:
                bench.copies()
            if 'tiny' in phases:
                bench.tiny()
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
    print('\n| what | program | wall s | CPU s | |\n|---|---|---|---|---|')
    for row in bench.rows:
        print('| ' + ' | '.join(row) + ' |')
    for name, values in ratios.items():
        if values:
            print('%s: %.3f x restic (median of %d)' % (name, statistics.median(values), len(values)))


if __name__ == '__main__':
    main()
