# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations that both sides get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: All that there are; a result exists in four forms since 0.3.0, and two before.
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
FOUR, SIX = {"subnet": "10.9.0.0/24"}, {"subnet": "fd09::/64"}


@dataclass
class Case:
    """A chain given to both sides for ``pods`` pods. {dir}, {data}, {pod1} … are each side's own."""

    name: str
    chain: list[dict]
    version: str = "1.0.0"
    setup: tuple[str, ...] = ()
    capabilities: list[dict[str, Any]] = field(default_factory=list)  # for each pod
    args: str = ""
    pods: int = 2
    kind: str = ""  # of link, which this kernel may lack
    error: str | None = None  # the first ADD fails on both sides, and both say this
    go_chain: list[dict] = field(default_factory=list)  # where Go has no such plugin
    subnet_env: str = ""
    ifname: str = "eth0"


def local(*ranges: dict | list, **more: Any) -> dict:
    """host-local with a set for each range."""
    sets = [item if isinstance(item, list) else [item] for item in ranges or (FOUR,)]
    return {"type": "host-local", "dataDir": "{data}", "ranges": sets, **more}


def bridge(*ranges: dict | list, ipam: dict | None = None, **more: Any) -> dict:
    """A bridge with host-local."""
    section = ipam if ipam is not None else local(*ranges)
    return {"type": "bridge", "bridge": "br0", **({"ipam": section} if section else {}), **more}


def ports(*mappings: dict) -> dict:
    """What the runtime supplies for the capability portMappings."""
    return {"portMappings": list(mappings)}


PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
TCP = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
UDP = {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}
UPLINK = (
    "ip link add up0 type veth peer name up1",
    "ip link set up0 up; ip link set up1 up",
    "ip address add 192.0.2.1/24 dev up0; ip -6 address add fd02::1/64 dev up0 nodad",
    "ip route add default via 192.0.2.254",
)
ENV = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_IPV6_NETWORK=fd44::/48\n"
    "FLANNEL_IPV6_SUBNET=fd44:0:0:3::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ={masq}\n"
)
DEFAULT = {"isGateway": True, "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True, "mtu": 1400}

BRIDGE = [
    *[Case(f"bridge, IPv4, {version}", [bridge(FOUR, **DEFAULT)], version) for version in VERSIONS],
    *[Case(f"bridge, IPv4 and IPv6, {version}", [bridge(FOUR, SIX, **DEFAULT)], version) for version in VERSIONS],
    Case("bridge, IPv6", [bridge(SIX, **DEFAULT)]),
    Case("bridge, no address", [bridge(ipam={})]),
    Case("bridge, no gateway", [bridge(FOUR, SIX)]),
    Case("bridge, gateway", [bridge(FOUR, SIX, isGateway=True)]),
    Case("bridge, default gateway alone", [bridge(FOUR, isDefaultGateway=True)]),
    Case("bridge, masquerade without gateway", [bridge(FOUR, ipMasq=True)]),
    Case("bridge, hairpin", [bridge(FOUR, hairpinMode=True)]),
    Case("bridge, promiscuous", [bridge(FOUR, promiscMode=True)]),
    Case(
        "bridge, hairpin and promiscuous",
        [bridge(hairpinMode=True, promiscMode=True)],
        error="cannot set hairpin mode and promiscuous mode at the same time",
    ),
    *[Case(f"bridge, mtu {mtu}", [bridge(FOUR, mtu=mtu)]) for mtu in (0, 576, 1280, 9000)],
    Case("bridge, default name", [{"type": "bridge", "ipam": local(FOUR)}]),
    Case("bridge, interface name", [bridge(FOUR)], ifname="net-1.x"),
    Case("bridge, dns", [bridge(FOUR, dns={"nameservers": ["192.0.2.53"], "domain": "x.example", "search": ["y"]})]),
    Case(
        "bridge, MAC by capability",
        [bridge(FOUR, capabilities={"mac": True})],
        pods=1,
        capabilities=[{"mac": "02:11:22:33:44:55"}],
    ),
    Case("bridge, MAC by args.cni", [bridge(FOUR, args={"cni": {"mac": "02:11:22:33:44:66"}})], pods=1),
    Case("bridge, MAC by CNI_ARGS", [bridge(FOUR)], args="IgnoreUnknown=1;MAC=02:11:22:33:44:77", pods=1),
    Case("bridge, unknown CNI_ARGS", [bridge(ipam={})], args="COLOUR=red", error="unknown args"),
    Case("bridge, bad MAC", [bridge(FOUR, args={"cni": {"mac": "02:11"}})], error="02:11"),
    Case(
        "bridge, exists with another address",
        [bridge(FOUR, isGateway=True)],
        error="already has an IP address different",
        setup=("ip link add br0 type bridge; ip address add 10.9.0.9/24 dev br0",),
    ),
    Case(
        "bridge, force address",
        [bridge(FOUR, isGateway=True, forceAddress=True)],
        setup=("ip link add br0 type bridge; ip address add 10.9.0.9/24 dev br0",),
    ),
    Case(
        "bridge, exists with the address",
        [bridge(FOUR, isGateway=True)],
        setup=("ip link add br0 type bridge; ip address add 10.9.0.1/24 dev br0",),
    ),
    Case("bridge, is no bridge", [bridge(FOUR)], error="br0", setup=("ip link add br0 type veth peer name br1",)),
    Case(
        "bridge, default route set by IPAM",
        [bridge(ipam=local(FOUR, routes=[{"dst": "0.0.0.0/0", "gw": "10.9.0.7"}]), isDefaultGateway=True)],
    ),
    Case(
        "bridge, default route set by IPAM without gateway",
        [bridge(ipam=local(FOUR, routes=[{"dst": "0.0.0.0/0"}]), isDefaultGateway=True)],
    ),
    Case(
        "bridge, interface exists",
        [bridge(FOUR)],
        error="exist",
        setup=("ip link add eth0 netns {pod1} type veth peer name x0",),
    ),
    Case("bridge, no such IPAM plugin", [bridge(ipam={"type": "nothing"})], error="failed to find plugin"),
    Case("bridge, vlan", [bridge(FOUR, vlan=100)], kind="VLAN filtering"),
    Case(
        "bridge, vlan trunk",
        [bridge(FOUR, vlanTrunk=[{"id": 7}, {"minID": 20, "maxID": 22}])],
        kind="VLAN filtering",
    ),
    *[
        Case(
            f"bridge, vlan, {'kept' if keep else 'without'} default VLAN, {version}",
            [bridge(FOUR, SIX, vlan=100, preserveDefaultVlan=keep, isGateway=True)],
            version,
            kind="VLAN filtering",
        )
        for keep, version in ((True, "1.0.0"), (False, "1.1.0"))
    ],
    Case(
        "bridge, vlan trunk with a native VLAN",
        [bridge(FOUR, vlan=100, vlanTrunk=[{"id": 7}, {"minID": 20, "maxID": 22}])],
        kind="VLAN filtering",
    ),
    Case("bridge, vlan out of range", [bridge(FOUR, vlan=4095)], error="4095"),
    Case("bridge, spoof check", [bridge(FOUR, macspoofchk=True)]),
]

ROUTES = [{"dst": "192.0.2.0/24"}, {"dst": "198.51.100.0/24", "gw": "10.9.0.254"}, {"dst": "fd02::/64"}]
LOCAL = [
    Case("host-local, routes", [bridge(ipam=local(FOUR, SIX, routes=ROUTES), isGateway=True)]),
    Case(
        "host-local, default routes",
        [bridge(ipam=local(FOUR, SIX, routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]), isGateway=True)],
    ),
    Case("host-local, resolv.conf", [bridge(ipam=local(FOUR, resolvConf="{dir}/resolv.conf"))]),
    Case(
        "host-local, resolv.conf that is not there", [bridge(ipam=local(FOUR, resolvConf="{dir}/none"))], error="none"
    ),
    Case("host-local, inline range", [bridge(ipam={"type": "host-local", "dataDir": "{data}", **FOUR})]),
    Case("host-local, start and end", [bridge({**FOUR, "rangeStart": "10.9.0.20", "rangeEnd": "10.9.0.21"})]),
    Case("host-local, gateway", [bridge({**FOUR, "gateway": "10.9.0.254"}, isDefaultGateway=True)]),
    Case(
        "host-local, two ranges in a set",
        [bridge([{"subnet": "10.9.0.0/30", "rangeStart": "10.9.0.2"}, {"subnet": "10.8.0.0/24"}])],
    ),
    Case("host-local, sets of one family", [bridge(FOUR, {"subnet": "10.8.0.0/24"})]),
    Case("host-local, /30", [bridge({"subnet": "10.9.0.0/30"})], pods=1),
    Case("host-local, /126", [bridge({"subnet": "fd09::/126"})], pods=2),
    Case("host-local, /31", [bridge({"subnet": "10.9.0.0/31"})], error="too small"),
    Case("host-local, host bits", [bridge({"subnet": "10.9.0.1/24"})], error="host bits set"),
    Case("host-local, overlap", [bridge(FOUR, {"subnet": "10.9.0.128/25"})], error="overlap"),
    Case("host-local, families mixed in a set", [bridge([FOUR, SIX])], error="famil"),
    Case("host-local, start outside", [bridge({**FOUR, "rangeStart": "10.8.0.1"})], error="10.8.0.1"),
    Case(
        "host-local, no range",
        [bridge(ipam={"type": "host-local", "dataDir": "{data}"})],
        error="no IP ranges specified",
    ),
    Case(
        "host-local, exhausted",
        [bridge({**FOUR, "rangeStart": "10.9.0.1", "rangeEnd": "10.9.0.1"})],
        error="failed to allocate for range 0: no IP addresses available in range set: 10.9.0.1-10.9.0.1",
    ),
    Case("host-local, address by CNI_ARGS", [bridge(FOUR)], args="IgnoreUnknown=1;IP=10.9.0.77", pods=1),
    Case("host-local, address by args.cni", [bridge(FOUR, args={"cni": {"ips": ["10.9.0.78"]}})], pods=1),
    Case(
        "host-local, addresses by capability",
        [bridge(FOUR, SIX, capabilities={"ips": True})],
        capabilities=[{"ips": ["10.9.0.40", "fd09::40"]}, {"ips": ["10.9.0.41/24", "fd09::41/64"]}],
    ),
    Case(
        "host-local, addresses by CNI_ARGS and capability",
        [bridge(FOUR, SIX, capabilities={"ips": True})],
        args="IgnoreUnknown=1;IP=10.9.0.42",
        capabilities=[{"ips": ["fd09::42"]}],
        pods=1,
    ),
    Case(
        "host-local, gateway outside",
        [bridge({**FOUR, "gateway": "10.8.0.1"}, isGateway=True)],
        error="gateway 10.8.0.1 not in network 10.9.0.0/24",
    ),
    Case(
        "host-local, ranges by capability",
        [bridge(FOUR, capabilities={"ipRanges": True})],
        capabilities=[{"ipRanges": [[{"subnet": "10.7.0.0/24"}]]}] * 2,
    ),
    Case(
        "host-local, address of the gateway",
        [bridge(FOUR)],
        args="IgnoreUnknown=1;IP=10.9.0.1",
        error="requested ip 10.9.0.1 is subnet's gateway",
    ),
    Case("host-local, address outside", [bridge(FOUR)], args="IP=10.8.0.5", error="10.8.0.5"),
    Case(
        "host-local, address outside the range",
        [bridge({**FOUR, "rangeEnd": "10.9.0.9"})],
        args="IgnoreUnknown=1;IP=10.9.0.50",
        error="10.9.0.50",
    ),
    Case("host-local, unknown CNI_ARGS", [bridge(FOUR)], args="COLOUR=red", error="unknown args"),
    Case(
        "host-local, two sets of a family before 0.3.0",
        [bridge(FOUR, {"subnet": "10.8.0.0/24"})],
        "0.2.0",
        error="does not support more than 1 address per family",
    ),
]

