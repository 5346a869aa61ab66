# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd on a node whose links come and go: how soon a deleted route is back meanwhile, and what it costs.

A real podnetd in a network namespace with thousands of veth ends, beside which others are made and deleted without a
pause, as where pods start and end all the time: they have the names of pods' links and their peers elsewhere. The CPU
is podnetd's for one link that came and went.

    python bench/churn.py [--links 2500] [--passing 500] [--rounds 5] [--library DIR] [--json]

``--library``: the directory plugins/module_utils of another version, which is measured instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent import Podnetd, until
from overlay import ROOT, cidr, namespace, write_inputs

PEERS = 10
#: Seconds until a deleted route is back.
AIM_HEALED = 1.0
#: Seconds within which podnetd has come to rest.
REST = 5


def batch(name: str, file: Path, lines: list[str]) -> list[str]:
    """The command that carries out these lines of ip's in the namespace."""
    file.write_text("\n".join(lines))
    return ["ip", "-n", name, "-batch", str(file)]


def rows(links: int, passing: int, rounds: int, library: Path) -> list[dict]:
    """The figures with so many veth pairs that stay, and so many that pass in all."""
    with tempfile.TemporaryDirectory() as base, namespace() as name:
        pods = f"{name}-pods"
        subprocess.run(["ip", "netns", "add", pods], check=True)
        directory = Path(base) / "etc"
        directory.mkdir()
        write_inputs(directory, PEERS)
        subprocess.run([sys.executable, library / "install.py", f"{base}/installed"], check=True, stdout=sys.stderr)
        program = next(Path(base).glob("installed/opt/podnet/0*/bin/podnetd"))
        staying = [f"link add veth{number} type veth peer name eth{number} netns {pods}" for number in range(links)]
        subprocess.run(batch(name, Path(base) / "staying", staying), check=True)
        one = f"link add name vethpod type veth peer name eth0pod netns {pods}", "link delete vethpod"
        pairs = [line for _again in range(passing) for line in one]
        churn = batch(name, Path(base) / "passing", pairs)
        agent = Podnetd(name, directory, program)
        monitor = subprocess.Popen(
            ["ip", "-n", name, "monitor", "route"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            time.sleep(REST)
            used = agent.processor()
            started = time.perf_counter()
            subprocess.run(churn, check=True)
            lasted = time.perf_counter() - started
            time.sleep(REST)
            used = agent.processor() - used
            changing = subprocess.Popen(["sh", "-c", 'while "$@"; do :; done', "sh", *churn])
            healed = []
            try:
                for number in range(2, 2 + rounds):
                    time.sleep(1)
                    started = time.perf_counter()
                    subprocess.run(["ip", "-n", name, "route", "delete", cidr(number)], check=True)
                    until(monitor, cidr(number))
                    healed.append(time.perf_counter() - started)
            finally:
                changing.terminate()
                changing.wait()
        finally:
            for process in (agent.process, monitor):
                process.terminate()
                process.wait()
            subprocess.run(["ip", "netns", "delete", pods], check=True)
    return [
        row(links, "a deleted route is back, median", statistics.median(healed), "s"),
        row(links, "the slowest", max(healed), "s", AIM_HEALED),
        row(links, "podnetd's processor time for a pair that comes and goes", used / passing * 1e3, "ms"),
        row(links, "podnetd's processor time in a second of that", used / lasted, "s"),
    ]


def row(links: int, what: str, value: float, unit: str, aim: float | None = None) -> dict:
    """A row as bench/run.py wants it."""
    found = {"name": f"{links} links, others come and go: {what}", "value": round(value, 3), "unit": unit}
    return found if aim is None else {**found, "aim": f"<= {aim}", "met": value <= aim}


def main() -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, default=2500)
    parser.add_argument("--passing", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--library", type=Path, default=ROOT / "plugins/module_utils")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "nsenter"))):
        print("churn.py: needs root, iproute2 and nsenter", file=sys.stderr)
        return 1
    found = rows(options.links, options.passing, options.rounds, options.library)
    if options.json:
        print(json.dumps(found))
    else:
        for each in found:
            print(f"{each['name']:<90} {each['value']:>9} {each['unit']:<6} {each.get('aim', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
