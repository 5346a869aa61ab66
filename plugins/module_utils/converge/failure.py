# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong while a plan was applied, as findings. Who applies it knows the node."""

from __future__ import annotations

import errno

from ..findings.codes import Code
from ..findings.finding import Finding
from ..netlink.wire import NetlinkError


def failure(doing: str, error: Exception) -> Finding:
    """That ``doing`` ("write file /etc/x") has failed. A refusal of the kernel has its own words for it, and its
    ``errno`` by name ("EEXIST")."""
    if isinstance(error, NetlinkError):
        name = errno.errorcode.get(error.errno or 0, "")
        return Finding(Code.CHANGE_REFUSED, "", error.what, {"error": error.reason, "errno": name})
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Finding(Code.CHANGE_FAILED, "", doing, {"error": reason})
