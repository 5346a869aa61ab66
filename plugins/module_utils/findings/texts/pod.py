# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod and its interface."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.POD_NETNS_GONE: Entry(
        "network namespace of pod {subject} is gone ({error}), so the pod has no network",
        "The runtime's namespace was unmounted or deleted while the pod's sandbox still counts as running.",
        "{recreate}",
    ),
    Code.POD_INTERFACE_MISSING: Entry(
        "pod {subject} has no interface {interface}, so it has no network",
        "The pod's end of its veth pair was deleted, or renamed, in the pod's namespace.",
        "{recreate}",
    ),
}
