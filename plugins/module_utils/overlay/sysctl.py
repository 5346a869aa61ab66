# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sysctls that the overlay needs: forwarding, and acceptance of the tunnel device's packets."""

from __future__ import annotations

from ..converge.sysctls import dotted_name, read
from .config import Config

FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def wanted(config: Config) -> dict[str, object]:
    """Values by dotted name."""
    return {FORWARDING[network.version]: "1" for network in config.networks}


def of_device(config: Config, device: str) -> dict[str, object]:
    """Values by dotted name for the tunnel's device.

    A peer's answer to a pod comes through the tunnel from the peer's own address, to which the route is another: a
    strict reverse path filter (``rp_filter`` 1, of "all" too) drops it, and 2 overrides that. IPv6 router
    advertisements through the tunnel are ignored.
    """
    found: dict[str, object] = {}
    if config.network(4):
        found[rp_filter(device)] = "2"
    if config.network(6):
        found[dotted_name(f"net/ipv6/conf/{device}/accept_ra")] = "0"
    return found


def rp_filter(device: str) -> str:
    """The dotted name of the device's reverse path filter."""
    return dotted_name(f"net/ipv4/conf/{device}/rp_filter")


def strict_reverse_path(device: str) -> bool:
    """Whether the kernel drops what reaches ``device`` from an address that it would answer through another."""
    values = [read(rp_filter(name)) or "0" for name in ("all", device)]
    return max(values) == "1"
