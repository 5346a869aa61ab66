# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state: all that is read from it, typed. ``observe`` fills it, checks and trace judge it.

It travels as JSON: ``podnetctl inspect`` prints it, the module ``node_network_info`` returns it,
``podnetctl trace --state`` reads another node's.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Optional

from ...findings.finding import Finding
from ...overlay.config import Config
from ...overlay.lease import Lease
from ...policy.explanation import PolicyState
from ...records.codec import from_json, to_json
from .evidence import Evidence
from .judged import JudgedPacket
from .kernel import (
    AddressState,
    BaseChain,
    BridgeFdbEntry,
    FdbState,
    KernelState,
    LinkState,
    Lookup,
    NeighborState,
    PolicyRule,
    Qdisc,
    RouteState,
    XfrmPolicy,
)
from .record import record

#: The number of these shapes: it goes up with every change that an older or newer reader would misread.
SCHEMA = 5

#: What is the matter with a file.
MISSING, NOT_EXECUTABLE, MODIFIED = "missing", "not-executable", "modified"


@record
class HostPort:
    """A port of the node that a pod publishes; ``host_ip`` is "" for all of the node's addresses."""

    protocol: str
    host_port: int
    host_ip: str
    pod_port: int


@record
class Attachment:
    """One pod's interface, as the runtime has noted the plugins' result: ``name`` is the pod's namespace/name,
    ``netns`` the path of its network namespace, ``addresses`` without length, ``prefixes`` the same with length.

    ``host`` is the link at the node's end ("" where there is none).
    """

    name: str
    container_id: str
    network: str
    interface: str
    netns: str
    addresses: list[str]
    host: str = ""
    bridge: str = ""
    mac: str = ""
    prefixes: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    ports: list[HostPort] = field(default_factory=list)


@record
class PodState(Attachment):
    """A pod's attachment, and what is found in its network namespace; ``error`` says why that can't be entered
    (strerror; all below is empty then).

    ``addresses_found`` are those on the interface, with length. ``lookups`` are to the ends of the paths asked about,
    and to the gateways; ``neighbors``, ``chains``, ``qdiscs``, ``rules`` and ``sysctls`` (by the path below /proc/sys)
    only of a pod at the end of such a path, and so ``nameservers``, those of its resolv.conf. ``loopback``: lo is up.
    """

    error: str = ""
    link: Optional[LinkState] = None
    loopback: bool = True
    nameservers: list[str] = field(default_factory=list)
    addresses_found: list[str] = field(default_factory=list)
    routes: list[RouteState] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    neighbors: list[NeighborState] = field(default_factory=list)
    chains: list[BaseChain] = field(default_factory=list)
    qdiscs: list[Qdisc] = field(default_factory=list)
    rules: list[PolicyRule] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)


@record
class Peer:
    """Another node's lease; ``concerned``: a path that is asked about leads there."""

    lease: Lease
    concerned: bool


@record
class OverlayState:
    """What the node should be. ``error`` is the text of a ConfigError ("" for none); without ``config`` the node has
    no overlay of ours. ``refused`` says why peers are not served, by name. ``device`` is the tunnel's (None
    for host-gw), ``mtu`` the pods' in bytes, ``underlay`` the link that has the lease's address."""

    error: str = ""
    config: Optional[Config] = None
    lease: Optional[Lease] = None
    peers: list[Peer] = field(default_factory=list)
    refused: dict[str, Finding] = field(default_factory=dict)
    device: Optional[str] = None
    mtu: Optional[int] = None
    underlay: Optional[str] = None


@record
class DriftStep:
    """One step of the plan that would bring the node to its desired state. ``kind`` is the kernel object's ("link",
    "route", …), or "sysctl", "file", "nftables", "offload"; ``subject`` names it (path, link, table);
    ``text`` is the plan's line, for people. ``wanted`` and ``actual`` are given for kernel objects."""

    kind: str
    action: str
    subject: str
    text: str
    wanted: Optional[KernelState] = None
    actual: Optional[KernelState] = None


@record
class ConfFile:
    """A network configuration in the runtime's directory; ``error`` says what is invalid in it."""

    path: str
    name: str = ""
    error: str = ""


@record
class Reservation:
    """A file of host-local's, by its address: the ``owner`` (container ID and interface), and when it was written
    (seconds since the epoch)."""

    owner: str
    changed: float
    path: str


@record
class RuntimeState:
    """What the runtime says of its CNI configuration: its directories, the names of the networks that it has
    ``loaded``, whether our configuration list is one of them as its file is now (``loaded_ours``, None where it does
    not say what it has loaded), and why it reports NetworkReady=false ("" where it does not). ``unit``: its systemd
    unit."""

    bin_dirs: list[str]
    conf_dir: str
    loaded: list[str] = field(default_factory=list)
    loaded_ours: Optional[bool] = None
    error: str = ""
    unit: str = "containerd"


