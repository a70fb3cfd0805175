#!/usr/bin/env python3
"""Opens the golden repositories with a program and compares what it restores with their manifests.

    check-golden.py PROGRAM [GOLDEN-DIRECTORY...]
    check-golden.py --describe DIRECTORY        (for make-golden.sh: the entries of a tree as JSON)

Without directories: every one beside this file that has a manifest.json. A golden directory holds
`repository/`, `manifest.json`, and keys: `test.key`, `recovery.key`, in some `test.passphrase`. It is
copied before it is opened. Owners are not compared, so any user can run this. Python's standard
library only. The last line is "N passed, M failed"; the exit status is 1 when something failed.
"""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = {'test.key': '--key-file', 'recovery.key': '--key-file',
        'test.passphrase': '--passphrase-file'}
TYPES = {stat.S_IFREG: 'file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symlink',
         stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket'}


def text_or_hex(name, value):
    """Bytes for JSON: as text where they are UTF-8, else in hexadecimal."""
    try:
        return {name: value.decode('utf-8')}
    except UnicodeDecodeError:
        return {name + '_hex': value.hex()}


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe(root):
    """Everything that is compared of the tree below `root` (bytes), sorted by path."""
    paths = [b'']
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            paths.append(os.path.relpath(os.path.join(directory, name), root))
    first_names = {}
    entries = []
    for path in sorted(paths):
        full = os.path.join(root, path) if path else root
        info = os.lstat(full)
        entry = text_or_hex('path', path)
        entry['type'] = TYPES[stat.S_IFMT(info.st_mode)]
        entry['mode'] = '%04o' % stat.S_IMODE(info.st_mode)
        entry['mtime_ns'] = info.st_mtime_ns
        if entry['type'] == 'file':
            entry['size'] = info.st_size
            entry['sha256'] = sha256_of(full)
            if info.st_blocks * 512 < info.st_size:
                entry['sparse'] = True
        if entry['type'] == 'symlink':
            entry.update(text_or_hex('target', os.readlink(full)))
        if entry['type'] != 'directory' and info.st_nlink > 1:
            first = first_names.setdefault((info.st_dev, info.st_ino), path)
            entry.update(text_or_hex('same_inode_as', first))
        names = os.listxattr(full, follow_symlinks=False)
        xattrs = {name: os.getxattr(full, name, follow_symlinks=False).hex()
                  for name in sorted(names) if name.startswith('user.')}
        if xattrs:
            entry['xattrs'] = xattrs
        entries.append(entry)
    return entries


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, problem):
        """One check; `problem` says what is wrong, or is empty."""
        if not problem:
            self.passed += 1
            return
        self.failed += 1
        print('FAILED %s: %s' % (what, problem))


def run(program, world, key, *arguments):
    environment = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': world,
                   'HOLDFAST_CACHE_DIR': os.path.join(world, 'cache')}
    return subprocess.run(
        [program, '-r', os.path.join(world, 'repository'), KEYS[key], os.path.join(world, key),
         *arguments], capture_output=True, env=environment, cwd=world, check=False)


def failure_of(done):
    """What a run of the program says that went wrong; empty when nothing did."""
    if done.returncode == 0:
        return ''
    return 'exit status %d: %s' % (done.returncode, done.stderr.decode('utf-8', 'replace').strip())


def difference(expected, found):
    """What differs between two descriptions of one entry; empty when they are equal."""
    if found is None:
        return 'missing'
    return ', '.join('%s is %r, should be %r' % (name, found.get(name), expected.get(name))
                     for name in sorted(expected.keys() | found.keys())
                     if expected.get(name) != found.get(name))


def by_path(entries):
    return {entry['path'].encode() if 'path' in entry else bytes.fromhex(entry['path_hex']): entry
            for entry in entries}


def check_point(program, world, point, label, tally):
    target = os.path.join(world, 'restored-' + point['id'])
    done = run(program, world, 'test.key', 'restore', point['id'], '--target', target)
    tally.check(label + ' restore', failure_of(done))
    found = by_path(describe(os.fsencode(target)) if os.path.isdir(target) else [])
    expected = by_path(point['entries'])
    # A lone file has no directory of its own: the target's is not part of the point.
    if b'' not in expected:
        found.pop(b'', None)
    for path, entry in expected.items():
        tally.check('%s %r' % (label, path), difference(entry, found.get(path)))
    extra = sorted(found.keys() - expected.keys())
    tally.check(label + ' nothing else', 'also has %r' % extra if extra else '')


def check_listing(program, world, manifest, key, label, tally):
    done = run(program, world, key, '--json', 'list')
    problem = failure_of(done)
    if not problem:
        wanted = [{name: p[name] for name in p if name != 'entries'} for p in manifest['points']]
        listed = [{name: p.get(name) for name in wanted[0]}
                  for p in json.loads(done.stdout)['restore_points']]
        if listed != wanted:
            problem = 'lists %r, should list %r' % (listed, wanted)
    tally.check('%s list with %s' % (label, key), problem)


def check_golden(program, golden, scratch, tally):
    label = os.path.basename(golden)
    with open(os.path.join(golden, 'manifest.json'), encoding='utf-8') as file:
        manifest = json.load(file)
    with tempfile.TemporaryDirectory(prefix='golden-', dir=scratch) as world:
        keys = [name for name in KEYS if os.path.exists(os.path.join(golden, name))]
        for name in keys:
            shutil.copyfile(os.path.join(golden, name), os.path.join(world, name))
        shutil.copytree(os.path.join(golden, 'repository'), os.path.join(world, 'repository'),
                        copy_function=shutil.copyfile)
        for key in keys:
            check_listing(program, world, manifest, key, label, tally)
        tally.check(label + ' check --read-data',
                    failure_of(run(program, world, 'test.key', 'check', '--read-data')))
        for point in manifest['points']:
            check_point(program, world, point, '%s %s' % (label, point['id'][:8]), tally)


def directory_with_xattrs(program):
    """A directory for temporary files whose file system keeps user.* attributes."""
    for place in (tempfile.gettempdir(), '/var/tmp', os.path.dirname(program), os.getcwd()):
        try:
            with tempfile.NamedTemporaryFile(dir=place) as file:
                os.setxattr(file.name, 'user.golden', b'1')
                return place
        except OSError:
            continue
    sys.exit('no directory for temporary files keeps user.* attributes: set TMPDIR to one')


def main(arguments):
    if len(arguments) == 2 and arguments[0] == '--describe':
        print(json.dumps(describe(os.fsencode(arguments[1]))))
        return 0
    if not arguments or arguments[0].startswith('-'):
        print(__doc__.strip())
        return 2
    program = os.path.abspath(arguments[0])
    goldens = [os.path.abspath(path) for path in arguments[1:]] or sorted(
        os.path.join(HERE, name) for name in os.listdir(HERE)
        if os.path.exists(os.path.join(HERE, name, 'manifest.json')))
    scratch = directory_with_xattrs(program)
    tally = Tally()
    tally.check('golden repositories', '' if goldens else 'there are none')
    for golden in goldens:
        check_golden(program, golden, scratch, tally)
    print('%d passed, %d failed' % (tally.passed, tally.failed))
    return 1 if tally.failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
