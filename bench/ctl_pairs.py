# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetctl's commands of this tree and of another commit in turns, on a node of three in network namespaces.

    python bench/ctl_pairs.py --base REVISION [--rounds 60] [COMMAND ...]

COMMAND is one of apply, plan, status, inspect, trace; without any, all of them. Each library has a cluster of its own
at the same time (see tests/integration/verify), and each other call is the other one's first, so that whatever else the
machine does meets both alike. The ratio is the median of the pairs', this tree's over the other's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from compare import ROOT, worktree

COMMANDS = ("apply", "plan", "status", "inspect", "trace")
#: Calls of each before the measuring begins.
WARM = 3
INSTALL = """
import sys
sys.path.insert(0, sys.argv[1])
import install
install.install(install.read_tree(sys.argv[1]), sys.argv[2])
"""


@contextlib.contextmanager
def cluster(tree: Path) -> Iterator:
    """The cluster of verify's tests, with the library of `tree` on its nodes."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "build/collections")]
    import conftest

    spec = importlib.util.spec_from_file_location("verify_cluster", ROOT / "tests/integration/verify/conftest.py")
    verify = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verify)
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as temporary:
        library = Path(temporary) / "library"
        modules = tree / "plugins/module_utils"
        subprocess.run([sys.executable, "-c", INSTALL, modules, library / "opt/podnet"], check=True)
        with verify.made(conftest.Netns, library, Path(temporary)) as made:
            yield made


def serve(tree: Path) -> None:
    """Call podnetctl for each line of standard input, a command, until its end; print CPU and wall seconds."""
    with cluster(tree) as made:
        node, there = made.nodes[0], made.nodes[1].pods[0].address
        ctl = [f"{node.root}/opt/podnet/current/bin/podnetctl", "--config", f"{node.root}/etc/podnet"]
        ctl += ["--subnet-env", f"{node.root}/run/flannel/subnet.env"]
        ends = {"trace": ["a1", there], "inspect": [node.pods[0].address, there]}
        with node.netns.entered():
            for line in sys.stdin:
                name = line.strip()
                more = [*ends[name], "--root", str(node.root)] if name in ends else []
                started = time.perf_counter()
                process = subprocess.Popen([*ctl, name, *more], stdout=subprocess.DEVNULL)
                _pid, status, usage = os.wait4(process.pid, 0)
                print(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, status, flush=True)


def measure(running: list[subprocess.Popen], name: str, rounds: int) -> list[list[tuple[float, float]]]:
    """CPU and wall seconds of the command, for each tree and call. Ends the program if it fails."""
    found: list[list[tuple[float, float]]] = [[], []]
    for number in range(rounds + WARM):
        for place in (0, 1) if number % 2 else (1, 0):
            print(name, file=running[place].stdin, flush=True)
            cpu, wall, status = map(float, running[place].stdout.readline().split())
            if status:
                raise SystemExit(f"ctl_pairs.py: podnetctl {name} ended with status {status:.0f}")
            found[place].append((cpu, wall))
    return [calls[WARM:] for calls in found]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="REVISION", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("commands", nargs="*", metavar="COMMAND")
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve))
        return 0
    with worktree(options.base) as other:
        running = [
            subprocess.Popen(
                [sys.executable, __file__, "--serve", tree], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for tree in (other, ROOT)
        ]
        for name in options.commands or COMMANDS:
            pairs = list(zip(*measure(running, name, options.rounds)))
            for place, what in enumerate(("CPU", "wall")):
                ratio = statistics.median(here[place] / base[place] for base, here in pairs)
                then, now = (1e3 * statistics.median(call[place] for call in calls) for calls in zip(*pairs))
                print(f"{name:<8} {what:<4} base {then:7.2f} ms  here {now:7.2f} ms  ratio {ratio:.3f}", flush=True)
        for process in running:
            process.stdin.close()
            process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
