#!/usr/bin/env python3
"""Compares two file trees entry by entry and knows nothing of Holdfast.

usage: compare-trees.py SOURCE COPY [--changed-since NANOSECONDS]

Compared of every entry, the two roots included: type, permission bits, owner and group, modification
time (nanoseconds), size, content, target of a symbolic link, device number, hard-link groups,
extended attributes (POSIX ACLs and capabilities among them), file attributes (immutable, append-only,
nodump), and that holes are still holes: the copy may hold at most 5 % or 64 KiB more data than its
source. Not compared, because no restore can set them: inode numbers, ctime, birth time; and atime.

Without root's rights, owner, group and the attributes outside `user.` and `system.posix_acl_*`
cannot be restored and are left out; the last line says so.

--changed-since: what changed in SOURCE at this time (Unix time in nanoseconds) or later is named as
`changed meanwhile` and is no difference.

The last line is `N entries compared, M differences`, with what was left out behind it.
Exit status: 0 no difference, 1 differences, 2 usage or a root that cannot be read.
"""
import argparse
import array
import errno
import fcntl
import os
import stat
import sys

from file_extents import extents

BLOCK = 1 << 20
CLOCK_TICK_NS = 10_000_000  # the kernel stamps files with the time of its last tick, at most 10 ms ago
HOLE_SLACK_BYTES = 64 << 10
FS_IOC_GETFLAGS = 0x80086601
# FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL; 'compressed' belongs to the file system as well.
KEPT_FLAGS = 0x10 | 0x20 | 0x40
TYPE_NAMES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


