# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults around the overlay that it does not repair, but reports."""

from __future__ import annotations

from socket import AF_INET, AF_INET6

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address
from ..ipam.prefix import parse_prefix
from ..netlink import rule
from ..netlink.channel import Channel
from ..netlink.wire import NetlinkError
from .config import Config
from .forward import accept, dropping_chains
from .reconcile import Overlay
from .sysctl import rp_filter, strict_reverse_path

#: linux/rtnetlink.h, RT_TABLE_*: default, main, local.
KERNEL_TABLES = (253, 254, 255)


def judge(config: Config, overlay: Overlay) -> list[Finding]:
    """A finding for each fault; none where all is well."""
    node = config.node_name
    found = [
        Finding(Code.OVERLAY_FORWARD_DROPPED, node, chain, {"accept": accept(chain, config.networks)})
        for chain in dropping_chains(config, overlay.desired.device if overlay.desired else None)
    ]
    if overlay.warning:
        found.append(overlay.warning)
    if overlay.offload and overlay.offload.on and overlay.offload.known and overlay.desired:
        device = overlay.desired.device or ""
        found.append(Finding(Code.OVERLAY_CHECKSUM_DRIVER, node, device, {"known": overlay.offload.known}))
    if overlay.wanted and config.network(4) and not config.masquerade_nodes:
        device = overlay.wanted.carrier.device
        if strict_reverse_path(device):
            found.append(Finding(Code.OVERLAY_RP_FILTER_STRICT, node, device, {"key": rp_filter(device)}))
    if overlay.wanted:
        found += diverting(node, overlay.wanted.leases.own.address)
    return found


def diverting(node: str, address: str) -> list[Finding]:
    """Foreign policy routing rules that send all that the node sends from ``address``, its own, by another table than
    main: there the overlay has its routes. nm-cloud-setup adds such rules."""
    version, number = parse_address(address)
    try:
        with Channel() as channel:
            rules = rule.dump(channel, {4: AF_INET, 6: AF_INET6}[version])
    except (OSError, NetlinkError):  # a kernel without policy routing
        return []
    found = []
    for each in rules:
        narrow = (each.dst, each.iif, each.oif, each.mark, each.protocol, each.sport, each.dport)
        if each.table in KERNEL_TABLES or not each.src or any(value is not None for value in narrow):
            continue
        if parse_prefix(each.src).holds(version, number):
            selector = f"from {each.src} table {each.table} priority {each.priority}"
            values: dict[str, Value] = {"rule": selector, "table": each.table, "ip": "ip" if version == 4 else "ip -6"}
            found.append(Finding(Code.OVERLAY_RULE_FOREIGN, node, address, values))
    return found
