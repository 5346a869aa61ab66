# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of fault, once. The value is what JSON, metrics and the documentation call it: it stays what it is."""

from __future__ import annotations

from enum import Enum


class Code(str, Enum):
    """``<object>.<state>``: the kind of kernel or Kubernetes object, and what is the matter with it."""

    # -- a pod and its interface
    POD_NETNS_GONE = "pod.netns-gone"
    POD_MISSING = "pod.missing"
    POD_INTERFACE_MISSING = "pod.interface-missing"
    POD_INTERFACE_DOWN = "pod.interface-down"
    POD_NO_CARRIER = "pod.no-carrier"
    POD_ADDRESS_MISSING = "pod.address-missing"
    POD_MAC_CHANGED = "pod.mac-changed"
    POD_MTU_TOO_LARGE = "pod.mtu-too-large"
    POD_ARP_OFF = "pod.arp-off"
    POD_ARP_IGNORED = "pod.arp-ignored"
    POD_ECHO_IGNORED = "pod.echo-ignored"
    POD_TTL_TOO_LOW = "pod.ttl-too-low"
    POD_IPV6_DISABLED = "pod.ipv6-disabled"
    POD_ROUTE_MISSING = "pod.route-missing"
    POD_ROUTE_WRONG = "pod.route-wrong"
    POD_ROUTE_FORBIDS = "pod.route-forbids"
    POD_RULE_FORBIDS = "pod.rule-forbids"
    POD_RULE_FOREIGN = "pod.rule-foreign"
    POD_DEFAULT_ROUTE_MISSING = "pod.default-route-missing"
    POD_DEFAULT_ROUTE_WRONG = "pod.default-route-wrong"

    # -- who has an IP address on a link
    NEIGHBOR_FAILED = "neighbor.failed"
    NEIGHBOR_WRONG_MAC = "neighbor.wrong-mac"
    NEIGHBOR_UNRESOLVED = "neighbor.unresolved"
    NEIGHBOR_REPLY_UNHEARD = "neighbor.reply-unheard"
    ADDRESS_ON_TWO_NODES = "address.on-two-nodes"
    ADDRESS_ON_TWO_PODS = "address.on-two-pods"

    # -- the node's end of a pod's veth pair
    PORT_MISSING = "port.missing"
    PORT_DOWN = "port.down"
    PORT_DETACHED = "port.detached"
    PORT_OF_OTHER_BRIDGE = "port.of-other-bridge"
    PORT_NOT_FORWARDING = "port.not-forwarding"
    PORT_MTU_MISMATCH = "port.mtu-mismatch"
    PORT_ISOLATED = "port.isolated"
    PORT_LOCKED = "port.locked"
    PORT_NO_FLOOD = "port.no-flood"
    PORT_NO_BROADCAST = "port.no-broadcast"
    PORT_NEIGHBOR_SUPPRESSED = "port.neighbor-suppressed"
    PORT_NO_HAIRPIN = "port.no-hairpin"
    PORT_FDB_ASTRAY = "port.fdb-astray"
    PORT_MAC_LEARNED_ELSEWHERE = "port.mac-learned-elsewhere"

    # -- the pods' bridge
    BRIDGE_MISSING = "bridge.missing"
    BRIDGE_DOWN = "bridge.down"
    BRIDGE_ADDRESS_MISSING = "bridge.address-missing"
    BRIDGE_IPV6_DISABLED = "bridge.ipv6-disabled"
    BRIDGE_ARP_OFF = "bridge.arp-off"
    BRIDGE_ARP_IGNORED = "bridge.arp-ignored"
    BRIDGE_MTU_TOO_SMALL = "bridge.mtu-too-small"
    BRIDGE_OWN_MAC_MISSING = "bridge.own-mac-missing"
    BRIDGE_VLAN_FILTERING = "bridge.vlan-filtering"

    # -- the node's routing decision
    FORWARDING_OFF = "forwarding.off"
    ROUTE_MISSING = "route.missing"
    ROUTE_WRONG = "route.wrong"
    ROUTE_SHADOWED = "route.shadowed"
    ROUTE_FORBIDS = "route.forbids"
    ROUTE_REFUSED = "route.refused"
    ROUTE_MTU_TOO_SMALL = "route.mtu-too-small"
    RULE_FORBIDS = "rule.forbids"
    RULE_DIVERTS = "rule.diverts"
    SOURCE_IS_LOCAL = "route.source-is-local"
    RETURN_ROUTE_MISSING = "route.return-missing"
    RETURN_ROUTE_FORBIDS = "route.return-forbids"
    RP_FILTER_STRICT = "rp-filter.strict"

    # -- who drops, delays or rewrites packets on a node or in a pod
    CHAIN_DROPS = "filter.rule-drops"
    CHAIN_POLICY_DROP = "filter.policy-drop"
    CHAIN_TRANSLATES = "filter.rule-translates"
    CHAIN_REWRITES = "filter.rule-rewrites"
    CHAIN_OF_KUBERNETES_DROPS = "filter.kubernetes-drops"
    QDISC_CLASSIFIERS = "qdisc.classifiers"
    QDISC_UNUSUAL = "qdisc.unusual"
    XFRM_POLICY_BLOCKS = "xfrm.policy-blocks"
    XFRM_POLICY_TRANSFORMS = "xfrm.policy-transforms"
    CONNTRACK_FULL = "conntrack.full"
    NODE_ECHO_IGNORED = "node.echo-ignored"

    # -- addresses that are translated
    NAT_DRIFTED = "nat.drifted"
    NAT_POD_SOURCE_HIDDEN = "nat.pod-source-hidden"
    NAT_SOURCE_NOT_OF_NODE = "nat.source-not-of-node"
    NAT_DESTINATION_DIVERTED = "nat.destination-diverted"
    NAT_TUNNEL_DIVERTED = "nat.tunnel-diverted"
    SERVICE_NO_ENDPOINTS = "service.no-endpoints"
    SERVICE_NO_DNAT = "service.no-dnat"
    SERVICE_DNAT_WRONG = "service.dnat-wrong"

    # -- the tunnel
    TUNNEL_MISSING = "tunnel.missing"
    TUNNEL_DOWN = "tunnel.down"
    TUNNEL_PORT_TAKEN = "tunnel.port-taken"
    TUNNEL_BRIDGED = "tunnel.bridged"
    TUNNEL_IPV6_DISABLED = "tunnel.ipv6-disabled"
    TUNNEL_ATTRIBUTE_WRONG = "tunnel.attribute-wrong"
    TUNNEL_MTU_TOO_LARGE = "tunnel.mtu-too-large"
    TUNNEL_DRIFTED = "tunnel.drifted"
    TUNNEL_MISMATCH = "tunnel.mismatch"
    TUNNEL_CHECKSUMS_WRONG = "tunnel.checksums-wrong"
    VTEP_NEIGHBOR_MISSING = "vtep-neighbor.missing"
    VTEP_NEIGHBOR_WRONG_MAC = "vtep-neighbor.wrong-mac"
    VTEP_NEIGHBOR_NOT_PERMANENT = "vtep-neighbor.not-permanent"
    FDB_MISSING = "fdb.missing"
    FDB_WRONG_PEER = "fdb.wrong-peer"
    WIREGUARD_DRIFTED = "wireguard.drifted"

    # -- the peer, and the underlay that leads to it
    OVERLAY_INVALID = "overlay.invalid"
    LEASE_MISSING = "lease.missing"
    LEASE_REFUSED = "lease.refused"
    LEASE_STALE = "lease.stale"
    UNDERLAY_DOWN = "underlay.down"
    UNDERLAY_NO_CARRIER = "underlay.no-carrier"
    UNDERLAY_ARP_OFF = "underlay.arp-off"
    UNDERLAY_ARP_IGNORED = "underlay.arp-ignored"
    UNDERLAY_ROUTE_MISSING = "underlay.route-missing"
    UNDERLAY_ROUTE_INTO_POD_NETWORK = "underlay.route-into-pod-network"
    UNDERLAY_OTHER_DEVICE = "underlay.other-device"
    UNDERLAY_PEER_ADDRESS_LOCAL = "underlay.peer-address-local"
    UNDERLAY_MTU_TOO_SMALL = "underlay.mtu-too-small"
    WIRE_SILENT = "wire.silent"
    WIRE_BLOCKED = "wire.blocked"
    WIRE_MTU_TOO_SMALL = "wire.mtu-too-small"
    WIRE_LOST = "wire.lost"

    # -- what packets show
    CHECKSUMS_WRONG = "packets.checksums-wrong"
    PACKETS_LOST = "packets.lost"
    PACKETS_UNSEEN = "packets.unseen"
    PACKETS_UNANSWERED = "packets.unanswered"
    PACKETS_IGNORED = "packets.ignored"
    PACKETS_EXPIRED = "packets.expired"
    PACKETS_ANSWERED_BY_OTHER = "packets.answered-by-other"
    TRACE_WINDOW_MISSED = "trace.window-missed"

    # -- a node's agent and its client certificate
    REQUEST_UNREADABLE = "certificate-request.unreadable"
    REQUEST_SUBJECT = "certificate-request.subject"
    REQUEST_EXTENSIONS = "certificate-request.extensions"
    REQUEST_KEY_TYPE = "certificate-request.key-type"
    REQUEST_NOT_ASKED = "certificate-request.not-asked"
    CERTIFICATE_UNREADABLE = "certificate.unreadable"
    CERTIFICATE_SUBJECT = "certificate.subject"
    CERTIFICATE_KEY = "certificate.key"
    CERTIFICATE_EXTENSIONS = "certificate.extensions"
    # -- a probe that failed
    PROBE_NO_ANSWER = "probe.no-answer"
    PROBE_REFUSED = "probe.refused"
    PROBE_REFUSED_BY_ROUTER = "probe.refused-by-router"
    PROBE_NO_ROUTE = "probe.no-route"
    PROBE_UNREACHABLE = "probe.unreachable"
    PROBE_REPORTED = "probe.reported"
    PROBE_EXPIRED = "probe.expired"
    PROBE_CLOSED = "probe.closed"
    PROBE_WRONG_ANSWER = "probe.wrong-answer"
    PROBE_TOO_LARGE = "probe.too-large"
    PROBE_LARGE_LOST = "probe.large-lost"
    PROBE_FILTERED = "probe.filtered"
    PROBE_NETNS_GONE = "probe.netns-gone"
    PROBE_ERROR = "probe.error"

    def __str__(self) -> str:
        return self.value
