# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results: one inner form (that of 1.1.0), and the printed form of every version.

The forms are those of the CNI specification's "Result types", and of its versions 0.2.0, 0.3.1, 0.4.0 and 1.0.0.
"""

from __future__ import annotations

from ...ipam.ip import parse_address, parse_interface

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")

#: Keys that 1.1.0 added to interfaces and routes; older forms lack them.
NEW_INTERFACE_KEYS = ("mtu", "socketPath", "pciID")
KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
NEW_ROUTE_KEYS = ("mtu", "advmss", "priority", "table", "scope")


def at_least(version: str, wanted: str) -> bool:
    """Whether `version` is `wanted` or newer; both must be known."""
    return VERSIONS.index(version) >= VERSIONS.index(wanted)


def family(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def new() -> dict:
    return {"interfaces": [], "ips": [], "routes": [], "dns": {}}


def render(answer: dict, version: str) -> dict:
    """`answer`, a result in the inner form, as `version` prints it."""
    dns = {key: value for key, value in answer.get("dns", {}).items() if value}
    if not at_least(version, "0.3.0"):
        return {"cniVersion": version, **_by_family(answer), "dns": dns}
    shown: dict = {"cniVersion": version}
    interfaces = answer.get("interfaces", [])
    ips = answer.get("ips", [])
    routes = answer.get("routes", [])
    if not at_least(version, "1.1.0"):
        interfaces = [_without(item, NEW_INTERFACE_KEYS) for item in interfaces]
        routes = [_without(item, NEW_ROUTE_KEYS) for item in routes]
    if not at_least(version, "1.0.0"):
        ips = [{"version": str(family(item["address"])), **item} for item in ips]
    for key, items in (("interfaces", interfaces), ("ips", ips), ("routes", routes)):
        if items:
            shown[key] = items
    if dns or not at_least(version, "1.0.0"):
        shown["dns"] = dns
    return shown


def _without(item: dict, keys: tuple) -> dict:
    return {key: value for key, value in item.items() if key not in keys}


def _by_family(answer: dict) -> dict:
    """The form of 0.1.0 and 0.2.0: one address a family, with the family's routes."""
    shown: dict = {}
    for item in answer.get("ips", []):
        kind = family(item["address"])
        if f"ip{kind}" in shown:
            continue
        entry: dict = {"ip": item["address"]}
        if item.get("gateway"):
            entry["gateway"] = item["gateway"]
        routes = [
            {key: value for key, value in route.items() if key in ("dst", "gw")}
            for route in answer.get("routes", [])
            if family(route["dst"]) == kind
        ]
        if routes:
            entry["routes"] = routes
        shown[f"ip{kind}"] = entry
    return shown


def parse(answer, version: str) -> dict:
    """The inner form of `answer`, a result printed in `version` (its own ``cniVersion`` wins).

    Raises ValueError with the invalid part.
    """
    _is(answer, dict, "the result")
    version = answer.get("cniVersion") or version
    if version not in VERSIONS:
        raise ValueError(f"unknown cniVersion {version!r}")
    inner = new()
    inner["dns"] = parse_dns(answer.get("dns"))
    if not at_least(version, "0.3.0"):
        _parse_by_family(answer, inner)
    else:
        for key in ("interfaces", "ips", "routes"):
            inner[key] = [dict(_is(item, dict, f"{key}[]")) for item in _is(answer.get(key) or [], list, key)]
    for item in inner["interfaces"]:
        for key in ("name", "mac", "sandbox"):
            _is(item.get(key) or "", str, f"interfaces[].{key}")
    for item in inner["ips"]:
        item.pop("version", None)
        _address(item)
    for item in inner["routes"]:
        _route(item)
    return inner


def parse_dns(dns) -> dict:
    """A result's ``dns``, null for none. ValueError with the invalid part."""
    dns = _is(dns or {}, dict, "dns")
    _is(dns.get("domain") or "", str, "dns.domain")
    for key in ("nameservers", "search", "options"):
        for item in _is(dns.get(key) or [], list, f"dns.{key}"):
            _is(item, str, f"dns.{key}[]")
    return dns


def _parse_by_family(answer: dict, inner: dict) -> None:
    for key in ("ip4", "ip6"):
        entry = answer.get(key)
        if not entry:
            continue
        _is(entry, dict, key)
        item = {"address": entry.get("ip")}
        if entry.get("gateway"):
            item["gateway"] = entry["gateway"]
        inner["ips"].append(item)
        for route in _is(entry.get("routes") or [], list, f"{key}.routes"):
            inner["routes"].append(dict(_is(route, dict, f"{key}.routes[]")))


def _address(item: dict) -> None:
    """``interface`` may lie outside the list: other plugins' results are passed on as they are."""
    parse_interface(item.get("address"))
    if item.get("gateway"):
        parse_address(item["gateway"])
    else:
        item.pop("gateway", None)
    index = item.get("interface")
    if index is None:
        item.pop("interface", None)
    elif isinstance(index, bool) or not isinstance(index, int):
        raise ValueError(f"ips[].interface must be a whole number, not {index!r}")


def interface_of(answer: dict, item: dict) -> dict | None:
    """The entry of ``interfaces`` that an address of the result names; None if it names none that is there."""
    index = item.get("interface")
    return answer["interfaces"][index] if index is not None and 0 <= index < len(answer["interfaces"]) else None


def _route(item: dict) -> None:
    parse_interface(item.get("dst"))
    if item.get("gw"):
        parse_address(item["gw"])
    else:
        item.pop("gw", None)
    for key in ("mtu", "advmss", "priority", "table", "scope"):
        value = item.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32):
            raise ValueError(f"routes[].{key} must be a whole number, not {value!r}")


def _is(value, kind: type, what: str):
    if not isinstance(value, kind):
        raise ValueError(f"{what} must be {KINDS[kind]}, not {value!r}")
    return value
