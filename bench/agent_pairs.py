# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd of this tree and of another commit in turns: what its first sync, a resync and a repair cost, and its memory.

    python bench/agent_pairs.py --base REVISION [--peers 5000] [--rounds 10]

In each round both run in a network namespace of their own that nothing was made in before, the one after the other, and
each other round begins with the other one, so that whatever else the machine does meets both alike. CPU time is that of
podnetd's process, its start included; the ratio is the median of the pairs', this tree's over the other's. A resync
compares everything and finds nothing; a repair adds again a route that was deleted, of which it is told.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent import Podnetd, until
from compare import ROOT, worktree
from overlay import cidr, namespace, write_inputs

#: Resyncs for one figure: the clock of a process's CPU time ticks each 10 ms.
RESYNCS = 10
KINDS = ("first sync", "resync", "repair", "memory")


def settle(agent: Podnetd) -> float:
    """Seconds of CPU time when podnetd rests: it has used none for half a second."""
    used, still = agent.processor(), 0
    while still < 5:
        time.sleep(0.1)
        now = agent.processor()
        used, still = now, still + 1 if now == used else 0
    return used


def measure(program: Path, directory: Path) -> list[float]:
    """The figures of KINDS: milliseconds of CPU time, and MiB."""
    with namespace() as name:
        agent = Podnetd(name, directory, program)
        words = ["ip", "-n", name, "monitor", "route"]
        monitor = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            used = [settle(agent)]
            for _each in range(RESYNCS):
                agent.process.send_signal(signal.SIGHUP)
                used.append(settle(agent))
            for _each in range(RESYNCS):
                subprocess.run(["ip", "-n", name, "route", "delete", cidr(2)], check=True)
                until(monitor, cidr(2))
                used.append(settle(agent))
            resident = agent.resident()
        finally:
            for process in (agent.process, monitor):
                process.terminate()
                process.wait()
    spent = (used[0], (used[RESYNCS] - used[0]) / RESYNCS, (used[-1] - used[RESYNCS]) / RESYNCS)
    return [*(1e3 * seconds for seconds in spent), resident]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, metavar="REVISION", help="the commit to compare with")
    parser.add_argument("--peers", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with worktree(options.base) as other, tempfile.TemporaryDirectory(prefix="podnet-bench-") as temporary:
        programs, pairs = [], []
        for number, tree in enumerate((other, ROOT)):
            place = Path(temporary) / str(number)
            command = [sys.executable, tree / "plugins/module_utils/install.py", place]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            programs.append(next(place.glob("opt/podnet/0*/bin/podnetd")))
        for number in range(options.rounds):
            found: list[list[float]] = [[], []]
            for place in (0, 1) if number % 2 else (1, 0):
                directory = Path(temporary) / f"etc-{number}-{place}"
                directory.mkdir()
                write_inputs(directory, options.peers)
                (directory / "podnetd.json").write_text(json.dumps({"resync": 3600}))
                found[place] = measure(programs[place], directory)
            pairs.append(found)
    for place, kind in enumerate(KINDS):
        then, now = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(pair[1][place] / pair[0][place] for pair in pairs)
        unit = "MiB" if kind == "memory" else "ms"
        print(f"{kind:<12} base {then:8.2f} {unit:<3} here {now:8.2f} {unit:<3} ratio {ratio:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
