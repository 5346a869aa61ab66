# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state as a whole: planned in full, shown or applied, in the order in which its parts need each other."""

from __future__ import annotations

from typing import Any, Callable

from . import files, kernel
from .change import Change
from .systemd import Units


def bring(wanted: dict[str, Any], check_mode: bool, show: Callable[[Change], object]) -> None:
    """Brings the node to ``wanted`` (node_state's parameters); ``show`` is told each change before it is done.

    Files come first, then the host name, modules, sysctls, swap, and the units last, which may need all of them. In
    check mode nothing is done. Raises StateError and OSError; what was done until then stays and is not done again.
    """

    def do(change: Change) -> None:
        show(change)
        if not check_mode:
            change.apply()

    units = Units(wanted["units"])
    # all are planned before the first is done: what cannot be is found while the node is as it was
    changes = [change for spec in wanted["files"] for change in files.plan(spec)]
    paths = {change.path for change in changes}
    modules = list(kernel.modules(wanted["kernel_modules"], wanted["kernel_module_proofs"]))
    if not check_mode:
        units.note(paths)
    for change in changes:
        do(change)
    if wanted["hostname"]:
        for change in kernel.hostname(wanted["hostname"]):
            do(change)
    for change in modules:
        do(change)
    for change in list(kernel.sysctls(wanted["sysctls"], pending_modules=check_mode and bool(modules))):
        do(change)
    if wanted["swap"] == "off":
        for change in list(kernel.no_swap()):
            do(change)
    if not check_mode and paths:
        units = Units(wanted["units"])
    for change in units.plan(paths, check_mode):
        do(change)
