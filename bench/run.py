# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every part that measures; print one table and write build/bench.json.

A part is a program of this directory that prints its figures with ``--json``: a list of rows, each with ``name``,
``value``, ``unit`` and, where something is aimed at, ``aim`` and ``met``. A failed part is reported and makes the run
fail; the others are shown all the same.

    python bench/run.py [PART …]        for instance: cni overlay throughput lab
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
RESULT = HERE.parent / "build/bench.json"
ORDER = ("cni", "overlay", "throughput", "lab")


def parts() -> list[str]:
    """The names of the parts that are here: the known ones first, the lab, which takes longest, last."""
    found = {path.stem for path in HERE.glob("*.py") if "--json" in path.read_text(encoding="utf-8")} - {
        "run",
        "compare",
    }
    return [name for name in ORDER[:-1] if name in found] + sorted(found - set(ORDER)) + [ORDER[-1]] * ("lab" in found)


def measure(part: str) -> list[dict]:
    """A part's rows. Raises ValueError with its exit status if it failed, or if its last line is no list of rows."""
    ran = subprocess.run(
        [sys.executable, HERE / f"{part}.py", "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if ran.returncode:
        raise ValueError(f"bench/{part}.py ended with exit status {ran.returncode}")
    try:
        rows = json.loads(ran.stdout.strip().splitlines()[-1])
        return [{"aim": "", "met": None, **row, "part": part} for row in rows]
    except (IndexError, ValueError, TypeError) as error:
        raise ValueError(f"bench/{part}.py --json printed no list of rows: {error}") from None


def main(wanted: list[str]) -> int:
    """Returns the exit status: 1 if a part failed. An aim that is missed is marked in the table and in the file."""
    console = Console(highlight=False, width=110 if not sys.stdout.isatty() else None)
    unknown = set(wanted) - set(parts())
    if unknown:
        console.print(f"run.py: no part {', '.join(sorted(unknown))}; there are {', '.join(parts())}")
        return 2
    rows, failed = [], []
    for part in wanted or parts():
        started = time.monotonic()
        console.print(f"Measuring {part} …", style="dim")
        try:
            rows += measure(part)
        except ValueError as error:
            failed.append(str(error))
        console.print(f"  {time.monotonic() - started:.0f} s", style="dim")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(table(rows))
    for line in failed:
        console.print(line, style="red")
    console.print(f"Written to {RESULT.relative_to(HERE.parent)}")
    return 1 if failed else 0


def table(rows: list[dict]) -> Table:
    """The rows as one table."""
    shown = Table(title="Figures", title_justify="left")
    for name, justify in (
        ("Part", "left"),
        ("What", "left"),
        ("Value", "right"),
        ("Unit", "left"),
        ("Aim", "left"),
        ("Met", "left"),
    ):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row["met"]]
        shown.add_row(row["part"], row["name"], str(row["value"]), row["unit"], row["aim"], met)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
