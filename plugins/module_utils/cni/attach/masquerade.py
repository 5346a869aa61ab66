# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipMasq: elements of the table ``inet podnet`` that masquerade what pods send out of their subnets."""

from __future__ import annotations

from ...ipam.ip import parse_subnet
from ...nat import pods, table
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER
from ..spec.errors import INTERNAL, CniError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

KIND = ("masqueraded",)


def add(call: Call, ips: list[dict]) -> None:
    """Masquerades the addresses of a result's `ips`. Raises NetlinkError."""
    elements = [pods.masquerade_element(item["address"]) for item in ips]
    subnets = [str(parse_subnet(item["address"])) for item in ips]
    with Channel(NETLINK_NETFILTER) as channel:
        pods.add(channel, elements, subnets, pods.owner_comment(call.network, *call.owner))


def remove(call: Call, addresses: list[str]) -> None:
    """Removes the attachment's elements; without `addresses` it finds them by their comment."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Channel(NETLINK_NETFILTER) as channel:
        if addresses:
            pods.remove(channel, [pods.masquerade_element(item)[:2] for item in addresses], comment)
        else:
            pods.remove_owner(channel, comment, KIND)


def check(call: Call, ips: list[dict]) -> None:
    """The table is in sync and has the addresses. Raises CniError for the first difference."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Channel(NETLINK_NETFILTER) as channel:
        _requests, changes = table.differences(channel)
        if changes:
            raise CniError(INTERNAL, f"{table.TABLE.title()} has drifted: {changes[0]}")
        for item in ips:
            name, key, _data = pods.masquerade_element(item["address"])
            if pods.comment_of(channel, name, key) != comment:
                raise CniError(INTERNAL, f"{item['address']} is not masqueraded")


def gc(call: Call, valid: set) -> None:
    """Removes the elements of all but the valid attachments."""
    with Channel(NETLINK_NETFILTER) as channel:
        pods.collect(channel, KIND, call.network, valid)
