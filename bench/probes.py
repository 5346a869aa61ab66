# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes per second: echoes between two network namespaces on one machine, as verify sends them.

python bench/probes.py [--json]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "build/collections"))

from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.probe import Probe
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.runner import run

NAMES = ("podnet-bench-p1", "podnet-bench-p2")
COUNT = 4000


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def rows() -> list[dict]:
    """The figures, as bench/run.py collects them."""
    try:
        for name in NAMES:
            ip(f"netns add {name}")
        ip(f"-n {NAMES[0]} link add eth0 type veth peer name eth0 netns {NAMES[1]}")
        for number, name in enumerate(NAMES, 1):
            ip(f"-n {name} address add 198.18.0.{number}/24 dev eth0")
            ip(f"-n {name} link set eth0 up")
        probe = Probe("icmp", "198.18.0.2", netns=f"/run/netns/{NAMES[0]}", size=0)
        run([probe])
        started = time.monotonic()
        results = run([probe] * COUNT)
        seconds = time.monotonic() - started
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)
    lost = [result.failure for result in results if not result.ok]
    if lost:
        raise SystemExit(f"probes.py: {len(lost)} of {COUNT} probes failed: {lost[0]}")
    return [{"name": "probes from one node", "value": round(COUNT / seconds), "unit": "1/s"}]


if __name__ == "__main__":
    print(json.dumps(rows()) if "--json" in sys.argv else rows())
