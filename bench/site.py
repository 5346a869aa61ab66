# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a converged run costs: site.yml once more on a lab that it has brought up, wall and CPU of controller and nodes.

    python bench/site.py [--nodes 3] [--bare] [--repeat 3] [--base REVISION] [--json]

--bare leaves Kubernetes out: the roles node, overlay and cni, with pod CIDRs of our allocator, so that twenty nodes fit
on a small host. --base measures that commit's playbooks, too, on a lab of its own, and prints the ratio. A lab's nodes
are processes of this host, so the CPU of ansible-playbook and its children is that of the controller and of what it
runs on the nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from compare import ROOT, checkout

NAME, NETWORK = "site", "10.76.0.0/24"
BARE = """\
- hosts: cluster
  gather_facts: false
  vars: {overlay_pod_cidr_source: allocator, node_check_peers: false}
  roles: [podnet.cluster.node, podnet.cluster.overlay, podnet.cluster.cni]
"""


def play(tree: Path, book: Path, *words: str) -> tuple[float, float]:
    """Seconds of wall time and of CPU that a playbook took. Ends the program with its last lines if it fails."""
    path = f"{tree}/.venv/bin:{os.environ['PATH']}"
    environment = {**os.environ, "PODNET_LAB": NAME, "PATH": path, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORKS": "10"}
    began, before = time.monotonic(), cpu()
    ran = subprocess.run(
        ["ansible-playbook", str(book), *words], cwd=tree, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise SystemExit(f"{ran.stdout[-4000:]}\nsite.py: {book} of {tree} ended with exit status {ran.returncode}")
    return time.monotonic() - began, cpu() - before


def cpu() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(tree: Path, nodes: int, bare: bool, repeat: int) -> tuple[float, float]:
    """Medians of a converged run's wall time, and of its CPU per node."""
    lab = ("-e", f"lab_name={NAME}", "-e", f"lab_network={NETWORK}")
    with contextlib.ExitStack() as stack:
        book = tree / "playbooks/site.yml"
        if bare:
            book = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bare.yml"
            book.write_text(BARE, encoding="utf-8")
        stack.callback(play, tree, tree / "playbooks/lab/down.yml", *lab)
        play(tree, tree / "playbooks/lab/up.yml", *lab, "-e", f"lab_nodes={nodes}")
        play(tree, book)
        runs = [play(tree, book) for _run in range(repeat)]
    return statistics.median(wall for wall, _cpu in runs), statistics.median(cpu for _wall, cpu in runs) / nodes


def rows(nodes: int = 3, bare: bool = False, repeat: int = 3, base: str = "") -> list[dict]:
    """The figures, as bench/run.py collects them."""
    kind = f"a converged {'run on' if bare else 'site.yml on'} {nodes} {'bare ' if bare else ''}nodes"
    wall, used = measure(ROOT, nodes, bare, repeat)
    found = [row(f"{kind}, wall", wall, "s"), row(f"{kind}, CPU per node", used, "s")]
    if base:
        with checkout(base) as tree:
            wall_there, used_there = measure(tree, nodes, bare, repeat)
        found += [row(f"{kind}, wall, {base}", wall_there, "s"), row(f"{kind}, CPU per node, {base}", used_there, "s")]
        found.append(row(f"{kind}, wall, here / {base}", wall / wall_there, "", 0.5))
        found.append(row(f"{kind}, CPU per node, here / {base}", used / used_there, "", 0.6))
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
    measured = rows(arguments.nodes, arguments.bare, arguments.repeat, arguments.base)
    shown = [f"{one['name']:<70}{one['value']:>8} {one['unit']:<3} {one.get('aim', '')}" for one in measured]
    print(json.dumps(measured) if arguments.json else "\n".join(shown))