def printable(path):
    """Names are bytes: what is not printable is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)


def through_proc(directory, name):
    """A path for calls that take no directory descriptor; works below any depth."""
    return b"/proc/self/fd/%d/%s" % (directory, name)


def open_file(directory, name):
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=directory)
    except PermissionError:  # O_NOATIME is for the owner
        return os.open(name, flags, dir_fd=directory)


def open_directory(name, directory=None):
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=directory)


def data_bytes(fd, size):
    """How much of a file is not a hole."""
    return sum(end - start for start, end in extents(fd, size))


def first_difference(a, b):
    """Offset of the first byte that differs in two open files, or None."""
    offset = 0
    while True:
        left, right = os.pread(a, BLOCK, offset), os.pread(b, BLOCK, offset)
        if left != right:
            return offset + len(os.path.commonprefix([left, right]))
        if not left:
            return None
        offset += len(left)


def kept_flags(fd):
    buffer = array.array("i", [0])
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer)
    except OSError:
        return None  # this file system has none
    return buffer[0] & KEPT_FLAGS


class Comparer:
    def __init__(self, changed_since):
        self.changed_since = changed_since
        self.is_root = os.geteuid() == 0
        self.entries = 0
        self.differences = 0
        self.changed = 0
        self.unreadable = 0
        self.bytes = 0
        # (device, inode) -> the first path that had it, for each side.
        self.links = ({}, {})

    def report(self, label, path, text):
        print(f"{label}: {printable(path) or '.'}: {text}")

    def differs(self, path, text):
        self.differences += 1
        self.report("difference", path, text)

    def is_changed(self, *infos):
        if self.changed_since is None:
            return False
        return any(i.st_ctime_ns >= self.changed_since - CLOCK_TICK_NS for i in infos)

    def xattrs(self, place):
        values = {}
        for name in os.listxattr(place, follow_symlinks=False):
            if not self.is_root and not name.startswith(("user.", "system.posix_acl_")):
                continue
            try:
                values[name] = os.getxattr(place, name, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise
        return values

    def metadata(self, a, b):
        """What differs between two results of lstat, as texts."""
        found = []
        if stat.S_IMODE(a.st_mode) != stat.S_IMODE(b.st_mode):
            found.append(f"mode {stat.S_IMODE(a.st_mode):04o} became {stat.S_IMODE(b.st_mode):04o}")
        if self.is_root and (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
            found.append(f"owner {a.st_uid}:{a.st_gid} became {b.st_uid}:{b.st_gid}")
        if a.st_mtime_ns != b.st_mtime_ns:
            found.append(f"mtime {a.st_mtime_ns} became {b.st_mtime_ns}")
        if stat.S_ISREG(a.st_mode) and a.st_size != b.st_size:
            found.append(f"size {a.st_size} became {b.st_size}")
        if (stat.S_ISCHR(a.st_mode) or stat.S_ISBLK(a.st_mode)) and a.st_rdev != b.st_rdev:
            found.append(f"device number {a.st_rdev:#x} became {b.st_rdev:#x}")
        return found

    def hard_links(self, path, a, b):
        """Both sides are walked in the same order, so equal groups have the same first path."""
        if stat.S_ISDIR(a.st_mode) or (a.st_nlink == 1 and b.st_nlink == 1):
            return []
        first_a = self.links[0].setdefault((a.st_dev, a.st_ino), path)
        first_b = self.links[1].setdefault((b.st_dev, b.st_ino), path)
        if first_a == first_b:
            return []
        return [f"linked with {printable(first_a)} became linked with {printable(first_b)}"]

    def file_content(self, a_dir, b_dir, name, a, b):
        try:
            fd_a = open_file(a_dir, name)
        except OSError as error:
            return self.unreadable_source(error)
        try:
            fd_b = open_file(b_dir, name)
            try:
                return self.open_files(fd_a, fd_b, a, b)
            finally:
                os.close(fd_b)
        finally:
            os.close(fd_a)

    def unreadable_source(self, error):
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise error
        self.unreadable += 1
        return ["unreadable"]

    def open_files(self, fd_a, fd_b, a, b):
        found = []
        if a.st_size == b.st_size:
            at = first_difference(fd_a, fd_b)
            if at is not None:
                found.append(f"content differs from byte {at}")
            self.bytes += a.st_size
        if a.st_blocks * 512 < a.st_size:
            data_a, data_b = data_bytes(fd_a, a.st_size), data_bytes(fd_b, b.st_size)
            if data_b > data_a + max(HOLE_SLACK_BYTES, data_a // 20):
                found.append(f"holes were filled: {data_a} bytes of data became {data_b}")
        flags_a, flags_b = kept_flags(fd_a), kept_flags(fd_b)
        if None not in (flags_a, flags_b) and flags_a != flags_b:
            found.append(f"file attributes {flags_a:#x} became {flags_b:#x}")
        return found

    def entry(self, a_dir, b_dir, name, path):
        """Compares one pair; returns lstat of both."""
        a = os.stat(name, dir_fd=a_dir, follow_symlinks=False)
        b = os.stat(name, dir_fd=b_dir, follow_symlinks=False)
        self.entries += 1
        kind_a, kind_b = stat.S_IFMT(a.st_mode), stat.S_IFMT(b.st_mode)
        if kind_a != kind_b:
            found = [f"{TYPE_NAMES[kind_a]} became {TYPE_NAMES[kind_b]}"]
        else:
            found = self.metadata(a, b) + self.hard_links(path, a, b)
            if kind_a == stat.S_IFREG:
                found += self.file_content(a_dir, b_dir, name, a, b)
            elif kind_a == stat.S_IFLNK:
                target_a, target_b = os.readlink(name, dir_fd=a_dir), os.readlink(name, dir_fd=b_dir)
                if target_a != target_b:
                    found.append(f"target {printable(target_a)} became {printable(target_b)}")
            found += self.xattr_differences(through_proc(a_dir, name), through_proc(b_dir, name))
        self.judge(path, found, a_dir, name, a)
        return a, b

    def xattr_differences(self, place_a, place_b):
        a, b = self.xattrs(place_a), self.xattrs(place_b)
        return [f"extended attribute {name}: " +
                ("missing" if name not in b else "was not there" if name not in a else "differs")
                for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]

    def judge(self, path, found, directory, name, before):
        if found == ["unreadable"]:
            return self.report("unreadable in the source", path, "not compared")
        if not found:
            return None
        after = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if self.is_changed(before, after):
            self.changed += 1
            return self.report("changed meanwhile", path, "; ".join(found))
        return self.differs(path, "; ".join(found))

    def one_sided(self, path, directory, name, parent, text):
        """An entry that only one side has; `parent` is lstat of the source's directory."""
        infos = [parent]
        try:
            infos.append(os.stat(name, dir_fd=directory, follow_symlinks=False))
        except FileNotFoundError:
            pass
        self.entries += 1
        if self.is_changed(*infos):
            self.changed += 1
            return self.report("changed meanwhile", path, text)
        return self.differs(path, text)

    def directory(self, a_dir, b_dir, path):
        """Compares what two open directories hold, in the order of the names."""
        names_a = {os.fsencode(name) for name in os.listdir(a_dir)}
        names_b = {os.fsencode(name) for name in os.listdir(b_dir)}
        for name in sorted(names_a | names_b):
            below = path + b"/" + name if path else name
            try:
                if name not in names_b:
                    self.missing(below, a_dir, name, os.fstat(a_dir))
                elif name not in names_a:
                    self.one_sided(below, a_dir, name, os.fstat(a_dir), "only in the copy")
                else:
                    self.pair(a_dir, b_dir, name, below)
            except FileNotFoundError as error:
                self.one_sided(below, a_dir, name, os.fstat(a_dir), f"vanished: {error.strerror}")

    def missing(self, path, directory, name, parent):
        info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISLNK(info.st_mode) and not self.is_root and not os.access(
                through_proc(directory, name), os.R_OK):
            self.unreadable += 1
            return self.report("unreadable in the source", path, "not compared")
        return self.one_sided(path, directory, name, parent, "missing in the copy")

    def pair(self, a_dir, b_dir, name, path):
        a, b = self.entry(a_dir, b_dir, name, path)
        if not (stat.S_ISDIR(a.st_mode) and stat.S_ISDIR(b.st_mode)):
            return
        try:
            fd_a = open_directory(name, a_dir)
        except OSError as error:
            self.unreadable_source(error)
            return self.report("unreadable in the source", path, "not compared")
        try:
            fd_b = open_directory(name, b_dir)
            try:
                flags_a, flags_b = kept_flags(fd_a), kept_flags(fd_b)
                if None not in (flags_a, flags_b) and flags_a != flags_b:
                    self.judge(path, [f"file attributes {flags_a:#x} became {flags_b:#x}"], a_dir, name, a)
                self.directory(fd_a, fd_b, path)
            finally:
                os.close(fd_b)
        finally:
            os.close(fd_a)


