# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a converged run costs: site.yml once more on a lab that it has brought up, wall and CPU of controller and nodes.

    python bench/site.py [--nodes 3] [--bare] [--repeat 3] [--base REVISION] [--json]

--bare leaves Kubernetes out: the roles node, overlay and cni, with pod CIDRs of our allocator, so that twenty nodes fit
on a small host. --base measures that commit's playbooks, too, on a lab of its own and by turns. A lab's nodes are
processes of this host, so the CPU of ansible-playbook and its children is that of the controller and of what it
runs on the nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from compare import ROOT, checkout

#: This tree's lab and the other commit's: name, network.
LABS = (("site", "10.76.0.0/24"), ("base", "10.75.0.0/24"))
BARE = """\
- hosts: cluster
  gather_facts: false
  vars: {overlay_pod_cidr_source: allocator, node_check_peers: false}
  roles: [podnet.cluster.node, podnet.cluster.overlay, podnet.cluster.cni]
"""


class Side(NamedTuple):
    """A tree, and the name of its lab."""

    tree: Path
    lab: str

    def play(self, book: Path, *words: str) -> tuple[float, float]:
        """Seconds of wall time and of CPU that a playbook took. Ends the program with its last lines if it fails."""
        path = f"{self.tree}/.venv/bin:{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PODNET_LAB": self.lab,
            "PATH": path,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": "10",
        }
        began, before = time.monotonic(), cpu()
        ran = subprocess.run(
            ["ansible-playbook", str(book), *words], cwd=self.tree, env=environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if ran.returncode:
            raise SystemExit(f"{ran.stdout[-4000:]}\nsite.py: {book} of {self.tree} ended with {ran.returncode}")
        return time.monotonic() - began, cpu() - before


def cpu() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(trees: list[Path], nodes: int, bare: bool, repeat: int) -> list[list[tuple[float, float]]]:
    """Wall time and CPU per node of converged runs, of each tree; the trees take turns, each on a lab of its own."""
    with contextlib.ExitStack() as stack:
        sides = [Side(tree, name) for tree, (name, _network) in zip(trees, LABS)]
        books = [side.tree / "playbooks/site.yml" for side in sides]
        if bare:
            book = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bare.yml"
            book.write_text(BARE, encoding="utf-8")
            books = [book for _side in sides]
        for side, book, (name, network) in zip(sides, books, LABS):
            lab = ("-e", f"lab_name={name}", "-e", f"lab_network={network}")
            stack.callback(side.play, side.tree / "playbooks/lab/down.yml", *lab)
            asked = json.dumps({"lab_nodes": nodes, **({"lab_kubernetes": False} if bare else {})})
            side.play(side.tree / "playbooks/lab/up.yml", *lab, "-e", asked)
            side.play(book)
        turns = []
        for number in range(repeat):
            turns.append([side.play(book) for side, book in zip(sides, books)])
            shown = ", ".join(f"{wall:.1f} s wall, {used:.1f} s CPU" for wall, used in turns[-1])
            print(f"turn {number + 1}: {shown}", file=sys.stderr, flush=True)
    return [[(wall, used / nodes) for wall, used in runs] for runs in zip(*turns)]


def rows(nodes: int = 3, bare: bool = False, repeat: int = 3, base: str = "") -> list[dict]:
    """The figures, as bench/run.py collects them; a ratio is the median of those of the turns."""
    with checkout(base) if base else contextlib.nullcontext() as tree:
        measured = measure([ROOT, *([tree] if tree else [])], nodes, bare, repeat)
    kind = f"a converged {'run on' if bare else 'site.yml on'} {nodes} {'bare ' if bare else ''}nodes"
    found = []
    for index, (what, aim) in enumerate((("wall", 0.5), ("CPU per node", 0.6))):
        sides = [[run[index] for run in runs] for runs in measured]
        found += [row(f"{kind}, {what}{side}", statistics.median(s), "s") for s, side in zip(sides, ("", f", {base}"))]
        if base:
            ratio = statistics.median(here / there for here, there in zip(*sides))
            found.append(row(f"{kind}, {what}, here / {base}", ratio, "", aim))
    return found


def row(name: str, value: float, unit: str, most: float | None = None) -> dict:
    more = {} if most is None else {"aim": f"<= {most}", "met": value <= most}
    return {"name": name, "value": round(value, 2), "unit": unit, **more}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help="without Kubernetes")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--base", default="", metavar="REVISION", help="the commit to compare with")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the labs are taken down
    measured = rows(arguments.nodes, arguments.bare, arguments.repeat, arguments.base)
    shown = [f"{one['name']:<70}{one['value']:>8} {one['unit']:<3} {one.get('aim', '')}" for one in measured]
    print(json.dumps(measured) if arguments.json else "\n".join(shown))
