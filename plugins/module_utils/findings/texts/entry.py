# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A row of the table of codes."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """``text``: subject, state, consequence; ``cause``: how it comes about and what it does to packets, for the
    documentation; ``fix``: a command, or what to do where none will do. ``text`` and ``fix`` name the finding's
    parameters in braces, besides ``{node}`` and ``{subject}``."""

    text: str
    cause: str
    fix: str
