# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that fail while a plan is applied."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.CHANGE_REFUSED: Entry(
        "the kernel refuses to {subject}: {error}",
        "Another program has the same name, address or port, or the kernel lacks a module. `errno` has the kernel's "
        "error by name. podnetd retries with growing pauses.",
        "journalctl --dmesg --since -10min; lsmod; ip -details link",
    ),
    Code.CHANGE_FAILED: Entry(
        "cannot {subject}: {error}",
        "A file system is full or read-only, something else has the name, or a program that the change needs has "
        "failed. podnetd retries with growing pauses.",
        "df; journalctl --since -10min --priority warning",
    ),
}
