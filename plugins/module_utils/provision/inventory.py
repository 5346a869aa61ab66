# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as the playbooks use it: its groups, its hosts' names and addresses, and the names of its variables."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address, to_text
from ..overlay.config import ConfigError, node_name
from ..verify.model.runtimes import DEFAULT, RUNTIMES
from .special import special_address
from .variable import invalid

CLUSTER, CONTROL_PLANE, WORKERS = "cluster", "control_plane", "workers"
#: A DNS label, RFC 1123: Kubernetes node names are made of these.
_LABEL = 63
#: sethostname(2) accepts no longer one (include/linux/utsname.h, __NEW_UTS_LEN).
_HOST_NAME = 64
#: How alike two names must be (difflib's ratio) for one to be taken for the other misspelt.
_ALIKE = 0.88


class Node(NamedTuple):
    """A host of the group cluster: its name in the inventory, its name and underlay address in the cluster (None where
    the address is left to be found), both as the inventory has them, whether it is the control plane, its container
    runtime, and the version of CNI's specification that is set for it (None: the default)."""

    host: str
    name: Any
    address: Any
    control_plane: bool
    runtime: Any = DEFAULT
    cni_version: Any = None


def check_groups(groups: Mapping[str, Sequence[str]], asked: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Whether ``groups`` (hosts by group) are what the playbooks select by; ``asked`` are hosts that a play is about,
    by the variable that names them."""
    cluster, control_plane, workers = (list(groups.get(name, ())) for name in (CLUSTER, CONTROL_PLANE, WORKERS))
    named = [name for name in groups if groups[name] and name not in ("all", "ungrouped")]
    empty = [name for name, hosts in ((CLUSTER, cluster), (CONTROL_PLANE, control_plane)) if not hosts]
    if empty:
        yield Finding(Code.GROUP_EMPTY, "", ", ".join(empty), {"groups": sorted(named)})
    if cluster:
        for group, hosts in ((CONTROL_PLANE, control_plane), (WORKERS, workers)):
            for host in hosts:
                if host not in cluster:
                    yield Finding(Code.HOST_OUTSIDE_CLUSTER, "", host, {"group": group})
        for host in cluster:
            if control_plane and host not in control_plane and host not in workers:
                yield Finding(Code.HOST_WITHOUT_ROLE, "", host)
        for variable, names in asked.items():
            for host in names:
                if host not in cluster and not groups.get(host):
                    yield Finding(
                        Code.HOST_UNKNOWN, "", host, {"variable": variable, "group": CLUSTER, "hosts": cluster}
                    )


def doubts(groups: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """What in ``groups`` works, and hardly is what was meant."""
    count = len(groups.get(CONTROL_PLANE, ()))
    if count and count % 2 == 0:
        values: dict[str, Value] = {"count": count, "survives": (count - 1) // 2, "fewer": count - 1}
        yield Finding(Code.CONTROL_PLANES_EVEN, "", CONTROL_PLANE, values)


def check_nodes(nodes: Sequence[Node]) -> Iterator[Finding]:
    """Whether each of ``nodes`` has a name that Kubernetes and the kernel accept, an address of its own, and a known
    container runtime."""
    for node in nodes:
        if node.runtime not in RUNTIMES:
            yield invalid("container_runtime", node.runtime, f"one of {', '.join(RUNTIMES)}", node.host)
        # cri-dockerd 0.4's libcni knows no later version: it has the plugins work in it, and refuses their results
        if node.runtime == "docker" and str(node.cni_version) == "1.1.0":
            yield invalid("cni_version", node.cni_version, "1.0.0 or older with container_runtime docker", node.host)
    for variable, of in (("node_name", _name), ("node_address", _address)):
        holders: dict[str, str] = {}
        for node in nodes:
            value = getattr(node, variable.removeprefix("node_"))
            if value in (None, ""):
                continue
            try:
                same = of(value)
            except ValueError as error:
                yield invalid(variable, value, str(error), node.host)
                continue
            first = holders.setdefault(same, node.host)
            if first != node.host:
                values = {"value": repr(value), "first": first, "second": node.host}
                yield Finding(Code.VARIABLE_DUPLICATE, "", variable, values)
            elif variable == "node_address" and (kind := special_address(same)):
                yield Finding(Code.ADDRESS_NOT_ROUTABLE, node.host, same, {"kind": kind})


def _name(value: object) -> str:
    """``value`` as a node's name. Raises ValueError with what would be one."""
    wanted = 'lower-case letters, digits, "-" and "." (RFC 1123), at most 64 characters, such as "node1"'
    try:
        name = node_name(value, "node_name")
    except ConfigError:
        raise ValueError(wanted) from None
    labels = name.split(".")
    if name != name.lower() or "_" in name or len(name) > _HOST_NAME:
        raise ValueError(wanted)
    if any(not label or len(label) > _LABEL or label[0] == "-" or label[-1] == "-" for label in labels):
        raise ValueError(wanted)
    return name


def _address(value: object) -> str:
    """``value`` as an address in its canonical form. Raises ValueError with what would be one."""
    try:
        return to_text(*parse_address(value))  # type: ignore[arg-type]
    except ValueError:
        raise ValueError("an IP address without a prefix length, such as 192.0.2.11") from None


def check_names(names: Collection[str], known: Collection[str], own: Collection[str]) -> Iterator[Finding]:
    """Which of the variables ``names`` are most likely one of ``known``, misspelt; ``own`` are the user's."""
    for name in sorted(set(names) - set(known) - set(own)):
        if "_" not in name or name.startswith(("ansible_", "_")):
            continue
        nearest = difflib.get_close_matches(name, known, 1, _ALIKE)
        if nearest:
            yield Finding(Code.VARIABLE_MISSPELT, "", name, {"nearest": nearest[0]})
