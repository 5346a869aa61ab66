# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one Plan: what differs between desired and actual state, shown before it is done, and done.

desired ──┐
          ├──► plan ──► apply
actual ───┘

A plan has steps in the order of their application. What is done one by one (a file, a sysctl, a unit) is a Change; what
goes to the kernel in one batch (kernel objects, nftables elements) is a step with many changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Callable, NamedTuple, Protocol

from ..findings.finding import Finding
from .failure import failure


class StateError(Exception):
    """A state cannot be reached: the text says of what, why, and what would be right."""


class Diff(NamedTuple):
    """What ``subject`` is and will be, as text."""

    subject: str
    before: str
    after: str


class Described(Protocol):
    """One thing that a step does: ``str()`` is a line about it."""

    @property
    def kind(self) -> str:
        """What is changed, one word: "route", "file", "sysctl"."""


class Line(NamedTuple):
    """One of the many things that a step does at once."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


class Step(Protocol):
    """What is applied at once."""

    @property
    def changes(self) -> Sequence[Described]:
        """What the step does; nothing where all is as desired."""

    def diffs(self) -> list[Diff]:
        """What is touched, as it is and as it will be."""

    def apply(self) -> list[Finding]:
        """Does it as far as it goes; returns what went wrong."""


class Change(NamedTuple):
    """A step of one change. ``text`` says what is done, ``subject`` to what (a path, "unit x.service"); ``before`` and
    ``after`` are for diff mode, ``after`` a function where it is known only then; ``do`` does it, raising OSError or
    StateError."""

    kind: str
    subject: str
    text: str
    before: str
    after: str | Callable[[], str]
    do: Callable[[], object]

    def __str__(self) -> str:
        return self.text

    @property
    def changes(self) -> Sequence[Described]:
        return (self,)

    def diffs(self) -> list[Diff]:
        return [Diff(self.subject, self.before, self.after() if callable(self.after) else self.after)]

    def apply(self) -> list[Finding]:
        try:
            self.do()
        except (StateError, OSError) as error:
            return [failure(self.text, error)]
        return []


class Plan:
    """``steps`` do not depend on each other: all are applied, whatever fails. ``then`` follow in order, each only if
    nothing has failed before it.

    ``then`` may be a generator, which plans each step on what those before it have made; while nothing is applied, on
    the state as it is. A plan may be a step of another one.
    """

    def __init__(self, steps: Iterable[Step] = (), then: Iterable[Step] = ()) -> None:
        self._steps = list(steps)
        self._then: list[Step] = []
        self._to_come = iter(then)

    @property
    def steps(self) -> list[Step]:
        """All steps in the order of their application. Raises what planning them raises."""
        self._then.extend(self._to_come)
        return self._steps + self._then

    @property
    def changes(self) -> Sequence[Described]:
        """What all steps do."""
        return [change for step in self.steps for change in step.changes]

    def __bool__(self) -> bool:
        return any(step.changes for step in self.steps)

    def describe(self) -> list[str]:
        """One line for each change."""
        return [str(change) for change in self.changes]

    def diffs(self) -> list[Diff]:
        """What is touched, as it is and as it will be."""
        return [diff for step in self.steps if step.changes for diff in step.diffs()]

    def apply(self) -> list[Finding]:
        """Carries the plan out; returns what went wrong. The plan then describes what was tried."""
        errors = [error for step in self._steps if step.changes for error in step.apply()]
        to_come, self._then = chain(self._then, self._to_come), []
        try:
            while not errors and (step := next(to_come, None)) is not None:
                self._then.append(step)
                if step.changes:
                    errors += step.apply()
        except (StateError, OSError) as error:
            where = getattr(error, "filename", None)
            errors.append(failure(f"read {where}" if where else "plan what follows", error))
        self._to_come = iter(())
        return errors
