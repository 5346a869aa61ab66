# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One thread that waits for all that can happen: descriptors, times and signals; what happens is done in turn."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

#: Seconds until a timer that is not needed now.
IDLE = 3600.0
#: Seconds after an action that failed.
PAUSE = 0.1


class Loop:
    """Calls what was given for each of them. Nothing of it may wait. What an action raises goes to ``failed``, and the
    loop goes on: the agent ends on a signal, and for no other reason."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self.failed = failed
        self.selector = selectors.DefaultSelector()
        #: (when, how long until the next time, what) by name
        self._timers: dict[str, tuple[float, Callable[[], float], Callable[[], None]]] = {}
        self._wakeup: tuple[socket.socket, ...] = ()

    def register(self, watched: Any, action: Callable[[], None]) -> None:
        """When ``watched`` (with a fileno) is readable."""
        self.selector.register(watched, selectors.EVENT_READ, action)

    def every(self, name: str, interval: Callable[[], float], action: Callable[[], None]) -> None:
        """Each time that ``interval()`` seconds have passed, asked each time."""
        self._timers[name] = time.monotonic() + interval(), interval, action

    def hasten(self, name: str, seconds: float) -> None:
        """The timer's next time is in ``seconds``, if not sooner."""
        when, interval, action = self._timers[name]
        self._timers[name] = min(when, time.monotonic() + seconds), interval, action

    def signals(self, numbers: Iterable[int], action: Callable[[int], None]) -> None:
        """When one of the signals comes, outside of whatever it interrupts."""
        self._wakeup = reader, writer = socket.socketpair()
        for each in self._wakeup:
            each.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda _number, _frame: None)

        def read() -> None:
            for number in reader.recv(64):
                action(number)

        self.register(reader, read)

    def turn(self, until: float | None = None) -> None:
        """Waits for what comes first, to the time ``until`` (of ``time.monotonic``) at most, and does it."""
        at = [when for when, _interval, _action in self._timers.values()] + ([] if until is None else [until])
        for key, _mask in self.selector.select(max(0.0, min(at) - time.monotonic())):
            self.guarded(key.data)
        now = time.monotonic()
        for name, (when, interval, action) in list(self._timers.items()):
            if when <= now:
                self._timers[name] = now + interval(), interval, action
                self.guarded(action)

    def guarded(self, action: Callable[[], None]) -> None:
        """Calls ``action``; a failing one waits a moment, so that it cannot keep the processor busy."""
        try:
            action()
        except Exception as error:
            self.failed(error)
            time.sleep(PAUSE)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        for each in self._wakeup:
            each.close()
        self.selector.close()
