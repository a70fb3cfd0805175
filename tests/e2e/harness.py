"""What the end-to-end tests share: a fresh world for each test, the program as a user runs it, and a
comparison of trees that knows nothing of Holdfast. Python's standard library only.

As a program it runs the tests, each class in a process of its own:
    harness.py PROGRAM [--jobs N] [PATTERN...]
Root gets an ext4 file system in memory for them, unless TMPDIR is set: what else the machine writes
then does not slow down every sync, and the file system has all that the tests need.
"""
import ctypes
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', '..', 'tools'))

from file_extents import extents  # noqa: E402 (it lies beside the tools)

NOBODY = 65534
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IMMUTABLE, FS_APPEND, FS_NODUMP = 0x10, 0x20, 0x40
STORED_FLAGS = FS_IMMUTABLE | FS_APPEND | FS_NODUMP


def program():
    return os.environ['HOLDFAST_PROGRAM']


def is_root():
    return os.geteuid() == 0


def needs_root(test):
    return unittest.skipUnless(is_root(), 'needs root')(test)


def needs_tool(name):
    """Skips where a tool is missing; for root a missing tool is a failure (CI installs them)."""
    def decorate(test):
        if shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin') or is_root():
            return test
        return unittest.skip('needs the program ' + name)(test)
    return decorate


class Result:
    """What a run of a program left behind."""

    def __init__(self, args, status, stdout, stderr):
        self.args_, self.status, self.stdout, self.stderr = args, status, stdout, stderr

    @property
    def text(self):
        return self.stdout.decode('utf-8', 'surrogateescape')

    @property
    def err(self):
        return self.stderr.decode('utf-8', 'surrogateescape')

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def error(self):
        """The error document on standard error."""
        documents = [json.loads(line) for line in self.stderr.splitlines() if line.startswith(b'{')]
        return [d for d in documents if 'error' in d][-1]['error']

    def describe(self):
        return 'command: %s\nstatus: %s\nstdout: %s\nstderr: %s' % (
            ' '.join(map(str, self.args_)), self.status, self.text[-1500:], self.err[-3000:])


