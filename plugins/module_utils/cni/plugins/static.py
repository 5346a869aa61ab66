# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""static: addresses from the configuration or the runtime."""

from __future__ import annotations

from ...ipam.ip import parse_address, parse_interface, parse_subnet, to_text
from ..attach import pod
from ..spec import config, result
from ..spec.environment import known_args
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.result import at_least, family

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call


def add(call: Call) -> dict:
    """The given addresses with their gateways, the configured routes and DNS."""
    answer = result.new()
    answer["ips"] = addresses(call)
    if not answer["ips"]:
        raise config_error(
            "no IP addresses specified: ipam.addresses, CNI_ARGS's IP, args.cni.ips or runtimeConfig.ips"
        )
    families = [family(item["address"]) for item in answer["ips"]]
    if not at_least(call.version, "0.3.0") and len(families) != len(set(families)):
        raise config_error(f"CNI version {call.version} does not support more than 1 address per family")
    answer["routes"] = config.routes(_section(call))
    answer["dns"] = config.dns(_section(call))
    return answer


def delete(_call: Call) -> None:
    """Nothing is reserved, so nothing is released."""


def check(call: Call) -> None:
    """The previous result has every address, with its gateway, and every route."""
    previous = call.previous or result.new()
    for wanted in addresses(call):
        gateways = [item.get("gateway") for item in previous["ips"] if _same(item["address"], wanted["address"])]
        if not gateways:
            raise CniError(INTERNAL, f"static: the address {wanted['address']} is not in prevResult")
        gateway = wanted.get("gateway")
        if gateway and not any(one and _same(one, gateway) for one in gateways):
            raise CniError(INTERNAL, f"static: the gateway of {wanted['address']} is {gateways[0]}, not {gateway}")
    for route in config.routes(_section(call)):
        there = [item for item in previous["routes"] if _same(item["dst"], route["dst"])]
        gateway = route.get("gw")
        if not there or (gateway and not any(item.get("gw") and _same(item["gw"], gateway) for item in there)):
            raise CniError(INTERNAL, f"static: the route to {route['dst']} is not in prevResult")


def status(call: Call) -> None:
    """Ready if the configuration is valid."""
    addresses(call)


def gc(_call: Call) -> None:
    """Nothing is stored."""


def _section(call: Call) -> dict:
    section = config.mapping(call.conf, "ipam")
    if not section:
        raise config_error("IPAM config missing 'ipam' key")
    return section


def addresses(call: Call) -> list[dict]:
    """``[{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}]``: the given addresses, in order.

    CNI_ARGS's IP adds to the configured ones; args.cni.ips replaces those, and runtimeConfig.ips all. CNI_ARGS's
    GATEWAY is for every address whose subnet contains it. CniError 7 for anything but an address with a prefix length.
    """
    known_args(call.env.args)
    found = [
        _address(config.string(item, "address"), config.string(item, "gateway"))
        for item in config.objects(_section(call), "addresses")
    ]
    found += [_address(text) for text in _words(call.env.args.get("IP", ""))]
    for texts in (config.strings(call.args(), "ips"), config.strings(call.runtime(), "ips")):
        if texts:
            found = [_address(text) for text in texts]
    for text in _words(call.env.args.get("GATEWAY", "")):
        try:
            gateway = parse_address(text)
        except ValueError as error:
            raise config_error(f"ARGS: GATEWAY: {error}") from None
        for item in found:
            if gateway in parse_subnet(item["address"]):
                item["gateway"] = to_text(*gateway)
    return found


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _address(text: str, gateway: str = "") -> dict:
    try:
        if "/" not in text:
            raise ValueError(f"{text!r} has no prefix length")
        kind, number, length = parse_interface(text)
        item = {"address": f"{to_text(kind, number)}/{length}"}
        if gateway:
            other, number = parse_address(gateway)
            if other != kind:
                raise ValueError(f"the gateway {gateway} of {text} is of the other family")
            item["gateway"] = to_text(other, number)
    except ValueError as error:
        raise config_error(f"invalid address: {error}") from None
    return item


def _same(one: str, two: str) -> bool:
    """Whether two addresses or prefixes are equal, however they are spelt."""
    return pod.canonical(one) == pod.canonical(two)
