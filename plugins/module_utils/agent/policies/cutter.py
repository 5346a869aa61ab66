# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A changed policy cuts the open connections that it forbids.

A thread reads the connections that the kernel tracks, judges those of pods by the policies in force, and marks what is
forbidden, which the table drops from then on; what is allowed again loses the mark. (Otherwise a port that is used
again would stay dead until the entry times out.) It works in its own time: a node may track hundreds of thousands.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice

from ...findings.codes import Code
from ...findings.finding import Finding
from ...netlink import address as addresses
from ...netlink import conntrack_marks
from ...netlink.channel import Channel
from ...netlink.conntrack_marks import Tracked
from ...netlink.wire import NETLINK_NETFILTER, pack_ip
from ..log import Log

#: Connections that are judged before the agent's loop may go on.
MANY = 200
#: Seconds between two readings at least, and so many times the processor time of the last one: on a busy node a reading
#: waits for others, too, which is no reason to cut late.
PAUSE, SHARE = 1.0, 10


class Cutter:
    """``allows``: whether the policies in force allow a connection; called with ``lock`` held, under which the loop
    changes them. ``bit``: of the mark."""

    def __init__(self, allows: Callable[[Tracked], bool], lock: threading.Lock, bit: int, log: Log) -> None:
        self.allows = allows
        self.lock = lock
        self.bit = bit
        self.log = log
        #: Connections cut, and allowed again.
        self.cut = self.restored = 0
        #: Connections that bear the mark now; None while that is unknown.
        self.marked: int | None = None
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="cutter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def changed(self, narrows: bool) -> None:
        """The policies in force have changed. One that allows more than before matters to marked connections alone."""
        if narrows or self.marked != 0:
            self._wanted.set()

    def close(self) -> None:
        self._closing = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._closing:
                return
            self._wanted.clear()
            began = time.thread_time()
            try:
                self._judge()
            except OSError as error:
                self.log.error(Finding(Code.POLICY_CONNECTIONS_NOT_CUT, "", "podnetd", {"error": str(error)}))
                self._wanted.set()
            time.sleep(max(PAUSE, SHARE * (time.thread_time() - began)))

    def _judge(self) -> None:
        """Marks what is forbidden, and takes the mark from what is allowed. Policies do not concern what this node
        itself sends to its pods, and they to it."""
        marked = 0
        with Channel() as links:
            own = {pack_ip(each.address.partition("/")[0]) for each in addresses.dump(links)}
        with Channel(NETLINK_NETFILTER) as reader, Channel(NETLINK_NETFILTER) as writer:
            for version in (4, 6):
                connections = conntrack_marks.dump(reader, version)
                forwarded = (each for each in connections if each.source not in own and each.target not in own)
                while some := list(islice(forwarded, MANY)):
                    with self.lock:
                        judged = [(each, not self.allows(each)) for each in some]
                    marked += sum(forbidden for _each, forbidden in judged)
                    self._mark(writer, [(one, forbid) for one, forbid in judged if bool(one.mark & self.bit) != forbid])
        self.marked = marked

    def _mark(self, channel: Channel, wrong: list[tuple[Tracked, bool]]) -> None:
        outcome = channel.batch([conntrack_marks.set_bit(each, self.bit, forbidden) for each, forbidden in wrong])
        for (_each, forbidden), failure in zip(wrong, outcome):
            if failure is None and forbidden:
                self.cut += 1
            elif failure is None:
                self.restored += 1
