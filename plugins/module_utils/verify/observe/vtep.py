# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The VXLAN tunnel endpoints (VTEPs, RFC 7348) that this node has, as the kernel tells them."""

from __future__ import annotations

from ...netlink import address as addresses
from ...netlink import link as links
from ...netlink.channel import Channel


def vteps(channel: Channel) -> list[dict]:
    """Each VXLAN device: ``device``, ``mac``, ``vni``, ``port``, ``local`` (its end of the tunnel), ``mtu``, ``up``,
    ``addresses``.
    """
    return [
        {
            "device": link.name,
            "mac": link.mac,
            "vni": link.data.get("id"),
            "port": link.data.get("port"),
            "local": link.data.get("local", ""),
            "mtu": link.mtu,
            "up": link.up,
            "addresses": [found.address for found in addresses.dump(channel, index=link.index)],
        }
        for link in links.dump(channel, "vxlan")
    ]
