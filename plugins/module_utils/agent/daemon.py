# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetd: the node's overlay is what it must be, for as long as the node runs.

One loop waits for all that can matter, and looks at the node when something does:

    the source of leases ──► follow: what leads to the changed peers
    the kernel's events  ──┐
    subnet.env's directory ├► look: everything, and what differs is put right
    a slow timer         ──┘

A look costs little and may be made for nothing; nothing depends on an event being seen. Ending, however it comes about,
changes nothing on the node, so that a restart or an upgrade is no event for the pods.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial

from ..netlink.wire import NetlinkError
from ..overlay.config import ConfigError
from ..overlay.subnet_env import PATH
from . import settings as configuration
from .backoff import Backoff, chance
from .client import RUN, SOCKET
from .garbage import Sweeper
from .http_server import Web
from .inotify import Watch
from .log import Log
from .loop import IDLE, Loop
from .monitor import Monitor
from .reconciler import Reconciler
from .sd_notify import Notifier
from .sources.source import DIRECTORY, Source

#: Seconds: events that belong together come within this.
BURST = 0.02
#: Looks for the kernel's events that may follow each other at once, and seconds until there may be one more: who undoes
#: again and again what we do, or does what we undo, gets no busy loop.
BUCKET, REFILL = 10, 1.0
USAGE = f"""usage: podnetd [--config DIR] [--subnet-env FILE] [--run DIR]

Keeps the pod network of this node as it must be.

  --config DIR        where its files are ({DIRECTORY})
  --subnet-env FILE   the file for the CNI plugin ({PATH})
  --run DIR           where its socket is ({RUN})"""


