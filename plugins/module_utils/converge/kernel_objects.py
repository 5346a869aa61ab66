# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel objects as a step of a plan: what turns the actual ones into the desired ones, applied in one batch."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Union

from ..findings.finding import Finding
from ..netlink import link as links
from ..netlink.channel import Channel
from ..netlink.genl import GenericChannel
from ..netlink.link import Link
from ..netlink.objects import KernelObject
from ..netlink.wire import NetlinkError
from .failure import failure
from .plan import Diff

#: What a delete finds when the object went by itself, with its link for instance.
GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL)

Desired = Union[Iterable[KernelObject], "dict[tuple[Any, ...], KernelObject]"]


class ObjectChange:
    """``action`` is "add", "change", "recreate" or "delete"; ``wanted`` and ``actual`` are kernel objects, ``subject``
    is that of them which there is, the wanted one first."""

    __slots__ = ("action", "actual", "subject", "wanted")

    def __init__(self, action: str, wanted: KernelObject | None, actual: KernelObject | None):
        subject = wanted or actual
        assert subject is not None
        self.action = action
        self.wanted = wanted
        self.actual = actual
        self.subject: KernelObject = subject

    @property
    def kind(self) -> str:
        """The kind of object: "link", "route"."""
        return type(self.subject).__name__.lower()

    def __str__(self) -> str:
        """``add route 10.244.1.0/24``; a change says what: ``change link cni0: mtu 1500 → 1450``."""
        text = f"{self.action} {self.subject.title()}"
        if self.wanted is not None and self.actual is not None:
            values = [
                f"{name} {_short(getattr(self.actual, name))} → {_short(getattr(self.wanted, name))}"
                for name in self.wanted.differences(self.actual)
            ]
            text += ": " + ", ".join(values)
        return text


class KernelObjects:
    """The step that turns ``actual`` into ``desired`` (objects, or a dictionary of them by their keys), through
    ``channel``. ``actual`` holds all that is ours to decide about: an object in it that is not desired is deleted."""

    def __init__(self, channel: Channel, desired: Desired, actual: Iterable[KernelObject]) -> None:
        self.channel = channel
        self.changes = differences(desired, actual)

    def renews(self, name: str) -> bool:
        """Whether the link of that name is created or recreated."""
        return any(
            change.action in ("add", "recreate") and isinstance(change.wanted, Link) and change.wanted.name == name
            for change in self.changes
        )

    def diffs(self) -> list[Diff]:
        before = [change.actual.describe() for change in self.changes if change.actual is not None]
        after = [_after(change) for change in self.changes if change.wanted is not None]
        return [Diff("kernel", _lines(before), _lines(after))]

    def apply(self) -> list[Finding]:
        """First what goes, then what comes, links before all that stands on them. Goes on past a refused request."""
        refused: list[NetlinkError] = []
        indexes = _Indexes(self.channel)
        going = [change for change in self.changes if change.action == "delete"]
        coming = [change for change in self.changes if change.action != "delete"]
        going.sort(key=lambda change: -change.subject.RANK)
        coming.sort(key=lambda change: change.subject.RANK)
        # links one by one, since one may stand on another; the rest in one batch, since it may be thousands
        self._run([change for change in going if change.subject.RANK], indexes, refused)
        for change in [change for change in going + coming if not change.subject.RANK]:
            self._run([change], indexes, refused)
            indexes.forget()
        self._run([change for change in coming if change.subject.RANK], indexes, refused)
        return [failure(error.what, error) for error in refused]

    def _run(self, changes: list[ObjectChange], indexes: _Indexes, refused: list[NetlinkError]) -> None:
        for family, some in groupby(changes, lambda change: change.subject.FAMILY):
            if not family:
                _send(self.channel, some, indexes, refused)
                continue
            with GenericChannel(family) as other:
                _send(other, some, indexes, refused)


