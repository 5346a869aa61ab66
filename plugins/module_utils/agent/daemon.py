# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetd: it keeps the node's overlay in the desired state for as long as the node runs.

One loop waits for everything that may matter, and reconciles when something does:

    the lease source         ──► update: the objects of the changed peers
    the kernel's events    ──┐
    subnet.env's directory ──┼─► reconcile: everything; what has drifted is repaired
    a slow timer           ──┘

A reconciliation costs little and may be made in vain; nothing depends on an event being seen. Ending, however it comes
about, changes nothing on the node, so that pods do not notice restarts and upgrades.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..netlink.wire import NetlinkError
from ..overlay.config import ConfigError
from ..overlay.lock import AGENT, locked
from ..overlay.subnet_env import PATH
from . import health, memory
from . import settings as configuration
from .backoff import Backoff, chance
from .client import RUN, SOCKET
from .garbage import Sweeper
from .http_server import JSON, TEXT, Answer, HttpServer, Routes
from .inotify import Watch
from .log import Log
from .loop import IDLE, Loop
from .monitor import Monitor
from .policies import places, report
from .reconciler import Reconciler
from .sd_notify import Notifier
from .sources.source import DIRECTORY, Source
from .state import State

#: Seconds: events that belong together come within this.
BURST = 0.02
#: Reconciliations for the kernel's events that may follow each other at once, and seconds until one more is allowed: a
#: process that keeps undoing what we do, or doing what we undo, causes no busy loop.
BUCKET, REFILL = 10, 1.0
#: After so many changed objects memory is given back.
MANY = 1000
#: Seconds to wait for an agent that is just ending.
HANDOVER = 2.0
USAGE = f"""usage: podnetd [--config DIR] [--subnet-env FILE] [--run DIR]

Keeps the pod network of this node in the desired state.

  --config DIR        directory of its settings and leases ({DIRECTORY})
  --subnet-env FILE   file for the CNI plugin ({PATH})
  --run DIR           directory of its socket ({RUN})"""


class AlreadyRunning(Exception):
    """Another agent keeps this network namespace."""


