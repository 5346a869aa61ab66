# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From `kubectl create` to Ready: pods of one node of the running lab, with our CNI plugins and with the standard ones.

The node, its containerd, its kubelet, the network and its addresses stay the same; by turns, the node's CNI
configuration is ours or a chain of the Go plugins (bridge with host-local, portmap), and containerd's loopback is ours
or Go's. Everything else that a start takes (kubelet, containerd, runc, API server) is in both figures, and so they say
what a user sees, not what the plugins cost: bench/cni.py does that.

    PODNET_LAB=lab python bench/pods.py [--node node2] [--pods 30] [--rounds 6]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/standard_plugins"))

import standard_plugins  # noqa: E402

AIM = 0.8
BIN, CONFIGURATION, KEPT = "/opt/podnet/current/bin", "/etc/cni/net.d", "/run/podnet-bench"
#: They lie beside ours, of which those of the same name are in use all the time.
PREFIX = "standard-"
PLUGINS = ("bridge", "host-local", "portmap")


def on(node: str, *command: str, data: bytes | None = None) -> str:
    """What a command prints on a node of the lab. Raises CalledProcessError."""
    words = [str(ROOT / "inventories/lab/nodes.py"), "--exec", node, "--", *command]
    return subprocess.run(words, input=data, check=True, stdout=subprocess.PIPE).stdout.decode()


def chain(node: str) -> bytes:
    """The configuration of the Go plugins that does what the node's own does."""
    name = json.loads(on(node, "sh", "-c", f"cat {KEPT}/*.conflist"))["name"]
    env = dict(line.split("=", 1) for line in on(node, "cat", "/run/flannel/subnet.env").split())
    bridge = {
        "type": f"{PREFIX}bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "hairpinMode": True,
        "mtu": int(env["FLANNEL_MTU"]),
        "ipam": {"type": f"{PREFIX}host-local", "ranges": [[{"subnet": env["FLANNEL_SUBNET"]}]]},
    }
    portmap = {"type": f"{PREFIX}portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": [bridge, portmap]}).encode()


@contextlib.contextmanager
def both(node: str) -> Iterator[None]:
    """The node has Go's plugins beside ours; afterwards it is as it was."""
    built = standard_plugins.build()
    on(node, "sh", "-c", f"mkdir -p {KEPT} && cp -a {CONFIGURATION}/*.conflist {BIN}/loopback {KEPT}/")
    try:
        for plugin in (*PLUGINS, "loopback"):
            write(node, f"{BIN}/{PREFIX}{plugin}", (built / plugin).read_bytes())
        yield
    finally:
        ours(node)
        on(node, "sh", "-c", f"rm -rf {KEPT} {BIN}/{PREFIX}*")


def write(node: str, path: str, data: bytes) -> None:
    on(node, "sh", "-c", f"cat > {path}.part && chmod 755 {path}.part && mv {path}.part {path}", data=data)


def ours(node: str) -> None:
    on(
        node,
        "sh",
        "-c",
        f"cp -a {KEPT}/*.conflist {CONFIGURATION}/ && cp -a --remove-destination {KEPT}/loopback {BIN}/",
    )


def standard(node: str) -> None:
    on(node, "cp", "--remove-destination", f"{BIN}/{PREFIX}loopback", f"{BIN}/loopback")
    write(node, on(node, "sh", "-c", f"ls {CONFIGURATION}/*.conflist").strip(), chain(node))


def start(node: str, name: str, count: int) -> float:
    """Seconds until ``count`` pods of the node are Ready; they are gone afterwards."""
    container = {"name": "wait", "image": "podnet.local/toolbox:1", "command": ["sleep", "3600"]}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    spec |= {"tolerations": [{"operator": "Exists"}], "enableServiceLinks": False}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": spec,
            "metadata": {"name": f"{name}-{number}", "labels": {"b": name}},
        }
        for number in range(count)
    ]
    script = (
        f"kubectl create -f - >/dev/null && kubectl wait pod --selector b={name} --for condition=Ready --timeout 300s"
    )
    started = time.monotonic()
    try:
        on("node1", "sh", "-c", script, data=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}).encode())
        return time.monotonic() - started
    finally:
        on("node1", "kubectl", "delete", "pod", "--selector", f"b={name}", "--wait", "--timeout", "300s")


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


def rows(node: str = "node2", count: int = 30, rounds: int = 6) -> list[dict]:
    """The figures, as bench/run.py collects them."""
    found = measure(node, count, rounds)
    ratio = round(statistics.median(a / b for a, b in zip(found["ours"], found["standard"])), 2)
    what = f"kubectl create to Ready, {count} pods of a node"
    return [
        *(
            {"name": f"{what}, {side}", "value": round(statistics.median(each), 2), "unit": "s"}
            for side, each in found.items()
        ),
        {"name": f"{what}, ours / standard", "value": ratio, "unit": "", "aim": f"<= {AIM}", "met": ratio <= AIM},
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", default="node2")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    os.environ.setdefault("PODNET_LAB", "lab")
    for one in rows(given.node, given.pods, given.rounds):
        print(f"{one['name']:<60}{one['value']:>8} {one['unit']:<3} {one.get('aim', '')}")
