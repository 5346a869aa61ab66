# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where ours is meant to be otherwise than Go's, and why. What is not here is a defect of one of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Any

ABSENT = "(absent)"


class Difference:
    """A documented difference, and its ``reason``: in paths that match one of the ``patterns`` (of "step/path") where
    ``when(go, ours)`` holds, in cases whose names match ``case``."""

    def __init__(
        self,
        reason: str,
        *patterns: str,
        when: Callable[[Any, Any], bool] = lambda _go, _ours: True,
        case: str = "*",
    ) -> None:
        self.reason = reason
        self.patterns = patterns
        self.when = when
        self.case = case

    def covers(self, case: str, path: str, go: Any, ours: Any) -> bool:
        """Whether it is this difference."""
        if not fnmatch.fnmatchcase(case, self.case) or not self.when(go, ours):
            return False
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)


def only_ours(go: Any, _ours: Any) -> bool:
    """Go has nothing there."""
    return go == ABSENT


def only_go(_go: Any, ours: Any) -> bool:
    """Ours has nothing there."""
    return ours == ABSENT


def follows_ports(go: Any, ours: Any) -> bool:
    """Go's bridge has the MAC address of one of its ports (or none, without ports), ours its own."""
    return str(go).startswith(("MAC of host's port", "00:00:00")) and str(ours).startswith("MAC of host's ")


def follows_mtu(go: Any, ours: Any) -> bool:
    """Go's bridge without ports has the kernel's MTU again, ours what its configuration says."""
    return str(go) == "1500" and str(ours) != ABSENT


def enabled(go: Any, ours: Any) -> bool:
    """A sysctl that only ours sets."""
    return (go, ours) == ("0", "1")


def disabled(go: Any, ours: Any) -> bool:
    """A sysctl that only ours takes away."""
    return (go, ours) == ("1", "0")


#: Never compared, and why.
NOT_COMPARED = [
    "MAC addresses and names of links that the plugin chooses: ours are derived from the attachment, so DEL finds them "
    "after a crash or a reboot without stored state; Go's are random",
    "neighbor entries: the kernel learns some of them while a case runs; ours also sets the new pod's entry on the "
    "bridge and deletes it with the pod, so that a reused address is reachable at once",
    "counters, timers and identifiers of the kernel",
    "the form of NAT rules: Go's iptables chains and our nftables sets are both reduced to the masqueraded sources "
    "with their exceptions, the targets of host ports, and the clients that are masqueraded",
    "error codes: Go's are 999 nearly always, ours are the specification's; for an expected error both have the same "
    "message",
]

