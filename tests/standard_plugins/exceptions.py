# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Specs of the standard plugins that ours fail on purpose: plugin → part of the specs' names → the reason."""

from __future__ import annotations

EXCEPTIONS: dict[str, dict[str, str]] = {
    "host-local": {
        "ignores whitespace in disk files": "a container ID with white space is invalid; an executable is refused it",
        "releases every reservation when the runtime reports no attachments": (
            "GC without a list of valid attachments is refused: a runtime that forgets it would lose every address"
        ),
        "leaves the store usable for subsequent allocations": "likewise",
    },
    "static": {
        "errors when passed an invalid CIDR": "it is refused, in other words",
        "from RuntimeConfig/ARGS/CNI_ARGS": "GATEWAY of CNI_ARGS is for addresses of every source",
    },
    "tap": {
        "add, check and remove a tap device run correctly": (
            "CHECK is given a configuration without ADD's owner and group, and ours compares them"
        ),
    },
}
