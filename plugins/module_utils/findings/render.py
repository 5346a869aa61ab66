# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a finding to words: the last thing that is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .finding import Finding, Value

if TYPE_CHECKING:
    from .texts.entry import Entry


def text(finding: Finding) -> str:
    """Subject, state, consequence, in one sentence without a full stop."""
    return _entry(finding).text.format_map(_values(finding))


def fix(finding: Finding) -> str:
    """How to fix it: a command wherever there is one."""
    return _entry(finding).fix.format_map(_values(finding))


def line(finding: Finding) -> str:
    """Node, text and fix in one line, for a list of findings."""
    where = f"{finding.node}: " if finding.node else ""
    return f"{where}{text(finding)}: {fix(finding)}"


def warning(finding: Finding) -> str:
    """Text and fix in one line, for what names the node already."""
    return f"{text(finding)}; fix: {fix(finding)}"


def as_json(finding: Finding) -> dict[str, Any]:
    """The finding as data, and beside it its ``text`` and ``fix`` for people."""
    return {**finding.as_json(), "text": text(finding), "fix": fix(finding)}


def _entry(finding: Finding) -> Entry:
    from .texts import ENTRIES  # the first finding loads the table: a podnetd that has none goes without

    return ENTRIES[finding.code]


def _values(finding: Finding) -> dict[str, str]:
    shown = {name: _shown(value) for name, value in finding.parameters.items()}
    return {**shown, "node": finding.node, "subject": finding.subject}


def _shown(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)
