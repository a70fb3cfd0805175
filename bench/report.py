"""Bars and tables, from the samples of a run."""

import os
import platform
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from phases import PHASES

KIB, MIB = 1 << 10, 1 << 20
PEERS = ("restic", "borg")


class Results:
    """Samples, by phase and program."""

    def __init__(self, samples):
        self.samples = samples

    def of(self, phase, program):
        return [s for s in self.samples if s.phase == phase and s.program == program]

    def median(self, phase, program, value_of):
        """None when it was not measured."""
        values = [value_of(sample) for sample in self.of(phase, program)]
        values = [value for value in values if value is not None]
        return statistics.median(values) if values else None

    def ratio(self, phase, peer, value_of):
        """Median over the rounds of holdfast's value divided by the peer's of the same round."""
        theirs = {sample.round: value_of(sample) for sample in self.of(phase, peer)}
        ratios = [
            value_of(sample) / theirs[sample.round]
            for sample in self.of(phase, "holdfast")
            if theirs.get(sample.round)
        ]
        return statistics.median(ratios) if ratios else None


def wall(sample):
    return sample.measurement.wall_seconds


def cpu(sample):
    return sample.measurement.cpu_seconds


def memory(sample):
    return sample.measurement.peak_anonymous_bytes


def size(sample):
    return sample.repository_bytes


def growth(sample):
    return sample.growth_bytes


@dataclass
class Bar:
    phase: str
    text: str
    # (measured, limit), in the same unit; None: not measured
    evaluate: Callable
    show: Callable = lambda value: f"{value:.3g}"


def bytes_text(value):
    return f"{value / MIB:.2f} MiB" if abs(value) >= MIB else f"{value / KIB:.1f} KiB"


def ratio_bar(phase, what, value_of, peer, limit):
    def evaluate(results):
        ratio = results.ratio(phase, peer, value_of)
        return None if ratio is None else (ratio, limit)

    return Bar(phase, f"{what} {limit:.2f} × {peer}", evaluate, lambda value: f"{value:.3f} ×")


def growth_below_peers(phase):
    def evaluate(results):
        ours = results.median(phase, "holdfast", growth)
        theirs = [results.median(phase, peer, growth) for peer in PEERS]
        theirs = [value for value in theirs if value is not None]
        return (ours, min(theirs)) if ours is not None and theirs else None

    return Bar(phase, "growth at most the better peer's", evaluate, bytes_text)


def fact_bar(phase, text, fact, limit):
    def evaluate(results):
        value = results.median(phase, "holdfast", lambda sample: sample.facts.get(fact))
        return None if value is None else (value, limit)

    return Bar(phase, text, evaluate)


def growth_of_changed_bytes(phase, limit):
    def evaluate(results):
        value = results.median(
            phase, "holdfast", lambda sample: sample.growth_bytes / sample.facts["changed_bytes"]
        )
        return None if value is None else (value, limit)

    text = f"growth {limit} × the changed bytes"
    return Bar(phase, text, evaluate, lambda value: f"{value:.3f} ×")


def growth_at_most(phase, limit):
    def evaluate(results):
        value = results.median(phase, "holdfast", growth)
        return None if value is None else (value, limit)

    return Bar(phase, f"growth {bytes_text(limit)}", evaluate, bytes_text)


def memory_at_most(limit):
    def evaluate(results):
        medians = [results.median(phase, "holdfast", memory) for phase in PHASES]
        medians = [value for value in medians if value is not None]
        return (max(medians), limit) if medians else None

    text = f"peak anonymous memory of every phase {bytes_text(limit)}"
    return Bar("", text, evaluate, bytes_text)


