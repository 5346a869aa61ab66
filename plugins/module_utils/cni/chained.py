# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What plugins that change another plugin's interface share: vrf and sbr."""

from __future__ import annotations

from fcntl import LOCK_EX, flock

from ..netlink import link
from ..netlink.channel import Channel
from ..netlink.netns import Netns
from . import pod
from .errors import INTERNAL, CniError, config_error

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..netlink.link import Link
    from .call import Call


def previous(call: Call) -> dict:
    """The result of the plugins before this one. CniError 7 when it is the first."""
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    return call.previous


def locked(netns: Netns) -> Netns:
    """The namespace, which no other call that asks for this has until this process is done with it.

    Routing tables are chosen by what is free, and two interfaces of one pod may be made at the same time.
    """
    flock(netns.fd, LOCK_EX)
    return netns


def interface(inside: Channel, call: Call) -> Link:
    """The pod's interface. CniError when there is none."""
    found = find(inside, call)
    if found is None:
        raise CniError(INTERNAL, f"interface {call.env.ifname} is missing in {call.env.netns}")
    return found


def find(inside: Channel, call: Call) -> Link | None:
    """The pod's interface, None if there is none."""
    return link.get(inside, call.env.ifname)


def addresses(call: Call) -> list[dict]:
    """The result's addresses that are the pod's interface's, those of no named interface included."""
    told = previous(call)
    names = [item.get("name") for item in told["interfaces"]]
    return [
        item for item in told["ips"] if item.get("interface") is None or names[item["interface"]] == call.env.ifname
    ]


def enter(call: Call) -> Netns:
    """The pod's namespace, locked."""
    return locked(pod.enter(call.env))
