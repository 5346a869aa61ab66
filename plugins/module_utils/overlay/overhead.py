# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes that a tunnel adds to a pod's packet, by the underlay's IP version. Needs nothing of Linux."""

from __future__ import annotations

#: IP header 20 or 40, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348).
VXLAN = {4: 50, 6: 70}
#: IP header 20 or 40, UDP 8, WireGuard's header and authentication tag 32.
WIREGUARD = {4: 60, 6: 80}