@record
class InstalledLibrary:
    """The library on the node: its ``version`` ("" for none), whether its files are as installed (``whole``), and the
    executables that are not: MISSING, NOT_EXECUTABLE or MODIFIED."""

    version: str = ""
    whole: bool = False
    changed: dict[str, str] = field(default_factory=dict)


@record
class CniState:
    """What the container runtime goes by. ``files`` in the order in which it tries them; ``ours`` is the path of our
    configuration list ("" where it is not there), ``network`` its name, ``bridge``, ``hairpin`` and ``maps_ports``
    what it asks for; ``needs_overlay``: it delegates to flannel. ``lacking`` are plugins that can't be executed
    (MISSING, NOT_EXECUTABLE), ``foreign`` the paths of those that are not our executables. ``runtime`` is None where
    it does not answer. ``reservations`` by address."""

    conf_dir: str
    bin_dirs: list[str]
    library_dir: str
    library: InstalledLibrary
    files: list[ConfFile] = field(default_factory=list)
    ours: str = ""
    network: str = ""
    bridge: str = ""
    hairpin: Optional[bool] = None
    maps_ports: bool = False
    needs_overlay: bool = False
    lacking: dict[str, str] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    runtime: Optional[RuntimeState] = None
    reservations: dict[str, Reservation] = field(default_factory=dict)


@record
class HostPortMismatch:
    """A published port of ``pod`` whose DNAT leads to another address (``found``), or is missing (``found`` "")."""

    pod: str
    protocol: str
    host_port: int
    found: str


@record
class Process:
    """A process by its name (comm) and number."""

    name: str
    pid: int


@record
class AgentState:
    """podnetd: whether its unit is installed, whether it answers, and why it is not ready."""

    expected: bool = False
    answers: bool = False
    not_ready: list[Finding] = field(default_factory=list)


@record
class KubeProxyState:
    """Whether kube-proxy translates Services here, and whether its health port answers."""

    expected: bool = False
    healthy: bool = False


@record
class NodeState:
    """All of a node. ``time`` is its clock, in seconds since the epoch; ``links`` are by name; ``desired`` are the
    objects of its own and of the peers concerned, ``drift`` is the plan.

    ``rules`` are policy rules that are not the kernel's own, and its own that are missing. ``lookups``: see Lookup.
    ``neighbors``, ``fdb`` and ``bridge_fdb`` are those of the paths asked about and of the peers concerned.
    ``foreign_routes`` lie inside the pod network and are not ours. ``sysctls`` by the path below /proc/sys. ``chains``,
    ``qdiscs`` and ``xfrm_policies`` are what may drop or change packets, ``judged`` what rules do with those of the
    paths asked about. ``tunnel_port_holder`` has the UDP port of the tunnel's device, where that is not up. ``policy``
    is None on a node that enforces none. ``units``: the enabled systemd units without which a node has no pods, and
    whether each has a process. ``evidence``: of packets sent and seen, where the node took part in a trace.
    """

    node: str
    time: float
    cni: CniState
    overlay: OverlayState
    links: dict[str, LinkState] = field(default_factory=dict)
    addresses: list[AddressState] = field(default_factory=list)
    desired: list[KernelState] = field(default_factory=list)
    drift: list[DriftStep] = field(default_factory=list)
    rules: list[PolicyRule] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    neighbors: list[NeighborState] = field(default_factory=list)
    fdb: list[FdbState] = field(default_factory=list)
    bridge_fdb: list[BridgeFdbEntry] = field(default_factory=list)
    foreign_routes: list[RouteState] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    chains: list[BaseChain] = field(default_factory=list)
    judged: list[JudgedPacket] = field(default_factory=list)
    qdiscs: list[Qdisc] = field(default_factory=list)
    xfrm_policies: list[XfrmPolicy] = field(default_factory=list)
    hostport_mismatches: list[HostPortMismatch] = field(default_factory=list)
    tunnel_port_holder: Optional[Process] = None
    agent: AgentState = field(default_factory=AgentState)
    kube_proxy: KubeProxyState = field(default_factory=KubeProxyState)
    policy: Optional[PolicyState] = None
    units: dict[str, bool] = field(default_factory=dict)
    pods: list[PodState] = field(default_factory=list)
    evidence: Optional[Evidence] = None

    def as_json(self) -> dict[str, Any]:
        """The state and its schema; ``state_from`` reads it back."""
        return {"schema": SCHEMA, **to_json(self)}


def state_from(values: Any) -> NodeState:
    """The NodeState of its JSON. Raises ValueError for another schema, or what is no node's state."""
    if not isinstance(values, dict) or "schema" not in values:
        raise ValueError("not a node state")
    if values["schema"] != SCHEMA:
        raise ValueError(f"node state of schema {values['schema']}, expected {SCHEMA}: use one version on all nodes")
    # what a command printed beside the state is its own
    own = {key: value for key, value in values.items() if key not in ("schema", "checks")}
    return from_json(NodeState, own)
