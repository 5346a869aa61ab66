# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The VXLAN tunnel endpoints (VTEPs, RFC 7348) of this node."""

from __future__ import annotations

from ...netlink import address as addresses
from ...netlink import link as links
from ...netlink.channel import Channel
from ..model.answer import Vtep


def vteps(channel: Channel) -> list[Vtep]:
    """The VXLAN devices of this network namespace."""
    return [
        Vtep(
            link.name,
            link.mac,
            link.data.get("id"),
            link.data.get("port"),
            link.data.get("local", ""),
            link.mtu,
            link.up,
            [found.address for found in addresses.dump(channel, index=link.index)],
        )
        for link in links.dump(channel, "vxlan")
    ]
