# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's ADD and DEL by this tree and by another commit, pod by pod in turns: what compare.py is too coarse for.

    python bench/cni_pairs.py --base REVISION [--rounds 200] [--alone] [--port]

Both have a host of their own at the same time, and each other pod is the other one's first, so that whatever else the
machine does meets both alike. CPU time is that of the calls and of the service (see cni.py); the ratio is the median of
the pairs', this tree's over the other's.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import statistics
import subprocess
import sys
from pathlib import Path

from compare import ROOT, checkout

#: Pods of each before the measuring begins.
WARM = 10


def serve(tree: Path, name: str, *, alone: bool, port: bool) -> None:
    """Add and delete a pod for each line of standard input by the executables of `tree`, until its end."""
    sys.path.insert(0, str(tree / "bench"))
    cni = importlib.import_module("cni")
    runtime = cni.PORT if port else {}
    init = cni.Side.__init__

    def named(side, *arguments):
        init(side, *arguments)
        side.netns = f"podnet-bench-{name}-{side.name}"

    cni.Side.__init__ = named
    # Go's plugins, which neither run uses: the benchmark of older commits finds them itself
    go = [""] if inspect.signature(cni.sides).parameters else []
    with cni.sides(*go) as (service, single, *_go):
        side = single if alone else service
        pod = side.pod(0)
        with cni.inside(side.netns):
            for number, _line in enumerate(sys.stdin):
                costs = [cni.Cost(), cni.Cost()]
                with side.counted(costs[0]):
                    cost, result = side.add(f"pod{number}", pod, runtime)
                costs[0].cpu += cost.cpu
                with side.counted(costs[1]):
                    cost = side.delete(f"pod{number}", pod, runtime, result)
                costs[1].cpu += cost.cpu
                print(*(cost.cpu for cost in costs), flush=True)


def measure(trees: list[Path], rounds: int, arguments: list[str]) -> list[list[tuple[float, ...]]]:
    """CPU seconds of ADD and DEL, for each tree and pod."""
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--serve", tree, str(number), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, tree in enumerate(trees)
    ]
    found: list[list[tuple[float, ...]]] = [[] for _tree in trees]
    for number in range(rounds + WARM):
        for place in (0, 1) if number % 2 else (1, 0):
            print(file=running[place].stdin, flush=True)
            found[place].append(tuple(map(float, running[place].stdout.readline().split())))
    for process in running:
        process.stdin.close()
        process.wait()
    return [pods[WARM:] for pods in found]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="REVISION", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="without the service")
    parser.add_argument("--port", action="store_true", help="with a host port")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), options.serve[1], alone=options.alone, port=options.port)
        return 0
    passed_on = [word for word in ("--alone", "--port") if word in sys.argv]
    with checkout(options.base) as other:
        base, here = measure([other, ROOT], options.rounds, passed_on)
    for place, verb in enumerate(("ADD", "DEL")):
        pairs = [(one[place], two[place]) for one, two in zip(base, here)]
        then, now = (1e3 * statistics.median(values) for values in zip(*pairs))
        ratio = statistics.median(two / one for one, two in pairs)
        print(f"{verb} {' '.join(passed_on):<16} base {then:6.2f} ms  here {now:6.2f} ms  ratio {ratio:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
