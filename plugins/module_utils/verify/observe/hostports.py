# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the node's ports that pods publish lead to them, by portmap's maps in the table ``inet podnet``."""

from __future__ import annotations

from collections.abc import Iterable

from ...nat import pods
from ...netlink.channel import Channel
from ...netlink.nftables import get_element
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError
from .attachments import Attachment

UNSPECIFIED = ("", "0.0.0.0", "::")


def astray(attached: Iterable[Attachment], network: str) -> list[dict[str, str]]:
    """The ports that do not lead to the pod that publishes them: ``pod`` and ``reason``."""
    found = []
    publishing = [one for one in attached if one.ports and one.network == network]
    for one in publishing:
        try:
            with Channel(NETLINK_NETFILTER) as channel:
                found += _astray(channel, one)
        except (NetlinkError, OSError):
            continue
    return found


def _astray(channel: Channel, one: Attachment) -> list[dict[str, str]]:
    found = []
    comment = pods.owner_comment(one.network, one.container_id, one.interface)
    firsts = {":" in address: address for address in reversed(one.addresses)}
    for protocol, port, host_ip, pod_port in one.ports:
        at = "" if host_ip in UNSPECIFIED else host_ip
        for address in firsts.values():
            if protocol not in pods.PROTOCOLS or (host_ip and (":" in host_ip) != (":" in address)):
                continue
            mapping = {
                "protocol": protocol, "host_port": port, "host_ip": at, "pod_ip": address, "pod_port": pod_port,
                "snat": False, "masq_all": False, "conditions": (),
            }  # fmt: skip
            ((name, key, data),) = pods.mapping_elements(mapping)
            there = get_element(channel, pods.TABLE, name, key)
            # one of a pod's interfaces has the port, the first that was made
            others = there and pods.is_of_container(there[1], one.container_id) and there[1] != comment
            if not there or (there[0] != data and not others):
                told = f"the node's {protocol} port {port} leads {'elsewhere' if there else 'nowhere'}"
                found.append({"pod": one.pod, "reason": told})
    return found
