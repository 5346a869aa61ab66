# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a node is: the address and the interface that it has in the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..findings.codes import Code
from ..findings.finding import Finding
from ..ipam.ip import parse_address
from .special import special_address


class Place(NamedTuple):
    """The underlay address and its interface, each None where it could not be found, what is wrong with them, and the
    addresses of all wanted IP versions, the first of them ``address``."""

    address: str | None
    interface: str | None
    findings: list[Finding]
    addresses: tuple[str, ...] = ()


def place(
    node: str, found: Mapping[str, Any], address: str | None, interface: str | None, versions: Sequence[int] = (4,)
) -> Place:
    """Which address and interface of ``found`` (facts.underlay's result) the node uses: the given address, else the
    first of the given interface, else the first of the default route's. Of the IP ``versions`` (4, 6) the first is the
    primary; of the other the interface's first address is taken. Raises ValueError for an ``address`` that is none."""
    interfaces = found["interfaces"]
    shown = [
        f"{name} ({' '.join(each['addresses']) or 'no address'})" for name, each in interfaces.items() if name != "lo"
    ]

    def wrong(code: Code, subject: str, **values: Any) -> Place:
        return Place(None, None, [Finding(code, node, subject, values)])

    if interface and interface not in interfaces:
        return wrong(Code.LINK_MISSING, interface, found=shown)
    if address:
        number = parse_address(address)
        holders = [
            name
            for name, each in interfaces.items()
            for text in each["addresses"]
            if parse_address(text.split("/")[0]) == number
        ]
        if not holders:
            return wrong(Code.ADDRESS_MISSING, address, found=shown)
        if interface and interface not in holders:
            return wrong(Code.ADDRESS_ELSEWHERE, address, found=holders[0], interface=interface)
        name = interface or holders[0]
    else:
        name = interface or found["default_interface"]
        if not name:
            return wrong(Code.ROUTE_DEFAULT_MISSING, "default", found=shown)
    addresses = [text.split("/")[0] for text in interfaces[name]["addresses"]]
    chosen = address or min(addresses, key=lambda text: parse_address(text)[0] != versions[0], default=None)
    findings = []
    if not interfaces[name]["up"]:
        findings.append(Finding(Code.LINK_DOWN, node, name))
    if not chosen:
        findings.append(Finding(Code.LINK_WITHOUT_ADDRESS, node, name, {"found": shown}))
    elif kind := special_address(chosen):
        findings.append(Finding(Code.ADDRESS_NOT_ROUTABLE, node, chosen, {"kind": kind}))
    if not chosen:
        return Place(None, name, findings)
    all_of_them = [chosen]
    for version in versions[1:]:
        other = next((text for text in addresses if parse_address(text)[0] == version), None)
        if other:
            all_of_them.append(other)
        else:
            findings.append(Finding(Code.LINK_WITHOUT_IP_VERSION, node, name, {"version": version, "found": shown}))
    return Place(chosen, name, findings, tuple(all_of_them))
