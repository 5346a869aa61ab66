# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macvlan: an interface on top of one of this host's, with its own MAC address."""

from __future__ import annotations

from ...netlink import link
from ...netlink.channel import Channel
from ..attach import interface, parent_link
from ..spec import config
from ..spec.errors import config_error
from ..spec.names import mac

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.netns import Netns
    from ..attach.undo import Undo
    from ..spec.call import Call

KIND = "macvlan"
#: linux/if_link.h, MACVLAN_MODE_*
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


class Settings(parent_link.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.mode = config.string(call.conf, "mode", "bridge")
        if self.mode not in MODES:
            raise config_error(f"unknown macvlan mode: {self.mode!r}, it must be one of {', '.join(MODES)}")
        self.mac = interface.requested_mac(call)
        self.values = {"mode": MODES[self.mode]}
        queue = config.integer(call.conf, "bcqueuelen", 0, 0, (1 << 32) - 1)
        self.queue = {"bc_queue_len": queue} if queue else {}


def add(call: Call) -> dict:
    """Makes the interface and adds its addresses; it is the result's only interface."""
    settings = Settings(call)

    def make(netns: Netns, undo: Undo) -> None:
        # Derived from the attachment: a DHCP server that assigns by MAC address gives a restarted pod the same address.
        address = settings.mac or mac("pod", call.network, *call.owner)
        parent_link.make(call, settings, netns, undo, KIND, {**settings.values, **settings.queue}, address)
        if settings.mode == "passthru" and settings.mac:  # passthru has the master's at creation, whatever is requested
            with netns, Channel() as inside:
                request = link.change(0, name=call.env.ifname, mac=settings.mac)
                interface.request(inside, request, "failed to set the MAC address")
        parent_link.announce(call, netns)

    return interface.attach(call, settings, make)


delete, check, status, gc = parent_link.verbs(KIND, Settings)