def raise_limits():
    """A descriptor and a few Python frames for each level of depth and side."""
    import resource
    import threading
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 20), hard))
    sys.setrecursionlimit(200_000)
    threading.stack_size(512 << 20)
    return threading


def compare(arguments, outcome):
    comparer = Comparer(arguments.changed_since)
    source, copy = os.fsencode(arguments.source), os.fsencode(arguments.copy)
    if not os.path.isdir(source):
        # A lone file: it stands in its directory, and in the target directory.
        a_dir, name = open_directory(os.path.dirname(source) or b"."), os.path.basename(source)
        comparer.entry(a_dir, open_directory(copy), name, name)
    else:
        a_dir, b_dir = open_directory(os.path.realpath(source)), open_directory(os.path.realpath(copy))
        comparer.entry(a_dir, b_dir, b".", b"")
        comparer.directory(a_dir, b_dir, b"")
    line = f"{comparer.entries:,} entries compared, {comparer.differences:,} differences"
    if comparer.changed:
        line += f", {comparer.changed:,} changed meanwhile"
    if comparer.unreadable:
        line += f", {comparer.unreadable:,} unreadable in the source"
    if not comparer.is_root:
        line += " (owners not compared: not root)"
    print(line)
    outcome.append(0 if comparer.differences == 0 else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("source")
    parser.add_argument("copy")
    parser.add_argument("--changed-since", type=int, metavar="NANOSECONDS")
    arguments = parser.parse_args()
    for root in (arguments.source, arguments.copy):
        if not os.path.exists(root):
            print(f"compare-trees.py: {root}: no such file or directory", file=sys.stderr)
            return 2
    outcome = []
    thread = raise_limits().Thread(target=compare, args=(arguments, outcome))
    thread.start()
    thread.join()
    # An exception has been printed: nothing is proven.
    return outcome[0] if outcome else 2


if __name__ == "__main__":
    sys.exit(main())
