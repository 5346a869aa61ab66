# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stays open when a packet is followed through rules: chance (numgen, statistic), and what is not known.

A run takes each open question's next answer; the runs together are all that may become of the packet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, TypeVar

T = TypeVar("T")

#: How many runs are made at most; beyond, what was found is not all.
MOST = 256


class Choices:
    """The answers of one run: those ``given`` first, then the first of each question."""

    def __init__(self, given: tuple[int, ...] = ()) -> None:
        self._given = given
        self._taken: list[tuple[int, int]] = []
        #: What could not be evaluated on the way, by name.
        self.unknown: list[str] = []

    def take(self, count: int) -> int:
        """One of 0 … count-1."""
        at = len(self._taken)
        answer = self._given[at] if at < len(self._given) else 0
        self._taken.append((answer, count))
        return answer

    def guess(self, name: str) -> bool:
        """Whether a condition of that name, which can't be evaluated, holds."""
        if name not in self.unknown:
            self.unknown.append(name)
        return bool(self.take(2))

    def following(self) -> tuple[int, ...] | None:
        """The answers of the next run, None after the last one."""
        taken = self._taken
        while taken and taken[-1][0] + 1 >= taken[-1][1]:
            taken.pop()
        if not taken:
            return None
        return (*(answer for answer, _count in taken[:-1]), taken[-1][0] + 1)


def runs(run: Callable[[Choices], T]) -> Iterator[T]:
    """What each of the runs returns, MOST at most."""
    given: tuple[int, ...] | None = ()
    for _number in range(MOST):
        if given is None:
            return
        choices = Choices(given)
        yield run(choices)
        given = choices.following()
