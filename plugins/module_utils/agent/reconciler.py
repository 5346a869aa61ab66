# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Desired and actual state of this node, brought together again and again.

``look`` compares everything with everything, as ``podnetctl apply`` does. ``follow`` is for a change of some leases on
a node that was level: only what leads to those peers is planned, so that it takes as long on a node with 5,000 peers as
on one with five. When anything stands in its way, ``look`` does it.
"""

from __future__ import annotations

from collections import Counter

from ..converge.kernel_objects import KernelObjects
from ..converge.plan import Plan
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError
from ..overlay import masquerade, reconcile, spread, surroundings
from ..overlay.config import Config, ConfigError
from ..overlay.lease import Lease, Leases
from ..overlay.lock import PATIENCE, locked
from ..overlay.observed import Observed
from ..overlay.offload import Choice
from ..overlay.reconcile import Overlay
from .log import Log

#: With more changed leases than this it is quicker to look at everything.
FEW = 500
#: So many lines of a plan are written out.
LINES = 20


class Reconciler:
    """Works in the network namespace in which it was made."""

    def __init__(self, env_path: str, log: Log) -> None:
        self.env_path = env_path
        self.log = log
        self.kernel = Channel()
        self.packets = Channel(NETLINK_NETFILTER)
        self.config: Config | None = None
        self.leases: Leases | None = None
        #: The last look that could be made, and whether nothing was left to do after it.
        self.overlay: Overlay | None = None
        self.level = False
        #: Why it is not level, in words.
        self.reason = "no look yet"
        self.warnings: list[str] = []
        self.offload: Choice | None = None
        #: What was done, by how it came to it and kind of object: {("drift", "route"): 3}
        self.changes: Counter[tuple[str, str]] = Counter()
        self.looks: Counter[str] = Counter()
        self.failures = 0
        #: Whether what the packet filter held of single pods was lost, until who sees to that says otherwise. At the
        #: beginning nobody knows: while we were not there, podnetctl or Ansible may have made the table anew.
        self.emptied = True
        self._patience = PATIENCE

    def ports(self) -> set[int]:
        """What marks our own requests in the kernel's events."""
        return {self.kernel.port, self.packets.port}

    def refused(self) -> dict[str, str]:
        """The peers that are not served, by name with the reason."""
        found = dict(self.leases.refused) if self.leases else {}
        if self.overlay and self.overlay.desired:
            found.update(self.overlay.desired.refused)
        return found

    def tunnels(self) -> dict[str, str]:
        """For each peer that is served the address at which its end of the way for pods answers: its tunnel device's,
        or its own where there is none."""
        if self.leases is None or self.overlay is None or self.overlay.desired is None:
            return {}
        device, served = self.overlay.desired.device, self.overlay.desired.peers
        peers = [peer for peer in self.leases.peers if peer.name in served]
        return {peer.name: peer.pod_cidrs[0].address() if device else peer.address for peer in peers}

    def learn(self, config: Config, leases: Leases) -> None:
        """Takes in what a source told; ``look`` then makes it so."""
        self.config, self.leases = config, leases

    def look(self, why: str, drift: bool) -> bool:
        """Compares all there is and makes it right; whether it is level then. ``why`` is for the log; ``drift``: what
        differs now was right before."""
        if self.config is None or self.leases is None:
            return False
        self.looks["full"] += 1
        former, self.level = (self.overlay if self.level else None), False
        try:
            with locked(self._patience) as alone:
                self._beside(alone)
                overlay = reconcile.present(
                    self.kernel, self.config, self.leases, self.env_path, (), former, self.packets
                )
                self.overlay = overlay
                self._tell_offload(overlay)
                if not overlay.plan:
                    errors = []
                else:
                    overlay.generation = None
                    self._note(overlay.plan, why, drift)
                    errors = overlay.plan.apply()
        except ConfigError as error:
            return self._failed([str(error)])
        except OSError as error:
            return self._failed([str(error)])
        if errors:
            return self._failed(errors)
        if overlay.plan:
            overlay.observed = Observed(self.kernel, overlay.observed, keep=True)  # a new device has an index by now
            overlay.plan = Plan()
        self.level, self.reason = True, ""
        return True

    def follow(self, config: Config, leases: Leases) -> bool:
        """Makes the difference to what was known so, if that is possible without a look at everything."""
        known, overlay = self.leases, self.overlay
        self.learn(config, leases)
        if known is None or overlay is None or overlay.wanted is None or overlay.desired is None or not self.level:
            return False
        if overlay.wanted.config != config or known.own != leases.own:
            return False
        before, after = ({peer.name: peer for peer in each.peers} for each in (known, leases))
        # mostly the very same object
        new = [peer for name, peer in after.items() if before.get(name) is not peer and before.get(name) != peer]
        old = [peer for name, peer in before.items() if after.get(name) is not peer and after.get(name) != peer]
        if not new and not old:
            overlay.wanted.leases = leases
            return True
        if len(new) + len(old) > FEW or (len(before) > spread.MANY) != (len(after) > spread.MANY):
            return False
        self.looks["partial"] += 1
        self.level = False
        if overlay.observed:
            overlay.observed.forget()
        with locked(self._patience) as alone:
            self._beside(alone)
            self.level = self._turn(overlay, config, new, old)
        if self.level:
            overlay.wanted.leases = leases
        return self.level

    def _turn(self, overlay: Overlay, config: Config, new: list[Lease], old: list[Lease]) -> bool:
        """What leads to the ``old`` leases' peers becomes what leads to the ``new`` ones'."""
        assert overlay.wanted is not None and overlay.desired is not None and self.leases is not None
        wanted, desired = overlay.wanted, overlay.desired
        some = Leases(self.leases.own, new, {})
        coming = reconcile.reached(config, some, wanted.carrier, len(self.leases.peers))
        gone = [thing for peer in old for thing in desired.peers.pop(peer.name, [])]
        for peer in old:
            desired.refused.pop(peer.name, None)
        for thing in gone:
            wanted.index.pop(thing.key(), None)
        come = [thing for things in coming.peers.values() for thing in things]
        desired.peers.update(coming.peers)
        desired.refused.update(coming.refused)
        wanted.index.update((thing.key(), thing) for thing in come)
        step = KernelObjects(self.kernel, come, gone)
        self._note(Plan([step]), "leases changed", drift=False)
        try:
            masquerade.follow(self.packets, config, new, old)
            return not step.apply()
        except NetlinkError:
            return False  # something was not as it was left: a look at everything will tell

    def judge(self) -> list[str]:
        """What is wrong around the overlay and not ours to change, each with what to do about it."""
        if self.config is not None and self.overlay is not None:
            self.warnings = surroundings.judge(self.config, self.overlay)
        return self.warnings

    def close(self) -> None:
        """Changes nothing on the node."""
        self.kernel.close()
        self.packets.close()

    def _beside(self, alone: bool) -> None:
        """Who never lets go of the lock is not waited for again and again."""
        self._patience = PATIENCE if alone else 0.1
        if not alone:
            self.log.warning("somebody holds the lock of this network namespace: done without it")

    def _tell_offload(self, overlay: Overlay) -> None:
        """Logs who makes the tunnel's checksums, when that is news."""
        if overlay.offload and overlay.offload != self.offload and overlay.desired:
            state = "on" if overlay.offload.on else "off"
            self.log.info(f"checksum offload of {overlay.desired.device} is {state}: {overlay.offload.why}")
        self.offload = overlay.offload

    def _failed(self, errors: list[str]) -> bool:
        self.failures += 1
        self.reason = errors[0] if len(errors) == 1 else f"{errors[0]} (and {len(errors) - 1} more)"
        for line in errors[:LINES]:
            self.log.error(line)
        return False

    def _note(self, plan: Plan, why: str, drift: bool) -> None:
        """Counts and logs what is about to be done."""
        cause = "drift" if drift else "leases"
        lines: list[str] = []
        total = 0
        for step in plan.steps:
            lines += map(str, step.changes[: max(0, LINES - len(lines))])
            total += len(step.changes)
            self.changes.update((cause, change.kind) for change in step.changes)
            self.emptied = self.emptied or getattr(step, "emptied", False)
        self.log.changes(why, lines, total)
