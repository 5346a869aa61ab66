# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster's variables, checked on the controller before any node is touched: every error at once.

An error names the variable, the value and what would be right. Nothing here looks at a node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..ipam.ip import parse_address, width
from ..ipam.prefix import Prefix, parse_prefix
from ..overlay.config import BACKENDS, ConfigError, _backend, node_name
from . import archive
from .releases import MINORS, Release, ReleaseError
from .releases import parse as parse_release

SOURCES = ("repository", "archive", "modules")
#: kube-controller-manager refuses a longer cut (cidrset.go, clusterSubnetMaxDiff).
MOST_CUT = 16
#: kube-apiserver takes no bigger service network than 2^20 addresses (options/validation.go).
MOST_SERVICE_BITS = 20
#: A DNS label, RFC 1123: Kubernetes node names are made of these.
_LABEL = 63


class Problem(NamedTuple):
    """One thing that is wrong: the variable's name, the value it has, and what is wrong and would be right."""

    variable: str
    value: Any
    message: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}"


class Outcome(NamedTuple):
    """All problems, and what was understood on the way: the release and the archive's content, each None when it
    wasn't."""

    problems: list[Problem]
    release: Release | None
    archive: archive.Archive | None


def check(variables: dict[str, Any], nodes: list[dict[str, Any]]) -> Outcome:
    """Checks the cluster's ``variables`` (by their names) and its ``nodes`` (host, name, address, control_plane).

    An archive that is on the controller is read whole, to verify its checksums.
    """
    problems = [*_nodes(nodes), *_backends(variables.get("overlay_backend"))]
    problems += _networks(variables, nodes)
    release: Release | None = None
    try:
        release = parse_release(variables.get("kubernetes_release"))
    except ReleaseError as error:
        problems.append(Problem("kubernetes_release", variables.get("kubernetes_release"), str(error)))
    problems += _source(variables, release)
    content = None
    if variables.get("kubernetes_source") == "archive":
        content, wrong = _archive(variables, release)
        problems += wrong
    return Outcome(problems, release, content)


def _nodes(nodes: list[dict[str, Any]]) -> Iterator[Problem]:
    planes = [node["host"] for node in nodes if node["control_plane"]]
    if not nodes:
        yield Problem(
            "groups['cluster']",
            [],
            "the inventory has no host in the group cluster: put control_plane and workers under it",
        )
    elif len(planes) != 1:
        yield Problem(
            "groups['control_plane']", planes,
            f"{planes!r}: one control plane is supported yet, not {len(planes)}: leave exactly one host in the "
            "group control_plane",
        )  # fmt: skip
    for key, variable in (("name", "node_name"), ("address", "node_address")):
        holders: dict[str, str] = {}
        for node in nodes:
            value = node.get(key)
            if value in (None, ""):
                continue
            try:
                same = _name(value) if key == "name" else str(parse_address(value))
            except (ConfigError, ValueError) as error:
                yield Problem(variable, value, f"of {node['host']}: {error}")
                continue
            if same in holders:
                yield Problem(
                    variable,
                    value,
                    f"{value!r} is that of {holders[same]} and of {node['host']}: give each node its own",
                )
            holders.setdefault(same, node["host"])


def _name(value: object) -> str:
    name = node_name(value, "it")
    if name != name.lower() or "_" in name or any(len(label) > _LABEL or not label for label in name.split(".")):
        raise ConfigError(
            f'{value!r} cannot name a Kubernetes node: give lower-case letters, digits, "-" and "." (RFC 1123), '
            'such as "node1"'
        )
    return name


def _backends(value: object) -> Iterator[Problem]:
    if isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] not in BACKENDS:
        yield Problem(
            "overlay_backend.type",
            value["type"],
            f"{value['type']!r} is not a back end: give one of {', '.join(BACKENDS)}",
        )
        return
    try:
        _backend(value)
    except ConfigError as error:
        yield Problem(
            "overlay_backend", value, str(error).removeprefix("backend: ").replace("backend.", "overlay_backend.")
        )


