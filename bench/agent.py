# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd on a node of a large cluster: what it costs to run, and how soon a change is in the kernel.

A real podnetd in a network namespace with a file of leases. One node's change is timed from the file's being renamed
into place until ``ip monitor`` prints the route; healing from ``ip route delete`` until it prints the new one.

    python bench/agent.py [--peers 1000 5000] [--rounds 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from overlay import ROOT, address, cidr, mac, namespace, row, write_inputs

#: What is aimed at: seconds for one node's change, MiB with so many peers.
AIM_CHANGE, AIM_MEMORY, MEMORY_AT = 0.05, 25, 1000
REST = 15


def processor(pid: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Podnetd:
    """A podnetd in the namespace NAME with the files in DIRECTORY."""

    def __init__(self, name: str, directory: Path, program: Path) -> None:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(directory / "notify"))
        notify.settimeout(120)
        words = ["--config", directory, "--subnet-env", directory / "env/subnet.env", "--run", directory / "run"]
        self.log = (directory / "log").open("w")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "--", program, *words],
            env={**os.environ, "NOTIFY_SOCKET": str(directory / "notify")},
            stderr=self.log,
        )
        while "READY=1" not in notify.recv(4096).decode():
            pass
        #: Seconds until it was in sync.
        self.start = time.perf_counter() - started

    def resident(self) -> float:
        """MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def processor(self) -> float:
        """Seconds of processor time so far."""
        return processor(self.process.pid)


def until(monitor: subprocess.Popen, words: str) -> None:
    """Read what ``ip monitor`` prints until a line begins with WORDS."""
    assert monitor.stdout
    for line in monitor.stdout:
        if line.startswith(words):
            return
    raise SystemExit("agent.py: ip monitor ended")


def rows(peers: int, rounds: int) -> list[dict]:
    """The figures with that many peers."""
    with tempfile.TemporaryDirectory() as base, namespace() as name:
        directory = Path(base) / "etc"
        directory.mkdir()
        write_inputs(directory, peers)
        (directory / "podnetd.json").write_text('{"resync": 5}')
        install = [sys.executable, ROOT / "plugins/module_utils/install.py", f"{base}/installed"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        program = next(Path(base).glob("installed/opt/podnet/0*/bin/podnetd"))
        agent = Podnetd(name, directory, program)
        monitor = subprocess.Popen(
            ["ip", "-n", name, "monitor", "route"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            time.sleep(1)
            leases = json.loads((directory / "leases.json").read_text())["leases"]
            changed, healed = [], []
            for number in range(peers + 2, peers + 2 + rounds):
                leases.append({
                    "name": f"node{number}", "address": address(number), "pod_cidrs": [cidr(number)],
                    "vtep_mac": mac(number),
                })  # fmt: skip
                (directory / "fresh").write_text(json.dumps({"leases": leases}))
                started = time.perf_counter()
                (directory / "fresh").rename(directory / "leases.json")
                until(monitor, cidr(number))
                changed.append(time.perf_counter() - started)
                started = time.perf_counter()
                subprocess.run(["ip", "-n", name, "route", "delete", cidr(number)], check=True)
                until(monitor, cidr(number))
                healed.append(time.perf_counter() - started)
                time.sleep(1)  # until the agent rests again
            time.sleep(2)
            used = agent.processor()
            time.sleep(REST)
            used = (agent.processor() - used) * 60 / REST
            resident = agent.resident()
        finally:
            for process in (agent.process, monitor):
                process.terminate()
                process.wait()
    return [
        row(peers, "podnetd from its start until in sync", agent.start, "s"),
        row(peers, "one node's change, median", statistics.median(changed), "s", AIM_CHANGE),
        row(peers, "one node's change, slowest", max(changed), "s"),
        row(peers, "a deleted route is back, median", statistics.median(healed), "s"),
        row(peers, "resident memory", resident, "MiB", AIM_MEMORY if peers <= MEMORY_AT else None),
        row(peers, "processor seconds a minute at rest, a look each 5 s", used, "s"),
    ]


def main() -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "nsenter"))):
        print("agent.py: needs root, iproute2 and nsenter", file=sys.stderr)
        return 1
    found = [each for peers in options.peers for each in rows(peers, options.rounds)]
    if options.json:
        print(json.dumps(found))
    else:
        for each in found:
            print(f"{each['name']:<70} {each['value']:>9} {each['unit']:<6} {each.get('aim', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