STATIC = {"type": "static", "addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"}, {"address": "fd09::5/64"}]}
STATICS = [
    *[
        Case(f"static, {version}", [bridge(ipam={**STATIC, "routes": ROUTES[:1]})], version, pods=1)
        for version in VERSIONS[2:]
    ],
    Case("static, dns", [bridge(ipam={**STATIC, "dns": {"nameservers": ["192.0.2.53"], "search": ["x"]}})], pods=1),
    Case(
        "static, address by CNI_ARGS",
        [bridge(ipam={"type": "static"})],
        args="IgnoreUnknown=1;IP=10.9.0.6/24;GATEWAY=10.9.0.1",
        pods=1,
    ),
    Case(
        "static, address by capability",
        [bridge(ipam={"type": "static"}, capabilities={"ips": True})],
        pods=1,
        capabilities=[{"ips": ["10.9.0.7/24"]}],
    ),
    Case(
        "static, address by args.cni", [bridge(ipam={"type": "static"}, args={"cni": {"ips": ["10.9.0.8/24"]}})], pods=1
    ),
    Case(
        "static, bad address",
        [bridge(ipam={"type": "static", "addresses": [{"address": "10.9.0.5"}]})],
        error="10.9.0.5",
    ),
]

PORTS = [
    Case("portmap, no port", [bridge(FOUR, **DEFAULT), PORTMAP]),
    *[
        Case(
            f"portmap, tcp and udp, {version}",
            [bridge(FOUR, **DEFAULT), PORTMAP],
            version,
            capabilities=[ports(TCP, UDP), ports({**TCP, "hostPort": 8081})],
            setup=UPLINK,
        )
        for version in VERSIONS[2:]
    ],
    Case("portmap, IPv4 and IPv6", [bridge(FOUR, SIX, **DEFAULT), PORTMAP], capabilities=[ports(TCP), ports(UDP)]),
    Case(
        "portmap, hostIP",
        [bridge(FOUR, SIX, **DEFAULT), PORTMAP],
        setup=UPLINK,
        capabilities=[ports({**TCP, "hostIP": "192.0.2.1"}), ports({**TCP, "hostIP": "fd02::1"})],
    ),
    Case(
        "portmap, hostIP 0.0.0.0",
        [bridge(FOUR, SIX, **DEFAULT), PORTMAP],
        capabilities=[ports({**TCP, "hostIP": "0.0.0.0"}), ports({**UDP, "hostIP": "::"})],
    ),
    Case("portmap, sctp", [bridge(FOUR, **DEFAULT), PORTMAP], capabilities=[ports({**TCP, "protocol": "sctp"}), {}]),
    Case(
        "portmap, no snat", [bridge(FOUR, **DEFAULT), {**PORTMAP, "snat": False}], capabilities=[ports(TCP), ports(UDP)]
    ),
    Case(
        "portmap, masqAll",
        [bridge(FOUR, **DEFAULT), {**PORTMAP, "masqAll": True}],
        capabilities=[ports(TCP), ports(UDP)],
    ),
    Case(
        "portmap, a range of ports",
        [bridge(FOUR, **DEFAULT), PORTMAP],
        pods=1,
        capabilities=[
            ports(*[{"hostPort": 9000 + n, "containerPort": 9000 + n, "protocol": "tcp"} for n in range(20)])
        ],
    ),
    Case(
        "portmap, bad protocol",
        [bridge(FOUR), PORTMAP],
        capabilities=[ports({**TCP, "protocol": "icmp"})] * 2,
        error="",
    ),
    Case(
        "portmap, mark and chain",
        [bridge(FOUR), {**PORTMAP, "markMasqBit": 5, "externalSetMarkChain": "X"}],
        error="Cannot specify externalSetMarkChain and markMasqBit",
        capabilities=[ports(TCP)] * 2,
    ),
    Case("portmap, not chained", [PORTMAP], error="must be called as chained plugin"),
]

