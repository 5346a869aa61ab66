# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults around the overlay that it does not repair, but reports."""

from __future__ import annotations

from ..findings.codes import Code
from ..findings.finding import Finding
from .config import Config
from .forward import accept, dropping_chains
from .reconcile import Overlay
from .sysctl import rp_filter, strict_reverse_path


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
    return found
