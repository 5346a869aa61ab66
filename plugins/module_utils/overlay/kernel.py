# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel features that a back end needs and some kernels lack."""

from __future__ import annotations

import os

from ..netlink import genl
from .config import ConfigError

#: By back end the generic netlink family that shows whether the kernel has what it needs.
FAMILIES = {"wireguard": "wireguard"}


def missing(backend: str) -> str:
    """The generic netlink family that the back end of that type needs and this kernel lacks, "" for none. Where it is a
    module, asking loads it."""
    family = FAMILIES.get(backend, "")
    return family if family and not genl.has(family) else ""


def need(backend: str) -> None:
    """Raises ConfigError where this kernel lacks what the back end of that type needs."""
    family = missing(backend)
    if family:
        raise ConfigError(
            f"backend.type: {backend}: this kernel ({os.uname().release}) has no {family}, neither built in nor as a "
            "module that can be loaded: give another back end, or the node another kernel"
        )