LOOPBACK = [Case(f"loopback, {version}", [{"type": "loopback"}], version, ifname="lo") for version in VERSIONS]

FLANNEL = [
    Case(
        f"flannel, masquerade {'by itself' if masq == 'true' else 'by the bridge'}",
        [{"type": "flannel", "subnetFile": "{dir}/subnet.env", "dataDir": "{dir}/flannel",
          "delegate": {"hairpinMode": True, "isDefaultGateway": True}, "ipam": {"dataDir": "{data}"}}],
        subnet_env=ENV.format(masq=masq),
        go_chain=[{"type": "bridge", "hairpinMode": True, "isDefaultGateway": True, "isGateway": True, "mtu": 1450,
                   "ipMasq": masq == "false",
                   "ipam": local({"subnet": "10.244.3.0/24"}, {"subnet": "fd44:0:0:3::/64"},
                                 routes=[{"dst": "10.244.0.0/16"}, {"dst": "fd44::/48"}])}],
    )
    for masq in ("true", "false")
]  # fmt: skip

PTP = {"type": "ptp", "ipam": local(FOUR, SIX)}
LINKS = [
    *[
        Case(f"ptp, {version}", [{**PTP, "ipMasq": True, "mtu": 1400}], version, setup=UPLINK)
        for version in VERSIONS[2:]
    ],
    Case("ptp, IPv4", [{"type": "ptp", "ipam": local(FOUR)}]),
    Case("ptp, routes", [{"type": "ptp", "ipam": local(FOUR, routes=[{"dst": "0.0.0.0/0"}])}]),
    Case("ptp, dns", [{**PTP, "dns": {"nameservers": ["192.0.2.53"]}}]),
    Case("ptp and portmap", [PTP, PORTMAP], capabilities=[ports(TCP), ports(UDP)], setup=UPLINK),
    *[
        Case(
            f"macvlan, {mode}",
            [{"type": "macvlan", "master": "up0", "mode": mode, "ipam": local(FOUR, SIX)}],
            setup=UPLINK,
            pods=1 if mode == "passthru" else 2,
        )
        for mode in ("bridge", "private", "vepa", "passthru")
    ],
    Case("macvlan, no address", [{"type": "macvlan", "master": "up0"}], setup=UPLINK),
    Case("macvlan, default master", [{"type": "macvlan", "ipam": local(FOUR)}], setup=UPLINK),
    Case("macvlan, mtu", [{"type": "macvlan", "master": "up0", "mtu": 1300, "ipam": local(FOUR)}], setup=UPLINK),
    Case(
        "macvlan, mtu too large",
        [{"type": "macvlan", "master": "up0", "mtu": 9000, "ipam": local(FOUR)}],
        setup=UPLINK,
        error="invalid MTU 9000",
    ),
    Case("macvlan, no master", [{"type": "macvlan", "master": "none", "ipam": local(FOUR)}], error="Link not found"),
    Case(
        "macvlan, MAC",
        [{"type": "macvlan", "master": "up0", "ipam": local(FOUR), "capabilities": {"mac": True}}],
        setup=UPLINK,
        pods=1,
        capabilities=[{"mac": "02:11:22:33:44:55"}],
    ),
    *[
        Case(
            f"ipvlan, {mode}",
            [{"type": "ipvlan", "master": "up0", "mode": mode, "ipam": local(FOUR, SIX)}],
            setup=UPLINK,
            kind="ipvlan",
        )
        for mode in ("l2", "l3", "l3s")
    ],
    Case(
        "vlan, id 5",
        [{"type": "vlan", "master": "up0", "vlanId": 5, "ipam": local(FOUR)}],
        setup=UPLINK,
        kind="vlan",
        pods=1,
    ),
    Case(
        "host-device",
        [{"type": "host-device", "device": "x0", "ipam": local(FOUR, SIX)}],
        pods=1,
        setup=("ip link add x0 address 02:00:00:00:00:0a type veth peer name x1; ip link set x1 up",),
    ),
    Case(
        "host-device, no address",
        [{"type": "host-device", "device": "x0"}],
        pods=1,
        setup=("ip link add x0 type veth peer name x1; ip link set x1 up",),
    ),
    Case(
        "host-device, by MAC",
        [{"type": "host-device", "hwaddr": "02:00:00:00:00:0a"}],
        pods=1,
        setup=("ip link add x0 address 02:00:00:00:00:0a type veth peer name x1; ip link set x1 up",),
    ),
    Case(
        "host-device, an alternative name",
        [{"type": "host-device", "device": "x0"}],
        pods=1,
        setup=("ip link add x0 type veth peer name x1; ip link set x1 up; ip link property add dev x0 altname lan0",),
    ),
    *[
        Case(f"dummy, {version}", [{"type": "dummy", "ipam": local(FOUR, SIX)}], version, kind="dummy")
        for version in ("1.0.0", "1.1.0")
    ],
    Case("tap", [{"type": "tap", "ipam": local(FOUR, SIX)}]),
    Case("tap, several queues", [{"type": "tap", "multiQueue": True, "mac": "02:11:22:33:44:55"}], pods=1),
    Case("host-device, none named", [{"type": "host-device"}], error="specify"),
]

