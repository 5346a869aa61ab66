# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""subnet.env, which flannel's CNI plugin reads, in flanneld's format and order."""

from __future__ import annotations

from .config import Config
from .lease import Lease

PATH = "/run/flannel/subnet.env"


def render(config: Config, own: Lease, mtu: int) -> str:
    """The file's text: FLANNEL_SUBNET is the pod CIDR's first host address, the bridge's, with the prefix length;
    FLANNEL_IPMASQ informs the plugin that the overlay masquerades; ``mtu`` is the pods', in bytes."""
    lines = []
    for version, infix in ((4, ""), (6, "IPV6_")):
        for cidr in own.pod_cidrs:
            if cidr.version == version:
                lines += [
                    f"FLANNEL_{infix}NETWORK={config.network(version)}",
                    f"FLANNEL_{infix}SUBNET={cidr.address(1)}/{cidr.length}",
                ]
    lines += [f"FLANNEL_MTU={mtu}", f"FLANNEL_IPMASQ={str(config.masquerade).lower()}"]
    return "\n".join(lines) + "\n"
