# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state as a whole: planned in full, shown or applied, in the order in which its parts need each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from ..converge import paths, sysctls
from ..converge.plan import Change, Plan, Step
from ..converge.units import Units
from ..findings.finding import Finding
from . import kernel


def plan(
    wanted: dict[str, Any],
    check_mode: bool,
    warn: Callable[[Finding], object] = lambda finding: None,
    done: Callable[[], object] = lambda: None,
) -> Plan:
    """What brings the node to ``wanted`` (node_state's parameters): files first, then the host name, modules, sysctls,
    swap, the overlay, the units, which may need all of them, and the conflist, which lets pods in, with the units that
    are restarted for it. ``warn`` is called with what is wrong and keeps nothing from being done, ``done`` when all is.

    Files and modules are planned now: what cannot be is found while the node is as it was. Raises StateError for that,
    and OSError.
    """
    units = Units(wanted["units"])
    files = [change for spec in wanted["files"] for change in paths.plan(spec)]
    modules = list(kernel.modules(wanted["kernel_modules"], wanted["kernel_module_proofs"]))
    return Plan(then=_steps(wanted, check_mode, warn, done, units, files, modules))


def _steps(
    wanted: dict[str, Any],
    check_mode: bool,
    warn: Callable[[Finding], object],
    done: Callable[[], object],
    units: Units,
    files: list[Change],
    modules: list[Change],
) -> Iterator[Step]:
    changed = {change.subject for change in files}
    if not check_mode:
        units.note(changed)
    yield from files
    if wanted["hostname"]:
        yield from kernel.hostname(wanted["hostname"])
    yield from modules
    # in check mode a missing one may come with a module that was not loaded
    yield from list(sysctls.plan(wanted["sysctls"], sysctls.read if check_mode and modules else sysctls.need))
    if wanted["swap"] == "off":
        yield from kernel.no_swap()
    # what only some tasks ask for is imported there alone: it takes as long as all else
    if wanted.get("overlay"):
        from . import overlay_state

        yield from overlay_state.steps(wanted["overlay"], check_mode, warn)
    if not check_mode and changed:
        units = Units(wanted["units"])
    yield from units.plan(changed, check_mode)
    if wanted.get("conflist"):
        yield from _conflist(wanted, check_mode, warn)
    if not check_mode:
        done()


def _conflist(wanted: dict[str, Any], check_mode: bool, warn: Callable[[Finding], object]) -> Iterator[Step]:
    """The file, and then the units that are restarted for it."""
    from . import conflist_state

    conflist = wanted["conflist"]
    changes = list(conflist_state.steps(conflist, conflist_state.others(conflist), check_mode, warn))
    written = {change.subject for change in changes}
    readers = Units([spec for spec in wanted["units"] if written & set(spec["restart_on"] or ())])
    if not check_mode:
        readers.note(written)
    yield from changes
    yield from readers.plan(written, check_mode)
