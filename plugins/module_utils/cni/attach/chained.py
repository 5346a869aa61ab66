# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the plugins that change another plugin's interface: vrf and sbr."""

from __future__ import annotations

from ...netlink import link
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ..exec.attachment_lock import NAMESPACES, hold, release
from ..spec import result
from ..spec.errors import INTERNAL, CniError, config_error
from . import pod

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ..spec.call import Call


def previous(call: Call) -> dict:
    """The previous plugin's result. CniError 7 if this plugin is the first."""
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    return call.previous


class Locked:
    """The pod's namespace, locked against other calls that enter it by this function.

    Routing tables are chosen by what is free, and two interfaces of one pod may be made at the same time. A context
    manager, as the namespace is; where that is gone (`pod.Absent`) there is nothing to lock.
    """

    def __init__(self, netns: Netns | pod.Absent) -> None:
        self.netns = netns
        self.file = -1

    def __enter__(self) -> Netns | None:
        if isinstance(self.netns, Netns):
            self.file = hold(NAMESPACES, self.netns.identity()[1])
        try:
            return self.netns.__enter__()
        except BaseException:
            release(self.file)
            raise

    def __exit__(self, *failure: object) -> None:
        self.netns.__exit__(*failure)
        release(self.file)


def interface(inside: Channel, call: Call) -> Link:
    """The pod's interface. CniError if it is missing."""
    found = find(inside, call)
    if found is None:
        raise CniError(INTERNAL, f"interface {call.env.ifname} is missing in {call.env.netns}")
    return found


def find(inside: Channel, call: Call) -> Link | None:
    """The pod's interface, None if it is missing."""
    return link.get(inside, call.env.ifname)


def addresses(call: Call) -> list[dict]:
    """The result's addresses that are the pod's interface's, those of no known interface included."""
    answer = previous(call)
    owners = [(item, result.interface_of(answer, item)) for item in answer["ips"]]
    return [item for item, owner in owners if owner is None or owner.get("name") == call.env.ifname]
