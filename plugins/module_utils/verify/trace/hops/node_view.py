# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state, with what the hops ask of it; and words for what is found there."""

from __future__ import annotations

from typing import Any

from ....ipam.ip import parse_address, parse_subnet
from ....netlink.route import RT_TABLE_MAIN

KERNEL = 2  # rtnetlink.h RTPROT_KERNEL: routes that come with an address or a link


class Look:
    """A node's state, with what the hops ask of it."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.node: str = state["node"]
        self.overlay: dict[str, Any] = state["overlay"]
        self.links: dict[str, dict[str, Any]] = state["links"]

    def drift(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        """The plan's steps about kernel objects of a kind with these values, on either side."""
        found = []
        for step in self.state["drift"]:
            for side in ("wanted", "actual"):
                thing = step[side]
                if thing and thing["object"] == kind and all(thing.get(key) == value for key, value in values.items()):
                    found.append(step)
                    break
        return found

    def wanted(self, kind: str, **values: Any) -> dict[str, Any] | None:
        """The wanted kernel object of a kind with these values."""
        for thing in self.state["wanted"]:
            if thing["object"] == kind and all(thing.get(key) == value for key, value in values.items()):
                return thing
        return None

    def lookup(self, to: str, source: str | None = None, iif: str = "") -> dict[str, Any] | None:
        return find_lookup(self.state["lookups"], to, source, iif)

    def sysctl(self, name: str) -> str | None:
        return self.state["sysctls"].get(name)

    def pod_with(self, address: str) -> dict[str, Any] | None:
        """The pod of this node that was given the address, or that has it all the same."""
        for pod in self.state["pods"]:
            if address in pod["addresses"]:
                return pod
        for pod in self.state["pods"]:
            if any(each.partition("/")[0] == address for each in pod["has"]):
                return pod
        return None

    def bridge_of(self, pod: dict[str, Any]) -> str:
        return pod["bridge"] or self.state["cni"]["bridge"]

    def has_address(self, address: str) -> str:
        """The link with that address, "" if there is none."""
        for each in self.state["addresses"]:
            if each["address"].partition("/")[0] == address:
                return each["dev"]
        return ""


def find_lookup(lookups: list[dict[str, Any]], to: str, source: str | None = None, iif: str = "") -> dict | None:
    same = (e for e in lookups if e["to"] == to and e["iif"] == iif and (not iif or e["from"] == source))
    return next((e for e in same if "rule" not in e), None)


def covers(prefix: str, address: str) -> bool:
    return parse_address(address) in parse_subnet(prefix)


def inside(pod: dict[str, Any], command: str) -> str:
    """A command for the operator that works in the pod's network namespace."""
    return f"nsenter --net={pod['netns']} {command}"


def recreate(pod: dict[str, Any]) -> str:
    """How a pod gets a new interface."""
    namespace, _slash, name = pod["pod"].partition("/")
    return f"kubectl --namespace {namespace} delete pod {name}" if namespace and name else "recreate the pod"


#: Kinds of routes that lead nowhere.
FORBIDDING = ("unreachable", "blackhole", "prohibit", "throw")


def forbidding(found: list[dict[str, Any]], target: str) -> dict[str, Any] | None:
    """The narrowest of these routes that leads the target nowhere, None if none does."""
    those = [route for route in found if route.get("type") in FORBIDDING and route.get("protocol") != KERNEL]
    those = [route for route in those if covers(route["dst"], target)]
    return max(those, key=lambda route: parse_subnet(route["dst"]).length, default=None)


def without(taken: dict[str, Any]) -> str:
    """What takes a route away."""
    table = f" table {taken['table']}" if taken["table"] != RT_TABLE_MAIN else ""
    return f"ip route delete {show_route(taken)}{table}"


def maker(taken: dict[str, Any]) -> str:
    """Who made a route, by its protocol (rtnetlink.h RTPROT_*)."""
    makers = {2: "the kernel's", 3: "added by hand", 4: "an administrator's", 16: "DHCP's", 186: "BGP's"}
    return makers.get(taken.get("protocol", 0), f"of protocol {taken.get('protocol')}")


def show_route(taken: dict[str, Any]) -> str:
    words = [*(kind for kind in [taken.get("type")] if kind in FORBIDDING), taken["dst"]]
    if taken.get("gateway"):
        words += ["via", taken["gateway"]]
    if taken.get("dev"):
        words += ["dev", taken["dev"]]
    return " ".join(words)


def told_route(found: dict[str, Any]) -> str:
    return show_route(found["route"]) if found["route"] else f"none: {found['error']}"
