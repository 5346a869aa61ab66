# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sysctls that the overlay needs: the node forwards packets of the pods' IP versions."""

from __future__ import annotations

from .config import Config

FORWARDING = {4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding"}


def wanted(config: Config) -> dict[str, str | None]:
    """Values by path under /proc/sys."""
    return {FORWARDING[network.version]: "1" for network in config.networks}


def read(path: str) -> str | None:
    """The sysctl's value, None where the kernel has no such sysctl."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def write(path: str, value: str) -> None:
    """Sets the sysctl. Raises OSError."""
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
