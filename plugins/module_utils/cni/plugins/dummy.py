# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dummy: an interface without a network, for addresses of the pod's own."""

from __future__ import annotations

from ...netlink import link
from ...netlink.channel import Channel
from ..attach import interface
from ..spec.names import mac

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.netns import Netns
    from ..attach.undo import Undo
    from ..spec.call import Call

KIND = "dummy"


def add(call: Call) -> dict:
    """Makes the interface and adds its addresses; it is the result's only interface."""
    settings = interface.Settings(call, ipam_wanted=True)
    address = interface.requested_mac(call) or mac("pod", call.network, *call.owner)

    def make(netns: Netns, undo: Undo) -> None:
        with netns, Channel() as inside:
            request = link.add(call.env.ifname, KIND, mac=address, mtu=settings.mtu)
            interface.request(inside, request, f"failed to create dummy {call.env.ifname}")
        undo.append(lambda: interface.remove(call, KIND, call.env.ifname))

    return interface.attach(call, settings, make)


def delete(call: Call) -> None:
    """Releases the address and deletes the interface."""
    interface.detach(call, interface.Settings(call), KIND)


def check(call: Call) -> None:
    """The interface is as ADD left it."""
    interface.check(call, interface.Settings(call, ipam_wanted=True), KIND)


def status(call: Call) -> None:
    """As ready as the IPAM plugin."""
    interface.status(call, interface.Settings(call, ipam_wanted=True))


def gc(call: Call) -> None:
    """Releases the addresses of attachments that are gone; their interfaces went with their namespaces."""
    interface.collect(call, interface.Settings(call))
