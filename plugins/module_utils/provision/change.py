# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One thing to do to a node: said before it is done, so that check and diff mode show what would be."""

from __future__ import annotations

from typing import Callable, NamedTuple


class StateError(Exception):
    """A part of the node's state cannot be had; the text says what, where, and what would be right."""


class Change(NamedTuple):
    """``what`` in words; ``before`` and ``after`` under ``header`` for diff mode; ``apply`` does it (it raises OSError
    or StateError); ``path`` is the file it touches, "" for none."""

    what: str
    header: str
    before: str
    after: str
    apply: Callable[[], object]
    path: str = ""

    def diff(self) -> dict[str, str]:
        """An entry of a module's ``diff``, as ansible.builtin.copy gives it."""
        return {"before": self.before, "after": self.after, "before_header": self.header, "after_header": self.header}
