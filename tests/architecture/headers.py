#!/usr/bin/env python3
"""Checks that every header below src compiles alone, also when it is included twice.

usage: headers.py [--compiler CXX] [--build BUILD_FOLDER] [--jobs N] [--all] [ROOT]

The include paths and definitions are those of BUILD_FOLDER/compile_commands.json. A header that is
the first thing its own .cc file includes is compiled alone by the build already: of those only
`#pragma once` is looked for, unless --all is given.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys


def compile_flags(build: pathlib.Path, src: pathlib.Path) -> list[str]:
    """Every -I, -isystem, -D and -m of the sources below src, each once."""
    commands = json.loads((build / "compile_commands.json").read_text())
    flags: dict[str, None] = {}
    for command in commands:
        if not pathlib.Path(command["file"]).is_relative_to(src):
            continue
        words = iter(shlex.split(command["command"]))
        for word in words:
            if word == "-isystem":
                flags[word + next(words)] = None
            elif word.startswith(("-I", "-D", "-m")):
                flags[word] = None
    return list(flags)


def built_alone(header: pathlib.Path, src: pathlib.Path) -> bool:
    """Whether foo.cc beside foo.h, which is part of the build, includes it before anything else."""
    source = header.with_suffix(".cc")
    if not source.exists() or "#pragma once" not in header.read_text():
        return False
    first = re.search(r'^\s*#\s*(\w+)(?:\s+"([^"]*)")?', source.read_text(), re.MULTILINE)
    return first is not None and first.group(2) == header.relative_to(src).as_posix()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("root", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()
    src = arguments.root.resolve() / "src"
    flags = compile_flags(arguments.build, src) if arguments.build else [f"-I{src}"]

    def check(header: pathlib.Path) -> tuple[pathlib.Path, str]:
        include = ["-include", str(header)]
        result = subprocess.run(
            [arguments.compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
             *flags, *include, *include, "-x", "c++", "/dev/null"],
            capture_output=True, text=True, check=False)
        return header, result.stderr if result.returncode != 0 else ""

    headers = sorted(src.rglob("*.h"))
    chosen = [h for h in headers if arguments.all or not built_alone(h, src)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for header, errors in pool.map(check, chosen):
            if errors:
                failed += 1
                print(f"src/{header.relative_to(src)} does not compile alone:\n{errors}")
    print(f"{len(headers)} headers, {len(headers) - len(chosen)} of them compiled alone by the"
          f" build, {failed} that do not compile alone")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
