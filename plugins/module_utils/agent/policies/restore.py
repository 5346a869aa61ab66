# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of policies as it was last, where the kernel has none and the API has not been heard of: at boot, before
any pod runs, or after somebody deleted it."""

from __future__ import annotations

from ...findings.finding import Finding
from ...netlink import nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER
from ...policy import files
from ...policy.program import Program
from ...policy.table import Table
from .attachments import Attachments
from .options import Options
from .places import TABLE, Places


def restore(table: Table, program: Program | None, attachments: Attachments) -> list[Finding]:
    """Makes the table as ``program`` has it. Those pods are known that have the addresses that they had, so at boot
    none. Returns what went wrong. Raises OSError."""
    if program is None or nftables.exists(table.channel, TABLE):
        return []
    pods = [(key, local.addresses) for key, local in program.locals.items()]
    program.forget_pods()
    for key, addresses in pods:
        if any(set(each.addresses) & set(addresses) for each in attachments.of(key)):
            program.admit(key, addresses)
    return table.plan(program).apply()


def at_boot(options: Options, run: str) -> list[Finding]:
    """The same by what is on disk. Returns what went wrong. Raises OSError."""
    places = Places(options.directory, run)
    attachments = Attachments(places.records)
    attachments.load()
    with Channel(NETLINK_NETFILTER) as channel:
        return restore(Table(channel), files.load(places.program), attachments)