BARS = [
    ratio_bar("first-a", "wall", wall, "restic", 0.30),
    ratio_bar("first-a", "wall", wall, "borg", 0.35),
    ratio_bar("first-a", "repository", size, "restic", 0.80),
    ratio_bar("first-a", "repository", size, "borg", 0.80),
    ratio_bar("first-b", "wall", wall, "restic", 0.50),
    ratio_bar("first-b", "repository", size, "borg", 1.01),
    ratio_bar("first-c", "wall", wall, "restic", 0.35),
    ratio_bar("first-c", "repository", size, "borg", 1.01),
    *(
        ratio_bar(phase, "wall", wall, peer, 0.15)
        for phase in ("unchanged-a", "unchanged-m")
        for peer in PEERS
    ),
    ratio_bar("changed-1", "wall", wall, "borg", 0.20),
    growth_below_peers("changed-1"),
    ratio_bar("changed-01", "wall", wall, "borg", 0.20),
    growth_below_peers("changed-01"),
    ratio_bar("image-changed", "wall", wall, "borg", 0.20),
    growth_of_changed_bytes("image-changed", 1.15),
    growth_at_most("root-renamed", 100 * KIB),
    growth_below_peers("renamed"),
    growth_below_peers("inserted"),
    ratio_bar("restore-a", "wall", wall, "restic", 0.40),
    ratio_bar("restore-b", "wall", wall, "restic", 0.60),
    ratio_bar("check", "wall", wall, "restic", 0.30),
    *(ratio_bar(phase, "wall", wall, "borg", 0.20) for phase in ("list", "ls", "find")),
    ratio_bar("prune", "wall", wall, "borg", 0.20),
    fact_bar("killed", "second run adds 0.12 of the whole", "added_share", 0.12),
    fact_bar("tiny", "stored objects for each backup 1.2", "objects_each", 1.2),
    memory_at_most(96 * MIB),
]


def bars_table(results):
    lines = ["| work | at most | measured | holds |", "|---|---|---|---|"]
    for bar in BARS:
        pair = bar.evaluate(results)
        if pair is None:
            continue
        measured, limit = pair
        shown = bar.show(measured)
        if "peer" in bar.text:
            shown += f" ({bar.show(limit)})"
        verdict = "yes" if measured <= limit else "**no**"
        lines.append(f"| {PHASES.get(bar.phase, 'all')} | {bar.text} | {shown} | {verdict} |")
    return lines


def figures_table(results, programs):
    """One line for each phase and program: medians, and the paired ratio holdfast / peer."""
    lines = [
        "| work | program | wall s (least to most) | CPU s | peak MiB | repository MiB "
        "| growth MiB | wall | CPU | memory | repository |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for phase, text in PHASES.items():
        for program in programs:
            samples = results.of(phase, program)
            if not samples:
                continue
            walls = [wall(sample) for sample in samples]
            row = [
                text,
                program,
                f"{statistics.median(walls):.3f} ({min(walls):.3f} to {max(walls):.3f})",
                f"{results.median(phase, program, cpu):.3f}",
                f"{results.median(phase, program, memory) / MIB:.0f}",
                f"{results.median(phase, program, size) / MIB:.1f}",
                f"{results.median(phase, program, growth) / MIB:.2f}",
            ]
            for value_of in (wall, cpu, memory, size):
                ratio = results.ratio(phase, program, value_of) if program in PEERS else None
                row.append("" if ratio is None else f"{ratio:.3f}")
            lines.append("| " + " | ".join(row) + " |")
    return lines


def facts_table(results):
    lines = ["| work | program | more |", "|---|---|---|"]
    seen = set()
    for sample in results.samples:
        if sample.facts and (sample.phase, sample.program) not in seen:
            seen.add((sample.phase, sample.program))
            facts = ", ".join(f"{key} {value}" for key, value in sample.facts.items())
            lines.append(f"| {PHASES[sample.phase]} | {sample.program} | {facts} |")
    return lines if seen else []


def machine(work, programs):
    """What figures depend on, as lines of Markdown."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    mount = subprocess.run(
        ["findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", work],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return [
        f"- processor: {model}, {os.cpu_count()} cores; memory {memory_kib / 2**20:.1f} GiB",
        f"- kernel: {platform.release()}; file system: {' '.join(mount)}",
        *(f"- {program.version()}" for program in programs),
    ]


def document(results, programs, header):
    names = [program.program for program in programs]
    parts = [
        "# Comparison with peers",
        "",
        *header,
        "",
        "## Bars",
        "",
        *bars_table(results),
        "",
        "## Figures",
        "",
        "Medians. The last four columns: holdfast's value divided by that program's, in the same "
        "round.",
        "",
        *figures_table(results, names),
        "",
        *facts_table(results),
    ]
    return "\n".join(parts).rstrip() + "\n"