class Daemon:
    """Everything that the loop holds together. ``directory``: where the settings and the file source's files are;
    ``env_path``: subnet.env; ``run``: where the socket for podnetctl goes."""

    def __init__(self, directory: str = DIRECTORY, env_path: str = PATH, run: str = RUN) -> None:
        self.directory = directory
        self.run_directory = run
        self.log = Log()
        self.notifier = Notifier()
        self.settings = configuration.load(directory)
        self.source: Source = configuration.open_source(self.settings, directory)
        self.reconciler = Reconciler(env_path, self.log)
        self.enforcer = configuration.open_enforcer(self.settings, directory, run, self.log)
        self.monitor = Monitor(self.reconciler.ports() | (self.enforcer.ports() if self.enforcer else set()))
        self.env_watch = Watch(os.path.dirname(env_path) or ".")
        self.prober = configuration.open_prober(self.settings)
        self.state = State(self.settings, self.reconciler, self.source.status, self.prober, self.enforcer)
        self.sweeper = Sweeper(self.settings.cni, self.log)
        self.loop = Loop(self._failed)
        self.policies = configuration.serve_policies(self.enforcer, self.loop)
        public = self._public_routes()
        listeners: dict[str, Routes] = {os.path.join(run, SOCKET): {**public, **self._local_routes()}}
        if self.settings.listen:
            listeners[self.settings.listen] = public
        self.server = HttpServer(listeners, partial(self.loop.hasten, "http", 1.0))
        self.backoff = Backoff()
        self.running = True
        self._tokens, self._filled = float(BUCKET), time.monotonic()
        #: When and why to reconcile, and whether what differs then has drifted: (when, reason, drift)
        self._due: tuple[float, str, bool] | None = None

    def run(self) -> None:
        """Runs until SIGTERM. Raises OSError or ConfigError when it cannot start, AlreadyRunning when another does."""
        with locked(HANDOVER, AGENT) as alone:
            if not alone:
                raise AlreadyRunning
            self._open()
            try:
                self.loop.guarded(self._read_source)
                self.loop.guarded(self._reconcile_if_due)
                self._started()
                while self.running:
                    self.loop.turn(self._due[0] if self._due else None)
                    self.loop.guarded(self._reconcile_if_due)
            finally:
                self.notifier.tell("STOPPING=1")
                self._close()

    # -- what happened ----------------------------------------------------------------------------------------------

    def _read_source(self) -> None:
        """The source has news."""
        try:
            config, leases = self.source.read()
        except ConfigError as error:
            found = self._finding(Code.AGENT_CONFIGURATION_INVALID, self.state.node or "podnetd", error=str(error))
            if found != self.state.invalid:
                self.log.error(found)
            self.state.invalid = found
            return
        self.state.invalid = None
        known = self.reconciler.refused()
        began = time.monotonic()
        if self.reconciler.update(config, leases):
            self._reconciled(began, True)
        else:
            self._schedule("leases" if self.reconciler.overlay else "start", drift=False)
        if self.policies:
            self.policies.begin(config, leases.own)
        for name, refused in leases.refused.items():
            if known.get(name) != refused:
                self.log.warning(refused)

    def _kernel_event(self) -> None:
        self._events(self.monitor.read_kernel())

    def _packet_event(self) -> None:
        self._events(self.monitor.read_packets())
        if self.monitor.policies:
            self.monitor.policies = False
            if self.policies:
                self.policies.drifted()

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
            self._schedule(reasons[0] + more, drift=True, after=BURST)
        else:
            self.log.warning(self._finding(Code.AGENT_CONTENTION, self.state.node, event=reasons[0]))
            self._schedule(reasons[0] + more, drift=True, after=REFILL)

    def _failed(self, error: Exception) -> None:
        """An action of the loop raised ``error``: whatever it was, a reconciliation shows what is left to do."""
        words = str(error) if isinstance(error, (OSError, ConfigError)) else f"{type(error).__name__}: {error}"
        self.log.error(self._finding(Code.AGENT_ACTION_FAILED, "podnetd", error=words))
        self._schedule("an action failed", drift=True, after=REFILL)

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGCHLD:
            self.state.addresses_released += self.sweeper.reap()
        else:
            self.running = False

    def _reload(self) -> None:
        self.log.info("rereading settings, leases and credentials (SIGHUP)")
        try:
            fresh = configuration.load(self.directory)
            changed = fresh != self.settings
            if changed:
                configuration.open_source(fresh, self.directory)  # an invalid one is reported while this one works
        except ConfigError as error:
            self.log.error(self._finding(Code.AGENT_SETTINGS_INVALID, self.directory, error=str(error)))
            changed = False
        if changed:
            # listeners and watches depend on them: a new process is simpler than changing them
            self.log.info("settings changed: restarting")
            words = getattr(sys, "orig_argv", [sys.executable, *sys.argv])  # Python 3.9 does not keep it
            os.execv(sys.executable, [sys.executable, *words[1:]])
        self.source.reread()
        if self.enforcer:
            self.enforcer.reread()
        self._read_source()
        self._schedule("SIGHUP", drift=True)

    # -- reconciliation ---------------------------------------------------------------------------------------------

    def _schedule(self, reason: str, drift: bool, after: float = 0.0) -> None:
        """Reconciles in ``after`` seconds, or sooner where that is due already."""
        when = time.monotonic() + after
        if self._due is None:
            self._due = when, reason, drift
        else:
            self._due = min(when, self._due[0]), self._due[1], drift and self._due[2]

    def _reconcile_if_due(self) -> None:
        now = time.monotonic()
        if self._due is None or self._due[0] > now:
            return
        _when, reason, drift = self._due
        self._due = None
        if self.reconciler.config is not None:
            self.monitor.watch_all()
            self._reconciled(now, self.reconciler.reconcile(reason, drift))

    def _reconciled(self, began: float, in_sync: bool) -> None:
        self.state.reconciled(began, in_sync)
        if self.reconciler.overlay:
            self.monitor.watch(self.reconciler.overlay)
        if self.prober:
            self.prober.aim(self.reconciler.tunnels())
        if in_sync:
            if self.reconciler.emptied or self.monitor.deleted:
                self.reconciler.emptied = self.monitor.deleted = False
                self.sweeper.restore()
            self.backoff.reset()
            if not self.env_watch.active:
                self.env_watch.clear()
            if self.reconciler.torn:
                self._schedule("links came and went while they were read", drift=True, after=REFILL)
        else:
            self.env_watch.clear()  # what a write that failed left and took away again is no reason to try at once
            self._schedule("retry", drift=False, after=self.backoff.next())
        if self.reconciler.changed > MANY:
            memory.trim()
        self.source.report(in_sync, health.reason(self.state))
        self.notifier.status(health.summary(self.state))

    def _resync(self) -> None:
        self._tidy()
        self._schedule("timer", drift=True)
        self.server.retry()
        if not self.source.status().connected:
            self._read_source()  # it may have news that nothing announces
        self._warn()

    def _sweep(self) -> None:
        self.sweeper.sweep(self.reconciler.kernel)

    def _warn(self) -> None:
        """Collects and logs what is wrong and not the agent's to repair."""
        own = health.warnings(self.state, self.server.errors, self.env_watch)
        own += report.warnings(self.enforcer) if self.enforcer else []
        self.state.warnings = [*self.reconciler.surroundings(), *own]
        for each in self.state.warnings:
            self.log.warning(each)

    def _finding(self, code: Code, subject: str, **parameters: Value) -> Finding:
        return Finding(code, self.state.node, subject, parameters)

    # -- what is served ---------------------------------------------------------------------------------------------

    def _public_routes(self) -> Routes:
        """For probes and Prometheus; not more: every process that reaches the port may ask."""
        return {
            "/healthz": lambda _accept: _verdict(health.unhealthy(self.state)),
            "/readyz": lambda _accept: _verdict(health.unready(self.state)),
            "/metrics": self._metrics,
        }

    def _local_routes(self) -> Routes:
        """For root on this node."""
        return {
            "/status": lambda _accept: _json(health.status(self.state)),
            "/known": lambda _accept: _json(health.known(self.state)),
            "/policy/": self._policy,
        }

    def _policy(self, question: str) -> Answer:
        from ..records.codec import to_json  # only where somebody asks
        from .policies import answers

        known = answers.of_agent(self.enforcer) if self.enforcer else None
        try:
            if known is None:
                return Answer("404 Not Found", TEXT, b"no policies\n")
            return _json(to_json(answers.answer(known, question)))
        except (ValueError, LookupError, OSError) as error:
            return Answer("400 Bad Request", TEXT, f"{error}\n".encode())

    def _metrics(self, accept: str) -> Answer:
        from . import exposition, metrics  # an agent that is not scraped does not have them

        former = self.state.metrics_writer
        self.state.metrics_writer, kind, body = exposition.render(metrics.families(self.state), accept)
        if self.state.metrics_writer != former:
            self.log.info(f"metrics are written by {self.state.metrics_writer}")
        return Answer("200 OK", kind, body)

    # -- start and end ----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        loop, prober = self.loop, self.prober
        loop.signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD), self._signal)
        loop.every("resync", partial(_about, self.settings.resync), self._resync)
        loop.every("sweep", partial(_about, self.settings.sweep), self._sweep)
        loop.every("watchdog", lambda: self.notifier.watchdog() or IDLE, partial(self.notifier.tell, "WATCHDOG=1"))
        loop.every("http", lambda: 1.0 if self.server.busy() else IDLE, self.server.tidy)
        loop.guarded(self.policies.open if self.policies else partial(places.remove, self.run_directory))
        self.source.start()
        self.server.open(loop.selector)
        loop.register(self.source, self._read_source)
        loop.register(self.monitor.kernel, self._kernel_event)
        loop.register(self.monitor.packets, self._packet_event)
        loop.register(self.env_watch, self._env_event)
        if prober:
            loop.every("probe", prober.pause, prober.send)
            for family, echoes in prober.sockets.items():
                loop.register(echoes, partial(prober.receive, family))

    def _started(self) -> None:
        self.loop.guarded(self._warn)
        self.notifier.status(health.summary(self.state))
        self.notifier.tell("READY=1")
        self._tidy()
        gc.freeze()  # what exists now stays

    @staticmethod
    def _tidy() -> None:
        gc.collect()
        memory.trim()

    def _close(self) -> None:
        for each in (self.source, self.server, self.prober, self.monitor, self.enforcer, self.reconciler, self.loop):
            if each:
                with contextlib.suppress(OSError):
                    each.close()


