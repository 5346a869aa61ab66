# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod and the service network: whether both can be what the cluster's variables make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address, width
from ..ipam.prefix import Prefix, parse_network_of, parse_prefix
from .inventory import Node
from .special import SPECIAL
from .variable import invalid

PODS, SERVICES = "overlay_network", "control_plane_service_network"
#: kube-controller-manager refuses a longer cut (cidrset.go, clusterSubnetMaxDiff).
MOST_CUT = 16
#: kube-apiserver accepts no larger service network than 2^20 addresses (options/validation.go).
MOST_SERVICE_BITS = 20
_EXAMPLE = {PODS: {4: "10.244.0.0/16", 6: "fd00:244::/56"}, SERVICES: {4: "10.96.0.0/12", 6: "fd00:96::/112"}}


def check(variables: Mapping[str, Any], nodes: Sequence[Node]) -> list[Finding]:
    """What is wrong with the two networks of ``variables``, by themselves, to each other, and for ``nodes``."""
    findings: list[Finding] = []
    pods, services = (_parse(name, variables.get(name), findings) for name in (PODS, SERVICES))
    for variable, blocks in ((PODS, pods), (SERVICES, services)):
        for block in blocks:
            findings += _alone(variable, block, nodes)
    for pod in pods:
        for service in services:
            if pod.overlaps(service):
                overlap: dict[str, Value] = {"network": str(pod), "other": SERVICES, "other_network": str(service)}
                findings.append(Finding(Code.NETWORK_OVERLAPS, "", PODS, overlap))
        variable = "overlay_node_prefix" if pod.version == 4 else "overlay_node_prefix_ipv6"
        findings += _cut(variable, variables.get(variable), pod, len(nodes))
    for service in services:
        least = width(service.version) - MOST_SERVICE_BITS
        if service.length < least:
            findings.append(
                Finding(Code.NETWORK_TOO_LARGE, "", SERVICES, {"network": str(service), "least": f"/{least}"})
            )
    if pods and services and _versions(pods) != _versions(services):
        values: dict[str, Value] = {
            "network": _text(pods), "versions": _versions(pods),
            "other": SERVICES, "other_network": _text(services), "other_versions": _versions(services),
        }  # fmt: skip
        findings.append(Finding(Code.NETWORK_VERSIONS_DIFFER, "", PODS, values))
    return findings


def _parse(variable: str, value: object, findings: list[Finding]) -> list[Prefix]:
    """The blocks of ``value``; what keeps it from being read goes to ``findings``, and the result is empty."""
    wanted = f"an address block such as {_EXAMPLE[variable][4]}, or one of each IP version with a comma between them"
    blocks = []
    for part in value.split(",") if isinstance(value, str) else [None]:
        try:
            blocks.append(parse_prefix(part.strip() if part else part))
        except ValueError:
            findings.append(invalid(variable, value, _without_host_bits(part) or wanted))
            return []
    if len(_versions(blocks)) < len(blocks):
        findings.append(invalid(variable, value, wanted))
        return []
    return blocks


def _without_host_bits(part: object) -> str:
    try:
        return str(parse_network_of(part)[0])
    except ValueError:
        return ""


def _alone(variable: str, network: Prefix, nodes: Sequence[Node]) -> Iterator[Finding]:
    for name, block in SPECIAL:
        if network.overlaps(block):
            example = _EXAMPLE[variable][network.version]
            yield Finding(
                Code.NETWORK_NOT_ROUTABLE, "", variable, {"network": str(network), "kind": name, "example": example}
            )
            break
    inside = [node for node in nodes if _is_in(node.address, network)]
    if inside:
        first = inside[0]
        values: dict[str, Value] = {
            "network": str(network), "address": first.address, "host": first.host, "count": len(inside),
        }  # fmt: skip
        yield Finding(Code.NETWORK_CONTAINS_NODE, "", variable, values)


def _is_in(address: Any, network: Prefix) -> bool:
    try:
        return network.holds(*parse_address(address))
    except ValueError:
        return False  # no address, or none that is one: not this check's matter


def _cut(variable: str, prefix: object, pods: Prefix, nodes: int) -> Iterator[Finding]:
    """Whether ``pods``, cut into blocks of length ``prefix``, is enough for that many nodes."""
    longest = min(width(pods.version) - 2, pods.length + MOST_CUT)
    if isinstance(prefix, bool) or not isinstance(prefix, int) or not pods.length <= prefix <= longest:
        yield invalid(variable, prefix, f"an integer from {pods.length} to {longest}, which cuts {PODS} {pods}")
    elif 1 << (prefix - pods.length) < nodes:
        values: dict[str, Value] = {
            "network": str(pods), "have": 1 << (prefix - pods.length), "prefix": prefix, "variable": variable,
            "need": nodes, "wide": prefix - (nodes - 1).bit_length(),
        }  # fmt: skip
        yield Finding(Code.NETWORK_TOO_SMALL, "", PODS, values)


def _versions(blocks: Sequence[Prefix]) -> list[str]:
    return [f"IPv{version}" for version in sorted({block.version for block in blocks})]


def _text(blocks: Sequence[Prefix]) -> str:
    return ",".join(map(str, blocks))
