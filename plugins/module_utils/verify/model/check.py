# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check: what should be true of a node or the cluster, and what was found instead."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Optional

from ...findings.finding import Finding
from .hop import Step
from .record import record


class CheckName(str, Enum):
    """What is true when the check passes. The names are identifiers: JUnit and reports know checks by them."""

    # -- of a node
    OVERLAY_VALID = "overlay configuration is valid"
    NODE_IN_SYNC = "node matches desired state"
    LEASES_ACCEPTED = "all peer leases accepted"
    NO_FOREIGN_ROUTES = "no foreign routes in the pod network"
    AGENT_RUNNING = "podnetd running"
    CONFLIST_FIRST = "our CNI configuration first"
    CONFIGURATIONS_VALID = "CNI configurations valid"
    PLUGINS_EXECUTABLE = "CNI plugins executable"
    LIBRARY_UNMODIFIED = "installed files unmodified"
    RUNTIME_DIRECTORIES = "runtime uses our directories"
    RUNTIME_LOADED = "runtime has loaded our configuration"
    NO_LEAKED_RESERVATIONS = "no leaked IPAM reservations"
    ADDRESSES_RESERVED = "pod addresses reserved"
    FREE_ADDRESSES = "free pod addresses"
    BRIDGE_PRESENT = "bridge present"
    POD_CONNECTED = "pod connected"
    HOST_PORTS = "host ports lead to their pods"
    LOOPBACK_UP = "pod loopback up"
    NO_DUPLICATE_POD_ADDRESSES = "no duplicate pod addresses"
    UNITS_RUNNING = "node services running"
    KUBE_PROXY_RUNNING = "kube-proxy running"
    NO_NAT_BETWEEN_PODS = "no NAT between pods"
    POLICIES_IN_FORCE = "network policies in force"
    CERTIFICATES_VALID = "certificates valid"
    API_SERVERS_READY = "API servers ready"
    ETCD_HEALTHY = "etcd healthy"
    ETCD_MEMBERS = "etcd members reachable"
    BACKUPS_MADE = "backups made"
    # -- of the cluster
    NODE_READY = "node Ready"
    KUBELET_FITS = "kubelet fits API servers"
    API_SERVERS_FIT = "API servers fit each other"
    POD_READY = "pod Ready"
    DNS_ENDPOINTS = "DNS has ready endpoints"
    POD_CIDR_UNIQUE = "podCIDR unique"
    POD_ADDRESS_INSIDE = "pod address inside podCIDR"
    POD_ADDRESS_UNIQUE = "pod address unique"
    POD_ADDRESS_MATCHES = "pod address matches node"
    NODE_PROBED = "node was probed"
    SAME_LIBRARY = "same library on all nodes"
    CLOCKS_AGREE = "clocks agree"
    POD_CIDR_MATCHES = "podCIDR matches API"
    NODE_ADDRESS_MATCHES = "node address matches API"
    PEERS_COMPLETE = "peers complete"
    NO_DUPLICATE_NODE_ADDRESSES = "no duplicate node addresses"
    VXLAN_SEEN = "packets travel as VXLAN"

    def __str__(self) -> str:
        return self.value


@record
class Check:
    """One comparison. ``subject`` is the object compared, ``node`` where ("" for the cluster), ``step`` the kind of hop
    on a packet's path that it is about; ``finding`` says what is wrong, None where all is well."""

    DERIVED: ClassVar[tuple[str, ...]] = ("ok",)
    name: CheckName
    subject: str
    node: str = ""
    step: Optional[Step] = None
    finding: Optional[Finding] = None

    @property
    def ok(self) -> bool:
        return self.finding is None
