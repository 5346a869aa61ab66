# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies of the cluster, in force on this node: all that is in the table ``inet podnet_policy`` comes from here.

    the API's records (cluster.py) ──┐
    ADD and DEL of pods (gate.py) ───┼─► compiler ──► what has changed ──► one transaction ──► answers to ADD
                                     │                                         │
    kernel's events, a slow timer ───┘                                         └─► cut of open connections

Until all of the API's objects are known once, the table stays as it is: as the agent before left it, or as it was on
disk. An agent that ends changes nothing, so that the policies stay in force.
"""

from __future__ import annotations

import threading
import time

from ...converge.failure import failure
from ...findings.codes import Code
from ...findings.finding import Finding
from ...netlink.channel import Channel
from ...netlink.conntrack_marks import Tracked
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError
from ...policy import evaluate
from ...policy.compile import Compiler
from ...policy.model import ClusterPolicy, Namespace, Pod, Policy
from ...policy.table import CUT, Table
from ..backoff import Backoff
from ..log import Log
from .attachments import Attachments
from .cluster import Cluster, Kind, Record
from .cutter import Cutter
from .gate import Gate, Request
from .local_pods import LocalPods
from .options import Options
from .places import Places
from .restore import restore
from .state_files import StateFiles

#: Seconds that an ADD waits for the API to show its pod, and for an API that has not answered since the start. The
#: caller waits longer (cni/exec/gate.py, PATIENCE).
PATIENCE, UNSYNCED_PATIENCE = 5.0, 1.0
#: Seconds between two looks whether a call has waited long enough.
LOOK = 0.2
#: So many lines of a plan are written out.
LINES = 20


class Enforcer:
    """Works in the network namespace in which it was made. ``credentials``: the path of those for the API; ``run``: the
    directory of the sockets."""

    def __init__(self, options: Options, credentials: str, run: str, log: Log) -> None:
        self.options = options
        self.credentials = credentials
        self.log = log
        self.places = Places(options.directory, run)
        self.files = StateFiles(self.places)
        self.channel = Channel(NETLINK_NETFILTER)
        self.table = Table(self.channel)
        self.gate = Gate(self.places.socket)
        self.attachments = Attachments(self.places.records)
        #: What is enforced: None before ``begin``.
        self.cluster: Cluster | None = None
        self.compiler: Compiler | None = None
        self.pods: LocalPods | None = None
        #: Whether the table has been made what the API wants, and what went wrong the last time.
        self.in_force = False
        self.problem: Finding | None = None
        self.reconciliations = self.updates = self.failures = self.drift = 0
        self.admitted = self.refused = 0
        #: The pods' networks and bridges.
        self._place_of_pods: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        self._namespaces: set[str] = set()
        #: The policies that there are, by key, and the namespaces that have one.
        self._policies: dict[Kind, set[str]] = {Policy: set(), ClusterPolicy: set()}
        self._selected: set[str] = set()
        self._everywhere = False
        self._waiting: list[Request] = []
        self._lock = threading.Lock()
        self._backoff = Backoff()
        self._retry_at = 0.0
        self.cutter = Cutter(self._allows, self._lock, CUT, log) if options.connections == "cut" else None

    # -- start and end ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Restores the table from disk where it is missing, and starts to answer ADD. Raises OSError."""
        self.attachments.load()
        self._restore()
        if not self.files.announced():
            self.files.announce(None)
        self.gate.open()
        if self.cutter:
            self.cutter.start()

    def begin(self, node: str, networks: tuple[str, ...], links: tuple[str, ...]) -> None:
        """Enforces what the API says for ``node``, whose pods have addresses of ``networks`` and are behind the bridges
        ``links``."""
        if self.cluster and self._place_of_pods == (networks, links):
            return
        known = self.cluster.followers if self.cluster else {}
        self.compiler = Compiler(node, networks, links)
        self._place_of_pods = networks, links
        if self.cluster is None:
            self.cluster = Cluster(node, self.credentials)
            self.cluster.start()
        self.pods = LocalPods(node, self.attachments, self.cluster.uids, self._may_select)
        self.in_force = False
        for kind, follower in known.items():
            for key, record in list(follower.records.items()):
                self._feed(kind, key, record)
        self.settle()

    def fileno(self) -> int:
        """The cluster's; after ``begin``."""
        assert self.cluster is not None
        return self.cluster.fileno()

    def ports(self) -> set[int]:
        """What marks our own requests in the kernel's events."""
        return {self.channel.port}

    def reread(self) -> None:
        """Connects to the API again, with the credentials as they are now."""
        if self.cluster:
            self.cluster.reread()

    def close(self) -> None:
        """Changes nothing in the kernel. What has changed since the last write is on disk then."""
        if self.in_force:
            self.files.hasten()
            self._keep()
        for each in (self.gate, self.cluster, self.cutter, self.channel):
            if each:
                each.close()

    # -- what happened ----------------------------------------------------------------------------------------------

    def news(self) -> None:
        """The API has news."""
        assert self.cluster is not None and self.pods is not None
        changes = self.cluster.take()
        for kind, key, record in changes:
            self._feed(kind, key, record)
        if any(kind in self._policies for kind, _key, _record in changes):
            self._select()
        self.settle()

    def calls(self) -> None:
        """ADD or DEL calls have asked."""
        for request in self.gate.read():
            if request.attachment is None:
                changed = self.attachments.drop(request.name)
                request.allow()
            else:
                changed = self.attachments.put(request.name, request.attachment)
                self._waiting.append(request)
            self._place(*changed)
        self.settle()

    def settle(self) -> None:
        """Brings the kernel up to date, then answers the calls that waited for it."""
        if self.cluster and self.cluster.synced:
            for request in self._waiting:  # a pod of the same name may have come without another record
                if request.attachment:
                    self._place(request.attachment.pod)
            if self.in_force:
                self._update()
            if not self.in_force and time.monotonic() >= self._retry_at:
                self.reconcile("retry" if self.problem else "start")
        self._answer()
        self._keep()  # no ADD waits for the disk

    def pause(self) -> float | None:
        """Seconds until ``settle`` should be called again though nothing happens, None for never."""
        now = time.monotonic()
        write_at = self.files.due_at() if self.in_force else None
        times = [self._retry_at or None, write_at, now + LOOK if self._waiting else None]
        known = [each for each in times if each is not None]
        return max(0.0, min(known) - now) if known else None

    def reconcile(self, why: str, drift: bool = False) -> None:
        """Compares all with the kernel, and repairs what differs; ``drift``: it was right before."""
        if not (self.cluster and self.cluster.synced and self.compiler):
            self._restore()
            return
        self.reconciliations += 1
        try:
            with self._lock:
                self.compiler.take()
                plan = self.table.plan(self.compiler.program)
                changes = list(map(str, plan.changes))
                failures = plan.apply()
        except OSError as error:
            changes, failures = [], [failure("read the table", error)]
        if changes:
            self.drift += len(changes) if drift else 0
            self.log.changes(why, changes[:LINES], len(changes))
            if self.cutter:
                self.cutter.changed(narrows=True)
        self._done(failures)

    def _restore(self) -> None:
        """Has at least what was in force last, while the API is not known."""
        try:
            failures = restore(self.table, self.files.load(), self.attachments)
        except OSError as error:
            failures = [failure("read the table", error)]
        for each in failures:
            self.log.error(self._out_of_sync(each))

    def _update(self) -> None:
        """Applies what has changed since the last time; where that cannot be done, the table is in force no more."""
        assert self.compiler is not None
        with self._lock:
            delta = self.compiler.take()
            if delta:
                try:
                    self.table.follow(delta)
                except NetlinkError:
                    self.in_force = False  # something was not as it was left: reconciling everything shows what
        if delta and self.in_force:
            self.updates += 1
            self.files.changed()
            if self.cutter:
                self.cutter.changed(delta.narrows)

    def _out_of_sync(self, why: Finding) -> Finding:
        error = f"{why.subject}: {why.parameters['error']}"
        return Finding(Code.POLICY_OUT_OF_SYNC, self._node(), "podnetd", {"error": error})

    def _done(self, failures: list[Finding]) -> None:
        self.in_force = not failures
        if failures:
            self.failures += 1
            self._retry_at = time.monotonic() + self._backoff.next()
            self.problem = self._out_of_sync(failures[0])
            self.log.error(self.problem)
            return
        self.problem, self._retry_at = None, 0.0
        self._backoff.reset()
        self.files.changed()
        self._keep()

    def _keep(self) -> None:
        """Writes what a boot, and ADD without the agent, need."""
        if self.in_force and self.compiler:
            try:
                self.files.announce(None if self._everywhere else self._selected)
                self.files.save(self.compiler.program)
            except OSError as error:
                failed = {"error": error.strerror or str(error)}
                self.log.error(Finding(Code.POLICY_NOT_SAVED, self._node(), self.options.directory, failed))

    def waiting(self) -> int:
        """How many calls wait for their answer."""
        return len(self._waiting)

    def bridged(self) -> list[int]:
        """The IP versions of the pods' addresses, where the pods are behind a bridge."""
        if not self._place_of_pods[1]:
            return []
        return sorted({6 if ":" in network else 4 for network in self._place_of_pods[0]})

    # -- pods of this node ------------------------------------------------------------------------------------------

    def _feed(self, kind: Kind, key: str, record: Record | None) -> None:
        """The API says that an object is so, or gone (None)."""
        assert self.compiler is not None and self.pods is not None
        keys = self._namespaces if kind is Namespace else self._policies.get(kind)
        if keys is not None:
            (keys.discard if record is None else keys.add)(key)
        if isinstance(record, Pod) and record.node == self.pods.node:
            self.pods.records[key] = record
            self._place(key)
        elif kind is Pod and key in self.pods.records:
            del self.pods.records[key]
            self._place(key)
        elif record is None:
            self.compiler.drop(kind, key)
        else:
            self.compiler.put(record)

    def _select(self) -> None:
        """Policies have come or gone: another namespace may have one, which decides about pods whose labels are not
        known. ADD hears of it before it is in force."""
        selected = {key.partition("/")[0] for key in self._policies[Policy]}
        everywhere = bool(self._policies[ClusterPolicy])
        if (selected, everywhere) == (self._selected, self._everywhere):
            return
        self._selected, self._everywhere = selected, everywhere
        self._place(*self.attachments.pods())
        self._keep()

    def _place(self, *keys: str) -> None:
        """Has the compiler know these pods of this node as they are now."""
        if self.compiler is None or self.pods is None:
            return
        for key in keys:
            pod = self.pods.pod(key)
            if pod is None:
                self.compiler.drop(Pod, key)
            else:
                self.compiler.put(pod)

    def _answer(self) -> None:
        """Answers the calls whose answer is known by now."""
        waiting, self._waiting = self._waiting, []
        now = time.monotonic()
        for request in waiting:
            assert request.attachment is not None
            age = now - request.since
            if not (self.cluster and self.cluster.synced):
                if age < UNSYNCED_PATIENCE:
                    self._waiting.append(request)
                else:
                    request.leave_to_caller("it has not reached the API server yet")
            elif self.in_force and self._admits(request):
                self.admitted += 1
                request.allow()
            elif age < PATIENCE:
                self._waiting.append(request)
            else:
                self.refused += 1
                request.refuse(self._reason(request))

    def _admits(self, request: Request) -> bool:
        assert self.pods is not None and request.attachment is not None
        namespace = request.attachment.pod.partition("/")[0]
        return (not namespace or namespace in self._namespaces) and self.pods.admits(request.attachment)

    def _may_select(self, namespace: str) -> bool:
        """Whether any policy could select a pod of the namespace."""
        return self._everywhere or namespace in self._selected

    def _reason(self, request: Request) -> str:
        assert request.attachment is not None
        if not self.in_force:
            return "policies are not in force: see podnetctl status"
        return f"the API server has not shown pod {request.attachment.pod} yet"

    def _allows(self, connection: Tracked) -> bool:
        """Whether the policies in force allow a connection. One with no end here is another node's to judge."""
        if self.compiler is None or not self.in_force:
            return not connection.mark & CUT
        return evaluate.allows(
            self.compiler.program, connection.source, connection.target, connection.protocol, connection.port
        )

    def _node(self) -> str:
        return self.cluster.node if self.cluster else ""
