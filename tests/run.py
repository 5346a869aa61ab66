# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``make PART`` for each part named, all of them even if one fails; end with a table of results and times.

Parts joined by a plus sign, ``sanity+lint``, run side by side: the first one's output is shown as it comes, that of the
others when they have ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple


class Result(NamedTuple):
    """What came of a part: the exit status of its ``make``, and the seconds that it took."""

    part: str
    status: int
    seconds: float


def main(groups: list[str]) -> int:
    """Return the exit status: 0 only if every part passed."""
    start = time.monotonic()
    results: list[Result] = []
    # by itself, lest two parts install the same packages at once
    if subprocess.run(["make", "venv"], check=False).returncode:
        return 1
    for group in groups:
        results += side_by_side(group.split("+"))
        if os.environ.get("FAIL_FAST") and any(result.status for result in results):
            break
    failed = sum(1 for result in results if result.status)
    print(f"\n{'part':<12}  {'result':<7}  {'time':>7}")
    for part, status, seconds in results:
        print(f"{part:<12}  {'FAILED' if status else 'passed':<7}  {clock(seconds):>7}")
    print(f"{'total':<12}  {'FAILED' if failed else 'passed':<7}  {clock(time.monotonic() - start):>7}\n")
    print(f"parts: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def side_by_side(parts: list[str]) -> list[Result]:
    """Run parts at the same time, until all have ended."""
    print(f"\n==== {', '.join(parts)} ====", flush=True)
    start = time.monotonic()
    running, results = {}, []
    with contextlib.ExitStack() as files:
        for part in parts:
            output = files.enter_context(tempfile.TemporaryFile()) if running else None
            running[part] = subprocess.Popen(["make", part], stdout=output, stderr=output), output
        while running:
            time.sleep(0.1)
            for part, (process, output) in list(running.items()):
                status = process.poll()
                if status is None:
                    continue
                del running[part]
                results.append(Result(part, status, time.monotonic() - start))
                if output:
                    output.seek(0)
                    print(f"\n==== {part} ====\n{output.read().decode(errors='replace')}", flush=True)
    return results


def clock(seconds: float) -> str:
    """Minutes and seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
