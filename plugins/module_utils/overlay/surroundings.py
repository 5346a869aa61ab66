# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong around the overlay and is somebody else's to change: told, with what to do about it."""

from __future__ import annotations

from .config import Config
from .forward import dropping_chains
from .reconcile import Overlay
from .sysctl import strict_reverse_path


def judge(config: Config, overlay: Overlay) -> list[str]:
    """A sentence for each, none where all is well."""
    found = list(overlay.warnings)
    networks = " and ".join(str(network) for network in config.networks)
    found += [
        f"{chain} drops by its policy what this node forwards: have it accept what comes from and goes to {networks}"
        for chain in dropping_chains()
    ]
    if overlay.offload and overlay.offload.on and overlay.offload.known:
        found.append(f"{overlay.offload.known}: set backend.checksum_offload to auto or false")
    if overlay.wanted and config.network(4) and not config.masquerade_nodes:
        device = overlay.wanted.carrier.device
        if strict_reverse_path(device):
            found.append(
                f"{device} drops what pods send to this node's own address (its rp_filter is 1, strict): "
                f"set net.ipv4.conf.{device}.rp_filter to 2, or masquerade_nodes to true on all nodes"
            )
    return found
