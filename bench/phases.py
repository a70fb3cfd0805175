"""The phases: what is timed, in which order, on which state of the corpora.

Phases on one corpus share repositories, so they come in chapters; a chapter is run when one of its
phases is wanted. What a wanted phase needs before it (the first backup of its corpus) is run, and
shown, as well.
"""

import datetime
import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass

import corpus
import measure
from measure import Measurement
from programs import Holdfast

# name: what it is, in the order in which they are shown
PHASES = {
    "first-a": "first backup of a (source tree)",
    "unchanged-a": "nothing changed, a",
    "changed-1": "1 % of the files of a changed",
    "changed-01": "0.1 % of the files of a changed",
    "root-renamed": "root directory of a renamed",
    "root-copied": "a copied to another path, same name",
    "renamed": "directory and files of a renamed",
    "restore-a": "restore of a",
    "check": "check that reads all data of a",
    "list": "list of restore points",
    "ls": "ls of all of a",
    "find": "find of one name in a",
    "first-b": "first backup of b (4 GiB disk image)",
    "restore-b": "restore of b",
    "image-changed": "second version of b, 2 % of its blocks changed",
    "first-c": "first backup of c (1 GiB random)",
    "first-d": "first backup of d (tar)",
    "inserted": "20 insertions into d",
    "first-m": "first backup of m (300,000 tiny files)",
    "unchanged-m": "nothing changed, m",
    "killed": "first backup of a, killed at 90 %, run again",
    "tiny": "many backups of 10 KiB changes",
    "prune": "prune of the older half of 100 points of a, 1 % of its files changed for each",
    "huge-first": "first backup of 10,000,000 generated files",
    "huge-unchanged": "nothing changed, 10,000,000 generated files",
    "huge-changed": "0.1 % of 10,000,000 generated files changed",
    "huge-find": "find of one name in 10,000,000 generated files",
    "huge-restore": "restore of one of 10,000,000 generated files",
}
# Those that write to no corpus.
READ_ONLY_PHASES = (
    "first-a unchanged-a restore-a check list ls find first-b restore-b first-c first-d first-m "
    "unchanged-m killed tiny prune huge-first huge-unchanged huge-changed huge-find huge-restore"
).split()
# Read-only, and done in a few minutes.
QUICK_PHASES = "first-a unchanged-a restore-a check list ls find first-c killed tiny".split()

FIND_NAME = "Kconfig.debug"
KILL_AT = 0.9
PRUNE_POINTS = 100
TINY_FILES, TINY_BYTES = 100, 10 * 1024
HUGE_MEMORY_BYTES = 192 << 20
# Folders with more files than this are deleted at the very end only: a mass delete slows down
# whatever creates files on ext4 in the minute after it. Repositories and images are below.
MASS_DELETE_FILES = 2000


@dataclass
class Sample:
    """One run of one phase by one program."""

    phase: str
    program: str
    round: int
    measurement: Measurement
    repository_bytes: int
    growth_bytes: int
    facts: dict


