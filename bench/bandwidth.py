# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod receives in its first seconds if its annotations have a rate and no burst: ours beside the newest Go ones.

containerd gives 4294967295 bits as the burst then. On each side a pod of ptp gets TCP at full speed for some seconds
from its host; the figure is what arrived, as a multiple of what the rate allows in that time.

    python bench/bandwidth.py [--seconds 3] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cni import NAMES, Side, inside, installed, newest, row

RATE, BURST = 10_000_000, (1 << 32) - 1
POD = """
import socket, sys, time
connection, _address = socket.create_server(("10.50.0.2", 9)).accept()
connection.settimeout(1)
end, count = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    try:
        count += len(connection.recv(1 << 20))
    except TimeoutError:
        pass
print(count)
"""
HOST = """
import socket, time
for _attempt in range(200):
    try:
        connection = socket.create_connection(("10.50.0.2", 9))
        break
    except OSError:
        time.sleep(0.05)
while True:
    connection.send(bytes(1 << 20))
"""


def received(side: Side, seconds: float) -> int:
    """Bytes that the pod of a side gets."""
    pod = side.pod(0)
    _cost, result = side.add("c1", pod, {})
    words = ["nsenter", f"--net={pod}", sys.executable, "-c", POD, str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as sink:
        source = subprocess.Popen([sys.executable, "-c", HOST], stderr=subprocess.DEVNULL)
        count = int(sink.communicate()[0])
    source.kill()
    source.wait()
    side.delete("c1", pod, {}, result)
    return count


def rows(seconds: float) -> list[dict]:
    """Both sides' figures."""
    found = []
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as place, contextlib.ExitStack() as after:
        for name, bin_dir in (("alone", installed(Path(place), "alone")), ("nftables", newest())):
            head = {"cniVersion": "1.0.0", "name": "bench"}
            ranges = {"type": "host-local", "dataDir": f"{place}/{name}-data", "ranges": [[{"subnet": "10.50.0.0/24"}]]}
            shape = {**head, "type": "bandwidth", "ingressRate": RATE, "ingressBurst": BURST}
            side = Side(name, bin_dir, Path(place), [{**head, "type": "ptp", "ipam": ranges}, shape])
            subprocess.run(["ip", "netns", "add", side.netns], check=True)
            for netns in (side.netns, f"{side.netns}-0"):
                after.callback(subprocess.run, ["ip", "netns", "delete", netns], check=False)
            with inside(side.netns):
                count = received(side, seconds)
            label = f"received in {seconds:g} s at 10 Mbit/s without a burst: {NAMES[name].partition(',')[0]}"
            found.append(row(label, count / 1e6, "MB"))
            aim = 1.1 if name == "alone" else None
            found.append(row(f"{label} / the rate", count / (RATE / 8 * seconds), "", aim))
    return found


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", action="store_true", help="print the rows as one line of JSON")
    options = parser.parse_args()
    found = rows(options.seconds)
    if options.json:
        print(json.dumps(found))
        return 0
    for item in found:
        print(f"{item['name']:<66} {item['value']:>10.2f} {item['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
