# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where enforcement of policies leaves something.

    <directory>/gate             says to ADD that policies are enforced, and in which namespaces (cni/exec/gate.py)
    <directory>/program          the compiled policies, for a boot without API
    <run>/policy.sock            where ADD asks
    <run>/policy/                the records that ADD leaves; gone with a boot, as the pods
    table inet podnet_policy     the policies in force

On a node that enforces none, ``remove`` sees to it that nothing of it is left.
"""

from __future__ import annotations

import contextlib
import os

from ...netlink import nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER
from .options import DIRECTORY

TABLE = nftables.Table("inet", "podnet_policy", [], [])


class Places:
    """``directory`` outlives a boot, ``run`` does not."""

    def __init__(self, directory: str, run: str) -> None:
        self.directory = directory
        self.gate = os.path.join(directory, "gate")
        self.program = os.path.join(directory, "program")
        self.socket = os.path.join(run, "policy.sock")
        self.records = os.path.join(run, "policy")

    def remove(self) -> None:
        """Removes the files, the gate first. Raises OSError."""
        for path in (self.gate, self.program, self.socket):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.records):
                os.unlink(os.path.join(self.records, name))
            os.rmdir(self.records)
        with contextlib.suppress(OSError):
            os.rmdir(self.directory)


def remove(run: str, directory: str = DIRECTORY) -> None:
    """Nothing is enforced any more. Raises OSError."""
    Places(directory, run).remove()
    with Channel(NETLINK_NETFILTER) as channel:
        if nftables.exists(channel, TABLE):
            nftables.transaction(channel, [nftables.delete_table(TABLE)])