DIFFERENCES = [
    # What ours has besides.
    Difference(
        "the alias of a host's end names its attachment, for GC and for operators",
        "*/link/*/ifalias",
        when=only_ours,
    ),
    Difference(
        "beside host-local's files a record of each attachment and a bitmap of taken addresses: no verb's time grows "
        "with reservations",
        "*/store/*/.attachments/*",
        "*/store/*/.index",
        when=only_ours,
    ),
    Difference(
        "results of 1.1.0 have every interface's MTU; Go's bridge and ptp leave it out",
        "*/answer/interfaces/*/mtu",
        when=only_ours,
    ),
    Difference(
        "a device that the configuration does not name has its note in its alias with a mark: an administrator's alias "
        "is not taken for a name",
        "*/link/eth0/ifalias",
        case="host-device, by MAC",
    ),
    # What makes no difference to packets.
    Difference(
        "Go sets a queue length of 0, ours keeps the kernel's; a veth has no queue with either",
        "*/link/*/txqlen",
    ),
    Difference(
        "no duplicate address detection unless enabledad: an IPv6 address is usable at once",
        "*/address/*/nodad",
        when=only_ours,
    ),
    Difference(
        "with every plugin IPv6 addresses stay while their link is down, and neighbors learn at once who has an "
        "address; neighbors of IPv6 do with Go's macvlan and ipvlan only, those of IPv4 with its bridge and tap, too",
        "*/sysctl/ipv4/conf/eth0/arp_notify",
        "*/sysctl/ipv6/conf/*/keep_addr_on_down",
        "*/sysctl/ipv6/conf/*/ndisc_notify",
        "*/sysctl/ipv4/conf/*/arp_notify",
        when=enabled,
    ),
    # Defects of Go's.
    Difference(
        "a link is closed to packets for 127.0.0.0/8 again once no host port needs it; Go leaves it open",
        "*/sysctl/ipv4/conf/*/route_localnet",
        when=disabled,
    ),
    Difference(
        "router advertisements are ignored if the result has addresses: a neighbor could assign others",
        "*/sysctl/ipv6/conf/*/accept_ra",
        when=disabled,
    ),
    Difference(
        "a bridge keeps its MAC address whatever ports come and go; Go's follows its ports",
        "*/host/link/*/mac",
        "*/answer/interfaces/0/mac",
        when=follows_ports,
    ),
    Difference(
        "a bridge keeps the MTU of its network when its ports go: below 1280 the kernel takes its IPv6 addresses away; "
        "Go's follows its ports",
        "*/host/link/*/mtu",
        when=follows_mtu,
    ),
    Difference(
        "a bridge whose network has an MTU below 1280 has no IPv6 when its ports are gone: its MTU stays",
        "DEL of a pod that is gone/host/sysctl/ipv6/conf/br0/*",
        when=only_go,
        case="bridge, mtu 576",
    ),
    Difference(
        "Go leaks masquerade rules when the pod's namespace is gone",
        "DEL of a pod that is gone/host/masquerade/*",
        when=only_go,
    ),
    Difference(
        "without pods, packets do not pass the operator's chain: firewall's rules match sets, which are empty then",
        "DEL of a pod that is gone/host/forward/IPv?",
        when=only_go,
        case="firewall",
    ),
    Difference(
        "a failed ADD undoes everything; Go's leaves that to DEL",
        "failed ADD/*",
        when=only_go,
    ),
    Difference(
        "a failed ADD leaves a bridge without ports, and host-local's lock and cursor",
        "failed ADD/host/link/*/mac",
        "failed ADD/store/net/lock",
        "failed ADD/store/net/last_reserved_ip.*",
    ),
    Difference(
        "Go's CHECK fails though nothing has changed: for a bridge without IPAM, for routes without gateway, and for "
        "host ports whatever the pod's families",
        "CHECK */answer/error",
        "CHECK */answer/answer",
        when=lambda go, _ours: go == "an error" or str(go).startswith("999 "),
    ),
    Difference(
        "isDefaultGateway works beside a default route of IPAM without gateway; Go's ADD fails: file exists",
        "*",
        case="bridge, default route set by IPAM without gateway",
    ),
    Difference(
        "Go's loopback answers version 0.1.0 and 0.2.0 in a newer version's form",
        "*/answer/*",
        case="loopback, 0.[12].0",
    ),
    Difference(
        "Go's loopback omits ips.version, which versions 0.3 and 0.4 require, and an empty dns, as its other results "
        "have "
        "it",
        "*/answer/ips/*/version",
        "*/answer/dns",
        when=only_ours,
        case="loopback, 0.[34].*",
    ),
    Difference(
        "DEL succeeds if nothing is left to do; Go's fails if the namespace is gone (macvlan, ptp, sbr), and the "
        "second time (host-device, sbr)",
        "DEL of a pod that is gone/answer/*",
        "DEL 1 again/answer/*",
        when=lambda go, _ours: go == "an error" or str(go).startswith("999 "),
    ),
    Difference(
        "if Go's sbr fails at DEL, the plugins before it are not called, and the address leaks",
        "DEL of a pod that is gone/store/*",
        when=only_go,
        case="sbr*",
    ),
    Difference(
        "an IPv4 address's table has no IPv6 routes, which its rule would never use",
        "*/route/100/fd09::_64 eth0/*",
        when=only_go,
        case="sbr, *",
    ),
    Difference(
        "sbr's gateways precede a default route that the chain has made; with Go's it replaces theirs",
        "*/route/100/default eth0/gateway",
        case="sbr, gateways besides a default route",
    ),
    Difference(
        "with sbr's addSourceHints the kernel's own route, which has the source, stays in the main table; Go's makes "
        "one "
        "like it",
        "*/route/main/10.9.0.0_24 eth0/protocol",
        case="sbr, source hints*",
    ),
    Difference(
        "tuning restores sysctls in a namespace that outlives the pod",
        "DEL */sysctl/*",
        case="tuning, sysctl*",
    ),
    # What makes no difference to packets, again.
    Difference(
        "bandwidth names Ethernet as the link layer, as tc does",
        "*/host/queue/*/linklayer",
        case="bandwidth*",
    ),
]