class Bench:
    """Where everything is, what is wanted, and what was measured so far."""

    def __init__(self, corpora, work, programs, wanted, tiny_backups, huge_files, log):
        self.corpora = corpora
        self.work = work
        self.programs = programs
        self.wanted = wanted
        self.tiny_backups = tiny_backups
        self.huge_files = huge_files
        self.log = log
        self.samples = []
        self.round = 0

    def wants(self, *phases):
        return any(phase in self.wanted for phase in phases)

    def run_round(self, number):
        self.round = number
        if number > 0:  # so that each comes first equally often
            self.programs = [*self.programs[1:], self.programs[0]]
        for chapter, phases in CHAPTERS:
            if self.wants(*phases):
                chapter(self)

    # ---- what chapters are made of ----

    def repositories(self, name):
        """A fresh repository of each program, in this round's order."""
        made = []
        for program in self.programs:
            repository = program(self.work / f"round-{self.round}" / name / program.program)
            measure.run(repository.init())
            made.append(repository)
        return made

    def record(self, phase, repository, measurement, bytes_before, **facts):
        after = measure.bytes_below(repository.path)
        sample = Sample(
            phase, repository.program, self.round, measurement, after, after - bytes_before, facts
        )
        self.samples.append(sample)
        extra = "".join(f", {key} {value}" for key, value in facts.items())
        self.log(
            f"round {self.round + 1}  {phase:14} {repository.program:9}"
            f"{measurement.wall_seconds:8.2f} s wall{measurement.cpu_seconds:8.2f} s CPU"
            f"{measurement.peak_anonymous_bytes / 2**20:7.0f} MiB"
            f"   repository {after / 2**20:8.1f} MiB (+{sample.growth_bytes / 2**20:.2f}){extra}"
        )

    def backup(self, phase, repositories, source, name, **facts):
        """One timed backup by each; phase None: untimed, to bring the repositories up to date."""
        for repository in repositories:
            before = measure.bytes_below(repository.path)
            command = repository.backup(source, name)
            if phase is None:
                measure.run(command)
                continue
            measure.warm(source)
            measure.sync_file_system(self.work)
            measurement = measure.run(command, sync_path=self.work)
            self.record(phase, repository, measurement, before, **facts)

    def changed_backup(self, phase, mutation, repositories, source, name):
        """Applies a mutation, times a backup by each, undoes it, and lets the backups follow."""
        if not self.wants(phase):
            return
        facts = corpus.apply(mutation, self.corpora)
        try:
            target = source.with_name("a-renamed") if mutation == "reroot" else source
            # A file that changed in the second of the backup may be read again by the next one.
            time.sleep(2)
            self.backup(phase, repositories, target, name, **facts)
        finally:
            corpus.revert(mutation, self.corpora)
        time.sleep(2)
        self.backup(None, repositories, source, name)

    def restore(self, phase, repositories, source, name):
        if not self.wants(phase):
            return
        for repository in repositories:
            target = repository.folder / "restored"
            command = repository.restore(name, target)
            measure.warm(repository.path)
            measure.sync_file_system(self.work)
            # What is restored fills as much page cache, and the programs need some for themselves.
            measure.populate(measure.bytes_below(source) * 3 // 2)
            measurement = measure.run(command, sync_path=self.work)
            self.record(phase, repository, measurement, measure.bytes_below(repository.path))
            if self.round == 0:
                require_equal(source, target, repository.program)
            self.discard(target)

    def read(self, phase, repositories, command_of):
        if not self.wants(phase):
            return
        for repository in repositories:
            before = measure.bytes_below(repository.path)
            measure.warm(repository.path)
            measurement = measure.run(command_of(repository))
            self.record(phase, repository, measurement, before)

    def discard(self, *folders):
        for folder in folders:
            if len(measure.files_below(folder)) <= MASS_DELETE_FILES:
                shutil.rmtree(folder)
        measure.sync_file_system(self.work)


def require_equal(source, restored, program):
    """A restore that is fast but wrong does not count."""
    subprocess.run(["diff", "-rq", "--no-dereference", source, restored], check=True)
    if program == Holdfast.program:
        listings = [
            subprocess.run(
                ["find", folder, "-printf", r"%P\t%y\t%m\t%U\t%G\t%T@\t%l\t%n\n"],
                capture_output=True,
                check=True,
            ).stdout.splitlines()
            for folder in (source, restored)
        ]
        if sorted(listings[0]) != sorted(listings[1]):
            raise measure.CommandFailed(f"metadata of {restored} differ from {source}")


# ---- chapters ------------------------------------------------------------------------------------


def chapter_tree(bench):
    source = bench.corpora / "a"
    repositories = bench.repositories("a")
    bench.backup("first-a", repositories, source, "a")
    if bench.wants("unchanged-a"):
        bench.backup("unchanged-a", repositories, source, "a")
    bench.changed_backup("changed-1", "mutate1", repositories, source, "a")
    bench.changed_backup("changed-01", "mutate01", repositories, source, "a")
    bench.changed_backup("renamed", "rename", repositories, source, "a")
    bench.changed_backup("root-renamed", "reroot", repositories, source, "a")
    if bench.wants("root-copied"):
        bench.backup("root-copied", repositories, copy_of_tree(bench), "a")
        bench.backup(None, repositories, source, "a")
    bench.restore("restore-a", repositories, source, "a")
    bench.read("check", repositories, lambda repository: repository.check())
    bench.read("list", repositories, lambda repository: repository.list())
    bench.read("ls", repositories, lambda repository: repository.ls("a"))
    bench.read("find", repositories, lambda repository: repository.find("a", FIND_NAME))


def copy_of_tree(bench):
    """Made once for all rounds."""
    copy = bench.work / "a-copied"
    if not copy.exists():
        subprocess.run(["cp", "-a", bench.corpora / "a", copy], check=True)
        measure.sync_file_system(bench.work)
    return copy


def chapter_image(bench):
    source = bench.corpora / "b"
    repositories = bench.repositories("b")
    bench.backup("first-b", repositories, source, "b")
    bench.restore("restore-b", repositories, source, "b")
    bench.changed_backup("image-changed", "image2", repositories, source, "b")
    bench.discard(*(repository.folder for repository in repositories))


def chapter_random(bench):
    repositories = bench.repositories("c")
    bench.backup("first-c", repositories, bench.corpora / "c", "c")
    bench.discard(*(repository.folder for repository in repositories))


def chapter_tar(bench):
    source = bench.corpora / "d"
    repositories = bench.repositories("d")
    bench.backup("first-d", repositories, source, "d")
    bench.changed_backup("inserted", "insert", repositories, source, "d")


def chapter_many(bench):
    source = bench.corpora / "m"
    repositories = bench.repositories("m")
    bench.backup("first-m", repositories, source, "m")
    if bench.wants("unchanged-m"):
        bench.backup("unchanged-m", repositories, source, "m")


def chapter_killed(bench):
    """Kills at 90 % of the bytes that the repository has in the end, not of the time: wall time on
    a shared machine varies by more than the rest that is left."""
    source = bench.corpora / "a"
    whole_bytes = {
        sample.program: sample.repository_bytes
        for sample in bench.samples
        if sample.phase == "first-a"
    }
    if not whole_bytes:
        for repository in bench.repositories("killed-whole"):
            measure.run(repository.backup(source, "a"))
            whole_bytes[repository.program] = measure.bytes_below(repository.path)
    for repository in bench.repositories("killed"):
        limit = KILL_AT * whole_bytes[repository.program]
        measure.warm(source)
        killed = measure.run(
            repository.backup(source, "a"),
            kill_when=lambda path=repository.path, limit=limit: measure.bytes_below(path) >= limit,
        )
        before = measure.files_below(repository.path)
        measurement = measure.run(repository.backup(source, "a"), sync_path=bench.work)
        after = measure.files_below(repository.path)
        # What the second run wrote: a file that it deleted does not count against that.
        added = sum(max(0, size - before.get(path, 0)) for path, size in after.items())
        facts = {"killed": "no, it was done before"}
        if killed.exit_status < 0:
            whole = whole_bytes[repository.program]
            facts = {
                "killed": "yes",
                "killed_at": round(sum(before.values()) / whole, 3),
                "added_share": round(added / whole, 4),
            }
        bench.record("killed", repository, measurement, sum(before.values()), **facts)


def chapter_tiny(bench):
    """Holdfast alone: how many objects many small backups leave."""
    if Holdfast not in bench.programs or bench.round != 0:
        return
    source = bench.work / "tiny-source"
    source.mkdir()
    generator = random.Random(11)
    for number in range(TINY_FILES):
        (source / f"file-{number}").write_bytes(generator.randbytes(TINY_BYTES))
    repository = Holdfast(bench.work / "tiny")
    measure.run(repository.init())
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    stored = set()
    runs = []
    bytes_before = objects_before = 0
    for number in range(bench.tiny_backups + 1):
        (source / f"file-{number % TINY_FILES}").write_bytes(generator.randbytes(TINY_BYTES))
        hour = (start + datetime.timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        run = measure.run(repository.backup(source, "tiny", "--time", hour))
        objects = measure.files_below(repository.path)
        stored.update(objects)
        if number == 0:  # the first is no small change
            bytes_before, objects_before = sum(objects.values()), len(stored)
        else:
            runs.append(run)
    total = measure.total(runs)
    facts = {
        "backups": bench.tiny_backups,
        "objects_each": round((len(stored) - objects_before) / bench.tiny_backups, 4),
        "objects_left": len(measure.files_below(repository.path)),
    }
    opens = count_opens(repository)
    if opens is not None:
        facts["opens_of_latest"] = opens
    bench.record("tiny", repository, total, bytes_before, **facts)


def chapter_prune(bench):
    """Once: the points take a quarter of an hour. A change stays, so each point has its own."""
    if bench.round != 0:
        return
    source = bench.work / "prune-source"
    subprocess.run(["cp", "-a", bench.corpora / "a", source], check=True)
    files = corpus.regular_files(source)
    repositories = bench.repositories("prune")
    for number in range(PRUNE_POINTS):
        for path in files[number % 100 :: 100]:
            corpus.insert_line(path, corpus.ChangeFiles.line(number))
        bench.backup(None, repositories, source, "prune")
    for repository in repositories:
        measure.warm(repository.folder)
        before = measure.bytes_below(repository.path)
        parts = [
            measure.run(command, sync_path=bench.work)
            for command in repository.prune(PRUNE_POINTS // 2)
        ]
        bench.record("prune", repository, measure.total(parts), before)
        measure.run(repository.check())


def huge_file(number):
    """Folder and name of a generated file (src/source/generated)."""
    folder = f"parent-{number // 100_000:06}/directory-{number // 1000:08}"
    return folder, f"file-{number:010}.dat"


def chapter_huge(bench):
    """Holdfast alone, under a memory limit: a tree that needs no disk."""
    if Holdfast not in bench.programs or bench.round != 0:
        return
    repository = Holdfast(bench.work / "huge")
    measure.run(repository.init())
    tree = f"generated:files={bench.huge_files}"
    folder, name = huge_file(bench.huge_files * 2 // 3)
    restore = repository.restore_one("huge", f"{folder}/{name}", bench.work / "huge-file")
    limit = measure.MemoryLimit(HUGE_MEMORY_BYTES)
    try:
        for phase, command in (
            ("huge-first", repository.backup(tree, "huge")),
            ("huge-unchanged", repository.backup(tree, "huge")),
            ("huge-changed", repository.backup(f"{tree},version=2,changed=1000", "huge")),
            ("huge-find", repository.find("huge", name)),
            ("huge-restore", restore),
        ):
            before = measure.bytes_below(repository.path)
            measurement = measure.run(command, sync_path=bench.work, limit=limit)
            limit_text = f"{HUGE_MEMORY_BYTES >> 20} MiB" if limit.is_set else "none"
            bench.record(phase, repository, measurement, before, memory_limit=limit_text)
    finally:
        limit.close()
    bench.discard(repository.folder)


def count_opens(repository):
    """Files and folders of the repository that `show latest` opens with a cold cache: an upper
    bound of the requests to a bucket, where a listing is one. None without strace."""
    if shutil.which("strace") is None:
        return None
    command = repository.show_without_cache("tiny")
    trace = repository.folder / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", trace]
    measure.run(measure.Command([*strace, *command.argv]))
    wanted = f'"{os.fspath(repository.path)}/'
    return sum(wanted in line for line in trace.read_text(errors="replace").splitlines())


CHAPTERS = (
    (
        chapter_tree,
        (
            "first-a unchanged-a changed-1 changed-01 renamed root-renamed root-copied restore-a "
            "check list ls find"
        ).split(),
    ),
    (chapter_image, ("first-b", "restore-b", "image-changed")),
    (chapter_random, ("first-c",)),
    (chapter_tar, ("first-d", "inserted")),
    (chapter_many, ("first-m", "unchanged-m")),
    (chapter_killed, ("killed",)),
    (chapter_tiny, ("tiny",)),
    (chapter_prune, ("prune",)),
    (
        chapter_huge,
        ("huge-first", "huge-unchanged", "huge-changed", "huge-find", "huge-restore"),
    ),
)
