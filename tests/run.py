# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``make PART`` for each part named, all of them even if one fails; end with a table of results and times.

Parts joined by a plus sign, ``sanity+lint``, run side by side: the first one's output is shown as it comes, that of the
others when they have ended. Parts joined by a comma, ``cluster+molecule,families``, follow each other beside the rest.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from typing import IO, NamedTuple


class Result(NamedTuple):
    """What came of a part: the exit status of its ``make``, and the seconds that it took."""

    part: str
    status: int
    seconds: float


def main(groups: list[str]) -> int:
    """Return the exit status: 0 only if every part passed."""
    began = time.monotonic()
    results: list[Result] = []
    # by itself, lest two parts install the same packages at once
    if subprocess.run(["make", "venv"], check=False).returncode:
        return 1
    for group in groups:
        results += side_by_side([chain.split(",") for chain in group.split("+")])
        if os.environ.get("FAIL_FAST") and any(result.status for result in results):
            break
    failed = sum(1 for result in results if result.status)
    print(f"\n{'part':<12}  {'result':<7}  {'time':>7}")
    for part, status, seconds in results:
        print(f"{part:<12}  {'FAILED' if status else 'passed':<7}  {clock(seconds):>7}")
    print(f"{'total':<12}  {'FAILED' if failed else 'passed':<7}  {clock(time.monotonic() - began):>7}\n")
    print(f"parts: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def side_by_side(chains: list[list[str]]) -> list[Result]:
    """Run chains of parts at the same time, until all have ended; a chain's parts follow each other."""
    print(f"\n==== {', '.join(part for chain in chains for part in chain)} ====", flush=True)
    results: list[Result] = []
    with contextlib.ExitStack() as files:
        running = [start(chain, None if chain is chains[0] else files) for chain in chains]
        while running:
            time.sleep(0.1)
            for made in list(running):
                status = made.process.poll()
                if status is None:
                    continue
                running.remove(made)
                results.append(Result(made.chain[0], status, time.monotonic() - made.began))
                if made.output:
                    made.output.seek(0)
                    print(f"\n==== {made.chain[0]} ====\n{made.output.read().decode(errors='replace')}", flush=True)
                if made.chain[1:]:
                    running.append(start(made.chain[1:], files if made.output else None))
    return results


class Running(NamedTuple):
    """The first part of ``chain`` as it runs; ``output`` is None where it is shown as it comes."""

    chain: list[str]
    process: subprocess.Popen
    output: IO[bytes] | None
    began: float


def start(chain: list[str], files: contextlib.ExitStack | None) -> Running:
    """Start the first part of a chain; its output is kept where ``files`` are given."""
    output = None
    if files:
        output = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
    process = subprocess.Popen(["make", chain[0]], stdout=output, stderr=output)
    return Running(chain, process, output, time.monotonic())


def clock(seconds: float) -> str:
    """Minutes and seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
