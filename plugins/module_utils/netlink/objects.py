# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of all kernel objects: an identity, values, and the comparison of two states of one object."""

from __future__ import annotations

from _operator import attrgetter

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from typing import Any, Callable

    from .wire import Request

    IndexOf = Callable[[str], int]


class KernelObject:
    """One object of the kernel's network state.

    The values are text and numbers as ``ip -j`` shows them. None means *not known* in an actual object and *whatever
    is there* in a desired one. Subclasses name the values that identify an object (``KEY``) and those that can be
    changed (``VALUES``), and say by which requests it comes, changes and goes. ``index_of`` turns a link's name
    into its
    index; it raises LookupError if there is no such link.
    """

    #: The generic netlink family that takes the requests; none: rtnetlink.
    FAMILY = ""
    #: The order in which kinds of objects are made; they are deleted in reverse.
    RANK = 0
    #: Whether the kernel drops such objects of a link whose MAC address changes.
    GOES_WITH_MAC = False
    KEY: tuple[str, ...] = ()
    VALUES: tuple[str, ...] = ()
    __slots__: tuple[str, ...] = ()
    _key_of: Any
    _values_of: Any

    def __init_subclass__(cls) -> None:
        # tens of thousands of objects are compared at a time: the interpreter's C reads their attributes
        cls._key_of = attrgetter(*cls.KEY)
        cls._values_of = attrgetter(*cls.VALUES, *cls.VALUES[:1])  # one twice: of one, no tuple

    def key(self) -> tuple[Any, ...]:
        """The object's identity, unique among all objects of one network namespace."""
        return type(self).__name__, self._key_of(self)

    def differences(self, actual: Any) -> list[str]:
        """The names of the values that are set here and differ in ``actual``."""
        wanted, found = self._values_of(self), self._values_of(actual)
        if wanted == found:
            return []
        return [
            name
            for name, want, have in zip(self.VALUES, wanted, found)
            if want is not None and want != have and not _satisfied(want, have)
        ]

    def describe(self) -> dict[str, Any]:
        """The known values by name, for diffs and reports."""
        shown = {"object": type(self).__name__.lower()}
        for name in self.KEY + self.VALUES:
            value = getattr(self, name)
            if value is not None and value != {}:
                shown[name] = value
        return shown

    def title(self) -> str:
        """The object in a few words: ``route 10.244.1.0/24``."""
        return " ".join([type(self).__name__.lower(), *[str(getattr(self, name)) for name in self.KEY]])

    def add(self, index_of: IndexOf) -> list[Request]:
        """The requests that make the object."""
        raise NotImplementedError

    def change(self, actual: Any, index_of: IndexOf) -> list[Request]:
        """The requests that turn ``actual`` into this object."""
        raise NotImplementedError

    def delete(self, index_of: IndexOf) -> list[Request]:
        """The requests that remove the object."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.describe() == other.describe()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


def _satisfied(wanted: Any, actual: Any) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_satisfied(value, actual.get(name)) for name, value in wanted.items())
    return bool(wanted == actual)
