# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node whose pod addresses are used up stays Ready, and says so. STATUS tells of what keeps plugins from working."""

from __future__ import annotations

import json
import time

import pytest

NODE, NAMESPACE = "node2", "full-range"
CONFLIST = "/etc/cni/net.d/10-podnet.conflist"
TO_1_1 = r's/"cniVersion": "[0-9.]*"/"cniVersion": "1.1.0"/'
STORE = "/var/lib/cni/networks/podnet"
#: Reserve all addresses of the node's /24 but the last six (.249 to .254: those of a /29), as of pods that live.
FILL = f"""
cd {STORE}; for last in $(seq 2 248); do
  address=$(. /run/flannel/subnet.env; echo ${{FLANNEL_SUBNET%.*}}.$last)
  [ -e $address ] || {{ printf 'stranger\\r\\neth0' > $address; echo $address >> /root/strangers; }}
done"""
METRICS = r"""python3 -c "
import socket
agent = socket.socket(socket.AF_UNIX)
agent.connect('/run/podnet/podnetd.sock')
agent.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
print(b''.join(iter(lambda: agent.recv(65536), b'')).decode())" """
EMPTY = f"cd {STORE}; xargs rm -f < /root/strangers; rm -f /root/strangers"


@pytest.fixture
def asked(lab):
    """The node, with a configuration of CNI 1.1.0: containerd 2 has the plugins' STATUS asked each time that the
    kubelet asks for its own."""
    lab.node(NODE, f"cp -p {CONFLIST} /root/; sed -i '{TO_1_1}' {CONFLIST}; grep 1.1.0 {CONFLIST}")
    yield lab
    lab.node(NODE, EMPTY + f"; umount {STORE}; cp -p /root/10-podnet.conflist {CONFLIST}", check=False)
    lab.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
    lab.until(f"{NODE} is Ready again", lambda: ready(lab) == "True", 60)


def ready(lab) -> str:
    """The node's condition Ready."""
    (node,) = [each for each in lab.objects("nodes") if each["metadata"]["name"] == NODE]
    (condition,) = [each for each in node["status"]["conditions"] if each["type"] == "Ready"]
    return condition["status"]


def create(lab, count: int) -> None:
    """Pods on the node, of an image that it has."""
    pods = [pod for pod in lab.objects("pods", "--all-namespaces") if pod["spec"].get("nodeName") == NODE]
    image = next(pod for pod in pods if not pod["spec"].get("hostNetwork"))["spec"]["containers"][0]
    container = {key: image[key] for key in ("name", "image", "command", "args") if key in image}
    items: list[dict] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    for number in range(count):
        spec = {"nodeName": NODE, "containers": [container], "terminationGracePeriodSeconds": 0}
        metadata = {"name": f"pod{number}", "namespace": NAMESPACE}
        items.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    lab.node("node1", "kubectl create -f - <<'X'\n" + listed + "\nX")


def addresses(lab) -> list[str]:
    """Those of the pods that have one."""
    return [pod["status"]["podIP"] for pod in lab.objects("pods", "-n", NAMESPACE) if pod["status"].get("podIP")]


def test_a_full_range_is_no_reason_to_be_not_ready(asked):
    asked.node(NODE, FILL)
    create(asked, 8)
    asked.until("six pods have an address", lambda: len(addresses(asked)) == 6, 90)
    assert {int(each.rpartition(".")[2]) for each in addresses(asked)} == set(range(249, 255))
    for _seconds in range(25):  # the kubelet asks every few seconds
        assert ready(asked) == "True"
        time.sleep(1)
    events = asked.kubectl("get", "events", "-n", NAMESPACE)
    assert "no IP addresses available in range set" in events
    asked.node(NODE, "systemctl reload podnetd")
    warning = "ipam.exhausted"

    def told() -> bool:
        return warning in asked.node(NODE, "podnetctl status --json; true")

    asked.until("podnetd tells of it", told, 90)
    figures = asked.node(NODE, METRICS)
    (reserved,) = [line for line in figures.splitlines() if line.startswith("podnet_pod_addresses_reserved{")]
    assert float(reserved.split()[-1]) == 253
    asked.node(NODE, EMPTY)
    asked.until("the others get one, too", lambda: len(addresses(asked)) == 8, 120)


def test_what_keeps_the_plugins_from_working_is_one(asked):
    """So that it was STATUS that was asked before: a read-only disk makes the node NotReady, until it is none."""
    asked.until("Ready", lambda: ready(asked) == "True", 60)
    asked.node(NODE, f"mount --bind {STORE} {STORE} && mount -o remount,bind,ro {STORE}")
    asked.until("NotReady", lambda: ready(asked) != "True", 60)
    asked.node(NODE, f"umount {STORE}")
    asked.until("Ready again", lambda: ready(asked) == "True", 60)
