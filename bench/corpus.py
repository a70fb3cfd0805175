"""Generators and mutations of the benchmark's corpora; bench/make-corpus.sh is the front.

A mutation changes a corpus in place, keeps inode and times of whatever it does not change, and has
an exact inverse (content and mtime; ctime cannot be set back). What the inverse needs is written to
DIR/.undo/<mutation> before anything is changed, so an interrupted mutation can be undone too.
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path

BLOCK_BYTES = 4096


# ---- generators ----------------------------------------------------------------------------------


def write_log(path, size_bytes):
    """A web server's log: compressible about eight times, no line twice."""
    generator = random.Random(42)
    requests = (
        "GET /index.html",
        "POST /api/v1/items",
        "GET /static/app.js",
        "PUT /api/v1/users",
        "DELETE /api/v1/session",
    )
    statuses = (200, 200, 200, 304, 404)
    draw = generator.randrange
    clock = 1700000000
    written = 0
    with open(path, "wb", buffering=1 << 22) as log:
        while written < size_bytes:
            clock += draw(3)
            address = f"10.{draw(4)}.{draw(256)}.{draw(256)}"
            request = requests[draw(5)]
            line = f'{clock} {address} "{request}" {statuses[draw(5)]} {draw(90000)} '
            written += log.write(f"{line}{generator.getrandbits(32):08x}\n".encode())


def write_many(folder, count):
    """`count` tiny files, 500 in a directory; the numbers wrap as C's long long and int do."""
    for number in range(count):
        parent = folder / f"d{number // 500}"
        if number % 500 == 0:
            parent.mkdir()
        mixed = number * 0x9E3779B97F4A7C15 % 2**64
        wrapped = (number * 7919 + 2**31) % 2**32 - 2**31
        with open(f"{parent}/file_name_of_usual_length_{number}.txt", "wb") as file:
            file.write(f"file {number} content {mixed:x} {wrapped}\n".encode())


# ---- mutations -----------------------------------------------------------------------------------


def regular_files(root):
    """All regular files below `root`, sorted by their path's bytes."""
    found = []
    for folder, _, names in os.walk(os.fsencode(root)):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                found.append(path)
    return sorted(found)


