"""Sixteen writers, some of them write-only clients, two pruners and a checker at once, and one of them killed each
second: no restore point that was acknowledged is lost, and a check never finds damage.

    HOLDFAST_TEST_SECONDS=600  how long (a minute is the default)
    HOLDFAST_TEST_SEED=N       contents and choices (when a process is killed, the machine decides)
    HOLDFAST_TEST_KEEP=PATH    where the repository goes that a failure leaves
"""
import hashlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import traceback
import unittest

from harness import E2E, Result

SECONDS = float(os.environ.get('HOLDFAST_TEST_SECONDS', '60'))
SEED = int(os.environ.get('HOLDFAST_TEST_SEED') or random.SystemRandom().randrange(1 << 31))
WRITERS = 16
BUSY, REFUSED = 11, 15


def contents(root):
    """{path: digest} of all files below `root`."""
    found = {}
    for base, _, names in os.walk(root):
        for name in names:
            path = os.path.join(base, name)
            with open(path, 'rb') as file:
                found[os.path.relpath(path, root)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Pool:
    """What files hold. The same few contents are in use everywhere for some seconds, then others, and after
    some more time those again: chunks that nobody needs any more are stored anew."""
    ERAS, CONTENTS, ERA_SECONDS = 4, 10, 2.5

    def __init__(self, rng):
        sizes = (rng.choice((300, 5_000, 40_000, 160_000, 300_000)) for _ in range(self.CONTENTS))
        self.sizes = list(sizes)
        self.eras = [[rng.randbytes(size) for size in self.sizes] for _ in range(self.ERAS)]

    def take(self, rng):
        era = int(time.monotonic() / self.ERA_SECONDS) % self.ERAS
        data = rng.choice(self.eras[era])
        if rng.random() < 0.15:  # its own, but for the most part
            at = rng.randrange(len(data))
            data = data[:at] + rng.randbytes(200) + data[at:]
        return data


class Writer:
    """A source: its files, and the runs of its backups. Whoever needs that no point is added to it takes
    its lock."""
    FILES = 14

    def __init__(self, number, root, pool):
        self.number, self.root, self.pool = number, root, pool
        self.name = 'source%d' % number
        self.is_client = number % 4 == 3
        self.host = 'client%d' % number if self.is_client else 'host%d' % (number % 5)
        self.identity = ['--host', self.host, '--name', self.name]
        self.rng = random.Random('%d writer %d' % (SEED, number))
        self.files, self.before = {}, []   # path -> digest; (path, content) as they were
        self.runs = []                     # [point or None, tree], oldest first: every run
        self.lock = threading.Lock()
        os.mkdir(root)
        for i in range(self.FILES):
            self.write('dir%d/file%d' % (i % 3, i), pool.take(self.rng))

    def write(self, path, data):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'wb') as file:
            file.write(data)
        self.files[path] = hashlib.sha256(data).hexdigest()
        self.before = self.before[-30:] + [(path, data)]

    def change(self):
        for _ in range(self.rng.randrange(1, 5)):
            what = self.rng.random()
            path = 'dir%d/file%d' % (self.rng.randrange(3), self.rng.randrange(self.FILES))
            if what < 0.15 and path in self.files:
                os.unlink(os.path.join(self.root, path))
                del self.files[path]
            elif what < 0.45:
                self.write(*self.rng.choice(self.before))
            else:
                self.write(path, self.pool.take(self.rng))

    def kept(self):
        """Acknowledged points that --keep-last 2 keeps: not more than one run after them may have made a
        point, acknowledged or not."""
        return [run for run in self.runs[-2:] if run[0]]

    def forget(self, point):
        for run in self.runs:
            if run[0] == point:
                run[0] = None