class Daemon:
    """All that the loop holds together. ``directory``: where the settings and the file source's files are;
    ``env_path``: subnet.env; ``run``: where the socket for podnetctl goes."""

    def __init__(self, directory: str = DIRECTORY, env_path: str = PATH, run: str = RUN) -> None:
        self.directory = directory
        self.log = Log()
        self.notifier = Notifier()
        self.settings = configuration.load(directory)
        self.source: Source = configuration.open_source(self.settings, directory)
        self.reconciler = Reconciler(env_path, self.log)
        self.monitor = Monitor(self.reconciler.ports())
        self.env_watch = Watch(os.path.dirname(env_path) or ".")
        self.sweeper = Sweeper(self.settings.cni, self.log)
        self.web = Web(self, os.path.join(run, SOCKET), self.settings.listen)
        self.prober = configuration.open_prober(self.settings)
        self.loop = Loop()
        self.backoff = Backoff()
        self.started = time.time()
        #: When the last look was level, by the clock; what the source last could not tell.
        self.level_since: float | None = None
        self.last_look: float | None = None
        #: The same by the clock that nobody sets.
        self.looked_at = time.monotonic()
        self.last_took = self.longest_took = 0.0
        self.source_error = ""
        self.running = True
        self._ready = False
        self._tokens, self._filled = float(BUCKET), time.monotonic()
        #: Whether and why to look: (when, reason, whether what differs is drift)
        self._due: tuple[float, str, bool] | None = None

    def run(self) -> None:
        """Until SIGTERM. Raises OSError or ConfigError when it cannot begin."""
        self._open()
        try:
            self._learn()
            self._look_if_due(time.monotonic())
            self._tell_ready()
            while self.running:
                self.loop.turn(self._due[0] if self._due else None)
                self._look_if_due(time.monotonic())
        finally:
            self.notifier.tell("STOPPING=1")
            self._close()

    # -- what happened ----------------------------------------------------------------------------------------------

    def _learn(self) -> None:
        """The source has news."""
        try:
            config, leases = self.source.read()
        except ConfigError as error:
            if str(error) != self.source_error:
                self.log.error(f"{error}; all stays as it is")
            self.source_error = str(error)
            return
        self.source_error = ""
        told = self.reconciler.refused()
        began = time.monotonic()
        if self.reconciler.follow(config, leases):
            self._looked(began, True)
        else:
            self._want("leases" if self.reconciler.overlay else "start", drift=False)
        for name, reason in leases.refused.items():
            if told.get(name) != reason:
                self.log.warning(f"peer {name} is refused: {reason}")

    def _kernel_event(self) -> None:
        self._events(self.monitor.read_kernel())

    def _packet_event(self) -> None:
        self._events(self.monitor.read_packets())

    def _env_event(self) -> None:
        self.env_watch.clear()
        self._events([f"{os.path.dirname(self.reconciler.env_path)} was changed"])

    def _events(self, reasons: list[str]) -> None:
        if not reasons:
            return
        more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        now = time.monotonic()
        self._tokens = min(BUCKET, self._tokens + (now - self._filled) / REFILL)
        self._filled = now
        if self._tokens >= 1 or self._due:
            self._tokens -= 0 if self._due else 1
            self._want(reasons[0] + more, drift=True, after=BURST)
        else:
            self.log.warning(f"somebody else changes the overlay all the time, last: {reasons[0]}")
            self._want(reasons[0] + more, drift=True, after=REFILL)

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGCHLD:
            self.sweeper.reap()
        else:
            self.running = False

    def _reload(self) -> None:
        self.log.info("reread everything (SIGHUP)")
        try:
            fresh = configuration.load(self.directory)
            changed = fresh != self.settings
            if changed:
                configuration.open_source(fresh, self.directory)  # one that cannot be is told while this one works
        except ConfigError as error:
            self.log.error(f"{error}; the settings stay as they are")
            changed = False
        if changed:
            # what listens and watches by them is best made anew; the unit starts us again at once
            self.log.info("the settings changed: start again")
            words = getattr(sys, "orig_argv", [sys.executable, *sys.argv])  # Python 3.9 does not keep it
            os.execv(sys.executable, [sys.executable, *words[1:]])
        self.source.reread()
        self._learn()
        self._want("SIGHUP", drift=True)

    # -- looks ------------------------------------------------------------------------------------------------------

    def _want(self, reason: str, drift: bool, after: float = 0.0) -> None:
        """Have a look in ``after`` seconds, or sooner when there is a reason already."""
        when = time.monotonic() + after
        if self._due is None:
            self._due = when, reason, drift
        else:
            self._due = min(when, self._due[0]), self._due[1], drift and self._due[2]

    def _look_if_due(self, now: float) -> None:
        if self._due is None or self._due[0] > now:
            return
        _when, reason, drift = self._due
        self._due = None
        if self.reconciler.config is None:
            return  # nothing is known yet
        self._looked(now, self.reconciler.look(reason, drift))

    def _looked(self, began: float, level: bool) -> None:
        self.looked_at = time.monotonic()
        self.last_took = self.looked_at - began
        self.longest_took = max(self.longest_took, self.last_took)
        self.last_look = time.time()
        if self.reconciler.overlay:
            self.monitor.watch(self.reconciler.overlay)
        if self.prober:
            self.prober.aim(self.reconciler.tunnels())
        if level and self.reconciler.emptied:
            self.reconciler.emptied = False
            self.sweeper.restore()
        if level:
            self.backoff.reset()
            self.level_since = self.level_since or self.last_look
            if not self.env_watch.active:
                self.env_watch.clear()
        else:
            self.level_since = None
            self.env_watch.clear()  # what a write that failed left and took away again is no reason to try at once
            self._want("once more", drift=False, after=self.backoff.next())
        self.source.report(level, self.reconciler.reason)
        self._tell_status()

    def _resync(self) -> None:
        gc.collect()
        self._want("timer", drift=True)
        self.web.retry()
        if not self.source.status().get("connected", True):
            self._learn()  # it may have news that nobody tells
        self._warn()

    def _sweep(self) -> None:
        self.sweeper.sweep(self.reconciler.kernel)

    # -- beginning and end -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        loop, prober = self.loop, self.prober
        loop.signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD), self._signal)
        loop.every("resync", partial(self._about, self.settings.resync), self._resync)
        loop.every("sweep", partial(self._about, self.settings.sweep), self._sweep)
        loop.every("watchdog", lambda: self.notifier.watchdog() or IDLE, partial(self.notifier.tell, "WATCHDOG=1"))
        loop.every("web", lambda: 1.0 if self.web.busy() else IDLE, self.web.tidy)
        self.source.start()
        self.web.open(loop.selector)
        loop.register(self.source, self._learn)
        loop.register(self.monitor.kernel, self._kernel_event)
        loop.register(self.monitor.packets, self._packet_event)
        loop.register(self.env_watch, self._env_event)
        if prober:
            loop.every("probe", prober.pause, prober.send)
            for family, echoes in prober.sockets.items():
                loop.register(echoes, partial(prober.receive, family))

    @staticmethod
    def _about(seconds: float) -> float:
        """So many seconds, by chance a little more or less: those of all nodes don't come at once."""
        return seconds * (0.9 + chance() / 5)

    def wake_web(self) -> None:
        """A connection came: its time to be patient begins."""
        self.loop.hasten("web", 1.0)

    def _close(self) -> None:
        self.source.close()
        self.web.close()
        if self.prober:
            self.prober.close()
        self.monitor.close()
        self.reconciler.close()
        self.loop.close()

    def _tell_ready(self) -> None:
        self._warn()
        self._tell_status()
        self.notifier.tell("READY=1")
        self._ready = True
        gc.collect()
        gc.freeze()  # what there is now stays

    def _warn(self) -> None:
        self.reconciler.judge()
        for line in self.warnings():
            self.log.warning(line)

    def warnings(self) -> list[str]:
        """What is wrong and not the agent's to change."""
        watch = [] if self.env_watch.able() else [self.env_watch.reason]
        return [*self.reconciler.warnings, *self.web.troubles, *watch]

    def _tell_status(self) -> None:
        self.notifier.status(self.summary())

    def summary(self) -> str:
        """How the node is, in one line."""
        if self.source_error:
            return self.source_error
        reconciler = self.reconciler
        if reconciler.leases is None:
            return "waits for its source of leases"
        peers = f"{len(reconciler.leases.peers)} peers, {len(reconciler.refused())} refused"
        return f"level, {peers}" if reconciler.level else f"not level: {reconciler.reason}; {peers}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the agent; returns its exit status: 0 after SIGTERM, 2 when it cannot begin."""
    paths = {"--config": DIRECTORY, "--subnet-env": PATH, "--run": RUN}
    words = list(sys.argv[1:] if arguments is None else arguments)
    while words:  # argparse would cost every node half a megabyte
        name, _sign, value = words.pop(0).partition("=")
        if name in ("-h", "--help"):
            print(USAGE)
            return 0
        if name not in paths or not (value or words):
            reason = "needs a value" if name in paths else "is no option"
            print(f"podnetd: {name} {reason}\n{USAGE}", file=sys.stderr)
            return 2
        paths[name] = value or words.pop(0)
    gc.disable()  # it is done on the timer: nothing here makes cycles by the dozen
    try:
        Daemon(*paths.values()).run()
    except (ConfigError, NetlinkError) as error:
        print(f"podnetd: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"podnetd: {error.filename + ': ' if error.filename else ''}{error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
