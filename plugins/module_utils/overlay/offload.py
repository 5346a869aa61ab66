# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the kernel computes the checksums of what enters the vxlan device, or leaves them to the underlay's card.

Offload is much faster, and right with nearly every card. It is switched off for drivers that are known to spoil
encapsulated packets: then pings pass, and TCP and UDP do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from ..converge.plan import Change
from ..netlink import ethtool
from ..netlink.link import Link

AUTO = "auto"
#: Drivers by ethtool's name that spoil what is inside a tunnel, with what happens.
#: vmxnet3: offloads tunnels since Linux 5.9 (commit dacce2be3312, in RHEL 8.3 as well); at ports other than 4789, 6081
#: and 8472 they are left out since 5.14 (b22580233d47), but hosts from ESXi 6.7 to 8.0 U2 lose them at those, too, by
#: NSX and by version (Broadcom KB 324199 and 432932). A guest cannot see what its host is. OpenShift, Calico's and
#: Cilium's users, Talos and kURL all came to switch it off.
SPOILS = {"vmxnet3": "many ESXi hosts lose tunnelled packets whose checksums they are to make"}
#: Links that are carried by the one that IFLA_LINK names; a bond's and a bridge's name it as their master.
ON_TOP = ("vlan", "macvlan", "ipvlan")


class Choice(NamedTuple):
    """Whether the card computes checksums, and why; ``known``: its driver's known defect, "" for none."""

    on: bool
    why: str
    known: str = ""


def choose(
    wanted: bool | str, device: str, links: Iterable[Link], driver: Callable[[str], str] = ethtool.driver
) -> Choice:
    """The meaning of ``wanted`` (True, False or "auto") on the underlay ``device``."""
    drivers = {name: driver(name) for name in carriers(device, links)}
    known = "; ".join(f"{name} is driven by {each}: {SPOILS[each]}" for name, each in drivers.items() if each in SPOILS)
    if wanted != AUTO:
        return Choice(bool(wanted), f"backend.checksum_offload is {str(wanted).lower()}", known)
    harmless = ", ".join(f"{name} ({each or 'of an unknown driver'})" for name, each in drivers.items())
    return Choice(not known, known or f"no fault is known of {harmless}", known)


def carriers(device: str, links: Iterable[Link]) -> list[str]:
    """``device`` and the links below it: a bond's, a bridge's ports, what a VLAN is on."""
    by_name = {link.name: link for link in links}
    names = {link.index: link.name for link in by_name.values()}
    found = [device]
    for name in found:  # it grows meanwhile
        link = by_name.get(name)
        below = [each.name for each in by_name.values() if each.master == name]
        if link and link.kind in ON_TOP and link.netnsid is None and link.peer_index in names:
            below.append(names[link.peer_index])
        found += [each for each in below if each not in found]
    return found


def plan(device: str, on: bool, renewed: bool = False) -> Iterator[Change]:
    """Switches ``device``'s checksum offload; ``renewed``: it will be another device by then."""
    try:
        now = None if renewed else ethtool.tx_checksum(device)
    except OSError:
        now = None
    if now != on:
        subject = f"checksum offload of {device}"
        before = "" if now is None else f"{_word(now)}\n"
        switch = partial(ethtool.set_tx_checksum, device, on)
        yield Change("offload", subject, f"set {subject} to {_word(on)}", before, f"{_word(on)}\n", switch)


def _word(on: bool) -> str:
    return "on" if on else "off"
