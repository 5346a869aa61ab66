# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's overlay as a whole: from configuration and leases to the plan.

config + leases ──► back end ──► desired ──┐
                                           ├──► plan
                    the node ──► actual ───┘
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..converge import files, sysctls
from ..converge.kernel_objects import KernelObjects
from ..converge.plan import Change, Plan, Step
from ..findings.finding import Finding
from ..netlink.channel import Channel
from ..netlink.objects import KernelObject
from ..netlink.wireguard import Peer
from . import host_gw, kernel, masquerade, offload, own, spread, subnet_env, sysctl, underlay, vxlan, wireguard
from .backend import Desired
from .config import Config
from .lease import Leases
from .observed import MANY, Observed
from .underlay import Underlay

BACKENDS = {"vxlan": vxlan.desired, "host-gw": host_gw.desired, "wireguard": wireguard.desired}


def reached(config: Config, leases: Leases, carrier: Underlay, peers: int) -> Desired:
    """The back end's desired state for ``leases``, which may be only some of the ``peers``. Raises ConfigError."""
    return spread.over_scopes(BACKENDS[config.backend.type](config, leases, carrier), peers)


class Wanted:
    """The back end's desired state with its inputs: with equal inputs it is not computed again."""

    def __init__(self, config: Config, leases: Leases, carrier: Underlay) -> None:
        self.config = config
        self.leases = leases
        self.carrier = carrier
        self.desired = own.with_fence(config, reached(config, leases, carrier, len(leases.peers)))
        self.index: dict[tuple, KernelObject] = {thing.key(): thing for thing in self.desired.objects()}

    def few(self) -> dict[tuple, KernelObject]:
        """The objects but those that each peer has: neighbor entries, FDB entries, routes."""
        return {key: thing for key, thing in self.index.items() if not isinstance(thing, MANY)}

    def made_from(self, config: Config, leases: Leases, carrier: Underlay) -> bool:
        """Whether these are its inputs."""
        return self.leases is leases and self.config == config and self.carrier == carrier


class Overlay:
    """One look at a node: its desired state (``desired``), and what leads to it (``plan``).

    ``offload``: who makes the checksums of what enters the vxlan device, None for another back end. ``shared``: what is
    wanted of links that others use too, by key; ``warning``: what keeps the bridge from being ours; ``generation``:
    that of the packet filter's ruleset; ``emptied``: whether the plan makes a table or set of it again, so that pods'
    elements are lost.
    """

    def __init__(self, desired: Desired | None, plan: Plan, wanted: Wanted | None = None) -> None:
        self.desired = desired
        self.plan = plan
        self.wanted = wanted
        self.observed: Observed | None = None
        self.offload: offload.Choice | None = None
        self.shared: dict[tuple, KernelObject] = {}
        self.warning: Finding | None = None
        self.generation: bytes | None = None
        self.emptied = False


def present(
    channel: Channel,
    config: Config,
    leases: Leases,
    env_path: str = subnet_env.PATH,
    steps: Iterable[Step] = (),
    former: Overlay | None = None,
    packet_filter: Channel | None = None,
    own_only: bool = False,
) -> Overlay:
    """Looks at the node and plans its overlay; ``steps`` are applied before the overlay's own. ``former`` is a look
    after which all was in sync: what cannot have changed since is not computed again. ``packet_filter`` is a channel of
    NETLINK_NETFILTER to use instead of one for the purpose. ``own_only``: the node's own side alone is planned; what
    leads to peers is neither made nor removed, and subnet.env, which lets pods in, is left alone as well: podnetd
    knows the peers.

    Raises ConfigError when the node itself cannot be served (no interface has its address, an MTU that cannot
    work), and NetlinkError when the kernel's state cannot be read.
    """
    kernel.need(config.backend.type)
    if own_only:
        leases = leases._replace(peers=[])
    observed = Observed(channel, former.observed if former else None)
    carrier = underlay.find(leases.own, observed.links, observed.addresses)
    wanted = former.wanted if former else None
    if wanted is None or not wanted.made_from(config, leases, carrier):
        wanted, former = Wanted(config, leases, carrier), None
        observed.forget()
    desired = wanted.desired
    bridge, warning = own.bridge(config, leases.own, desired.mtu, observed.links)
    shared = {thing.key(): thing for thing in bridge}
    actual = observed.ours(wanted.index, shared, config.networks)
    if own_only:
        actual = [thing for thing in actual if not isinstance(thing, (*MANY, Peer)) or thing.key() in wanted.index]
    index = wanted.few() if observed.unchanged else wanted.index
    objects = KernelObjects(channel, {**index, **shared} if shared else index, actual)
    known = former.generation if former else None
    packets = masquerade.present(config, leases, known, packet_filter, own_only)
    choice = None
    if config.backend.type == "vxlan":
        choice = offload.choose(config.backend.checksum_offload, carrier.device, observed.links)
    env = subnet_env.render(config, leases.own, desired.mtu)
    overlay = Overlay(
        desired,
        Plan(
            [
                *steps,
                *(desired.key.plan() if desired.key else ()),
                *sysctls.plan(sysctl.wanted(config), sysctls.read),
                objects,
                *(_of_device(config, desired.device, choice, objects.renews(desired.device)) if desired.device else ()),
                packets,
            ],
            # it lets the CNI plugin start pods: only when all else is done
            then=list(files.plan({} if own_only else {env_path: env})),
        ),
        wanted,
    )
    overlay.observed = observed
    overlay.offload = choice
    overlay.shared = shared
    overlay.warning = warning
    overlay.generation = packets.generation
    overlay.emptied = packets.emptied
    return overlay


def _of_device(config: Config, device: str, choice: offload.Choice | None, renewed: bool) -> Iterator[Change]:
    """What goes with the tunnel's device; where that is ``renewed``, what is there now goes with it."""
    yield from sysctls.plan(sysctl.of_device(config, device), (lambda name: None) if renewed else sysctls.read)
    if choice:
        yield from offload.plan(device, choice.on, renewed)


def absent(channel: Channel, env_path: str = subnet_env.PATH, steps: Iterable[Step] = ()) -> Overlay:
    """Plans the overlay's removal: all of ours is deleted, nothing foreign is touched. Forwarding stays as it is, since
    others may rely on it. ``steps`` are applied after the overlay's own."""
    objects = KernelObjects(channel, [], Observed(channel).all_of_ours())
    return Overlay(None, Plan([*files.plan({env_path: None}), masquerade.absent(), objects, *steps]))