def _about(seconds: float) -> float:
    """So many seconds, by chance a little more or less: the nodes of a cluster are not to act in step."""
    return seconds * (0.9 + chance() / 5)


def _verdict(wrong: list[Finding]) -> Answer:
    return Answer("503 Service Unavailable" if wrong else "200 OK", TEXT, health.lines(wrong).encode())


def _json(data: object) -> Answer:
    return Answer("200 OK", JSON, json.dumps(data).encode() + b"\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the agent; returns its exit status: 0 after SIGTERM, 2 when it cannot start."""
    paths = {"--config": DIRECTORY, "--subnet-env": PATH, "--run": RUN}
    words = list(sys.argv[1:] if arguments is None else arguments)
    while words:  # argparse would cost every node half a megabyte
        name, _sign, value = words.pop(0).partition("=")
        if name in ("-h", "--help"):
            print(USAGE)
            return 0
        if name not in paths or not (value or words):
            reason = f"{name} needs a value" if name in paths else f"unknown option {name}"
            print(f"podnetd: {reason}\n{USAGE}", file=sys.stderr)
            return 2
        paths[name] = value or words.pop(0)
    memory.frugal()
    gc.disable()  # it is done on the timer: nothing here makes cycles by the dozen
    try:
        Daemon(*paths.values()).run()
    except AlreadyRunning:
        print("podnetd: another podnetd keeps this network namespace: see systemctl status podnetd", file=sys.stderr)
        return 2
    except (ConfigError, NetlinkError) as error:
        print(f"podnetd: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"podnetd: {error.filename + ': ' if error.filename else ''}{error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
