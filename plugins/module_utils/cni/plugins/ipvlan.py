# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvlan: an interface on top of one of this host's, with its own addresses and the master's MAC address."""

from __future__ import annotations

from ..attach import interface, parent_link
from ..spec import config
from ..spec.errors import config_error

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.netns import Netns
    from ..attach.undo import Undo
    from ..spec.call import Call

KIND = "ipvlan"
#: linux/if_link.h, IPVLAN_MODE_*
MODES = {"l2": 0, "l3": 1, "l3s": 2}


class Settings(parent_link.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        mode = config.string(call.conf, "mode", "l2")
        if mode not in MODES:
            raise config_error(f"unknown ipvlan mode: {mode!r}, it must be one of {', '.join(MODES)}")
        self.values = {"mode": MODES[mode]}
        #: Addresses of the previous result, if no IPAM is configured.
        self.given = call.previous if call.previous and call.previous["ips"] and not self.ipam else None

    def chained_master(self, call: Call) -> None:
        """Without ``master`` it is the only interface of the previous result."""
        if self.master or call.previous is None:
            return
        names = [item.get("name") for item in call.previous["interfaces"]]
        if len(names) != 1 or not names[0]:
            raise config_error("chained master failure: prevResult lacks a single named interface")
        self.master = names[0]


def add(call: Call) -> dict:
    """Makes the interface and adds its addresses; it is the result's only interface."""
    settings = Settings(call)
    settings.chained_master(call)
    if not settings.ipam and not settings.given:
        raise config_error("ipvlan requires an IPAM configuration, or addresses in prevResult")

    def make(netns: Netns, undo: Undo) -> None:
        parent_link.make(call, settings, netns, undo, KIND, settings.values)
        parent_link.announce(call, netns)

    return interface.attach(call, settings, make, settings.given)


delete, check, status, gc = parent_link.verbs(KIND, Settings)
