# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loopback: the pod's ``lo``, up."""

from __future__ import annotations

from ...netlink import address, link
from ...netlink.channel import Channel
from ..attach.pod import enter, enter_if_there
from ..spec.call import Call
from ..spec.errors import INTERNAL, CniError

LO = "lo"


def add(call: Call) -> dict:
    """Sets lo up and passes the previous result on; without one, the result has lo itself."""
    with enter(call.env), Channel() as channel:
        channel.request(link.change(0, name=LO, up=True))
        if call.previous is not None:
            return call.previous
        found = link.get(channel, LO)
        addresses = address.dump(channel, index=found.index) if found else []
    return {
        "interfaces": [{"name": LO, "mac": "00:00:00:00:00:00", "sandbox": call.env.netns}],
        "ips": [{"interface": 0, "address": item.address} for item in addresses],
        "routes": [],
        "dns": {},
    }


def delete(call: Call) -> None:
    """Sets lo down, if the namespace still exists."""
    with enter_if_there(call.env) as there:
        if there:
            with Channel() as channel:
                channel.request(link.change(0, name=LO, up=False))


def check(call: Call) -> None:
    """lo is up."""
    with enter(call.env), Channel() as channel:
        found = link.get(channel, LO)
    if found is None or not found.up:
        raise CniError(INTERNAL, "loopback interface is down")


def status(_call: Call) -> None:
    """Always ready."""


def gc(_call: Call) -> None:
    """Nothing outlives the namespace."""
