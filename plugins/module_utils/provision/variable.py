# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commonest finding: a variable's value that is not what it can be."""

from __future__ import annotations

from ..findings.codes import Code
from ..findings.finding import Finding

#: The value of what may be a password.
NOT_SHOWN = "(not shown)"


def invalid(variable: str, value: object, wanted: str, node: str = "") -> Finding:
    """``variable`` (of ``node``, "" for the cluster's) has a ``value`` that is not ``wanted``."""
    return Finding(Code.VARIABLE_INVALID, node, variable, {"value": repr(value), "wanted": wanted})
