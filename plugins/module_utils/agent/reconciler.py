# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Desired and actual state of this node, reconciled again and again.

``reconcile`` compares everything with everything, as ``podnetctl apply`` does. ``update`` is for a change of some
leases on a node that was in sync: only what leads to those peers is planned, so that it takes as long on a node with
5,000 peers as on one with five. Where it cannot, ``reconcile`` does it.
"""

from __future__ import annotations

from collections import Counter

from ..converge.kernel_objects import KernelObjects
from ..converge.plan import Plan
from ..findings.codes import Code
from ..findings.finding import Finding
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

#: With more changed leases than this it is quicker to reconcile everything.
FEW = 500
#: So many lines of a plan are written out.
LINES = 20


class Reconciler:
    """Works in the network namespace in which it was made."""

    def __init__(self, env_path: str, log: Log) -> None:
        self.env_path = env_path
        self.log = log
        self.kernel = Channel()
        self.kernel.tolerant = True
        self.packets = Channel(NETLINK_NETFILTER)
        self.config: Config | None = None
        self.leases: Leases | None = None
        #: The last look at the node that could be taken.
        self.overlay: Overlay | None = None
        #: Whether nothing was left to do after the last reconciliation, and why not: None before the first.
        self.in_sync = False
        self.problem: Finding | None = None
        #: Whether links came and went while the node was read, so that something may have been missed.
        self.torn = False
        self.offload: Choice | None = None
        #: What was done, by cause ("drift", "leases") and kind of object: {("drift", "route"): 3}
        self.changes: Counter[tuple[str, str]] = Counter()
        #: How often everything was reconciled ("full"), or some peers ("partial").
        self.reconciliations: Counter[str] = Counter()
        self.failures = 0
        #: Of how many objects the last plan was.
        self.changed = 0
        #: Whether host ports of pods may have gone with the packet filter's table, until their owner says otherwise. At
        #: the start that is unknown: while podnetd did not run, podnetctl or Ansible may have made the table.
        self.emptied = True
        self._patience = PATIENCE

    def ports(self) -> set[int]:
        """What marks our own requests in the kernel's events."""
        return {self.kernel.port, self.packets.port}

    def refused(self) -> dict[str, Finding]:
        """Why peers are not served, by name."""
        found = dict(self.leases.refused) if self.leases else {}
        if self.overlay and self.overlay.desired:
            found.update(self.overlay.desired.refused)
        return found

    def tunnels(self) -> dict[str, str]:
        """For each served peer the address that answers at the far end of the pods' path: its tunnel device's, or its
        own where there is none."""
        if self.leases is None or self.overlay is None or self.overlay.desired is None:
            return {}
        device, served = self.overlay.desired.device, self.overlay.desired.peers
        peers = [peer for peer in self.leases.peers if peer.name in served]
        return {peer.name: peer.pod_cidrs[0].address() if device else peer.address for peer in peers}

    def learn(self, config: Config, leases: Leases) -> None:
        """Takes what a source returned; ``reconcile`` then makes it so."""
        self.config, self.leases = config, leases

    def reconcile(self, why: str, drift: bool) -> bool:
        """Plans and applies all that differs; returns whether the node is in sync then. ``why`` is for the log;
        ``drift``: what differs now was right before."""
        if self.config is None or self.leases is None:
            return False
        self.reconciliations["full"] += 1
        self.changed = 0
        former, self.in_sync = (self.overlay if self.in_sync else None), False
        self.kernel.torn = False
        try:
            with locked(self._patience) as alone:
                self._locked(alone)
                overlay = reconcile.present(
                    self.kernel, self.config, self.leases, self.env_path, (), former, self.packets
                )
                self.overlay = overlay
                self._log_offload(overlay)
                failures = []
                if overlay.plan:
                    overlay.generation = None
                    self.emptied = self.emptied or overlay.emptied
                    self._note(overlay.plan, why, drift)
                    failures = overlay.plan.apply()
            if overlay.plan and not failures:
                # a new device has an index by now
                overlay.observed = Observed(self.kernel, overlay.observed, keep=True)
                overlay.plan = Plan()
        except (ConfigError, OSError) as error:
            failures = [Finding(Code.AGENT_OUT_OF_SYNC, self._node(), self._node(), {"error": str(error)})]
        self.torn = self.kernel.torn
        if failures:
            return self._failed(failures)
        self.in_sync, self.problem = True, None
        return True

    def update(self, config: Config, leases: Leases) -> bool:
        """Applies what changed in the leases, if that is possible without reconciling everything."""
        known, overlay = self.leases, self.overlay
        self.learn(config, leases)
        if known is None or overlay is None or overlay.wanted is None or overlay.desired is None or not self.in_sync:
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
        self.reconciliations["partial"] += 1
        self.changed = 0
        self.in_sync = False
        if overlay.observed:
            overlay.observed.forget()
        with locked(self._patience) as alone:
            self._locked(alone)
            self.in_sync = self._exchange(overlay, config, new, old)
        if self.in_sync:
            overlay.wanted.leases = leases
        return self.in_sync

    def _exchange(self, overlay: Overlay, config: Config, new: list[Lease], old: list[Lease]) -> bool:
        """The objects of the ``old`` leases' peers become those of the ``new`` ones'."""
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
            return False  # something was not as it was left: reconciling everything shows what

    def surroundings(self) -> list[Finding]:
        """What is wrong around the overlay and not ours to change."""
        return surroundings.judge(self.config, self.overlay) if self.config and self.overlay else []

    def close(self) -> None:
        """Changes nothing on the node."""
        self.kernel.close()
        self.packets.close()

    def _locked(self, alone: bool) -> None:
        """A process that keeps the lock for ever is not waited for each time."""
        self._patience = PATIENCE if alone else 0.1
        if not alone:
            self.log.warning(Finding(Code.AGENT_LOCK_HELD, self._node(), "podnetd"))

    def _log_offload(self, overlay: Overlay) -> None:
        """Logs who computes the tunnel's checksums when that changed."""
        if overlay.offload and overlay.offload != self.offload and overlay.desired:
            state = "on" if overlay.offload.on else "off"
            self.log.info(f"checksum offload of {overlay.desired.device} is {state}: {overlay.offload.why}")
        self.offload = overlay.offload

    def _failed(self, failures: list[Finding]) -> bool:
        self.failures += 1
        found = [each._replace(node=self._node()) for each in failures]
        self.problem = found[0]
        for each in found[:LINES]:
            self.log.error(each)
        return False

    def _node(self) -> str:
        return self.config.node_name if self.config else ""

    def _note(self, plan: Plan, why: str, drift: bool) -> None:
        """Counts and logs what is about to be done."""
        cause = "drift" if drift else "leases"
        lines: list[str] = []
        total = 0
        for step in plan.steps:
            lines += map(str, step.changes[: max(0, LINES - len(lines))])
            total += len(step.changes)
            self.changes.update((cause, change.kind) for change in step.changes)
        self.changed = total
        self.log.changes(why, lines, total)
