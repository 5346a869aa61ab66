# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of the roles leave their services, for tests without systemd."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROLES = Path(__file__).resolve().parent.parent / "roles"


def text(unit: str) -> str:
    """A unit as its role writes it; `unit` is "ROLE/NAME"."""
    role, name = unit.split("/")
    template = ROLES / role / "templates" / f"{name}.service.j2"
    return re.sub(r"\{\{.*?\}\}", "x", template.read_text())


def service(unit: str) -> dict[str, str]:
    """The unit's section Service."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text(unit))
    return dict(parser["Service"])


def command(unit: str) -> list[str]:
    """The words to execute a command with so that it has the unit's capabilities, and gets no more."""
    kept = ",".join(f"+{name.lower()[4:]}" for name in service(unit)["CapabilityBoundingSet"].split())
    return ["setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--no-new-privs"]