#: What it notes has a place of its own, as on two hosts.
TUNING = {"type": "tuning", "dataDir": "{dir}/tuning"}
META = [
    Case("tuning, sysctl", [bridge(FOUR), {**TUNING, "sysctl": {"net.core.somaxconn": "500"}}]),
    Case(
        "tuning, sysctl of the interface",
        [bridge(FOUR), {**TUNING, "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1"}}],
    ),
    Case("tuning, sysctl elsewhere", [bridge(FOUR), {**TUNING, "sysctl": {"kernel.panic": "1"}}], error="kernel"),
    Case("tuning, MAC", [bridge(FOUR), {**TUNING, "mac": "02:11:22:33:44:55"}], pods=1),
    Case(
        "tuning, MAC after a spoof check",
        [bridge(FOUR, macspoofchk=True), {**TUNING, "mac": "02:11:22:33:44:55"}],
        pods=1,
    ),
    Case("tuning, MTU", [bridge(FOUR), {**TUNING, "mtu": 1300}]),
    Case("tuning, promiscuous", [bridge(FOUR), {**TUNING, "promisc": True}]),
    Case("tuning, allmulti", [bridge(FOUR), {**TUNING, "allmulti": True}]),
    Case("tuning, allmulti off again", [bridge(FOUR), *[{**TUNING, "allmulti": on} for on in (True, False)]]),
    Case(
        "bandwidth, both",
        [
            bridge(FOUR),
            {
                "type": "bandwidth",
                "ingressRate": 8_000_000,
                "ingressBurst": 8_000_000,
                "egressRate": 4_000_000,
                "egressBurst": 4_000_000,
            },
        ],
    ),
    Case("bandwidth, ingress", [bridge(FOUR), {"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 80_000}]),
    Case(
        "bandwidth, by capability",
        [bridge(FOUR), {"type": "bandwidth", "capabilities": {"bandwidth": True}}],
        capabilities=[{"bandwidth": {"ingressRate": 8000000, "ingressBurst": 800000}}, {}],
    ),
    Case("bandwidth, rate without burst", [bridge(FOUR), {"type": "bandwidth", "ingressRate": 8}], error="urst"),
    Case("firewall", [bridge(FOUR, SIX, isGateway=True), {"type": "firewall", "backend": "iptables"}]),
    Case("sbr", [bridge(FOUR, isDefaultGateway=True), {"type": "sbr"}]),
    Case("sbr, IPv4 and IPv6", [bridge(FOUR, SIX, isDefaultGateway=True), {"type": "sbr"}]),
    Case("sbr, gateways", [bridge(FOUR, SIX), {"type": "sbr", "gateways": ["10.9.0.254", "fd09::fe"]}]),
    Case(
        "sbr, gateways besides a default route",
        [bridge(FOUR, isDefaultGateway=True), {"type": "sbr", "gateways": ["10.9.0.254"]}],
    ),
    Case("sbr, two gateways", [bridge(FOUR), {"type": "sbr", "gateways": ["10.9.0.254", "10.9.0.253"]}], error="IPv4"),
    Case("sbr, source hints", [bridge(FOUR, isDefaultGateway=True), {"type": "sbr", "addSourceHints": True}]),
    Case(
        "sbr, source hints, IPv4 and IPv6",
        [bridge(FOUR, SIX, isDefaultGateway=True), {"type": "sbr", "addSourceHints": True}],
    ),
    Case("sbr, table", [bridge(FOUR), {"type": "sbr", "table": 5000}]),
    Case("vrf", [bridge(FOUR), {"type": "vrf", "vrfname": "red"}], kind="vrf"),
]

CASES = [*BRIDGE, *LOCAL, *STATICS, *PORTS, *LOOPBACK, *FLANNEL, *LINKS, *META]
