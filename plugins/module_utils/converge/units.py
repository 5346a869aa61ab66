# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: enabled, started, masked; restarted or reloaded when a file they read was changed.

What is due is recorded under /run before the file is changed, until it is done: where a run fails between the two, the
next one restarts or reloads the unit.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from . import files
from .plan import Change, StateError

PENDING = "/run/podnet/restart"
RELOAD = ".reload"  # follows the name of a unit that need not be restarted
_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


class Units:
    """The state of the units that ``specs`` name (name, enabled, state: started or stopped, masked, restart_on and
    reload_on: paths), and their ``actual`` one (as ``show`` gives it, and reads it where it is left out)."""

    def __init__(self, specs: Sequence[dict[str, Any]], actual: dict[str, dict[str, str]] | None = None) -> None:
        self.specs = [{**spec, "name": _full(spec["name"])} for spec in specs]
        self.actual = actual or (show([spec["name"] for spec in self.specs]) if specs else {})

    def note(self, paths: set[str]) -> None:
        """Records which running units a change of ``paths`` restarts or reloads. Call it before the change."""
        for spec in self.specs:
            if _is_active(self.actual[spec["name"]]):
                if paths & set(spec["restart_on"] or ()):
                    files.write(f"{PENDING}/{spec['name']}", "")
                elif paths & set(spec.get("reload_on") or ()):
                    files.write(f"{PENDING}/{spec['name']}{RELOAD}", "")

    def plan(self, paths: set[str], check_mode: bool) -> Iterator[Change]:
        """What brings the units to their state once ``paths`` are changed. Raises StateError for a unit that does
        not exist, but not in check mode: what would have brought it may not have run."""
        missing = [
            spec["name"]
            for spec in self.specs
            if self._lacks(spec) and not check_mode and not _brought(spec["name"], paths)
        ]
        if missing:
            raise StateError(f"unit {missing[0]} does not exist: install what brings it first")
        wanted = [path for path in paths if path.startswith(("/etc/systemd/", "/lib/systemd/", "/usr/lib/systemd/"))]
        if wanted or any(each.get("NeedDaemonReload") == "yes" for each in self.actual.values()):
            yield Change(
                "unit", "systemd", "reload systemd's units", "", "daemon-reload\n", partial(systemctl, "daemon-reload")
            )
        for spec in self.specs:
            yield from self._unit(spec, paths)

    def _lacks(self, spec: dict[str, Any]) -> bool:
        wants = spec["enabled"] or spec["state"] == "started"
        return bool(wants) and self.actual[spec["name"]].get("LoadState") == "not-found"

    def _unit(self, spec: dict[str, Any], paths: set[str]) -> Iterator[Change]:
        name, actual = spec["name"], self.actual[spec["name"]]
        is_masked = actual.get("LoadState") == "masked"
        is_there = actual.get("LoadState") != "not-found"
        is_active = _is_active(actual)
        is_enabled = actual.get("UnitFileState") in (
            "enabled",
            "enabled-runtime",
            "static",
            "alias",
            "generated",
            "indirect",
        )
        pending = f"{PENDING}/{name}"
        is_due = os.path.exists(pending) or bool(paths & set(spec["restart_on"] or ()))

        if is_masked and spec["masked"] is False:
            yield _change(name, "unmask", "masked", "unmasked")
        if spec["enabled"] is True and not is_enabled:
            yield _change(name, "enable", "disabled", "enabled")
        if (
            spec["enabled"] is False
            and is_enabled
            and is_there
            and actual.get("UnitFileState") not in ("static", "generated")
        ):
            yield _change(name, "disable", "enabled", "disabled")
        if spec["state"] == "stopped" and is_active:
            yield _change(name, "stop", "active", "inactive")
        elif spec["state"] == "started" and not is_active:
            yield _change(name, "start", str(actual.get("ActiveState") or "inactive"), "active", pending)
        elif is_due and is_active:
            yield _change(name, "restart", "active", "restarted", pending)
        elif is_active and (os.path.exists(pending + RELOAD) or paths & set(spec.get("reload_on") or ())):
            yield _change(name, "reload", "active", "reloaded", pending + RELOAD)
        if spec["masked"] and not is_masked:
            yield _change(name, "mask", "unmasked", "masked")


def show(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The properties of the units ``names``, by name. Raises StateError where systemd does not answer."""
    text = systemctl("show", f"--property={','.join(_PROPERTIES)}", "--", *names)
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")
    ]
    if len(blocks) != len(names):
        raise StateError(f"systemctl: shows {len(blocks)} units of {len(names)} ({', '.join(names)})")
    return dict(zip(names, blocks))


def systemctl(*arguments: str, **environment: str) -> str:
    """Runs systemctl, with ``environment`` besides its own, returns what it prints. Raises StateError with what it says
    of its failure."""
    try:
        done = subprocess.run(
            ["systemctl", *arguments], check=False, capture_output=True, text=True, env={**os.environ, **environment}
        )
    except FileNotFoundError:
        raise StateError("systemctl is not installed: podnet needs a node with systemd") from None
    if done.returncode:
        raise StateError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def _is_active(actual: dict[str, str]) -> bool:
    return actual.get("ActiveState") in ("active", "activating", "reloading")


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _brought(name: str, paths: set[str]) -> bool:
    """Whether one of the files written before is the unit itself."""
    return any(os.path.basename(path) == name for path in paths)


def _change(name: str, verb: str, before: str, after: str, pending: str = "") -> Change:
    def act() -> None:
        try:
            systemctl(verb, "--", name)
        except StateError as error:
            said = f"\n{_journal(name)}" if verb in ("start", "restart", "reload") else ""
            raise StateError(f"{error}{said}") from None
        if pending and os.path.exists(pending):
            os.unlink(pending)

    return Change("unit", f"unit {name}", f"{verb} {name}", f"{before}\n", f"{after}\n", act)


def _journal(name: str) -> str:
    command = ["journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={name}"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
