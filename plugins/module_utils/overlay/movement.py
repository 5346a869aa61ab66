# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One movement of the node's overlay: all that differs between desired and actual state, and its application.

A movement has parts, each for another kind of state: sysctls, kernel objects, packet filter, files. Their order is that
of their application; subnet.env comes last, since it tells the CNI plugin that pods may start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from ..netlink.channel import Channel
from ..netlink.plan import Plan


class Diff(NamedTuple):
    """What ``what`` is and will be, as text."""

    what: str
    before: str
    after: str


class Part(Protocol):
    """One kind of state in a movement; false when there is nothing to do."""

    def __bool__(self) -> bool: ...

    def describe(self) -> list[str]:
        """One line for each change."""

    def diffs(self) -> list[Diff]:
        """What is touched, as it is and as it will be."""

    def apply(self) -> list[str]:
        """Carries the part out as far as it goes; returns what went wrong, one text each."""


class Movement:
    """The parts of one movement in the order of their application; ``last`` comes after them, and only if nothing
    went wrong before: it tells others that all is ready."""

    def __init__(self, parts: Sequence[Part], last: Part | None = None) -> None:
        self.parts = [*parts, last] if last is not None else list(parts)
        self.last = last

    def __bool__(self) -> bool:
        return any(self.parts)

    def describe(self) -> list[str]:
        """One line for each change."""
        return [line for part in self.parts for line in part.describe()]

    def diffs(self) -> list[Diff]:
        """What is touched, as it is and as it will be."""
        return [diff for part in self.parts if part for diff in part.diffs()]

    def apply(self) -> list[str]:
        """Carries all parts out; returns what went wrong, an empty list when nothing did."""
        errors: list[str] = []
        for part in self.parts:
            if part and not (errors and part is self.last):
                errors += part.apply()
        return errors


class Kernel:
    """Links, addresses, neighbours, forwarding entries and routes."""

    def __init__(self, plan: Plan, channel: Channel) -> None:
        self.plan = plan
        self.channel = channel

    def __bool__(self) -> bool:
        return bool(self.plan)

    def describe(self) -> list[str]:
        return self.plan.describe()

    def diffs(self) -> list[Diff]:
        return [Diff("kernel", _text(map(_line, self.plan.before())), _text(map(_line, self.plan.after())))]

    def apply(self) -> list[str]:
        return [str(error) for error in self.plan.apply(self.channel)]


class Texts:
    """Files, or sysctls under /proc/sys: ``wanted`` is their text by path, None for one that is not to be.

    ``read`` gives a path's text or None, ``write`` sets it, ``remove`` takes it away. ``anew``: whatever is there goes
    in this movement, with the device that it belongs to, and must be set after it.
    """

    def __init__(
        self,
        what: str,
        wanted: Mapping[str, str | None],
        read: Callable[[str], str | None],
        write: Callable[[str, str], None],
        remove: Callable[[str], None] | None = None,
        anew: bool = False,
    ) -> None:
        self.what = what
        self.write = write
        self.remove = remove
        actual = {path: None if anew else read(path) for path in wanted}
        self.changes = {path: (actual[path], text) for path, text in wanted.items() if actual[path] != text}

    def __bool__(self) -> bool:
        return bool(self.changes)

    def describe(self) -> list[str]:
        return [f"{_verb(old, new)} {self.what} {path}" for path, (old, new) in self.changes.items()]

    def diffs(self) -> list[Diff]:
        return [Diff(path, _ended(old), _ended(new)) for path, (old, new) in self.changes.items()]

    def apply(self) -> list[str]:
        errors = []
        for path, (_old, new) in self.changes.items():
            try:
                if new is not None:
                    self.write(path, new)
                elif self.remove:
                    self.remove(path)
            except OSError as error:
                errors.append(f"{self.what} {path}: {error.strerror}")
        return errors


def _verb(old: str | None, new: str | None) -> str:
    return "write" if old is None else "remove" if new is None else "change"


def _line(values: Mapping[str, Any]) -> str:
    words = [f"{name}={value}" for name, value in values.items() if name != "object"]
    return " ".join([values["object"], *words])


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in sorted(lines))


def _ended(text: str | None) -> str:
    return text + "\n" if text and not text.endswith("\n") else text or ""
