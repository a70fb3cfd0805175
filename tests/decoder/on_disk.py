"""Describes a tree on a disk in the decoder's words, with Python's standard library only."""
import errno
import fcntl
import hashlib
import os
import stat
import struct

from decoder import text_or_hex

TYPE_NAMES = {stat.S_IFREG: 'file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symlink',
              stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket', stat.S_IFCHR: 'character device',
              stat.S_IFBLK: 'block device'}
FS_IOC_GETFLAGS = 0x80086601
# Compressed, immutable, append-only and no-dump: those that docs/format.md keeps (Entries).
KEPT_FLAGS = 0x4 | 0x10 | 0x20 | 0x40


def describe(root):
    """Everything at and below `root` (bytes)."""
    paths = [b'']
    for directory, directories, files in os.walk(root):
        paths += [os.path.relpath(os.path.join(directory, name), root)
                  for name in directories + files]
    return [{**text_or_hex('path', path), **describe_entry(os.path.join(root, path))}
            for path in paths]


def describe_entry(path):
    info = os.lstat(path)
    described = {'type': TYPE_NAMES[stat.S_IFMT(info.st_mode)],
                 'mode': '%04o' % stat.S_IMODE(info.st_mode), 'uid': info.st_uid,
                 'gid': info.st_gid, 'mtime_ns': info.st_mtime_ns}
    if xattrs := {name: os.getxattr(path, name, follow_symlinks=False).hex()
                  for name in os.listxattr(path, follow_symlinks=False)}:
        described['xattrs'] = xattrs
    if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        described['device'] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    if stat.S_ISLNK(info.st_mode):
        described.update(text_or_hex('target', os.readlink(path)))
    if not stat.S_ISDIR(info.st_mode) and info.st_nlink > 1:
        described['hard_link'] = [info.st_dev, info.st_ino]
    if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
        described.update(describe_opened(path, stat.S_ISREG(info.st_mode)))
    return described


def describe_opened(path, is_file):
    """What is only known of an open file or directory."""
    file = os.open(path, os.O_RDONLY)
    try:
        described = {'attributes': flags} if (flags := kept_flags(file)) else {}
        if is_file:
            described['size'] = os.fstat(file).st_size
            described['sha256'] = sha256_of(file)
            if holes := holes_of(file, described['size']):
                described['holes'] = holes
        return described
    finally:
        os.close(file)


def kept_flags(file):
    return flags_of(file) & KEPT_FLAGS


def flags_of(file):
    return struct.unpack('<q', fcntl.ioctl(file, FS_IOC_GETFLAGS, bytes(8)))[0]


def sha256_of(file):
    digest = hashlib.sha256()
    while block := os.read(file, 1 << 20):
        digest.update(block)
    return digest.hexdigest()


def holes_of(file, size):
    """[offset, size] of each hole."""
    holes, at = [], 0
    while at < size:
        start = os.lseek(file, at, os.SEEK_HOLE)
        if start == size:
            break
        at = end_of_hole(file, start, size)
        holes.append([start, at - start])
    return holes


def end_of_hole(file, start, size):
    try:
        return os.lseek(file, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size
