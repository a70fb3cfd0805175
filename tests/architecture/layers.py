#!/usr/bin/env python3
"""Checks that the source keeps to ARCHITECTURE.md: layers, clocks, names, sizes.

usage: layers.py [ROOT]

Prints every breach as `file:line: what`, and exits with 1 when there is one.
"""

import pathlib
import re
import sys

from functions import find_functions

# The module table: folder of src | what it may include, itself aside.
# ARCHITECTURE.md has this table in the same words; change both.
MODULES = """
base       |
database   | base
crypto     | base
format     | crypto, base
http       | base
s3         | http, crypto, base
storage    | s3, http, crypto, base
repository | storage, format, crypto, base
source     | s3, http, format, crypto, base
backup     | source, repository, storage, format, crypto, base
restore    | repository, storage, s3, http, format, crypto, base
replication | database, s3, http, crypto, base
catalog    | database, base
policy     | catalog, base
config     | policy, catalog, base
api        | config, policy, catalog, replication, restore, backup, source, repository, storage, s3, http, format, crypto, base
cli        | api, base
"""

# Folders that a unit test may include besides: what crosses modules.
TEST_FOLDERS = {"contract", "support"}

CLOCK_FILES = {"base/clock.h", "base/clock.cc"}
CLOCK = re.compile(r"_clock::now\(|\btime\((?:nullptr|NULL|0)\)|\bclock_gettime\b|\bgettimeofday\b")
DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc"}
# In two pieces, so that this file passes itself.
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
STREAMS = re.compile(r"\bstd::(?:cout|cerr|clog)\b")

MAX_FUNCTION_LINES = 70
MAX_LONG_FUNCTION_SHARE = 0.03
MAX_FILE_LINES = 700


def module_table() -> dict[str, set[str]]:
    table = {}
    for line in MODULES.strip().splitlines():
        name, allowed = line.split("|")
        table[name.strip()] = {word.strip() for word in allowed.split(",")} - {""}
    return table


class Checker:
    def __init__(self, root: pathlib.Path):
        self.root = root
        self.src = root / "src"
        self.breaches: list[str] = []
        self.sources = {
            path.relative_to(self.src).as_posix(): path.read_text(errors="surrogateescape")
            for path in sorted(self.src.rglob("*"))
            if path.suffix in (".h", ".cc")
        }

    def report(self, file: str, line: int, what: str) -> None:
        self.breaches.append(f"{file}:{line}: {what}")

    def each_line(self, pattern: re.Pattern):
        for name, text in self.sources.items():
            for number, line in enumerate(text.splitlines(), 1):
                for match in pattern.finditer(line):
                    yield name, number, match

    def check_includes(self) -> None:
        table = module_table()
        for folder in sorted(p.name for p in self.src.iterdir() if p.is_dir()):
            if folder not in table:
                self.report(f"src/{folder}", 1, "this module is not in the module table")
        for name, number, match in self.each_line(re.compile(r'^\s*#\s*include\s*"([^"]*)"')):
            module, wanted = name.split("/")[0], match.group(1).split("/")[0]
            if wanted == module and (self.src / match.group(1)).exists():
                continue
            if name.endswith("_test.cc") and wanted in TEST_FOLDERS:
                continue
            if wanted not in table:
                self.report(f"src/{name}", number, f'"{match.group(1)}" is not in a module')
            elif wanted not in table.get(module, set()):
                self.report(f"src/{name}", number, f"{module} may not include {wanted}")

    def check_clocks(self) -> None:
        for name, number, match in self.each_line(CLOCK):
            if name not in CLOCK_FILES:
                self.report(f"src/{name}", number, f"{match.group()} outside base/clock")

    def check_names(self) -> None:
        for top in ("src", "tests", "tools", "bench", "cmake", "web", "packaging"):
            for path in sorted((self.root / top).rglob("*")):
                if "corpus" not in path.parts and path.name.split(".")[0] in DRAWERS:
                    self.report(str(path.relative_to(self.root)), 1, "a drawer's name says nothing")

    def check_functions(self) -> None:
        functions = [
            (function, name)
            for name, text in self.sources.items()
            if not name.endswith("_test.cc")
            for function in find_functions(text)
        ]
        functions.sort(key=lambda item: -item[0].lines)
        long = [item for item in functions if item[0].lines > MAX_FUNCTION_LINES]
        share = len(long) / max(1, len(functions))
        print(f"functions: {len(functions)}, over {MAX_FUNCTION_LINES} lines: {len(long)}"
              f" ({share:.1%})")
        for function, name in functions[:10]:
            print(f"  {function.lines:4} lines  src/{name}:{function.first_line}  {function.name}")
        if share > MAX_LONG_FUNCTION_SHARE:
            limit = f"{MAX_LONG_FUNCTION_SHARE:.0%}"
            self.report("src", 1, f"more than {limit} of the functions are long")

    def check_files(self) -> None:
        for name, text in self.sources.items():
            lines = text.count("\n")
            if lines > MAX_FILE_LINES:
                self.report(f"src/{name}", lines, f"a file of more than {MAX_FILE_LINES} lines")

    def check_leftovers(self) -> None:
        for name, number, match in self.each_line(LEFTOVER):
            self.report(f"src/{name}", number, f"{match.group()}: do it, or write an issue")
        for name, number, match in self.each_line(STREAMS):
            if not name.startswith("cli/"):
                self.report(f"src/{name}", number, f"{match.group()} outside cli")

    def check_words(self) -> None:
        """Each command stands in the reference, as a heading or the first cell of a table row."""
        reference = self.root / "docs/reference/cli.md"
        if not reference.exists():
            return
        entries = "\n".join(
            line for line in reference.read_text().splitlines() if line.startswith(("#", "|"))
        )
        declaration = re.compile(r"^Command (\w+)_command\(", re.MULTILINE)
        commands = declaration.findall(self.sources["cli/command.h"])
        if not commands:
            self.report("src/cli/command.h", 1, "no commands found")
        for command in commands:
            word = rf"(?:^#+ |^\| *)[^|\n]*\b{re.escape(command)}\b"
            if not re.search(word, entries, re.MULTILINE):
                self.report("docs/reference/cli.md", 1, f"no entry for the command {command}")

    def run(self) -> int:
        self.check_includes()
        self.check_clocks()
        self.check_names()
        self.check_functions()
        self.check_files()
        self.check_leftovers()
        self.check_words()
        for breach in self.breaches:
            print(breach)
        print(f"{len(self.sources)} files, {len(self.breaches)} breaches")
        return 1 if self.breaches else 0


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[2]
    sys.exit(Checker(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else default).run())