class E2E(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.tmp = os.path.realpath(tempfile.mkdtemp(prefix='hf-e2e-'))
        os.chmod(self.tmp, 0o755)
        self.mounts = []
        self.processes = []
        self.addCleanup(self.tear_world_down)
        self.repo = self.path('repo')
        self.key = self.path('key')
        self.source = self.path('source')
        os.mkdir(self.source)
        os.mkdir(self.path('home'))
        self.env = {
            'PATH': os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/sbin:/sbin',
            'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
            'HOME': self.path('home'),
            'XDG_DATA_HOME': self.path('home', 'data'),
            'XDG_CONFIG_HOME': self.path('home', 'config'),
            'XDG_CACHE_HOME': self.path('home', 'cache'),
            'HOLDFAST_CACHE_DIR': self.path('cache'),
            'HOLDFAST_REPOSITORY': self.repo,
            'HOLDFAST_KEY_FILE': self.key,
        }
        for name, value in os.environ.items():  # of the sanitizer builds
            if name.endswith('SAN_OPTIONS'):
                self.env[name] = value

    def tear_world_down(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        for path in reversed(self.mounts):
            if subprocess.call(['umount', path], stderr=subprocess.DEVNULL) != 0:
                subprocess.call(['umount', '-l', path])
        remove_tree(self.tmp)

    def path(self, *parts):
        return os.path.join(self.tmp, *parts)

    # -- the program ---------------------------------------------------------------------------

    def environment(self, changes=None):
        env = dict(self.env)
        for name, value in (changes or {}).items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        return env

    def command(self, args, user=None):
        line = [program()] + list(args)
        if user is not None and is_root():
            line = ['setpriv', '--reuid', str(user), '--regid', str(user), '--clear-groups'] + line
        return line

    def run_program(self, args, expect=0, env=None, input=None, user=None, cwd=None, timeout=120,
                    preexec=None):
        """Runs the program; `expect` is an exit status, several, or None for any."""
        line = self.command(args, user)
        done = subprocess.run(line, env=self.environment(env), input=input or b'', cwd=cwd,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              preexec_fn=preexec)
        result = Result(line, done.returncode, done.stdout, done.stderr)
        if expect is not None:
            wanted = expect if isinstance(expect, (tuple, list, set)) else (expect,)
            self.assertIn(result.status, wanted, 'exit status\n' + result.describe())
        return result

    def start(self, args, env=None, user=None, stdin=subprocess.DEVNULL, preexec=None):
        """Starts the program, to be signalled or to run beside another."""
        # Files, not pipes: nobody reads while it runs.
        out = tempfile.TemporaryFile(dir=self.tmp)
        err = tempfile.TemporaryFile(dir=self.tmp)
        process = subprocess.Popen(self.command(args, user), env=self.environment(env), stdin=stdin,
                                   stdout=out, stderr=err, preexec_fn=preexec)
        process.out, process.err = out, err
        self.processes.append(process)
        return process

    def finish(self, process, expect=0, timeout=120):
        process.wait(timeout)
        texts = []
        for file in (process.out, process.err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        result = Result(process.args, process.returncode, *texts)
        if expect is not None:
            wanted = expect if isinstance(expect, (tuple, list, set)) else (expect,)
            self.assertIn(result.status, wanted, 'exit status\n' + result.describe())
        return result

    def init(self, *args, **options):
        return self.run_program(['init', *args], **options)

    def backup(self, *args, source=None, expect=0, **options):
        """Backs up one source and returns its part of the document."""
        result = self.run_program(['--json', 'backup', source or self.source, *args], expect=expect,
                                  **options)
        document = result.json
        self.assertEqual(document['schema'], 1)
        one = dict(document['sources'][0])
        one['result'] = result
        return one

    def restore(self, point='latest', target=None, *args, expect=0, **options):
        target = target or self.path('target')
        return self.run_program(['--json', 'restore', point, '--target', target, *args],
                                expect=expect, **options)

    def points(self, *args, **options):
        return self.run_program(['--json', 'list', *args], **options).json['restore_points']

    def check(self, *args, expect=0, **options):
        return self.run_program(['--json', 'check', *(args or ('--read-data',))], expect=expect,
                                **options)

    def assert_check_clean(self):
        document = self.check().json
        self.assertEqual(document['problems'], 0, document)

    # -- trees ---------------------------------------------------------------------------------

    def write(self, name, data=b'', mode=None, mtime_ns=None, root=None):
        """Writes a file below the source and returns its path."""
        base = os.fsencode(root or self.source)
        path = os.path.join(base, os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(data, str):
            data = data.encode()
        with open(path, 'wb') as file:
            file.write(data)
        if mode is not None:
            os.chmod(path, mode)
        if mtime_ns is not None:
            os.utime(path, ns=(mtime_ns, mtime_ns))
        return os.fsdecode(path)

    def settle(self):
        """Until what was written just now is older than a tick of the file system's clock."""
        time.sleep(0.06)

    def small_tree(self):
        """A tree with a bit of everything that needs no privileges."""
        rng = random.Random(7)
        self.write('a.txt', 'alpha\n')
        self.write('empty')
        self.write('dir/b.conf', 'beta\n' * 200)
        self.write('dir/sub/c.bin', rng.randbytes(300000))
        self.write('dir/sub/d with space.txt', 'delta\n')
        self.write('Ünïcode/ß.txt', 'sharp s\n')
        os.symlink('a.txt', os.path.join(self.source, 'link'))
        os.mkdir(os.path.join(self.source, 'empty dir'))
        self.settle()

    def assert_trees_equal(self, a, b, **options):
        differences = compare_trees(a, b, **options)
        self.assertEqual(differences, [], '%d differences between %s and %s' %
                         (len(differences), a, b))

    def repository_bytes(self):
        return sum(size for _, size in self.objects())

    def objects(self, folder=''):
        """Stored objects: (name, bytes), sorted."""
        found = []
        for base, _, names in os.walk(os.path.join(self.repo, folder)):
            for name in names:
                path = os.path.join(base, name)
                try:
                    found.append((os.path.relpath(path, self.repo), os.path.getsize(path)))
                except FileNotFoundError:
                    pass
        return sorted(found)

    # -- the world around ----------------------------------------------------------------------

    def tool(self, *args, **options):
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=self.environment(), **options)
        self.assertEqual(done.returncode, 0, '%s: %s' % (args, done.stdout))
        return done.stdout

    def mount(self, *args):
        """mount ARGS..., the last of which is the mount point; undone after the test."""
        os.makedirs(args[-1], exist_ok=True)
        self.tool('mount', *args)
        if args[-1] not in self.mounts:
            self.mounts.append(args[-1])
        return args[-1]

    def umount(self, path):
        self.tool('umount', path)
        self.mounts.remove(path)

    def mount_ext4(self, name, mebibytes, path):
        """A small real file system in a file."""
        image = self.path(name + '.image')
        with open(image, 'wb') as file:
            file.truncate(mebibytes << 20)
        self.tool('mkfs.ext4', '-q', '-m', '0', '-E', 'lazy_itable_init=0', image)
        return self.mount('-o', 'loop', image, path)


# -- comparing trees ---------------------------------------------------------------------------

KINDS = {stat.S_IFREG: 'file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symlink',
         stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket', stat.S_IFCHR: 'char device',
         stat.S_IFBLK: 'block device'}


def attributes_of(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}


def flags_of(fd):
    buffer = bytearray(8)
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer)
    except OSError:
        return 0
    return struct.unpack('l', buffer)[0] & STORED_FLAGS


def set_flags(path, flags, clear=False):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        buffer = bytearray(8)
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer)
        old = struct.unpack('l', buffer)[0]
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack('l', old & ~flags if clear else old | flags))
    finally:
        os.close(fd)