class ManyWriters(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.rng = random.Random('%d harm' % SEED)
        self.choices = random.Random('%d choices' % SEED)
        self.storm, self.stop = threading.Event(), threading.Event()
        self.lock = threading.Lock()  # guards what follows
        self.running = {}             # process -> kind
        self.counts = {}
        self.failures = []
        self.held = []                # (point, tree), of one thread
        pool = Pool(self.rng)
        self.writers = [Writer(i, self.path('source%d' % i), pool) for i in range(WRITERS)]
        # A third of them are on machines of their own, as far as caches go.
        self.caches = [None if i % 3 else {'HOLDFAST_CACHE_DIR': self.path('cache%d' % i)}
                       for i in range(WRITERS)]
        for writer in self.writers:
            if writer.is_client:
                self.add_client(writer)

    def add_client(self, writer):
        key = self.path('key of ' + writer.name)
        self.run_program(['key', 'add', '--write-only', '--new-key-file', key, '--host', writer.host])
        self.caches[writer.number] = {'HOLDFAST_KEY_FILE': key,
                                      'HOLDFAST_CACHE_DIR': self.path('cache%d' % writer.number)}

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    # -- processes -----------------------------------------------------------------------------

    def run_one(self, kind, *args, allow=(0,), env=None):
        """Runs the program where the killer finds it: status -9 says that it did."""
        with tempfile.TemporaryFile(dir=self.tmp) as out, tempfile.TemporaryFile(dir=self.tmp) as err:
            process = subprocess.Popen(self.command(['--json', *args]), env=self.environment(env),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            with self.lock:
                self.running[process] = (kind, time.monotonic())
            status = process.wait()
            with self.lock:
                del self.running[process]
            out.seek(0), err.seek(0)
            result = Result(process.args, status, out.read(), err.read())
        self.count('%s: status %d' % (kind, status))
        if status not in allow and not (status == -9 and self.storm.is_set()):
            raise AssertionError('%s: exit status\n%s\n%s' % (kind, result.text[:1500], result.describe()))
        return result

    def loop(self, body, *args):
        def work():
            try:
                while not self.stop.is_set():
                    body(*args)
            except BaseException:
                with self.lock:
                    self.failures.append(traceback.format_exc())
                self.stop.set()
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def pick(self, *kinds):
        """A running process of one of these kinds, or none; for who holds the lock."""
        found = [process for process, (kind, _) in self.running.items() if kind in kinds]
        return self.rng.choice(found) if found else None

    # -- who is at work ------------------------------------------------------------------------

    def back_up(self, writer):
        with writer.lock:
            writer.change()
            self.back_up_once(writer)
        time.sleep(0.02)  # whoever waits for the lock gets it

    def back_up_once(self, writer):
        writer.runs = writer.runs[-4:] + [[None, dict(writer.files)]]
        kind = 'client' if writer.is_client else 'backup'
        result = self.run_one(kind, 'backup', writer.root, *writer.identity, allow=(0, BUSY),
                              env=self.caches[writer.number])
        if result.status == 0:
            source = result.json['sources'][0]
            writer.runs[-1][0] = source['restore_point']
            self.count('%s: %s' % (kind, source['type']))
        elif result.status == BUSY:
            self.assertIn('a prune took this session for dead', result.err)

    def prune(self):
        result = self.run_one('prune', 'prune', '--keep-last', '2', allow=(0, BUSY))
        if result.status == BUSY:
            self.assertIn('a prune took this session for dead', result.err)
        if result.status == 0:
            for what in ('removed_restore_points', 'removed_objects', 'rewritten_objects', 'bytes_reclaimed'):
                self.count('prune: ' + what, result.json[what])

    def check_data(self):
        result = self.run_one('check', 'check', '--read-data', allow=(0, BUSY))
        if result.status == 0:
            self.assertEqual(result.json['problems'], 0, result.describe())
        elif result.status == BUSY:
            self.assertIn('prunes went on all the time', result.err)

    def compare(self, point, tree, env=None):
        target = self.path('target-' + point)
        self.run_one('restore', 'restore', point, '--target', target, env=env)
        got = contents(target)
        self.assertEqual(got, tree, 'restore point %s: other files: %s' % (
            point, sorted(p for p in {*got, *tree} if got.get(p) != tree.get(p))))
        shutil.rmtree(target)

    def restore_some(self):
        time.sleep(self.choices.random() / 2)
        writer = self.choices.choice(self.writers)
        with writer.lock:
            if writer.kept():
                self.compare(*self.choices.choice(writer.kept()))

    def protect_some(self):
        """Deletes a point and brings it back; holds one; compares what is held, and lets it go."""
        time.sleep(self.choices.random() / 2)
        writer = self.choices.choice(self.writers)
        what = self.choices.random()
        with writer.lock:
            runs = [run for run in writer.runs if run[0]]
            if not runs:
                return
            run = self.choices.choice(runs)
            if what < 0.4:
                self.delete_and_undelete(writer, run)
            elif what < 0.7:
                self.hold(writer, run)
        if what >= 0.7 and self.held:
            self.compare_held()
            if len(self.held) > 6:
                self.run_one('protect', 'release', self.held.pop(0)[0], allow=(0, 1))  # 1: it is deleted, too

    def delete_and_undelete(self, writer, run):
        point, tree = run
        if any(point == held for held, _ in self.held):
            return
        is_kept = run in writer.kept()
        deleted = self.run_one('protect', 'delete', point, allow=(0, 1) if not is_kept else (0,))
        time.sleep(self.choices.choice((0, 0, 0.5, 2)))
        # Refused while its space is being taken, 1 when it is gone.
        undeleted = self.run_one('protect', 'undelete', point, allow=(0, 1, BUSY, REFUSED))
        if is_kept and deleted.status == undeleted.status == 0:
            self.count('points brought back')
            self.compare(point, tree)
        else:
            writer.forget(point)

    def hold(self, writer, run):
        point, tree = run
        is_kept = run in writer.kept()
        result = self.run_one('protect', 'hold', point, allow=(0, 1, BUSY, REFUSED) if not is_kept else
                              (0, BUSY, REFUSED))
        if result.status == 0 and all(point != held for held, _ in self.held):
            self.held.append((point, tree))

    def compare_held(self):
        """What is held may be deleted at the same time, by a retention that the hold overtook."""
        point, tree = self.choices.choice(self.held)
        if self.run_one('protect', 'undelete', point, allow=(0, BUSY, REFUSED)).status == 0:
            self.count('held points compared')
            self.compare(point, tree)

    # -- who is in the way ---------------------------------------------------------------------

    def kill_one(self):
        if self.stop.wait(1):
            return
        kind = self.rng.choices(('backup', 'client', 'prune', 'check', 'protect'), (4, 2, 3, 1, 1))[0]
        with self.lock:
            process = self.pick(kind) or self.pick('backup', 'client', 'prune', 'check')
            if process:
                process.kill()

    def suspend_one(self):
        """A writer or a pruner that stands still, and goes on."""
        if self.stop.wait(self.rng.random() * 2):
            return
        with self.lock:
            process = self.pick('backup', 'client') if self.rng.random() < 0.7 else self.pick('prune')
            if process is None:
                return
            process.send_signal(signal.SIGSTOP)
        self.stop.wait(self.rng.random() * 5)
        process.send_signal(signal.SIGCONT)

    def tear_a_lease(self):
        """A prune that cannot read a lease takes its session for dead, and fences it."""
        if self.stop.wait(self.rng.random() * 2):
            return
        leases = self.objects('leases')
        if not leases:
            return
        path = os.path.join(self.repo, self.rng.choice(leases)[0])
        try:
            with open(path, 'r+b') as file:
                data = file.read()
                file.truncate(0)
                self.count('leases torn')
            self.stop.wait(self.rng.random() * 2)
            with open(path, 'r+b') as file:
                file.write(data)
        except FileNotFoundError:
            pass

    # -- the test ------------------------------------------------------------------------------

    def rage(self):
        end = time.monotonic() + SECONDS
        self.storm.set()
        threads = [self.loop(self.back_up, writer) for writer in self.writers]
        threads += [self.loop(body) for body in (
            self.prune, self.prune, self.check_data, self.restore_some, self.protect_some,
            self.kill_one, self.suspend_one, self.tear_a_lease)]
        try:
            while not self.stop.wait(1) and time.monotonic() < end:
                self.look_for_hangs()
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        self.storm.clear()

    def look_for_hangs(self):
        with self.lock:
            for process, (kind, began) in self.running.items():
                if time.monotonic() - began > 120:
                    self.failures.append('%s: has not ended for two minutes' % kind)
                    process.kill()
                    self.stop.set()

    def assert_all_is_there(self):
        """Without a step by hand, and as a machine sees it that knows nothing yet."""
        fresh = {'HOLDFAST_CACHE_DIR': self.path('fresh cache')}
        for writer in self.writers:
            for run in writer.kept():
                self.compare(*run, env=fresh)
        self.run_one('check', 'check', '--read-data', env=fresh)
        for writer in self.writers:
            for _ in range(2):
                writer.change()
                self.back_up_once(writer)
            self.assertEqual(len(writer.kept()), 2)
        for _ in range(3):
            self.run_one('prune', 'prune', '--keep-last', '2')
        result = self.run_one('check', 'check', '--read-data', env=fresh)
        self.assertEqual(result.json['problems'], 0, result.describe())
        for point, _ in self.held:
            self.run_one('protect', 'undelete', point)
        kept = [run for writer in self.writers for run in writer.kept()] + self.held
        self.assertEqual({point for point, _ in kept} - {one['id'] for one in self.points()}, set())
        for point, tree in kept:
            self.compare(point, tree, env=fresh)
        self.assertEqual({name.split('/')[0] for name, _ in self.objects()} & {'tmp', 'tombstones', 'leases', 'fences'}, set())

    def test_killed_again_and_again(self):
        try:
            self.rage()
            if not self.failures:
                self.assert_all_is_there()
        except BaseException:
            self.failures.append(traceback.format_exc())
        told = '# %d seconds, HOLDFAST_TEST_SEED=%d\n%s' % (
            SECONDS, SEED, ''.join('#   %-34s %d\n' % one for one in sorted(self.counts.items())))
        if self.failures and 'HOLDFAST_TEST_KEEP' in os.environ:
            shutil.copytree(self.tmp, os.environ['HOLDFAST_TEST_KEEP'], symlinks=True)
        if 'HOLDFAST_TEST_SECONDS' in os.environ:
            print(told, end='', flush=True)
        self.assertEqual(self.failures, [], '\n'.join([told, *map(str, self.failures)]))
        for what in ('prune: status 0', 'prune: status -9', 'backup: status -9', 'check: status 0',
                     'restore: status 0', 'client: incremental', 'prune: removed_restore_points', 'prune: rewritten_objects'):
            self.assertGreater(self.counts.get(what, 0), 0, what + '\n' + told)


if __name__ == '__main__':
    unittest.main()
