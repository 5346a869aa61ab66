# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``make PART`` for each part named, all of them even if one fails; end with a table of results and times."""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main(parts: list[str]) -> int:
    """Return the exit status: 0 only if every part passed."""
    results = []
    for part in parts:
        print(f"\n==== {part} ====", flush=True)
        start = time.monotonic()
        status = subprocess.run(["make", part], check=False).returncode
        results.append((part, status, time.monotonic() - start))
        if os.environ.get("FAIL_FAST") and status:
            break
    failed = sum(1 for _part, status, _seconds in results if status)
    print(f"\n{'part':<12}  {'result':<7}  {'time':>7}")
    for part, status, seconds in results:
        print(f"{part:<12}  {'FAILED' if status else 'passed':<7}  {clock(seconds):>7}")
    print(f"{'total':<12}  {'FAILED' if failed else 'passed':<7}  {clock(sum(row[2] for row in results)):>7}\n")
    print(f"parts: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def clock(seconds: float) -> str:
    """Minutes and seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
