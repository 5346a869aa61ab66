# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of all variables that the collection's roles and playbooks take."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: Variables of playbooks, given with -e.
OF_PLAYBOOKS = {
    "backup", "backup_key", "from", "new_nodes", "node", "port", "preflight_nodes", "reset_confirm", "reset_nodes",
    "restore_cluster", "to",
}  # fmt: skip


@cache
def known() -> frozenset[str]:
    """The options of every entry point of every role, and what playbooks take."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    names = set(OF_PLAYBOOKS)
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        for entry in yaml.load(path.read_text(encoding="utf-8"), loader)["argument_specs"].values():
            names.update(entry.get("options") or ())
    return frozenset(names)
