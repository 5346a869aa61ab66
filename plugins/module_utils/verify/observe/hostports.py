# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the node's ports that pods publish lead to them, by portmap's maps in the table ``inet podnet``."""

from __future__ import annotations

from collections.abc import Iterable

from ...ipam.ip import by_version, version_of
from ...nat import pods
from ...netlink.channel import Channel
from ...netlink.nftables import get_element
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError, unpack_ip
from ..model.state import Attachment, HostPort, HostPortMismatch

UNSPECIFIED = ("", "0.0.0.0", "::")
#: Bytes of a port in an element's data, after the address (nftables pads to words).
PADDED_PORT = 4


def mismatches(attached: Iterable[Attachment], network: str) -> list[HostPortMismatch]:
    """The ports that do not lead to the pod that publishes them."""
    found = []
    publishing = [one for one in attached if one.ports and one.network == network]
    for one in publishing:
        try:
            with Channel(NETLINK_NETFILTER) as channel:
                found += _of_pod(channel, one)
        except (NetlinkError, OSError):
            continue
    return found


def _of_pod(channel: Channel, one: Attachment) -> list[HostPortMismatch]:
    found = []
    comment = pods.owner_comment(one.network, one.container_id, one.interface)
    for port in one.ports:
        for address in by_version(one.addresses).values():
            if port.protocol not in pods.PROTOCOLS or (
                port.host_ip and version_of(port.host_ip) != version_of(address)
            ):
                continue
            name, key, data = _element(port, address)
            there = get_element(channel, pods.TABLE, name, key)
            # one of a pod's interfaces has the port, the first that was made
            others = there and pods.is_of_container(there[1], one.container_id) and there[1] != comment
            if not there or (there[0] != data and not others):
                leads_to = unpack_ip(there[0][:-PADDED_PORT]) if there and isinstance(there[0], bytes) else ""
                found.append(HostPortMismatch(one.name, port.protocol, port.host_port, leads_to))
    return found


def _element(port: HostPort, address: str) -> pods.Element:
    """The expected element of the map: the map's name, key and data."""
    host_ip = "" if port.host_ip in UNSPECIFIED else port.host_ip
    (element,) = pods.PortMapping(port.protocol, port.host_port, host_ip, address, port.pod_port).elements()
    return element
