"""A tree with something of everything that a manifest can hold, and what changes in it between
backups. Sizes are chosen for the ways in which docs/format.md stores content, and for a decoder
that hashes some MiB a second."""
import fcntl
import os
import random
import socket
import struct

import on_disk

KIB, MIB = 1 << 10, 1 << 20
PAGE = 4 * KIB
FS_IOC_SETFLAGS = 0x40086602
FS_NODUMP_FL = 0x40
NOBODY = 65534
BEFORE_1970 = -86_400_000_000_001


def write(path, data, mode=0o644):
    with open(path, 'wb') as file:
        file.write(data)
    os.chmod(path, mode)


def add_flag(path, flag):
    with open(path, 'rb') as file:
        fcntl.ioctl(file, FS_IOC_SETFLAGS, struct.pack('<q', on_disk.flags_of(file) | flag))


def text(noise, size):
    """Bytes that compress."""
    words = (b'%08x is one of many lines\n' % noise.getrandbits(16) for _ in range(size // 27 + 1))
    return b''.join(words)[:size]


def write_small_files(noise):
    """Inline, in chunks of many files, and without content."""
    for i in range(400):
        size = noise.choice((0, 1, 100, 512, 513, 1500, 9000))
        make = noise.randbytes if i % 2 else lambda size: text(noise, size)
        write(b'small/%03d' % i, make(size), noise.choice((0o644, 0o600, 0o755, 0o4711)))


def write_pages(noise):
    """A file that changes by pages: its first bytes say that it is a database."""
    pages = [noise.randbytes(64) * (PAGE // 64) for _ in range(512)]
    pages[0] = b'SQLite format 3\0'.ljust(PAGE, b'.')
    pages[100:120] = [bytes(PAGE)] * 20
    write(b'pages.db', b''.join(pages))


def change_pages(noise, numbers):
    with open(b'pages.db', 'r+b') as file:
        for number in numbers:
            file.seek(number * PAGE)
            file.write(noise.randbytes(64) * (PAGE // 64))


def write_sparse(noise):
    """More runs than an entry holds, over more than two leaves, and a hole at the end."""
    with open(b'sparse', 'wb') as file:
        for i in range(66):
            file.seek(2 * i * MIB + i % 3 * PAGE)
            file.write(noise.randbytes(PAGE))
        file.truncate(140 * MIB)


def write_deep():
    path = b'deep'
    for i in range(100):
        path += b'/%d' % i
        os.mkdir(path)
    write(path + b'/bottom', b'a hundred directories down')


def write_wide(noise):
    """A directory that takes many leaves; attributes make them so large that they take a pack."""
    for i in range(2000):
        path = b'wide/entry-%04d-%s' % (i, b'x' * (i % 40))
        write(path, b'%d' % i)
        if i % 3 == 0:
            os.setxattr(path, b'user.large', noise.randbytes(3500))


def write_special():
    os.mkfifo(b'special/fifo', 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b'special/socket')
    os.symlink(b'../small/000', b'special/symlink')
    os.symlink(b'\xff nowhere', b'special/dangling')
    write(b'special/caf\xe9', b'Its name is not UTF-8.')
    write(b'special/attributes', b'It has extended attributes.')
    os.setxattr(b'special/attributes', b'user.binary', b'\x00\x01\xff')
    os.setxattr(b'special/attributes', b'user.empty', b'')
    os.setxattr(b'special', b'user.directory', b'on a directory')
    write(b'special/old', b'Its time is before 1970.')
    os.utime(b'special/old', ns=(0, BEFORE_1970))
    write(b'special/not-dumped', b'It has an attribute of the file system.')
    add_flag(b'special/not-dumped', FS_NODUMP_FL)
    write(b'special/linked', b'one file, three names' * 100)
    os.link(b'special/linked', b'small/linked-too')
    os.link(b'special/linked', b'aaa-linked-first')


def write_what_needs_root():
    os.mknod(b'special/character', 0o20600, os.makedev(1, 3))
    os.mknod(b'special/block', 0o60660, os.makedev(259, 1000000))
    os.chown(b'special/caf\xe9', NOBODY, NOBODY)
    os.chown(b'small/001', 0, 4_000_000_000)
    os.setxattr(b'special/linked', b'trusted.note', b'for root')


def first(noise):
    for name in (b'small', b'special', b'wide', b'deep', b'empty'):
        os.mkdir(name)
    os.chmod(b'empty', 0o1777)
    write_small_files(noise)
    write_wide(noise)
    write_deep()
    write_special()
    write(b'incompressible', noise.randbytes(12 * MIB))
    write(b'compressible', text(noise, 3 * MIB))
    write(b'zeros', bytes(MIB))
    write_pages(noise)
    write_sparse(noise)
    if os.geteuid() == 0:
        write_what_needs_root()


def second(noise):
    """Changed pages, an inserted piece, renames, deletions, and changes of metadata alone."""
    change_pages(noise, range(3, 512, 7))
    with open(b'compressible', 'r+b') as file:
        data = file.read()
        file.seek(MIB)
        file.write(b'inserted' + data[MIB:])
    for i in range(0, 400, 8):
        os.remove(b'small/%03d' % i)
        os.rename(b'small/%03d' % (i + 1), b'small/renamed-%03d' % i)
        os.chmod(b'small/%03d' % (i + 2), 0o440)
    os.rename(b'deep', b'deeper')
    os.setxattr(b'special/attributes', b'user.binary', b'changed')
    os.link(b'special/linked', b'zzz-linked-last')
    write(b'wide/entry-1000-more', b'one in the middle')


def third(noise):
    """Pages again, one of them to zeros, and large things gone."""
    change_pages(noise, (0, 3, 4, 5, 250))
    with open(b'pages.db', 'r+b') as file:
        file.seek(7 * PAGE)
        file.write(bytes(PAGE))
    os.remove(b'incompressible')
    os.remove(b'special/dangling')
    for i in range(500, 700):
        os.remove(b'wide/entry-%04d-%s' % (i, b'x' * (i % 40)))
    with open(b'sparse', 'r+b') as file:
        file.seek(33 * MIB)
        file.write(b'where a hole was'.ljust(PAGE, b'.'))


def apply(step, directory, seed):
    """Runs one of the steps above in `directory`."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        step(random.Random(seed))
    finally:
        os.chdir(before)
