# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipMasq: elements of the table ``inet podnet`` that masquerade what pods send out of their subnets."""

from __future__ import annotations

from ...ipam.ip import parse_subnet
from ...nat import pods, table
from ...netlink import nftables
from ...netlink.removal import Unhurried
from ...netlink.wire import NETLINK_NETFILTER
from ..spec.errors import INTERNAL, CniError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.nftables import Chain
    from ..spec.call import Call

KIND = ("masquerade_from",)


def add(call: Call, ips: list[dict]) -> None:
    """Masquerades the addresses of a result's `ips`. Raises NetlinkError."""
    wanted = _wanted(ips)
    elements: list[pods.Element] = [(*key, chain.name) for key, chain in wanted]
    chains = {chain.name: chain for _key, chain in wanted}
    with Unhurried(NETLINK_NETFILTER) as channel:
        pods.add(channel, elements, pods.owner_comment(call.network, *call.owner), list(chains.values()))


def _wanted(ips: list[dict]) -> list[tuple[tuple[str, bytes], Chain]]:
    """Map, key and chain for each of a result's `ips`."""
    split = [(item["address"].partition("/")[0], str(parse_subnet(item["address"]))) for item in ips]
    return [(pods.masquerade_key(address), pods.masquerade_chain(subnet)) for address, subnet in split]


def remove(call: Call, addresses: list[str]) -> None:
    """Removes the attachment's elements; without `addresses` it finds them by their comment."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        if addresses:
            pods.remove(channel, [pods.masquerade_key(item) for item in addresses], comment)
        else:
            pods.remove_all(channel, KIND, pods.by_owner(comment))


def check(call: Call, ips: list[dict]) -> None:
    """The table is in sync and has the addresses. Raises CniError for the first difference."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        _requests, changes = table.differences(channel)
        if changes:
            raise CniError(INTERNAL, f"{table.TABLE.title()} has drifted: {changes[0]}")
        rules = nftables.read_rules(channel, table.TABLE)
        for item, (key, chain) in zip(ips, _wanted(ips)):
            found = nftables.get_element(channel, table.TABLE, *key)
            if found != (chain.name, comment) or not chain.is_in(rules):
                raise CniError(INTERNAL, f"{item['address']} is not masqueraded")


def gc(call: Call, valid: set) -> None:
    """Removes the elements of all but the valid attachments."""
    with Unhurried(NETLINK_NETFILTER) as channel:
        pods.remove_all(channel, KIND, pods.by_network(call.network, valid))