def write_durably(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def insert_line(path, line):
    """Into the middle of a file; it keeps its inode."""
    with open(path, "r+b") as file:
        content = file.read()
        middle = len(content) // 2
        file.seek(middle)
        file.write(line + content[middle:])


class ChangeFiles:
    """A line of 40 bytes into the middle of every `every`-th file of a."""

    def __init__(self, every):
        self.every = every

    @staticmethod
    def line(number):
        return b"/* changed %027d */" % number

    def apply(self, corpora, undo):
        files = regular_files(corpora / "a")
        chosen = [(i, path) for i, path in enumerate(files) if i % self.every == 7]
        journal = [(i, os.fsdecode(path), os.stat(path).st_mtime_ns) for i, path in chosen]
        write_durably(undo, json.dumps(journal).encode())
        for number, path in chosen:
            insert_line(path, self.line(number))
        return {"files": len(files), "changed_files": len(chosen)}

    def revert(self, _, undo):
        for number, path, mtime_ns in json.loads(undo.read_bytes()):
            with open(path, "r+b") as file:
                content = file.read().replace(self.line(number), b"", 1)
                file.seek(0)
                file.write(content)
                file.truncate()
            os.utime(path, ns=(mtime_ns, mtime_ns))


class RenameInTree:
    """A directory with 10 % of the tree moves, and every 200th file gets another name."""

    @staticmethod
    def apply(corpora, undo):
        tree = corpora / "a"
        old, new = str(tree / "drivers/gpu"), str(tree / "drivers/graphics")
        files = [os.fsdecode(path) for path in regular_files(tree)]
        # Counted in the order that holds after the directory has moved.
        files = sorted(
            (new + path[len(old) :] if path.startswith(old + "/") else path for path in files),
            key=os.fsencode,
        )
        chosen = [(path, path + ".moved") for path in files[2::200]]
        renames = [(old, new), *chosen]
        times = {
            os.path.dirname(path): os.stat(os.path.dirname(path).replace(new, old, 1)).st_mtime_ns
            for pair in renames
            for path in pair
        }
        write_durably(undo, json.dumps({"renames": renames, "times": times}).encode())
        for source, target in renames:
            os.rename(source, target)
        return {"renamed_directories": 1, "renamed_files": len(chosen)}

    @staticmethod
    def revert(corpora, undo):
        journal = json.loads(undo.read_bytes())
        for source, target in reversed(journal["renames"]):
            if os.path.lexists(target):
                os.rename(target, source)
        old, new = str(corpora / "a/drivers/gpu"), str(corpora / "a/drivers/graphics")
        for folder, mtime_ns in journal["times"].items():
            os.utime(folder.replace(new, old, 1), ns=(mtime_ns, mtime_ns))


class RenameRoot:
    """The tree's root directory itself gets another name."""

    @staticmethod
    def apply(corpora, undo):
        write_durably(undo, b"{}")
        os.rename(corpora / "a", corpora / "a-renamed")
        return {}

    @staticmethod
    def revert(corpora, _):
        if (corpora / "a-renamed").exists():
            os.rename(corpora / "a-renamed", corpora / "a")


class ChangeImage:
    """New random data in 2 % of the image's blocks: half of them alone, half in runs of 16.

    Four fifths fall into the first 68 % of the image, which the file system has used.
    """

    @staticmethod
    def writes(blocks):
        generator = random.Random(7)
        used = int(blocks * 0.68)
        budget = blocks * 2 // 100

        def place():
            return generator.randrange(used if generator.random() < 0.8 else blocks)

        placed = 0
        while placed < budget // 2:
            yield place(), generator.randbytes(BLOCK_BYTES)
            placed += 1
        while placed < budget:
            yield min(place(), blocks - 16), generator.randbytes(16 * BLOCK_BYTES)
            placed += 16

    def apply(self, corpora, undo):
        path = corpora / "b/vm.img"
        before = os.stat(path)
        writes = list(self.writes(before.st_size // BLOCK_BYTES))
        touched = set()
        with open(path, "r+b") as image:
            journal = [before.st_mtime_ns.to_bytes(8, "little")]
            for block, data in writes:
                image.seek(block * BLOCK_BYTES)
                journal.append(block.to_bytes(8, "little") + len(data).to_bytes(8, "little"))
                journal.append(image.read(len(data)))
                touched.update(range(block, block + len(data) // BLOCK_BYTES))
            write_durably(undo, b"".join(journal))
            for block, data in writes:
                image.seek(block * BLOCK_BYTES)
                image.write(data)
        return {"changed_bytes": len(touched) * BLOCK_BYTES}

    @staticmethod
    def revert(corpora, undo):
        path = corpora / "b/vm.img"
        journal = undo.read_bytes()
        mtime_ns = int.from_bytes(journal[:8], "little")
        at = 8
        with open(path, "r+b") as image:
            while at < len(journal):
                block = int.from_bytes(journal[at : at + 8], "little")
                size = int.from_bytes(journal[at + 8 : at + 16], "little")
                image.seek(block * BLOCK_BYTES)
                image.write(journal[at + 16 : at + 16 + size])
                at += 16 + size
        os.utime(path, ns=(mtime_ns, mtime_ns))


class InsertIntoTar:
    """1,000 random bytes at each of 20 places; the file keeps its inode."""

    @staticmethod
    def apply(corpora, undo):
        path = corpora / "d/t.tar"
        partial = undo.with_suffix(".part")
        shutil.copy2(path, partial)
        partial.rename(undo)
        generator = random.Random(9)
        size = os.stat(path).st_size
        places = sorted(generator.randrange(size) for _ in range(20))
        with open(undo, "rb") as original, open(path, "wb") as tar:
            done = 0
            for place in places:
                tar.write(original.read(place - done))
                tar.write(generator.randbytes(1000))
                done = place
            shutil.copyfileobj(original, tar, 1 << 20)
        return {"inserted_bytes": 20 * 1000}

    @staticmethod
    def revert(corpora, undo):
        shutil.copyfile(undo, corpora / "d/t.tar")
        shutil.copystat(undo, corpora / "d/t.tar")


MUTATIONS = {
    "mutate1": ChangeFiles(100),
    "mutate01": ChangeFiles(1000),
    "rename": RenameInTree(),
    "reroot": RenameRoot(),
    "image2": ChangeImage(),
    "insert": InsertIntoTar(),
}


def undo_path(corpora, name):
    return Path(corpora) / ".undo" / name


def apply(name, corpora):
    """Returns what was changed, as a dict. Raises FileExistsError when it is applied already."""
    undo = undo_path(corpora, name)
    undo.parent.mkdir(exist_ok=True)
    if undo.exists():
        raise FileExistsError(f"{name} is applied to {corpora} already")
    return MUTATIONS[name].apply(Path(corpora), undo)


def revert(name, corpora):
    undo = undo_path(corpora, name)
    MUTATIONS[name].revert(Path(corpora), undo)
    undo.unlink()


def revert_all(corpora):
    """Undoes what an interrupted run has left."""
    for name in MUTATIONS:
        if undo_path(corpora, name).exists():
            revert(name, corpora)


def main(arguments):
    match arguments:
        case ["log", path, size]:
            write_log(path, int(size))
        case ["many", folder, count]:
            write_many(Path(folder), int(count))
        case [name, folder] if name in MUTATIONS:
            print(json.dumps(apply(name, Path(folder).resolve())))
        case [name, folder] if name.removeprefix("un") in MUTATIONS:
            revert(name.removeprefix("un"), Path(folder).resolve())
        case _:
            names = ", ".join(MUTATIONS)
            sys.exit(f"make-corpus.sh: no such command; mutations: {names}; un... goes back")


if __name__ == "__main__":
    main(sys.argv[1:])
