# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a whole: `make lab` with everything built before, then site.yml and verify.yml on the cluster that stands.

    python bench/lab.py [--repeat 3] [--json]

The lab is one of its own, named bench; one that runs under another name is left alone (and makes the figures worse).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = "-e lab_name=bench -e lab_network=10.76.0.0/24"
ENVIRONMENT = {
    **os.environ,
    "PODNET_LAB": "bench",
    "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
    "ANSIBLE_NOCOLOR": "1",
}
EXEC = ("inventories/lab/nodes.py", "--exec", "node1", "--")
RECAP = re.compile(r"^(node\d+)\s+: ok=(\d+)\s+changed=(\d+)", re.MULTILINE)


def run(*command: str) -> tuple[float, str]:
    """Seconds that a command took, and what it printed. Ends the program with its last lines if it fails."""
    started = time.monotonic()
    ran = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if ran.returncode:
        tail = "\n".join(ran.stdout.splitlines()[-40:])
        raise SystemExit(f"{tail}\nlab.py: {' '.join(command)} ended with exit status {ran.returncode}")
    return time.monotonic() - started, ran.stdout


def lab(book: str) -> tuple[float, str]:
    return run("ansible-playbook", f"playbooks/lab/{book}.yml", *LAB.split())


def rows(repeat: int = 3) -> list[dict]:
    """The figures, as bench/run.py collects them."""
    try:
        lab("down")
        lab("up")  # builds what is not in the cache
        lab("down")
        whole, _printed = run("make", "lab", "PODNET_LAB=bench", f"LAB={LAB}")
        sites = [run("ansible-playbook", "playbooks/site.yml") for _run in range(repeat)]
        checks = [run("ansible-playbook", "playbooks/verify.yml", "-e", "verify_keep=true") for _run in range(repeat)]
        asked = ("kubectl", "get", "pods", "--namespace", "podnet-verify", "--selector", "app=each", "--output", "json")
        pods = json.loads(run(*EXEC, *asked)[1])
        by_node = {pod["spec"]["nodeName"]: pod for pod in pods["items"]}
        name, address = by_node["node1"]["metadata"]["name"], by_node["node2"]["status"]["podIP"]
        traces = [run(*EXEC, "podnetctl", "trace", f"podnet-verify/{name}", address) for _run in range(repeat)]
    finally:
        lab("down")
    recap = RECAP.findall(sites[-1][1])
    changed = [host for host, _ok, count in recap if int(count)]
    if changed:
        raise SystemExit(f"lab.py: site.yml is not converged, it changed {', '.join(changed)}")
    site = statistics.median(seconds for seconds, _output in sites)
    verify = statistics.median(seconds for seconds, _output in checks)
    tasks = max(int(ok) for _host, ok, _changed in recap)
    return [
        row("make lab, three nodes, warm", round(whole, 1), "s", 240),
        row("site.yml on a converged cluster of three", round(site, 1), "s", 30),
        row("tasks that it executes on a node", tasks, "tasks", 80),
        row("verify.yml on a healthy cluster of three", round(verify, 1), "s", 10),
        row("podnetctl trace of one pair", round(statistics.median(seconds for seconds, _output in traces), 2), "s", 2),
    ]


def row(name: str, value: float, unit: str, most: float) -> dict:
    return {"name": name, "value": value, "unit": unit, "aim": f"<= {most}", "met": value <= most}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = rows(arguments.repeat)
    shown = [f"{one['name']:<44}{one['value']:>8} {one['unit']:<6} aim {one['aim']}" for one in found]
    print(json.dumps(found) if arguments.json else "\n".join(shown))
