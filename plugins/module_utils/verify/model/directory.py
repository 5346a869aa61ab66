# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a name or an address to an endpoint, by whatever is known: the API, or nodes' states."""

from __future__ import annotations

from dataclasses import field, replace

from ...ipam.ip import parse_address, to_text
from ...ipam.prefix import Prefix
from .endpoint import Endpoint, EndpointError
from .record import record


@record
class Directory:
    """What is known. ``named`` are endpoints with names, ``held`` those that have an address, ``blocks`` the nodes'
    pod CIDRs. ``hint`` ends the message for a name that is not known: it says where to look."""

    hint: str
    named: list[Endpoint] = field(default_factory=list)
    held: dict[str, Endpoint] = field(default_factory=dict)
    blocks: list[tuple[Prefix, str]] = field(default_factory=list)

    def add(self, endpoint: Endpoint, *addresses: str) -> None:
        """Enter an endpoint by its name and its addresses; of several with one address the first stays."""
        self.named.append(endpoint)
        for address in addresses or (endpoint.address,):
            self.hold(replace(endpoint, address=address))

    def hold(self, endpoint: Endpoint) -> None:
        """Enter an endpoint by its address alone."""
        self.held.setdefault(endpoint.address, endpoint)

    def resolve(self, text: str) -> Endpoint:
        """What ``text`` names: a pod or Service (namespace/name, or the name alone where only one has it), a node, or
        an address of anything. Raises EndpointError."""
        try:
            return self.at(to_text(*parse_address(text)))
        except ValueError:
            pass
        found = {(one.kind, one.name): one for one in reversed(self.named) if text in (one.name, _short(one.name))}
        if not found:
            raise EndpointError(f"{text}: is neither an address nor the name of {self.hint}")
        if len(found) > 1:
            names = ", ".join(sorted(f"{kind} {name}" for kind, name in found))
            raise EndpointError(f"{text}: is ambiguous ({names}): give the namespace, or the address")
        (endpoint,) = found.values()
        return endpoint

    def at(self, address: str) -> Endpoint:
        """The endpoint with that address; a pod by its number where only its node's CIDR is known."""
        if address in self.held:
            return self.held[address]
        version, number = parse_address(address)
        node = next((node for block, node in self.blocks if block.holds(version, number)), "")
        return Endpoint("pod" if node else "outside", address, address, node)


def _short(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("/")[2]
