# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's overlay as a whole: from configuration and leases to the movement that makes it so.

config + leases ──► back end ──► desired ──┐
                                           ├──► movement
                    the node ──► actual ───┘
"""

from __future__ import annotations

from ..netlink.channel import Channel
from ..netlink.plan import plan
from . import files, host_gw, masquerade, subnet_env, sysctl, underlay, vxlan
from .backend import Desired
from .config import Config
from .lease import Leases
from .movement import Kernel, Movement, Part, Texts
from .observed import Observed

BACKENDS = {"vxlan": vxlan.desired, "host-gw": host_gw.desired}


class Overlay:
    """One look at a node: what it is to be (``desired``), and what must be done for that (``movement``)."""

    def __init__(self, desired: Desired | None, movement: Movement) -> None:
        self.desired = desired
        self.movement = movement


def present(
    channel: Channel, config: Config, leases: Leases, env_path: str = subnet_env.PATH, parts: tuple[Part, ...] = ()
) -> Overlay:
    """Looks at the node and plans its overlay; ``parts`` are carried out before the overlay's own.

    Raises ConfigError when the node itself cannot be served (no interface has its address, an MTU that cannot
    work), and NetlinkError when the kernel's state can't be read.
    """
    observed = Observed(channel)
    carrier = underlay.find(leases.own, observed.links, observed.addresses)
    desired = BACKENDS[config.backend.type](config, leases, carrier)
    objects = desired.objects()
    env = subnet_env.render(config, leases.own, desired.mtu)
    return Overlay(
        desired,
        Movement(
            [
                *parts,
                Texts("sysctl", sysctl.wanted(config), sysctl.read, sysctl.write),
                Kernel(plan(objects, observed.ours(objects)), channel),
                masquerade.present(config),
                Texts("file", {env_path: env}, files.read, files.write, files.remove),
            ]
        ),
    )


def absent(channel: Channel, env_path: str = subnet_env.PATH, parts: tuple[Part, ...] = ()) -> Overlay:
    """Plans the way back: nothing of ours is left, nothing of others' is touched. Forwarding stays as it is: who else
    relies on it can't be known. ``parts`` are carried out after the overlay's own."""
    return Overlay(
        None,
        Movement(
            [
                Texts("file", {env_path: None}, files.read, files.write, files.remove),
                masquerade.absent(),
                Kernel(plan([], Observed(channel).ours([])), channel),
                *parts,
            ]
        ),
    )