def differences(desired: Desired, actual: Iterable[KernelObject]) -> list[ObjectChange]:
    """What turns ``actual`` into ``desired``, as for ``KernelObjects``.

    Where a link must be recreated, what stands on it is planned as missing, since it goes with the link; and so are the
    neighbours of one that gets another MAC address.
    """
    have = {thing.key(): thing for thing in actual}
    want = desired if isinstance(desired, dict) else {thing.key(): thing for thing in desired}
    changes: list[ObjectChange] = []
    lost, readdressed = set(), set()  # links that go, and those whose neighbours go
    for key, thing in have.items():
        if not isinstance(thing, Link):
            continue
        wanted = want.get(key)
        if wanted is None or (isinstance(wanted, Link) and wanted.must_recreate(thing)):
            lost.add(thing.name)
            readdressed.add(thing.name)
        elif isinstance(wanted, Link) and wanted.mac not in (None, thing.mac):
            readdressed.add(thing.name)
    for key, thing in have.items():
        if key not in want and getattr(thing, "dev", None) not in lost:
            changes.append(ObjectChange("delete", None, thing))
    for key, wanted in want.items():
        existing = have.get(key)
        if existing is None or getattr(existing, "dev", None) in (readdressed if wanted.GOES_WITH_MAC else lost):
            changes.append(ObjectChange("add", wanted, None))
        elif isinstance(wanted, Link) and wanted.name in lost:
            changes.append(ObjectChange("recreate", wanted, existing))
        elif wanted.differences(existing):
            changes.append(ObjectChange("change", wanted, existing))
    return changes


class _Indexes:
    """Link names to indexes, asked of the kernel once for each name."""

    def __init__(self, channel: Channel):
        self.channel = channel
        self.known: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        if name not in self.known:
            found = links.get(self.channel, name)
            if found is None:
                raise LookupError(f"link {name} does not exist")
            self.known[name] = found.index
        return self.known[name]

    def forget(self) -> None:
        self.known.clear()


def _send(channel: Channel, changes: Iterable[ObjectChange], indexes: _Indexes, refused: list[NetlinkError]) -> None:
    requests: list[Any] = []
    removals: set[int] = set()  # which of the requests
    for change in changes:
        try:
            gone, come = _requests(change, indexes)
        except LookupError as error:
            if change.action != "delete":  # what stood on a link that is gone is gone too
                refused.append(NetlinkError(errno.ENODEV, str(change), str(error.args[0])))
            continue
        if gone:
            removals.update(range(len(requests), len(requests) + len(gone)))
            requests += gone
        requests += come
    for position, answer in enumerate(channel.batch(requests)):
        if answer and not (position in removals and answer.errno in GONE):
            refused.append(answer)


def _requests(change: ObjectChange, indexes: _Indexes) -> tuple[list[Any], list[Any]]:
    """The change's requests: those that remove something, then the others."""
    wanted, actual = change.wanted, change.actual
    if wanted is None:
        assert actual is not None
        return actual.delete(indexes), []
    if actual is None:
        return [], wanted.add(indexes)
    if change.action == "recreate":
        return actual.delete(indexes), wanted.add(indexes)
    return [], wanted.change(actual, indexes)


def _after(change: ObjectChange) -> dict[str, Any]:
    """The wanted object's values over what stays of the actual one."""
    assert change.wanted is not None
    values = change.actual.describe() if change.actual is not None and change.action == "change" else {}
    for name, value in change.wanted.describe().items():
        merged = isinstance(value, dict) and isinstance(values.get(name), dict)
        values[name] = {**values[name], **value} if merged else value
    return values


def _lines(objects: Iterable[dict[str, Any]]) -> str:
    """A line each, ``link name=cni0 mtu=1450``, sorted."""
    lines = [
        " ".join([each["object"], *(f"{name}={value}" for name, value in each.items() if name != "object")])
        for each in objects
    ]
    return "".join(f"{line}\n" for line in sorted(lines))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_short(entry)}" for name, entry in value.items()) + "}"
    return "none" if value in (None, "") else str(value)
