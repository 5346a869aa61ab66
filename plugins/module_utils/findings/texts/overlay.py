# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign settings around the overlay."""

from __future__ import annotations

from ..codes import Code
from .entry import Entry

ENTRIES = {
    Code.OVERLAY_FORWARD_DROPPED: Entry(
        "chain {subject} drops or rejects forwarded packets, so pods are cut off unless one of its rules accepts them",
        "Docker's FORWARD policy, a firewall's default or its last rule: packets of pods are forwarded ones.",
        "{accept}",
    ),
    Code.OVERLAY_RULE_FOREIGN: Entry(
        'policy routing rule "{rule}" sends packets from {subject}, the node\'s address, by table {table}, which '
        "has no route of the overlay",
        "nm-cloud-setup adds such rules for a cloud's addresses, and again whenever the cloud's metadata change.",
        "systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service; {ip} rule delete {rule}",
    ),
    Code.OVERLAY_RP_FILTER_STRICT: Entry(
        "{subject} drops what pods send to this node's own address (rp_filter is 1, strict)",
        "The source is a pod's address, and its route leads back through the tunnel, not through the underlay. "
        "With masquerade_nodes true on all nodes the source is the node's.",
        "sysctl -w {key}=2",
    ),
    Code.OVERLAY_CHECKSUM_DRIVER: Entry(
        "checksum offload of {subject} is on, and {known}",
        "Pings pass, TCP and UDP do not: the card or the host beneath spoils checksums inside a tunnel.",
        "set overlay_backend.checksum_offload to auto or false; ansible-playbook -i INVENTORY podnet.cluster.site",
    ),
    Code.OVERLAY_BRIDGE_KIND: Entry(
        "{subject} is a {kind} link, expected a bridge, so the overlay does not keep the pods' gateway addresses",
        "overlay_bridge names a link that exists and is of another kind.",
        "ip link set {subject} down; ip link set {subject} name NAME (or set overlay_bridge to the pods' bridge)",
    ),
}
