# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From `kubectl create` to Ready: pods of one node of the running lab, with our CNI plugins and with the standard ones.

    PODNET_LAB=lab python bench/pods.py [--node node2] [--pods 30] [--rounds 6]

The node, its containerd, its kubelet, the network and its addresses stay the same. By turns the node's conflist is ours
or a chain of the Go plugins (bridge with host-local, portmap), and containerd's loopback is ours or Go's. What else a
start takes (kubelet, containerd, runc, API server) is in both figures: they say what a user sees, not what the plugins
cost, which bench/cni.py says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from compare import ROOT

sys.path.insert(0, str(ROOT / "tests/standard_plugins"))

import standard_plugins

AIM = 0.8
BIN, CONF, KEPT = "/opt/podnet/current/bin", "/etc/cni/net.d", "/run/podnet-bench"
#: The Go plugins lie beside ours, of which those of the same name are in use all the time.
PREFIX = "standard-"
PLUGINS = ("bridge", "host-local", "portmap", "loopback")


def on(node: str, script: str, data: bytes | None = None) -> str:
    """What a shell's script prints on a node of the lab. Raises CalledProcessError."""
    words = [str(ROOT / "inventories/lab/nodes.py"), "--exec", node, "--", "sh", "-ec", script]
    return subprocess.run(words, input=data, check=True, stdout=subprocess.PIPE).stdout.decode()


def chain(node: str) -> bytes:
    """The conflist of Go plugins that does what the node's own does."""
    name = json.loads(on(node, f"cat {KEPT}/*.conflist"))["name"]
    env = dict(line.split("=", 1) for line in on(node, "cat /run/flannel/subnet.env").split())
    bridge = {
        "type": f"{PREFIX}bridge", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": True,
        "mtu": int(env["FLANNEL_MTU"]),
        "ipam": {"type": f"{PREFIX}host-local", "ranges": [[{"subnet": env["FLANNEL_SUBNET"]}]]},
    }  # fmt: skip
    portmap = {"type": f"{PREFIX}portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": [bridge, portmap]}).encode()


@contextlib.contextmanager
def both(node: str) -> Iterator[None]:
    """The node has Go's plugins beside ours; afterwards it is as it was."""
    built = standard_plugins.build()
    on(node, f"mkdir -p {KEPT}; cp -a {CONF}/*.conflist {BIN}/loopback {KEPT}/")
    try:
        for plugin in PLUGINS:
            path = f"{BIN}/{PREFIX}{plugin}"
            on(node, f"cat > {path}; chmod 755 {path}", (built / plugin).read_bytes())
        yield
    finally:
        ours(node)
        on(node, f"rm -rf {KEPT} {BIN}/{PREFIX}*")


def ours(node: str) -> None:
    on(node, f"cp -a {KEPT}/*.conflist {CONF}/; cp -a --remove-destination {KEPT}/loopback {BIN}/")


def standard(node: str) -> None:
    on(node, f"cp --remove-destination {BIN}/{PREFIX}loopback {BIN}/loopback")
    on(node, f"cat > /run/conflist; mv /run/conflist {CONF}/*.conflist", chain(node))


def start(node: str, name: str, count: int) -> float:
    """Seconds until ``count`` pods of the node are Ready; they are gone afterwards."""
    container = {"name": "wait", "image": "podnet.local/toolbox:1", "command": ["sleep", "3600"]}
    spec = {
        "nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container], "enableServiceLinks": False,
        "tolerations": [{"operator": "Exists"}],
    }  # fmt: skip
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {"name": f"{name}-{each}", "labels": {"b": name}}}
        for each in range(count)
    ]
    create = f"kubectl create -f - >/dev/null; kubectl wait pod -l b={name} --for condition=Ready --timeout 300s"
    began = time.monotonic()
    try:
        on("node1", create, json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}).encode())
        return time.monotonic() - began
    finally:
        on("node1", f"kubectl delete pod -l b={name} --wait --timeout 300s")


def measure(node: str, count: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by whose plugins they were. The first of each is not counted."""
    seconds: dict[str, list[float]] = {"ours": [], "standard": []}
    with both(node):
        for number in range(rounds + 1):
            for side, use in (("ours", ours), ("standard", standard))[:: 1 if number % 2 else -1]:
                use(node)
                time.sleep(3)  # containerd reads the configuration when the file changes
                seconds[side].append(start(node, f"{side}-{number}", count))
                print(f"round {number}: {side} {seconds[side][-1]:.2f} s", file=sys.stderr, flush=True)
    return {side: each[1:] for side, each in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", default="node2")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the node gets its own plugins back
    os.environ.setdefault("PODNET_LAB", "lab")
    found = measure(given.node, given.pods, given.rounds)
    for side, each in found.items():
        print(f"kubectl create to Ready, {given.pods} pods of a node, {side}: {statistics.median(each):.2f} s")
    ratio = statistics.median(a / b for a, b in zip(found["ours"], found["standard"]))
    print(f"ours / standard: {ratio:.2f} (aim <= {AIM})")


if __name__ == "__main__":
    main()
