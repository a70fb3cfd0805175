"""The programs that are compared: how each is told to do the same thing.

All encrypt, compress with zstd 3 (restic: `auto`, which is its zstd level), keep repository and
caches below one folder of their own, and read the same source.
"""

import shutil
import subprocess
from pathlib import Path

from measure import Command

PASSPHRASE = "a passphrase for benchmarks"
HOST = "bench"


class Repository:
    """A repository of one program in a fresh folder: commands, not yet run.

    `source` is a directory; `name` the identity under which its versions belong together.
    """

    program = ""
    version_argv = ()

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "repository"
        self.folder.mkdir(parents=True)

    @classmethod
    def version(cls):
        return subprocess.run(
            cls.version_argv, capture_output=True, text=True, check=True
        ).stdout.strip()

    @classmethod
    def is_installed(cls):
        return shutil.which(cls.version_argv[0]) is not None


class Holdfast(Repository):
    program = "holdfast"
    version_argv = ("holdfast", "version")

    def _command(self, *arguments, cache="cache"):
        options = ["-r", self.path, "--key-file", self.folder / "key"]
        options += ["--cache-dir", self.folder / cache, "--progress", "none"]
        return Command([self.version_argv[0], *options, *arguments])

    def init(self):
        # The others have no error correction to compare with.
        return self._command("init", "--no-parity")

    def backup(self, source, name, *options):
        return self._command("backup", "--host", HOST, "--name", name, *options, source)

    def restore(self, name, target):
        return self._command("restore", *self._latest(name), "--target", target)

    def restore_one(self, name, path, target):
        return self._command(
            "restore", f"latest:{path}", *self._identity(name), "--target", target
        )

    def check(self):
        return self._command("check", "--read-data")

    def list(self):
        return self._command("list")

    def ls(self, name):
        return self._command("ls", *self._latest(name))

    def find(self, name, pattern):
        return self._command("find", "--in", "latest", *self._identity(name), pattern)

    def prune(self, keep):
        return [self._command("prune", "--keep-last", keep)]

    def show_without_cache(self, name):
        return self._command("show", *self._latest(name), cache="cold-cache")

    @staticmethod
    def _identity(name):
        return ("--host", HOST, "--source", name)

    def _latest(self, name):
        return ("latest", *self._identity(name))


class Restic(Repository):
    program = "restic"
    version_argv = ("restic", "version")

    def _command(self, *arguments, cwd=None):
        options = ["-r", self.path, "--cache-dir", self.folder / "cache", "--quiet"]
        return Command(["restic", *options, *arguments], cwd, {"RESTIC_PASSWORD": PASSPHRASE})

    def init(self):
        return self._command("init", "--repository-version", "2")

    # From within the source, so that the snapshot's paths begin at its root: a source that moved
    # then still has the same tree. restic finds the parent by the absolute path, so it is named.
    def backup(self, source, name):
        parent = self._latest_snapshot()
        options = ["--parent", parent] if parent else []
        return self._command("backup", "--host", HOST, "--tag", name, *options, ".", cwd=source)

    def _latest_snapshot(self):
        snapshots = self.path / "snapshots"
        found = sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return found[-1].name if found else None

    def restore(self, _, target):
        return self._command("restore", "latest", "--target", target)

    def check(self):
        return self._command("check", "--read-data")

    def list(self):
        return self._command("snapshots")

    def ls(self, _):
        return self._command("ls", "latest")

    def find(self, _, pattern):
        return self._command("find", "--snapshot", "latest", pattern)

    # Of one group: each snapshot has the path it was taken from.
    def prune(self, keep):
        return [self._command("forget", "--prune", "--group-by", "host", "--keep-last", keep)]


class Borg(Repository):
    program = "borg"
    version_argv = ("borg", "--version")

    def __init__(self, folder):
        super().__init__(folder)
        self.archives = 0

    def _command(self, *arguments, cwd=None):
        environment = {
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(self.folder),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        return Command(["borg", *arguments], cwd, environment)

    def init(self):
        return self._command("init", "--encryption", "repokey-blake2", self.path)

    def backup(self, source, _):
        self.archives += 1
        return self._command("create", "--compression", "zstd,3", self._latest(), ".", cwd=source)

    def restore(self, _, target):
        target.mkdir()
        return self._command("extract", self._latest(), cwd=target)

    def check(self):
        return self._command("check", "--verify-data", self.path)

    def list(self):
        return self._command("list", self.path)

    def ls(self, _):
        return self._command("list", self._latest())

    def prune(self, keep):
        return [
            self._command("prune", "--keep-last", keep, self.path),
            self._command("compact", self.path),
        ]

    # borg has no find: a pattern over the listing of one archive is the nearest.
    def find(self, _, pattern):
        return self._command("list", self._latest(), f"sh:**/{pattern}")

    def _latest(self):
        return f"{self.path}::{self.archives}"


PROGRAMS = {program.program: program for program in (Holdfast, Restic, Borg)}
