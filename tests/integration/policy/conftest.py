# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two nodes with nine pods."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from policies.fabric import Fabric


@pytest.fixture(scope="module")
def fabric(netns_type) -> Iterator[Fabric]:
    """One for all tests of a file; each puts its own policies into force."""
    names: list[str] = []

    def make():
        name = f"podnet-policy-{os.getpid()}-{len(names)}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        names.append(name)
        netns = netns_type(name)
        netns.run("ip link set lo up")
        return netns

    made = None
    try:
        made = Fabric(make)
        yield made
    finally:
        if made:
            made.close()
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)
