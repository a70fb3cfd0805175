#!/usr/bin/env python3
"""Compares holdfast with restic and borg: see docs/benchmarks.md, and --help."""

import argparse
import dataclasses
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import corpus
import measure
import report
from phases import PHASES, QUICK_PHASES, READ_ONLY_PHASES, Bench
from programs import PROGRAMS, Holdfast

PHASE_SETS = {"all": list(PHASES), "read-only": READ_ONLY_PHASES, "quick": QUICK_PHASES}
# Restored trees stay until the end; images and repositories go earlier.
WORK_BYTES_FIRST_ROUND, WORK_BYTES_EACH_ROUND = 26 << 30, 5 << 30
# How long after a mass delete ext4 is slow to make files: it passes over inodes that were deleted in
# the last minute, and in the last six where their table is not on the disk yet (recently_deleted()).
SETTLE_SECONDS = 370


def parse_arguments():
    here = Path(__file__).resolve().parent
    corpora = os.environ.get("BENCH_DIR", "/var/tmp/holdfast-bench")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--corpora", type=Path, default=Path(corpora), help="made by make-corpus.sh"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=os.environ.get("BENCH_WORK"),
        help="repositories and restored files go here; deleted in the end (default: CORPORA/work)",
    )
    parser.add_argument("--holdfast", type=Path, default=here.parent / "build/holdfast")
    parser.add_argument("--results", type=Path, default=here / "results")
    parser.add_argument(
        "--phases",
        help=f"comma-separated, of {', '.join(PHASES)}; or one of {', '.join(PHASE_SETS)}",
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="one round of --phases quick")
    parser.add_argument("--only-holdfast", action="store_true")
    parser.add_argument("--tiny-backups", type=int, help="how many (1000; quick: 50)")
    parser.add_argument("--huge-files", type=int, help="how many (10,000,000; quick: 100,000)")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.tiny_backups = arguments.tiny_backups or (50 if arguments.quick else 1000)
    arguments.huge_files = arguments.huge_files or (100_000 if arguments.quick else 10_000_000)
    arguments.work = Path(arguments.work or arguments.corpora / "work")
    chosen = arguments.phases or ("quick" if arguments.quick else "all")
    arguments.phases = PHASE_SETS.get(chosen) or chosen.split(",")
    unknown = set(arguments.phases) - set(PHASES)
    if unknown:
        parser.error(f"no such phase: {', '.join(sorted(unknown))}")
    return arguments


def chosen_programs(arguments):
    Holdfast.version_argv = (str(arguments.holdfast.resolve()), "version")
    programs = [Holdfast] if arguments.only_holdfast else list(PROGRAMS.values())
    missing = [program.program for program in programs if not program.is_installed()]
    if missing:
        sys.exit(f"compare.py: not installed: {', '.join(missing)}")
    return programs


def require_space(arguments):
    corpora_bytes = measure.bytes_below(arguments.corpora / "a") + measure.bytes_below(
        arguments.corpora / "b"
    )
    scale = min(1.0, corpora_bytes / (5 << 30))
    needed = scale * (WORK_BYTES_FIRST_ROUND + arguments.rounds * WORK_BYTES_EACH_ROUND)
    free = shutil.disk_usage(arguments.work).free
    if free < needed:
        sys.exit(f"compare.py: {free >> 30} GiB free, about {int(needed) >> 30} GiB needed")


def settle(work):
    """Waits until the mass delete that ended the run before is long enough ago."""
    stamp = work.with_name(work.name + ".deleted")
    if stamp.exists():
        left = SETTLE_SECONDS - (time.time() - stamp.stat().st_mtime)
        if left > 0:
            print(f"waiting {left:.0f} s after the last run's deletes", flush=True)
            time.sleep(left)
        stamp.unlink()


def delete_work(work):
    shutil.rmtree(work)
    work.with_name(work.name + ".deleted").touch()


def write_results(arguments, bench, programs, began, load, failure):
    header = [
        *([f"- **incomplete**: {failure}"] if failure else []),
        f"- date: {began:%Y-%m-%d %H:%M} UTC; rounds: {arguments.rounds}; "
        f"load before and after: {load:.1f}, {os.getloadavg()[0]:.1f}",
        *report.machine(arguments.work, programs),
    ]
    text = report.document(report.Results(bench.samples), programs, header)
    arguments.results.mkdir(exist_ok=True)
    name = f"{began:%Y%m%d-%H%M%S}"
    (arguments.results / f"{name}.md").write_text(text)
    samples = [dataclasses.asdict(sample) for sample in bench.samples]
    (arguments.results / f"{name}.json").write_text(json.dumps(samples, indent=1) + "\n")
    print(f"\n{text}\nwritten to {arguments.results / name}.md and .json")


def main():
    # Either way corpora go back to what they were and the work is deleted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = parse_arguments()
    programs = chosen_programs(arguments)
    if arguments.work.exists():
        sys.exit(f"compare.py: {arguments.work} is left from another run: delete it first")
    arguments.corpora = arguments.corpora.resolve()
    corpus.revert_all(arguments.corpora)
    settle(arguments.work)
    arguments.work.mkdir(parents=True)
    arguments.work = arguments.work.resolve()
    try:
        require_space(arguments)
        began, load = datetime.datetime.now(datetime.timezone.utc), os.getloadavg()[0]
        bench = Bench(
            arguments.corpora,
            arguments.work,
            programs,
            set(arguments.phases),
            arguments.tiny_backups,
            arguments.huge_files,
            lambda line: print(line, flush=True),
        )
        failure = None
        try:
            for number in range(arguments.rounds):
                bench.run_round(number)
        except (measure.CommandFailed, subprocess.CalledProcessError, OSError) as error:
            failure = error
        except KeyboardInterrupt:
            failure = "interrupted"
        write_results(arguments, bench, programs, began, load, failure)
    finally:
        delete_work(arguments.work)
    if failure:
        sys.exit(f"compare.py: {failure}")


if __name__ == "__main__":
    main()
