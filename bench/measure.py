"""Runs one command and measures it: wall, CPU and anonymous memory of its process tree."""

import ctypes
import mmap
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.020
# Short commands would end before the first regular sample.
EARLY_SAMPLE_SECONDS = 0.002
EARLY_SECONDS = 0.1
# Reading the whole of /proc costs milliseconds, so new children are looked for less often.
TREE_SECONDS = 0.5

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Command:
    argv: list
    cwd: Path | None = None
    environment: dict = field(default_factory=dict)


@dataclass
class Measurement:
    wall_seconds: float
    cpu_seconds: float  # user and system, of the command and all children that it waited for
    peak_anonymous_bytes: int  # the greatest sum over the process tree that was seen
    exit_status: int  # negative: the signal that ended it


def total(parts):
    """Of commands that ran one after another."""
    return Measurement(
        sum(part.wall_seconds for part in parts),
        sum(part.cpu_seconds for part in parts),
        max(part.peak_anonymous_bytes for part in parts),
        0,
    )


class CommandFailed(Exception):
    pass


def sync_file_system(path):
    """Returns when everything written to the file system of `path` is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), f"syncfs {path}")
    finally:
        os.close(fd)


class _ProcessTree:
    """A process and its descendants, as far as /proc has shown them."""

    def __init__(self, root):
        self.root = root
        self.pids = [root]

    def refresh(self):
        children = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    stat = Path(f"/proc/{name}/stat").read_text()
                except OSError:
                    continue
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
        self.pids = [self.root]
        for pid in self.pids:
            self.pids += children.get(pid, [])

    def anonymous_bytes(self):
        total = 0
        for pid in self.pids:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            _, found, rest = status.partition("RssAnon:")
            if found:
                total += int(rest.split(None, 1)[0]) * 1024
        return total


class MemoryLimit:
    """A control group whose processes together get so many bytes of memory, page cache included.

    `is_set` is false where none can be made (not root, no controller): then nothing is limited.
    """

    FORMS = (("memory", "memory.limit_in_bytes"), ("", "memory.max"))

    def __init__(self, limit_bytes):
        self.folder = None
        for controller, file in self.FORMS:
            folder = Path("/sys/fs/cgroup") / controller / f"holdfast-bench-{os.getpid()}"
            try:
                folder.mkdir()
                self.folder = folder
                (folder / file).write_text(str(limit_bytes))
                return
            except OSError:
                self.close()

    @property
    def is_set(self):
        return self.folder is not None

    def join(self):
        """By the process that is limited."""
        if self.folder is not None:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def close(self):
        if self.folder is not None:
            self.folder.rmdir()
            self.folder = None


def run(command, *, sync_path=None, kill_when=None, stdout=subprocess.DEVNULL, limit=None):
    """Runs `command` to its end.

    limit: a MemoryLimit.

    sync_path: the file system of this path is synced within the timed part.
    kill_when: called about every 20 ms; when it is true, the command gets SIGKILL.
    Raises CommandFailed when it ends with a status other than 0, unless kill_when was given.
    """
    with tempfile.TemporaryFile() as stderr:
        begin = time.monotonic()
        process = subprocess.Popen(
            [str(argument) for argument in command.argv],
            cwd=command.cwd,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=limit.join if limit is not None else None,
        )
        try:
            peak = _watch(process.pid, begin, kill_when)
        except BaseException:
            process.kill()
            process.wait()
            raise
        _, wait_status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        if sync_path is not None:
            sync_file_system(sync_path)
        wall = time.monotonic() - begin
        if process.returncode != 0 and kill_when is None:
            stderr.seek(0)
            text = stderr.read()[-2000:].decode(errors="replace")
            line = " ".join(str(argument) for argument in command.argv)
            raise CommandFailed(f"exit status {process.returncode}: {line}\n{text}")
    return Measurement(wall, usage.ru_utime + usage.ru_stime, peak, process.returncode)


def _watch(pid, begin, kill_when):
    """Samples memory until the process has ended (but is not waited for); returns the peak."""
    tree = _ProcessTree(pid)
    tree_read = begin
    peak = 0
    exited = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(exited, select.POLLIN)
        while True:
            now = time.monotonic()
            pause = EARLY_SAMPLE_SECONDS if now - begin < EARLY_SECONDS else SAMPLE_SECONDS
            if poll.poll(pause * 1000):
                return peak
            if now - tree_read > TREE_SECONDS:
                tree.refresh()
                tree_read = now
            peak = max(peak, tree.anonymous_bytes())
            if kill_when is not None and kill_when():
                os.kill(pid, signal.SIGKILL)
    finally:
        os.close(exited)


def populate(count):
    """Uses `count` bytes of memory and gives them back.

    The host of a virtual machine takes away what has been free for some seconds, and the first use of
    each page costs half a microsecond then: 2 s a GiB, whichever program comes first.
    """
    with mmap.mmap(-1, max(count, mmap.PAGESIZE)) as memory:
        for offset in range(0, len(memory), mmap.PAGESIZE):
            memory[offset] = 1


def warm(*paths):
    """Reads every byte below `paths` once, so that the timed command finds it in the page cache."""
    for path in paths:
        archive = subprocess.Popen(["tar", "-cf", "-", "-C", path, "."], stdout=subprocess.PIPE)
        # tar does not read the files when it sees that its output is /dev/null.
        subprocess.run(["cat"], stdin=archive.stdout, stdout=subprocess.DEVNULL, check=True)
        archive.stdout.close()
        if archive.wait() != 0:
            raise CommandFailed(f"tar cannot read {path}")


def files_below(root):
    """{relative path: bytes} of every file below `root`, without what vanishes meanwhile."""
    sizes = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            try:
                sizes[os.path.relpath(path, root)] = os.lstat(path).st_size
            except FileNotFoundError:
                continue
    return sizes


def bytes_below(root):
    return sum(files_below(root).values())