def _networks(variables: dict[str, Any], nodes: list[dict[str, Any]]) -> list[Problem]:
    problems: list[Problem] = []

    def blocks(variable: str) -> list[Prefix]:
        value = variables.get(variable)
        try:
            found = [parse_prefix(part.strip()) for part in value.split(",")] if isinstance(value, str) else None
            if found is None:
                raise ValueError(f'{value!r} is not an address block: give text such as "10.244.0.0/16"')
            if len({block.version for block in found}) < len(found):
                raise ValueError(f"{value!r} has more than one block of one IP version: give one of each at most")
        except ValueError as error:
            problems.append(Problem(variable, value, str(error)))
            return []
        return found

    pods = blocks("overlay_network")
    services = blocks("control_plane_service_network")
    problems += [
        Problem(
            "overlay_network",
            str(pod),
            f"{pod} overlaps control_plane_service_network {service}: give two networks that have no address in common",
        )
        for pod in pods
        for service in services
        if pod.overlaps(service)
    ]
    for variable, networks in (("overlay_network", pods), ("control_plane_service_network", services)):
        problems += [
            Problem(
                variable,
                str(network),
                f"{network} holds {node['address']}, the node_address of {node['host']}: "
                "give a network that no node is in",
            )
            for node in nodes
            for network in networks
            if _inside(node.get("address"), network)
        ]
    for service in services:
        least = width(service.version) - MOST_SERVICE_BITS
        if service.length < least:
            problems.append(
                Problem(
                    "control_plane_service_network",
                    str(service),
                    f"{service} is bigger than kube-apiserver takes: give a prefix length of {least} at least",
                )
            )
    for pod in pods:
        variable = "overlay_node_prefix" if pod.version == 4 else "overlay_node_prefix_ipv6"
        problems += _cut(variable, variables.get(variable), pod, len(nodes))
    return problems


def _inside(address: object, network: Prefix) -> bool:
    try:
        return network.holds(*parse_address(address))  # type: ignore[arg-type]
    except ValueError:
        return False  # said elsewhere


def _cut(variable: str, prefix: object, pods: Prefix, nodes: int) -> Iterator[Problem]:
    """Whether ``pods``, cut into blocks of length ``prefix``, is enough for that many nodes."""
    longest = min(width(pods.version) - 2, pods.length + MOST_CUT)
    if isinstance(prefix, bool) or not isinstance(prefix, int) or not pods.length <= prefix <= longest:
        yield Problem(
            variable,
            prefix,
            f"{prefix!r} does not cut overlay_network {pods} into nodes' networks: "
            f"give an integer from {pods.length} to {longest}",
        )
    elif 1 << (prefix - pods.length) < nodes:
        wide = prefix - (nodes - 1).bit_length()
        yield Problem(
            "overlay_network",
            str(pods),
            f"{pods} has {1 << (prefix - pods.length)} networks of length /{prefix} ({variable}) for {nodes} nodes: "
            f"give a network of /{wide} or wider, or a longer {variable}",
        )


def _source(variables: dict[str, Any], release: Release | None) -> Iterator[Problem]:
    source = variables.get("kubernetes_source")
    if source not in SOURCES:
        yield Problem(
            "kubernetes_source", source, f"{source!r} is not a source of Kubernetes: give one of {', '.join(SOURCES)}"
        )
    elif release and source == "modules" and not release.has_modules:
        served = ", ".join(minor.modules for minor in MINORS.values() if minor.modules)
        yield Problem(
            "kubernetes_release", release.name,
            f"{release.name} cannot be built from Go modules: give one of {served}, or another kubernetes_source",
        )  # fmt: skip
    elif release and source == "archive" and release.patch is None:
        yield Problem(
            "kubernetes_release", release.name,
            f"{release.name} names no patch release, and an archive holds one: give it in full, such as "
            f"\"{release.name}.0\"",
        )  # fmt: skip


def _archive(variables: dict[str, Any], release: Release | None) -> tuple[archive.Archive | None, list[Problem]]:
    directory = variables.get("kubernetes_archive")
    if not isinstance(directory, str) or not directory.startswith("/"):
        message = f"{directory!r} is not an absolute path: give the directory that holds the archive's {archive.SUMS}"
        return None, [Problem("kubernetes_archive", directory, message)]
    if variables.get("kubernetes_archive_remote"):
        return None, []  # it is on the nodes, which verify it before they use it
    try:
        content = archive.read(directory)
    except archive.ArchiveError as error:
        return None, [Problem("kubernetes_archive", directory, str(error))]
    problems = [Problem("kubernetes_archive", directory, message) for message in archive.verify(content)]
    if release and release.patch is not None and content.release != release.name:
        problems.append(Problem(
            "kubernetes_release", release.name,
            f"{release.name} is not what the archive {directory} holds: it is of {content.release}; make the two agree",
        ))  # fmt: skip
    return content, problems
