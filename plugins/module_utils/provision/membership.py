# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cluster a node belongs to: the marker that site.yml writes, and without which nothing is taken from a node."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..converge import files
from ..converge.plan import Change, StateError
from ..findings.codes import Code
from ..findings.finding import Finding

MARKER = "/var/lib/podnet/cluster.json"
#: Where every release of the collection installs its library. Older ones wrote no marker.
LIBRARY = "/opt/podnet/current"
#: What migrate_from_flannel.yml writes: this collection runs the node's pod network, and did not make the node.
MIGRATED = "/etc/podnet/flannel.json"
#: What flanneld writes, and podnetd; the latter is on nodes that have the former's configuration file.
SUBNET_ENV, OVERLAY = "/run/flannel/subnet.env", "/etc/podnet/overlay.json"
#: Where flannel's own DaemonSet puts its CNI plugin.
BIN_DIR = "/opt/cni/bin"


class Membership(NamedTuple):
    """What the marker says: the node's name in Kubernetes, and its cluster, by the UID of the namespace kube-system
    (which no two clusters share); "" before the node has joined one."""

    node: str
    cluster: str


def read(path: str = MARKER) -> Membership | None:
    """The node's marker, None without one. Raises StateError for a file that is none."""
    text = files.read(path)
    if text is None:
        return None
    try:
        values = json.loads(text)
        return Membership(str(values["node"]), str(values["cluster"]))
    except (ValueError, TypeError, KeyError):
        raise StateError(f"{path} is not a marker of this collection: run site.yml to write it again") from None


def plan(node: str, cluster: str, path: str = MARKER) -> Iterator[Change]:
    """Writes the marker; without a ``cluster`` that of a marker which is there stays. Raises what ``read`` raises."""
    found = read(path) if not cluster else None
    wanted = Membership(node, cluster or (found.cluster if found else ""))
    return files.plan({path: json.dumps(wanted._asdict(), indent=1) + "\n"}, 0o644)


def gather() -> dict[str, Any]:
    """For node_facts: ``membership`` (the marker as a dictionary, or None), ``ours``, whether anything on the node
    shows that this collection made it, and ``flannel``, the pod network that flanneld has there, "" without one."""
    found = read()
    ours = bool(found) or (os.path.exists(LIBRARY) and not os.path.exists(MIGRATED))
    text = "" if os.path.exists(OVERLAY) else files.read(SUBNET_ENV) or ""
    network = re.search(r"^FLANNEL_(?:IPV6_)?NETWORK=(\S+)$", text, re.MULTILINE)
    return {
        "membership": found._asdict() if found else None, "ours": ours, "flannel": network[1] if network else "",
    }  # fmt: skip


def check_removal(
    found: Mapping[str, Mapping[str, Any]], control_plane: Sequence[str], stay: Sequence[str], confirmed: str
) -> Iterator[Finding]:
    """What stands against taking the nodes ``found`` (node_facts' facts by host) out of their cluster, those in
    ``stay`` excepted. ``confirmed``: the cluster that may go with its control plane."""
    for host, facts in found.items():
        cluster = _cluster(facts)
        if facts["membership"] is None and (facts["joined"] or facts["ours"]):
            yield Finding(Code.NODE_UNMARKED, host, host, {"marker": MARKER})
        elif host in control_plane and not set(stay) & set(control_plane) and cluster not in ("", confirmed):
            values = {"cluster": cluster, "confirmed": confirmed or None}
            yield Finding(Code.CLUSTER_UNCONFIRMED, host, host, values)
    if stay:
        yield from check_clusters(found, control_plane)


def check_clusters(found: Mapping[str, Mapping[str, Any]], control_plane: Sequence[str]) -> Iterator[Finding]:
    """Whether the nodes' markers name the cluster of their control plane, where that was looked at. One that was made
    anew is in none yet, while the workers are still in the cluster of the former one."""
    heads = [found[host] for host in control_plane if host in found]
    if not heads or any(head["joined"] and not _cluster(head) for head in heads):
        return
    own = next(filter(None, map(_cluster, heads)), "")
    for host, facts in found.items():
        cluster = _cluster(facts)
        if cluster and cluster != own:
            yield Finding(Code.NODE_OF_OTHER_CLUSTER, host, host, {"cluster": cluster, "wanted": own or None})


def _cluster(facts: Mapping[str, Any]) -> str:
    return (facts["membership"] or {}).get("cluster", "")
