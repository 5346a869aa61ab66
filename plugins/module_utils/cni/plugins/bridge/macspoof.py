# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macspoofchk: drops frames of a pod with another source MAC address than its own where they enter the bridge.

A table of the family ``bridge``, since ``inet`` does not see bridged frames. It is made once; pods are elements.
"""

from __future__ import annotations

from errno import ENOENT

from ....nat import pods, table
from ....netlink import nft_expr as nft
from ....netlink import nftables
from ....netlink.channel import Channel
from ....netlink.nftables import Chain, Rule, Set, Table
from ....netlink.removal import Unhurried
from ....netlink.wire import NETLINK_NETFILTER, NetlinkError, pack_mac
from ...spec.errors import INTERNAL, CniError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...spec.call import Call

BEFORE_ALL = -300  # linux/netfilter_bridge.h NF_BR_PRI_NAT_DST_BRIDGED
LINK_HEADER = 0
NAME = 16  # linux/if.h IFNAMSIZ

_FROM_GUARDED = nft.meta("iifname") + nft.in_set("guarded")
_FROM_OTHERS = (
    nft.meta("iifname", nft.REG32)
    + nft.payload(LINK_HEADER, 6, 6, nft.REG32 + 4)
    + nft.in_set("own", nft.REG32, inverted=True)
)
TABLE = Table(
    "bridge",
    "podnet",
    [Set("guarded", ("ifname",)), Set("own", ("ifname", "ether_addr"))],
    [
        Chain(
            "prerouting",
            [Rule("pods send as themselves", _FROM_GUARDED, _FROM_OTHERS, nft.verdict("drop"))],
            "filter",
            "prerouting",
            BEFORE_ALL,
        )
    ],
)


def _keys(port: str, mac: str) -> list[tuple[str, bytes]]:
    name = port.encode().ljust(NAME, b"\0")
    return [("guarded", name), ("own", nftables.pack(("", ""), name, pack_mac(mac)))]


def add(call: Call, port: str, mac: str) -> None:
    """Frames that enter the bridge by `port` must come from `mac`."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        try:
            _ensure(channel)
            requests = [
                nftables.add_elements(TABLE, name, [(key, None)], comment=comment) for name, key in _keys(port, mac)
            ]
            nftables.transaction(channel, requests)
        except NetlinkError as error:
            raise CniError(INTERNAL, f"failed to guard {port} against spoofed MAC addresses: {error}") from None


def follow(call: Call, mac: str) -> None:
    """Where the attachment is guarded, frames must come from `mac` from now on: a later plugin of the chain set it."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        try:
            if not nftables.exists(channel, TABLE):
                return
            elements = nftables.read_elements(channel, TABLE, "own")
            former = [key for key, (_data, owner) in elements.items() if owner == comment]
            requests = [nftables.delete_elements(TABLE, "own", former)] if former else []
            for key in former:
                new = key[:NAME] + nftables.pack(("",) * 2, b"", pack_mac(mac))
                requests.append(nftables.add_elements(TABLE, "own", [(new, None)], comment=comment))
            nftables.transaction(channel, requests)
        except NetlinkError as error:
            raise CniError(INTERNAL, f"failed to guard {call.env.ifname} by its new MAC address: {error}") from None


def _ensure(channel: Channel) -> None:
    for attempt in range(table.TRIES):
        try:
            nftables.ensure(channel, TABLE)
            return
        except NetlinkError as error:
            if error.errno not in nftables.RACED or attempt == table.TRIES - 1:
                raise


def remove(call: Call) -> None:
    """Removes the attachment's elements."""
    _remove(pods.by_owner(pods.owner_comment(call.network, *call.owner)))


def gc(call: Call, valid: set) -> None:
    """Removes the elements of all but the valid attachments."""
    _remove(pods.by_network(call.network, valid))


def _remove(chosen) -> None:
    with Unhurried(NETLINK_NETFILTER) as channel:
        for entry in TABLE.sets:
            try:
                elements = nftables.read_elements(channel, TABLE, entry.name)
                for key, (_data, comment) in elements.items():
                    if chosen(comment):
                        nftables.transaction(channel, [nftables.delete_elements(TABLE, entry.name, [key])])
            except NetlinkError as error:
                if error.errno != ENOENT:  # no table, or another process was first
                    raise CniError(INTERNAL, str(error)) from None


def check(call: Call, port: str, mac: str) -> None:
    """Table and elements are as ADD left them."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        _requests, changes = nftables.differences(channel, TABLE)
        if changes:
            raise CniError(INTERNAL, f"{TABLE.title()} has drifted: {changes[0]}")
        for name, key in _keys(port, mac):
            found = nftables.get_element(channel, TABLE, name, key)
            if not found or found[1] != comment:
                raise CniError(INTERNAL, f"{port} is not guarded against spoofed MAC addresses")
