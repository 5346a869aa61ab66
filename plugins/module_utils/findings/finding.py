# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One finding: a code, the node, the subject, and the parameters that its text needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from .codes import Code

#: A value of a finding's parameters: what JSON can carry, and a text can show.
Value = Union[str, int, float, bool, None, "list[str]"]


class Finding(NamedTuple):
    """``subject`` is the kernel's or Kubernetes' name of the object at fault (``flannel.1``, ``default/web-0``),
    ``node`` the node that it was found on, "" for the cluster; ``parameters`` are what the code's text names in
    braces, besides ``node`` and ``subject``. (A dataclass would cost every podnetd 2 MB: it imports ``inspect``.)"""

    code: Code
    node: str
    subject: str
    parameters: Mapping[str, Value] = {}

    def __hash__(self) -> int:
        return hash((self.code, self.node, self.subject))

    def as_json(self) -> dict[str, Any]:
        """The finding as data, for who counts or compares; ``render.as_json`` adds its words."""
        return {
            "code": self.code.value,
            "node": self.node,
            "subject": self.subject,
            "parameters": dict(self.parameters),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Finding:
        """A finding from its JSON, with or without words. Raises ValueError for an unknown code: from another
        version."""
        return Finding(Code(values["code"]), values["node"], values["subject"], dict(values["parameters"]))
