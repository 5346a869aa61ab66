# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""flannel in a cluster: the DaemonSet that runs flanneld, its configuration, and the nodes that it leaves to podnetd.

A node with the label LABEL is podnetd's: flannel's DaemonSet gets a node affinity that keeps its pods off such nodes.
net-conf.json is described in flannel's Documentation/configuration.md and backends.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..converge.plan import Change, StateError
from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.prefix import parse_prefix
from ..overlay.config import Backend
from .annotations import OWN
from .client import ApiError, Client

LABEL = "podnet.cluster/flannel"
LEFT = "replaced"
DAEMONSETS = "/apis/apps/v1/daemonsets"
KUBEADM = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
#: The DaemonSet's part: not on nodes that have the label.
EXPRESSION = {"key": LABEL, "operator": "DoesNotExist"}
#: Back ends whose devices and routes podnetd takes over in place.
BACKENDS = ("vxlan", "host-gw")
_AFFINITY = ("spec", "template", "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
PAUSE = 1.0


class Flannel(NamedTuple):
    """A cluster's flannel: the DaemonSet's namespace and name, net-conf.json, and the CNI network's name ("" where its
    ConfigMap has no conflist, as where another tool writes it)."""

    namespace: str
    name: str
    settings: dict[str, Any]
    network: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets/{self.name}"

    def variables(self) -> dict[str, Any]:
        """What the collection's variables overlay_network and overlay_backend must be for podnetd to speak the same
        on the wire."""
        backend = self.settings.get("Backend") or {}
        kind = str(backend.get("Type", "")).lower()
        networks = [self.settings.get(key) for key in ("Network", "IPv6Network")]
        # without "Port" flanneld leaves it to the kernel, whose default is 8472 (drivers/net/vxlan)
        vxlan = {"vni": backend.get("VNI") or 1, "port": backend.get("Port") or 8472} if kind == "vxlan" else {}
        return {
            "overlay_network": ",".join(filter(None, networks)),
            "overlay_backend": {"type": kind, **vxlan, "direct_routing": bool(backend.get("DirectRouting"))},
        }


def find(client: Client) -> Flannel | None:
    """The cluster's flannel, None without one. Raises what Client does, and ValueError for a ConfigMap that is not
    flannel's."""
    for item in client.call("GET", DAEMONSETS)["items"]:
        spec = item["spec"]["template"]["spec"]
        if not any(_runs_flanneld(each) for each in spec["containers"]):
            continue
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        for volume in spec.get("volumes") or ():
            if "configMap" in volume:
                path = f"/api/v1/namespaces/{namespace}/configmaps/{volume['configMap']['name']}"
                data = client.call("GET", path).get("data") or {}
                if "net-conf.json" in data:
                    conflist = json.loads(data.get("cni-conf.json") or "{}")
                    return Flannel(namespace, name, json.loads(data["net-conf.json"]), conflist.get("name", ""))
    return None


def service_network(client: Client) -> str | None:
    """The Services' network by kubeadm's ClusterConfiguration; None where kubeadm did not make the cluster."""
    try:
        text = client.call("GET", KUBEADM)["data"]["ClusterConfiguration"]
    except (ApiError, KeyError):
        return None
    found = re.search(r"^ +serviceSubnet: *(\S+)$", text, re.MULTILINE)
    return found[1].strip("'\"") if found else None


def check(flannel: Flannel | None, services: str | None, wanted: Mapping[str, Any]) -> Iterator[Finding]:
    """Why podnetd cannot take over from ``flannel``, or would speak otherwise than it. ``wanted`` has the variables
    overlay_network, overlay_backend and control_plane_service_network; ``services`` is the cluster's own network."""
    if flannel is None:
        yield Finding(Code.FLANNEL_MISSING, "", "DaemonSet")
        return
    there = flannel.variables()
    backend, given = there["overlay_backend"], wanted["overlay_backend"]
    if backend["type"] not in BACKENDS:
        yield Finding(Code.FLANNEL_BACKEND_UNSUPPORTED, "", str(backend["type"]), {"supported": [*BACKENDS]})
        return
    compared: list[tuple[str, Value, Value]] = [
        (f"overlay_backend.{key}", value, given.get(key, getattr(Backend(), key))) for key, value in backend.items()
    ]
    compared.append(("overlay_network", there["overlay_network"], wanted["overlay_network"]))
    if services is not None:
        compared.append(("control_plane_service_network", services, wanted["control_plane_service_network"]))
    for variable, actual, expected in compared:
        if not _same(actual, expected if expected is not None else actual):
            yield Finding(Code.FLANNEL_DIFFERS, "", variable, {"actual": actual, "given": expected})


def hand_over(client: Client, flannel: Flannel, node: str, timeout: float) -> Iterator[Change]:
    """Leaves ``node`` to podnetd: flannel's DaemonSet keeps off nodes with the label, the node gets it, and its pod is
    gone. Raises what Client does."""
    before = client.call("GET", flannel.path)
    terms = _terms(before)
    if any(EXPRESSION not in (term.get("matchExpressions") or ()) for term in terms or [{}]):
        after = [{**term, "matchExpressions": [*_others(term), EXPRESSION]} for term in terms or [{}]]
        yield _daemonset(client, flannel, f"keep flannel off nodes with the label {LABEL}", terms, after, timeout)
    if _labels(client, node).get(LABEL) != LEFT:
        do = partial(_leave, client, flannel, node, timeout)
        text = f"label node {node} {LABEL}={LEFT}, and end its flanneld"
        yield Change("node", f"node {node}", text, "", f"{LEFT}\n", do)


def give_back(client: Client, flannel: Flannel, node: str, timeout: float) -> Iterator[Change]:
    """Leaves ``node`` to flanneld: the label and podnetd's annotation go, and flannel's pod is Ready. Raises what
    Client does."""
    if LABEL in _labels(client, node):
        do = partial(_return, client, flannel, node, timeout)
        text = f"remove label {LABEL} of node {node}, and start its flanneld"
        yield Change("node", f"node {node}", text, f"{LEFT}\n", "", do)


def release(client: Client, flannel: Flannel, timeout: float) -> Iterator[Change]:
    """Makes flannel's DaemonSet what it was, where no node has the label. Raises what Client does."""
    nodes = client.call("GET", "/api/v1/nodes")["items"]
    terms = _terms(client.call("GET", flannel.path))
    if any(LABEL in (node["metadata"].get("labels") or {}) for node in nodes):
        return
    after = [
        {key: value for key, value in {**term, "matchExpressions": others}.items() if value}
        for term in terms
        for others in [_others(term)]
    ]
    if after != terms:
        rest = [each for each in after if each]
        yield _daemonset(client, flannel, "let flannel run on all nodes", terms, rest, timeout)


def _runs_flanneld(container: Mapping[str, Any]) -> bool:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return any(word.rpartition("/")[2] == "flanneld" for word in words)


def _same(actual: Value, given: Value) -> bool:
    if isinstance(actual, str) and "/" in actual:
        return [str(parse_prefix(each)) for each in actual.split(",")] == [
            str(parse_prefix(each.strip())) for each in str(given).split(",")
        ]
    return actual == given


def _terms(daemonset: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: Any = daemonset
    for key in _AFFINITY:
        found = (found or {}).get(key)
    return list((found or {}).get("nodeSelectorTerms") or ())


def _others(term: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A node selector term's expressions but for ours."""
    return [each for each in term.get("matchExpressions") or () if each != EXPRESSION]


def _daemonset(
    client: Client, flannel: Flannel, text: str, before: list[Any], after: list[Any], timeout: float
) -> Change:
    """A change of the DaemonSet's node affinity, which restarts its pods one after the other."""
    body: Any = {"nodeSelectorTerms": after} if after else None
    for key in reversed(_AFFINITY):
        body = {key: body}

    def do() -> None:
        _merge(client, flannel.path, body)
        _until(partial(_rolled_out, client, flannel), f"DaemonSet {flannel.name} is not rolled out", timeout)

    subject = f"daemonset {flannel.namespace}/{flannel.name}"
    return Change("daemonset", subject, text, _json(before), _json(after), do)


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _rolled_out(client: Client, flannel: Flannel) -> bool:
    found = client.call("GET", flannel.path)
    status = found.get("status") or {}
    wanted = status.get("desiredNumberScheduled")
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and status.get("updatedNumberScheduled", 0) == wanted and status.get("numberReady", 0) == wanted


def _leave(client: Client, flannel: Flannel, node: str, timeout: float) -> None:
    _patch(client, node, {"labels": {LABEL: LEFT}})
    _until(lambda: not _pods(client, flannel, node), f"flannel's pod on {node} does not end", timeout)


def _return(client: Client, flannel: Flannel, node: str, timeout: float) -> None:
    _patch(client, node, {"labels": {LABEL: None}, "annotations": {OWN: None}})
    _until(lambda: any(map(_ready, _pods(client, flannel, node))), f"flannel's pod on {node} is not Ready", timeout)


def _labels(client: Client, node: str) -> dict[str, str]:
    return client.call("GET", f"/api/v1/nodes/{node}")["metadata"].get("labels") or {}


def _patch(client: Client, node: str, metadata: dict[str, Any]) -> None:
    _merge(client, f"/api/v1/nodes/{node}", {"metadata": metadata})


def _merge(client: Client, path: str, body: Any) -> None:
    """A merge patch (RFC 7396). Raises StateError and OSError."""
    try:
        client.call("PATCH", path, body, "application/merge-patch+json")
    except (ApiError, ValueError) as error:
        raise StateError(f"PATCH {path}: {error}") from None


def _pods(client: Client, flannel: Flannel, node: str) -> Sequence[dict[str, Any]]:
    """The DaemonSet's pods on the node."""
    return [
        each
        for each in client.call("GET", f"/api/v1/namespaces/{flannel.namespace}/pods")["items"]
        if each["spec"].get("nodeName") == node
        and any(owner["name"] == flannel.name for owner in each["metadata"].get("ownerReferences") or ())
    ]


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _until(true: Callable[[], bool], otherwise: str, timeout: float) -> None:
    """Waits until ``true()``. Raises StateError, which says what is ``otherwise`` after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            if true():
                return
            reason = ""
        except (ApiError, OSError, ValueError) as error:
            reason = f" ({error})"  # a server that restarts answers again
        if time.monotonic() > end:
            raise StateError(f"{otherwise} after {timeout:.0f} s{reason}")
        time.sleep(PAUSE)
