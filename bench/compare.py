# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This tree beside another commit: the same part of the bench in both, by turns, and the ratio of each figure.

    python bench/compare.py --base REVISION [--turns 3] PART [-- ARGUMENT ...]

PART is a program of this directory (cni, overlay, lab …); the arguments after ``--`` are passed on to it. Each commit
runs its own version of the part on its own library. The ratio is the median of those of the turns, this tree's figure
over the other's: below 1 this tree is faster or smaller. Rows that only one of them prints are left out, and named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What a ratio says something of; a row without a unit is a ratio itself.
UNITS = ("s", "ms", "us", "MiB", "KiB")


@contextlib.contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """A worktree of the revision, its files alone; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="podnet-compare-") as temporary:
        tree = Path(temporary) / "tree"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree, revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=False)


@contextlib.contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A worktree with what a checkout needs to run."""
    with worktree(revision) as tree:
        subprocess.run(["make", "-C", tree, "--silent", "venv"], check=True)
        yield tree


def measure(tree: Path, part: str, arguments: list[str]) -> dict[str, dict]:
    """A tree's rows by their names. Ends the program if the part fails."""
    command = [sys.executable, tree / "bench" / f"{part}.py", "--json", *arguments]
    ran = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"compare.py: {part}.py in {tree} ended with exit status {ran.returncode}")
    return {row["name"]: row for row in json.loads(ran.stdout.strip().splitlines()[-1])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, metavar="REVISION", help="the commit to compare with")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("part")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    here, there = [], []
    with checkout(options.base) as other:
        for turn in range(options.turns):
            order = [(ROOT, here), (other, there)]
            for tree, found in order if turn % 2 else order[::-1]:
                found.append(measure(tree, options.part, options.arguments))
    common = [name for name in here[0] if name in there[0] and here[0][name]["unit"] in UNITS]
    print(f"{'':<60} {'base':>9} {'here':>9} {'ratio':>7}")
    for name in common:
        pairs = [(one[name]["value"], two[name]["value"]) for one, two in zip(here, there)]
        now, then = (statistics.median(values) for values in zip(*pairs))
        ratio = statistics.median(one / two for one, two in pairs if two) if any(two for _one, two in pairs) else 0
        print(f"{name:<60} {then:>9.2f} {now:>9.2f} {ratio:>7.2f}  {here[0][name]['unit']}")
    for name in sorted(set(here[0]) ^ set(there[0])):
        print(f"only {'here' if name in here[0] else 'in the base'}: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