def content_of(fd, size):
    """A digest of the bytes; zeros do not count, whether they are a hole or not."""
    digest, block = hashlib.sha256(), 64 << 10
    for start, end in extents(fd, size):
        for position in range(start // block * block, end, block):
            data = os.pread(fd, block, position)
            if data.strip(b'\0'):
                digest.update(b'%d:%d:' % (position, len(data)) + data)
    return digest.hexdigest()


def describe_entry(directory, name, holes):
    info = os.stat(name, dir_fd=directory, follow_symlinks=False)
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    # Not by its whole path, which may be longer than PATH_MAX.
    path = b'/proc/self/fd/%d/%s' % (directory, name)
    entry = {'type': kind, 'uid': info.st_uid, 'gid': info.st_gid, 'mtime_ns': info.st_mtime_ns,
             'xattrs': attributes_of(path)}
    if kind == 'symlink':
        entry['link'] = os.readlink(name, dir_fd=directory)
        return info, entry
    entry['mode'] = oct(stat.S_IMODE(info.st_mode))
    if kind in ('char device', 'block device'):
        entry['device'] = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if kind == 'file':
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            entry['size'] = info.st_size
            entry['sha256'] = content_of(fd, info.st_size)
            entry['flags'] = flags_of(fd)
            if holes:
                entry['extents'] = extents(fd, info.st_size)
        finally:
            os.close(fd)
    return info, entry


def scan_tree(root, holes=True):
    """{path: fields} of everything below `root`, and the groups of hard-linked paths."""
    entries, links = {}, {}

    def scan(fd, prefix):
        for name in sorted(os.fsencode(n) for n in os.listdir(fd)):
            path = prefix + name
            info, entry = describe_entry(fd, name, holes)
            entries[path] = entry
            if entry['type'] == 'directory':
                child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                try:
                    entry['flags'] = flags_of(child)
                    scan(child, path + b'/')
                finally:
                    os.close(child)
            elif info.st_nlink > 1:
                links.setdefault((info.st_dev, info.st_ino), set()).add(path)
    root = os.fsencode(root)
    parent = os.open(os.path.dirname(root) or b'.', os.O_RDONLY | os.O_DIRECTORY)
    try:
        _, entries[b'.'] = describe_entry(parent, os.path.basename(root), holes)
        fd = os.open(os.path.basename(root), os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
        try:
            scan(fd, b'')
        finally:
            os.close(fd)
    finally:
        os.close(parent)
    return entries, {frozenset(paths) for paths in links.values() if len(paths) > 1}


def compare_trees(a, b, holes=True, ignore=(), root=True):
    """Differences between two trees as texts: every name, every field, every byte."""
    left, left_links = scan_tree(a, holes)
    right, right_links = scan_tree(b, holes)
    if not root:
        left.pop(b'.'), right.pop(b'.')
    differences = ['only in first: %r' % path for path in sorted(left.keys() - right.keys())]
    differences += ['only in second: %r' % path for path in sorted(right.keys() - left.keys())]
    for path in sorted(left.keys() & right.keys()):
        for field in sorted(left[path].keys() | right[path].keys()):
            if field not in ignore and left[path].get(field) != right[path].get(field):
                differences.append('%r: %s: %r, %r' % (path[-200:], field, left[path].get(field),
                                                       right[path].get(field)))
    if 'links' not in ignore:
        differences += ['hard links: %r' % sorted(group) for group in left_links ^ right_links]
    return differences


def remove_tree(path):
    """rm -rf that also takes immutable files, closed directories and very long paths."""
    if subprocess.call(['rm', '-rf', '--', path], stderr=subprocess.DEVNULL) == 0:
        return
    if is_root():
        subprocess.call(['chattr', '-R', '-f', '-ia', path], stderr=subprocess.DEVNULL)
    subprocess.call(['chmod', '-R', 'u+rwx', path], stderr=subprocess.DEVNULL)
    subprocess.call(['rm', '-rf', '--', path])


# -- BLAKE3 (github.com/BLAKE3-team/BLAKE3-specs), to seal a patched object again ---------------

_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_MASK = 0xFFFFFFFF


def _compress(chaining, words, counter, length, flags):
    v = list(chaining) + list(_IV[:4]) + [counter & _MASK, counter >> 32, length, flags]

    def mix(a, b, c, d, x, y):
        for word, (first, second) in ((x, (16, 12)), (y, (8, 7))):
            v[a] = (v[a] + v[b] + word) & _MASK
            v[d] ^= v[a]
            v[d] = (v[d] >> first | v[d] << (32 - first)) & _MASK
            v[c] = (v[c] + v[d]) & _MASK
            v[b] ^= v[c]
            v[b] = (v[b] >> second | v[b] << (32 - second)) & _MASK
    m = list(words)
    for turn in range(7):
        for i in range(4):
            mix(i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1])
        for i in range(4):
            mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i])
        m = [m[i] for i in _ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def blake3(data):
    def node(chaining, block, counter, flags):
        return (chaining, struct.unpack('<16I', block.ljust(64, b'\0')), counter, len(block), flags)

    def chunk(piece, counter):
        value, blocks = _IV, [piece[i:i + 64] for i in range(0, len(piece), 64)] or [b'']
        for i, block in enumerate(blocks):
            flags = (1 if i == 0 else 0) | (2 if i == len(blocks) - 1 else 0)
            last = node(value, block, counter, flags)
            value = _compress(*last)
        return last

    def tree(data, counter):
        if len(data) <= 1024:
            return chunk(data, counter)
        size = 1024
        while size * 2 < len(data):
            size *= 2
        left = _compress(*tree(data[:size], counter))
        right = _compress(*tree(data[size:], counter + size // 1024))
        return (_IV, tuple(left + right), 0, 64, 4)
    chaining, words, counter, length, flags = tree(data, 0)
    return struct.pack('<8I', *_compress(chaining, words, counter, length, flags | 8))


# -- running the tests -------------------------------------------------------------------------

class _Report(unittest.TestResult):
    """Writes one JSON line a test."""

    def startTest(self, test):
        super().startTest(test)
        self.began, self.told = time.monotonic(), False

    def tell(self, test, outcome, text=''):
        self.told = True
        print(json.dumps({'test': test.id(), 'outcome': outcome, 'text': text,
                          'seconds': time.monotonic() - getattr(self, 'began', time.monotonic())}),
              flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        if not self.told:
            self.tell(test, 'passed')

    def addError(self, test, error):
        self.tell(test, 'failed', self._exc_info_to_string(error, test))

    def addFailure(self, test, error):
        self.tell(test, 'failed', self._exc_info_to_string(error, test))

    def addSkip(self, test, reason):
        self.tell(test, 'skipped', reason)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.tell(subtest, 'failed', self._exc_info_to_string(error, test))


def _classes():
    sys.path.insert(0, HERE)
    suite = unittest.defaultTestLoader.discover(HERE, 'test_*.py')
    names, flat = {}, [suite]
    while flat:
        item = flat.pop()
        if isinstance(item, unittest.TestSuite):
            flat.extend(item)
        else:
            name = '%s.%s' % (type(item).__module__, type(item).__qualname__)
            if type(item).__module__ == 'unittest.loader':  # a module that does not load
                raise SystemExit(str(getattr(item, '_exception', item)))
            names[name] = names.get(name, 0) + 1
    return sorted(names)


def _run_class(name, patterns):
    sys.path.insert(0, HERE)
    sys.modules.setdefault('harness', sys.modules['__main__'])
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromName(name)
    if patterns:
        suite = unittest.TestSuite(t for t in suite if any(p in t.id() for p in patterns))
    suite.run(_Report())


def _mount_scratch(work):
    """An ext4 file system in /dev/shm below `work`; returns where, or None where it cannot be had."""
    if not is_root() or 'TMPDIR' in os.environ:
        return None
    try:
        info = os.statvfs('/dev/shm')
        if info.f_bavail * info.f_frsize < 3 << 30:
            return None
        fd, image = tempfile.mkstemp(prefix='hf-e2e-', dir='/dev/shm')
        os.truncate(fd, 6 << 30)
        os.close(fd)
        path = os.path.join(work, 'scratch')
        os.mkdir(path)
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        made = (subprocess.call(['mkfs.ext4', '-q', '-m', '0', '-E', 'nodiscard', image], **quiet) == 0
                and subprocess.call(['mount', '-o', 'loop,discard', image, path], **quiet) == 0)
        os.unlink(image)  # the loop device keeps it
        return path if made else None
    except OSError:
        return None


def _main(arguments):
    jobs = 2
    if '--jobs' in arguments:
        at = arguments.index('--jobs')
        jobs = int(arguments[at + 1])
        del arguments[at:at + 2]
    if arguments and arguments[0] == '--class':
        return _run_class(arguments[1], arguments[2:])
    if not arguments:
        raise SystemExit('usage: harness.py PROGRAM [--jobs N] [PATTERN...]')
    path = os.path.abspath(arguments[0])
    if not os.access(path, os.X_OK):
        raise SystemExit('no program at ' + path)
    patterns = arguments[1:]
    # A copy: the original may be built anew meanwhile, and others than root may have to run it.
    work = tempfile.mkdtemp(prefix='hf-e2e-program-')
    os.chmod(work, 0o755)
    os.environ['HOLDFAST_PROGRAM'] = shutil.copy(path, os.path.join(work, 'holdfast'))
    os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
    scratch = _mount_scratch(work)
    if scratch:
        os.environ['TMPDIR'] = scratch
    try:
        results = _run_classes(jobs, patterns)
    finally:
        if scratch:
            subprocess.call(['umount', scratch])
        shutil.rmtree(work, ignore_errors=True)
    return _summary(results)


def _run_classes(jobs, patterns):
    sys.dont_write_bytecode = True
    queue, lock, results = _classes(), threading.Lock(), []

    def work_off():
        while True:
            with lock:
                if not queue:
                    return
                name = queue.pop(0)
            line = [sys.executable, os.path.abspath(__file__), '--class', name, *patterns]
            process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            stray = []
            for text in process.stdout:
                try:
                    one = json.loads(text)
                    one['test']
                except (ValueError, KeyError, TypeError):
                    stray.append(text.decode('utf-8', 'replace'))
                    if text.startswith(b'# '):  # a remark of a test
                        print(stray[-1], end='', flush=True)
                    continue
                with lock:
                    results.append(one)
                    print('%-8s %5.1f s  %s%s' % (
                        one['outcome'], one['seconds'], one['test'],
                        ': ' + one['text'] if one['outcome'] == 'skipped' else ''), flush=True)
                    if one['outcome'] == 'failed':
                        print('    ' + one['text'].rstrip().replace('\n', '\n    '), flush=True)
            if process.wait() != 0:
                with lock:
                    results.append({'outcome': 'failed', 'test': name})
                    print('failed   %s ended with status %d\n%s' %
                          (name, process.returncode, ''.join(stray)), flush=True)
    threads = [threading.Thread(target=work_off) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _summary(results):
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    for one in results:
        count[one['outcome']] += 1
    if count['failed']:
        print('failed: ' + ' '.join(sorted({r['test'] for r in results if r['outcome'] == 'failed'})))
    if count['skipped']:
        print('%d skipped (reasons above)' % count['skipped'])
        # In CI, which is root, everything has to run.
        if is_root():
            count['failed'] += count['skipped']
    print('%d passed, %d failed' % (count['passed'], count['failed']), flush=True)
    return 0 if count['failed'] == 0 and count['passed'] else 1


if __name__ == '__main__':
    sys.exit(_main(sys.argv[1:]))
