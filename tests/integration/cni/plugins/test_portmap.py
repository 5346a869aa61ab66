# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""portmap, on the kernel: connections that arrive, and nothing that stays; witnessed by nft and real sockets."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import nftables
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER
from frames import frame, send, udp

UPLINK = ("192.0.2.1", "192.0.2.2")


@pytest.fixture
def world(host, make_netns):
    """A namespace beyond the host's uplink, which knows no way to pods."""
    outside = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {outside.name}")
    for netns, link, address, six in (
        (host.netns, "up0", UPLINK[0], "fd02::1"),
        (outside, "up1", UPLINK[1], "fd02::2"),
    ):
        netns.run(f"ip address add {address}/24 dev {link}")
        netns.run(f"ip address add {six}/64 dev {link} nodad")
        netns.run(f"ip link set {link} up")
    return outside


def conf_of(host, **more):
    return {"cniVersion": "1.1.0", "name": "net", "type": "portmap", **more}


def connect(host, container="c1", bridge=None, plugin="bridge", **more):
    """A pod behind the bridge with port mappings: (pod, the bridge's result, portmap's configuration)."""
    pod = host.pod()
    result = host.call(plugin, "ADD", bridge or host.conf(isDefaultGateway=True), container, pod)
    conf = conf_of(host, prevResult=result, **more)
    assert host.call("portmap", "ADD", conf, container, pod) == result
    return pod, result, conf


def mapped(*mappings):
    return {"runtimeConfig": {"portMappings": list(mappings)}}


@contextlib.contextmanager
def server(pod, port=80, kind=socket.SOCK_STREAM, text=b"pod"):
    """A server in the pod that answers with ``text`` and the address that it saw."""
    with pod.entered():
        listener = socket.socket(socket.AF_INET6, kind)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    stop = threading.Event()
    listener.settimeout(0.1)

    def serve():
        while not stop.is_set():
            try:
                if kind == socket.SOCK_STREAM:
                    peer, address = listener.accept()
                    with peer:
                        peer.sendall(text + b" " + address[0].removeprefix("::ffff:").encode())
                else:
                    _data, address = listener.recvfrom(100)
                    listener.sendto(text + b" " + address[0].removeprefix("::ffff:").encode(), address)
            except TimeoutError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        listener.close()


def ask(netns, address, port, kind=socket.SOCK_STREAM, source_port=0):
    """What the server behind address and port answers, None when nobody does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.entered(), socket.socket(family, kind) as client:
        client.settimeout(2)
        client.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
        try:
            client.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                client.send(b"?")
            return client.recv(100).decode()
        except OSError:
            return None


def test_from_everywhere(host, world):
    """From outside, from the host by loopback and by its address, from a pod beside it, and from the pod itself."""
    bridge = host.conf(isDefaultGateway=True, hairpinMode=True)
    pod, _result, conf = connect(host, "c1", bridge, **mapped({"hostPort": 8080, "containerPort": 80}))
    other, _result, _conf = connect(host, "c2", bridge)
    with server(pod):
        assert ask(world, UPLINK[0], 8080) == f"pod {UPLINK[1]}"
        assert ask(world, "fd02::1", 8080) == "pod fd02::2"
        assert ask(host.netns, "127.0.0.1", 8080) == "pod 10.9.0.1"
        assert ask(host.netns, UPLINK[0], 8080) is not None
        assert ask(other, UPLINK[0], 8080) == "pod 10.9.0.1"
        assert ask(pod, UPLINK[0], 8080) == "pod 10.9.0.1"
        assert ask(world, UPLINK[0], 8081) is None
        assert ask(host.netns, "::1", 8080) is None
        host.call("portmap", "CHECK", conf, "c1", pod)
        host.call("portmap", "DEL", conf, "c1", pod)
        assert ask(world, UPLINK[0], 8080) is None
    with pytest.raises(Exception, match="port mapping is missing: tcp 8080"):
        host.call("portmap", "CHECK", conf, "c1", pod)


def test_one_address_only(host, world):
    host.netns.run("ip address add 192.0.2.9/24 dev up0")
    mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.9"}
    pod, _result, _conf = connect(host, **mapped(mapping))
    with server(pod):
        assert ask(world, "192.0.2.9", 8080) is not None
        assert ask(world, UPLINK[0], 8080) is None


def test_two_pods_on_one_port_of_two_addresses(host, world):
    host.netns.run("ip address add 192.0.2.9/24 dev up0")
    pods = [
        connect(host, f"c{index}", **mapped({"hostPort": 8080, "containerPort": 80, "hostIP": address}))[0]
        for index, address in enumerate((UPLINK[0], "192.0.2.9"))
    ]
    with server(pods[0], text=b"first"), server(pods[1], text=b"second"):
        assert ask(world, UPLINK[0], 8080).startswith("first")
        assert ask(world, "192.0.2.9", 8080).startswith("second")


@pytest.mark.parametrize(("host_ip", "wanted"), [("0.0.0.0", (True, False)), ("::", (False, True))])
def test_every_address_of_a_family(host, world, host_ip, wanted):
    pod, _result, _conf = connect(host, **mapped({"hostPort": 8080, "containerPort": 80, "hostIP": host_ip}))
    with server(pod):
        assert (ask(world, UPLINK[0], 8080) is not None, ask(world, "fd02::1", 8080) is not None) == wanted


def test_masquerade_all_hides_the_client(host, world):
    pod, _result, _conf = connect(host, masqAll=True, **mapped({"hostPort": 8080, "containerPort": 80}))
    with server(pod):
        assert ask(world, UPLINK[0], 8080) == "pod 10.9.0.1"
        assert ask(host.netns, "127.0.0.1", 8080) == "pod 10.9.0.1"


def test_without_snat_loopback_stays_closed(host, world):
    pod, _result, _conf = connect(host, snat=False, **mapped({"hostPort": 8080, "containerPort": 80}))
    with server(pod):
        assert ask(world, UPLINK[0], 8080) == f"pod {UPLINK[1]}"
        assert ask(host.netns, "127.0.0.1", 8080) is None


def test_keys_as_containerd_writes_them(host, world):
    mapping = {"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}
    pod, _result, _conf = connect(host, **mapped(mapping))
    with server(pod):
        assert ask(world, UPLINK[0], 8080) is not None


@pytest.mark.defect("portmap: probes iptables even with no port to map")
def test_no_port_means_no_kernel_contact(host):
    """★ without a port to map nothing is asked or made, not even the table."""
    pod, _result, conf = connect(host)
    host.call("portmap", "CHECK", conf, "c1", pod)
    host.call("portmap", "DEL", conf, "c1", pod)
    assert host.netns.nft() == [item for item in host.netns.nft() if "metainfo" in item]


def test_del_needs_not_be_told_the_ports(host, empty):
    """A runtime that has forgotten what it asked for: what is the attachment's goes all the same, and nothing else."""
    other, _result, other_conf = connect(host, "c0", **mapped({"hostPort": 8081, "containerPort": 80}))
    before = host.state()["elements"]
    pod, _result, conf = connect(host, "c1", **mapped({"hostPort": 8080, "containerPort": 80}))
    assert host.state()["elements"] != before
    host.call("portmap", "DEL", {**conf, "runtimeConfig": None, "prevResult": None}, "c1", pod)
    assert host.state()["elements"] == before
    host.call("portmap", "DEL", other_conf, "c0", other)
    assert host.state()["elements"] == empty["elements"]


def test_two_networks_of_one_container(host, world, empty):
    """Runtimes publish a container's ports on each of its networks: the first one's count, no other is refused."""
    more = mapped({"hostPort": 8080, "containerPort": 80})
    pod, _result, first = connect(host, "c1", **more)
    ipam = {**host.conf()["ipam"], "ranges": [[{"subnet": "10.8.0.0/24"}]]}
    bridge = host.conf(name="second", bridge="cni0", ipam=ipam)
    result = host.call("bridge", "ADD", bridge, "c1", pod, ifname="eth1")
    second = conf_of(host, name="second", prevResult=result, **more)
    host.call("portmap", "ADD", second, "c1", pod, ifname="eth1")
    for conf, ifname in ((first, "eth0"), (second, "eth1")):
        host.call("portmap", "CHECK", conf, "c1", pod, ifname=ifname)
    with server(pod):
        assert ask(world, UPLINK[0], 8080) == f"pod {UPLINK[1]}"
        host.call("portmap", "DEL", second, "c1", pod, ifname="eth1")
        assert ask(world, UPLINK[0], 8080) == f"pod {UPLINK[1]}"
    host.call("portmap", "DEL", first, "c1", pod)
    assert host.state()["elements"] == empty["elements"]


def test_a_taken_port_is_named_and_nothing_is_left(host, failure):
    _pod, _result, _conf = connect(host, "c1", **mapped({"hostPort": 8080, "containerPort": 80}))
    before = host.state()["elements"]
    pod = host.pod()
    result = host.call("bridge", "ADD", host.conf(), "c2", pod)
    more = mapped({"hostPort": 9090, "containerPort": 90}, {"hostPort": 8080, "containerPort": 81})
    with pytest.raises(failure, match=r"tcp 8080 .* belongs to c1 eth0 net"):
        host.call("portmap", "ADD", conf_of(host, prevResult=result, **more), "c2", pod)
    assert host.state()["elements"] == before


def test_del_of_an_earlier_owner_spares_the_next(host, world):
    """A port that has a new owner is not taken from it by the old one's repeated DEL."""
    mapping = mapped({"hostPort": 8080, "containerPort": 80})
    pod, _result, conf = connect(host, "c1", **mapping)
    host.call("portmap", "DEL", conf, "c1", pod)
    new, _result, _conf = connect(host, "c2", **mapping)
    host.call("portmap", "DEL", conf, "c1", pod)
    with server(new):
        assert ask(world, UPLINK[0], 8080) is not None


@pytest.mark.parametrize("known", [True, False])
def test_del_without_namespace(host, known):
    _pod, _result, conf = connect(host, **mapped({"hostPort": 8080, "containerPort": 80}))
    if not known:
        del conf["prevResult"]
    host.call("portmap", "DEL", conf, "c1", "/run/netns/gone")
    assert host.state()["elements"] == []


@pytest.mark.defect("portmap: DEL flushes no conntrack")
def test_udp_flow_moves_with_the_port(host, world):
    """★ a flow that never pauses goes to the new pod, after ADD and after DEL: its conntrack entry is forgotten."""
    mapping = mapped({"hostPort": 5353, "containerPort": 53, "protocol": "udp"})
    asked = {"kind": socket.SOCK_DGRAM, "source_port": 40000}
    assert ask(world, UPLINK[0], 5353, **asked) is None  # now conntrack knows the flow as the host's own
    first, _result, conf = connect(host, "c1", **mapping)
    with server(first, 53, socket.SOCK_DGRAM, b"first"):
        assert ask(world, UPLINK[0], 5353, **asked) == f"first {UPLINK[1]}"
        host.call("portmap", "DEL", conf, "c1", first)
        assert ask(world, UPLINK[0], 5353, **asked) is None
        second, _result, _conf = connect(host, "c2", **mapping)
        with server(second, 53, socket.SOCK_DGRAM, b"second"):
            assert ask(world, UPLINK[0], 5353, **asked) == f"second {UPLINK[1]}"


def localnet(host, link="br0"):
    return host.netns.sysctl(f"net.ipv4.conf.{link}.route_localnet")


def reaches_loopback(host, attacker, source, dev, link):
    """Whether a datagram that the attacker sends out of ``dev`` gets to a service at 127.0.0.1 of the host."""
    with host.netns.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 9999))
        service.settimeout(0.3)
        mac = {
            name: netns.ip(f"link show dev {name}")[0]["address"]
            for netns, name in ((attacker, dev), (host.netns, link))
        }
        send(attacker, frame(mac[dev], mac[link], udp(source, "127.0.0.1", 9999, b"?")), dev)
        try:
            return bool(service.recv(100))
        except TimeoutError:
            return False


@pytest.mark.defect("portmap: route_localnet opens the host's loopback to pods")
def test_what_serves_at_loopback_is_closed_to_pods_and_neighbours(host, world):
    """Host ports at 127.0.0.1 are served; nothing else there, for the pod, for one beside it, for a neighbour."""
    bridge = host.conf(isDefaultGateway=True)
    pod, _result, _conf = connect(host, "c1", bridge, **mapped({"hostPort": 8080, "containerPort": 80}))
    other, _result, _conf = connect(host, "c2", bridge)
    host.netns.sysctl("net.ipv4.conf.up0.route_localnet", "1")  # as a host port of a pod on that network would have it
    attempts = [
        (pod, "10.9.0.2", "eth0", "br0"),
        (other, "10.9.0.3", "eth0", "br0"),
        (world, UPLINK[1], "up1", "up0"),
    ]
    with server(pod):
        assert ask(host.netns, "127.0.0.1", 8080) is not None
    assert [reaches_loopback(host, *each) for each in attempts] == [False] * 3
    host.netns.run("nft flush chain inet podnet guard")
    assert [reaches_loopback(host, *each) for each in attempts] == [True] * 3


def test_loopback_is_open_as_long_as_there_is_a_port(host):
    """The last port's DEL closes the bridge; one that somebody else opened stays as it was."""
    first, second = mapped({"hostPort": 8080, "containerPort": 80}), mapped({"hostPort": 8081, "containerPort": 80})
    one, _result, conf_one = connect(host, "c1", **first)
    connect(host, "c2", **second)
    assert localnet(host) == "1"
    host.call("portmap", "ADD", conf_one, "c1", one)  # as restore does
    host.call("portmap", "DEL", conf_one, "c1", one)
    assert localnet(host) == "1"
    host.call("portmap", "GC", {**conf_of(host), "cni.dev/valid-attachments": []})
    assert localnet(host) == "0"
    host.netns.sysctl("net.ipv4.conf.br0.route_localnet", "1")
    three, _result, conf = connect(host, "c3", **first)
    host.call("portmap", "DEL", conf, "c3", three)
    assert localnet(host) == "1"
    for number in range(2):  # the link goes before DEL
        ptp = {**host.conf(), "type": "ptp"}
        pod, _result, conf = connect(host, f"d{number}", ptp, plugin="ptp", **first)
        pod.run("ip link del eth0")
        host.call("portmap", "DEL", conf, f"d{number}", pod)


def test_loopback_is_right_after_calls_at_the_same_time(host):
    """Ports of one bridge come and go at once: nobody closes it for who stays, and the last ones leave nothing."""
    bridge = host.conf(isDefaultGateway=True)
    made = {f"c{number}": host.pod() for number in range(6)}
    confs = {}
    for number, (container, pod) in enumerate(made.items()):
        result = host.call("bridge", "ADD", bridge, container, pod)
        ports = mapped({"hostPort": 8080 + number, "containerPort": 80})
        confs[container] = conf_of(host, prevResult=result, **ports)

    def call(command, containers):
        with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(lambda name: host.call("portmap", command, confs[name], name, made[name]), containers))

    even, odd = list(made)[::2], list(made)[1::2]
    call("ADD", even)
    for _again in range(5):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(call, ("DEL", "ADD"), (even, odd)))
        assert localnet(host) == "1"
        even, odd = odd, even
    call("DEL", even)
    assert localnet(host) == "0"
    nft = host.netns.nft()
    assert not [item for item in nft if "elem" in next(iter(item.values()))]
    assert not [item["chain"]["name"] for item in nft if "chain" in item and "-" in item["chain"]["name"]]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_call_makes_one_transaction(host, protocol):
    """Each costs more than all the rest: the kernel waits until no processor uses what it removes."""

    def generation():
        with host.netns.entered(), Channel(NETLINK_NETFILTER) as channel:
            return int.from_bytes(nftables.generation(channel), "big")

    before = generation()
    pod, _result, conf = connect(host, **mapped({"hostPort": 8080, "containerPort": 80, "protocol": protocol}))
    assert localnet(host) == "1"
    assert generation() == before + 1  # the table itself as well
    host.call("portmap", "DEL", conf, "c1", pod)
    assert localnet(host) == "0"
    assert generation() == before + 2


class Flow:
    """A UDP flow that goes on: from a namespace to an address and port, from one source port."""

    def __init__(self, netns, address, port):
        with netns.entered():
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1)
        self.socket.connect((address, port))

    def ask(self):
        """Who answers the next datagram."""
        self.socket.send(b"?")
        try:
            return self.socket.recv(100).decode().split()[0]
        except OSError:
            return None


@pytest.mark.defect("portmap: UDP conntrack entries of others are thrown out")
@pytest.mark.parametrize("at", [None, "192.0.2.11"])
def test_flows_of_others_to_the_same_port_stay(host, world, at):
    """A flow to a Service that another translates, to a server outside, and to another pod's port at another address
    keep their ways, while a port of that number comes and goes."""
    host.netns.run("ip address add 192.0.2.11/24 dev up0")
    bridge = host.conf(isDefaultGateway=True, ipMasq=True)
    mine = {"hostPort": 53, "containerPort": 53, "protocol": "udp"}
    pods = {name: connect(host, name, bridge)[0] for name in ("one", "two", "client")}
    holder, _result, _conf = connect(host, "holder", bridge, **mapped({**mine, "hostIP": UPLINK[0]}))
    host.netns.run("nft add table ip kube")
    host.netns.run("nft", "add chain ip kube pre { type nat hook prerouting priority -110; }")
    rule = "ip daddr 10.96.0.10 udp dport 53 dnat to numgen inc mod 2 map { 0 : 10.9.0.2, 1 : 10.9.0.3 }"
    host.netns.run("nft", f"add rule ip kube pre {rule}")
    with contextlib.ExitStack() as servers:
        for netns, text in ((pods["one"], b"one"), (pods["two"], b"two"), (world, b"outside"), (holder, b"holder")):
            servers.enter_context(server(netns, 53, socket.SOCK_DGRAM, text))
        flows = [
            Flow(pods["client"], "10.96.0.10", 53),
            Flow(pods["client"], UPLINK[1], 53),
            Flow(world, UPLINK[0], 53),
        ]
        before = [flow.ask() for flow in flows]
        assert before[0] in ("one", "two") and before[1:] == ["outside", "holder"]
        for container in ("c1", "c2", "c3"):
            mapping = mapped({**mine, **({"hostIP": at} if at else {})})
            pod, _result, conf = connect(host, container, bridge, **mapping)
            assert [flow.ask() for flow in flows] == before
            host.call("portmap", "DEL", conf, container, pod)
            assert [flow.ask() for flow in flows] == before


@pytest.mark.parametrize("address", [UPLINK[0], "fd02::1"])
def test_a_flow_moves_to_the_port_at_one_address_and_back(host, world, address):
    """From the pod that has the port at every address to the one that has it at this one."""
    mine = {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}
    every, _result, _conf = connect(host, "every", **mapped(mine))
    flow = Flow(world, address, 5353)
    with server(every, 53, socket.SOCK_DGRAM, b"every"):
        assert flow.ask() == "every"
        pod, _result, conf = connect(host, "c1", **mapped({**mine, "hostIP": address}))
        with server(pod, 53, socket.SOCK_DGRAM, b"one"):
            assert flow.ask() == "one"
            host.call("portmap", "DEL", conf, "c1", pod)
            assert flow.ask() == "every"


@pytest.mark.parametrize("first", ["kube-proxy", "ours"])
def test_a_services_port_comes_before_a_host_port(host, world, first):
    """For packets from outside and of the host itself, whoever came first, and after whoever comes again."""

    def kube_proxy():
        host.netns.run("nft add table ip kube")
        for hook in ("prerouting", "output"):
            host.netns.run("nft", f"add chain ip kube {hook} {{ type nat hook {hook} priority -100; }}")
            host.netns.run("nft", f"add rule ip kube {hook} tcp dport 8080 dnat to {service}:80")

    bridge = host.conf(isDefaultGateway=True)
    endpoint, result, _conf = connect(host, "endpoint", bridge)
    service = result["ips"][0]["address"].split("/")[0]
    if first == "kube-proxy":
        kube_proxy()
    pod, _result, _conf = connect(host, "c1", bridge, **mapped({"hostPort": 8080, "containerPort": 80}))
    if first == "ours":
        kube_proxy()
    with server(endpoint, text=b"service"), server(pod, text=b"port"):
        for container in ("c2", "c3"):
            assert ask(world, UPLINK[0], 8080).split()[0] == "service"
            assert ask(host.netns, UPLINK[0], 8080).split()[0] == "service"
            host.netns.run("nft delete table ip kube")
            assert ask(world, UPLINK[0], 8080).split()[0] == "port"
            assert ask(host.netns, UPLINK[0], 8080).split()[0] == "port"
            kube_proxy()
            host.netns.run("nft flush chain inet podnet output")
            connect(host, container, bridge, **mapped({"hostPort": int(f"909{container[1]}"), "containerPort": 80}))


def test_foreign_rules_stay(host):
    """★ no flush, no rule but ours: somebody else's table is as it was."""
    host.netns.run("nft add table inet foreign")
    host.netns.run("nft", "add chain inet foreign c { type nat hook prerouting priority -90; }")
    before = host.netns.nft("list table inet foreign")
    pod, _result, conf = connect(host, **mapped({"hostPort": 8080, "containerPort": 80}))
    host.call("portmap", "DEL", conf, "c1", pod)
    assert host.netns.nft("list table inet foreign") == before


def test_damaged_table_is_noticed_and_mended(host, world, failure):
    """CHECK says what is wrong, the next ADD puts the rules right and keeps the elements."""
    pod, _result, conf = connect(host, **mapped({"hostPort": 8080, "containerPort": 80}))
    host.netns.run("nft flush chain inet podnet prerouting")
    with pytest.raises(failure, match="prerouting"):
        host.call("portmap", "CHECK", conf, "c1", pod)
    connect(host, "c2", **mapped({"hostPort": 9090, "containerPort": 90}))
    host.call("portmap", "CHECK", conf, "c1", pod)
    with server(pod):
        assert ask(world, UPLINK[0], 8080) is not None
    host.netns.sysctl("net.ipv4.conf.br0.route_localnet", "0")
    with pytest.raises(failure, match=r"127\.0\.0\.1.*br0"):
        host.call("portmap", "CHECK", conf, "c1", pod)


def test_gc(host):
    for container in ("c1", "c2"):
        connect(host, container, **mapped({"hostPort": 8080 + int(container[1]), "containerPort": 80}))
    conf = conf_of(host)
    host.call("portmap", "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "c2", "ifname": "eth0"}]})
    elements = host.state()["elements"]
    assert elements
    assert all("c2 eth0 net" in element for element in elements)
    host.call("portmap", "STATUS", conf)


def test_pod_that_the_host_cannot_reach(host, empty):
    """Who has a route to the pod may come later; 127.0.0.1 does not lead there. Without one Go's succeeds, too."""
    previous = {"cniVersion": "1.1.0", "ips": [{"address": "203.0.113.5/24", "interface": 7}]}
    conf = conf_of(host, prevResult=previous, **mapped({"hostPort": 8080, "containerPort": 80}))
    pod = host.pod()
    assert host.call("portmap", "ADD", conf, "c1", pod) == previous  # with an index that names no interface
    assert any("203.0.113.5" in each for each in host.state()["elements"])
    host.call("portmap", "CHECK", conf, "c1", pod)
    host.call("portmap", "DEL", conf, "c1", pod)
    assert host.state() == empty


EXCLUDED = "192.0.2.9"


@pytest.fixture
def addresses(host, world):
    """Two addresses of the host, for each family, to connect to."""
    host.netns.run(f"ip address add {EXCLUDED}/24 dev up0")
    host.netns.run("ip address add fd02::9/64 dev up0 nodad")
    return world


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        # to UPLINK[0], to EXCLUDED, to fd02::1, to fd02::9, from the host itself
        (
            {"conditionsV4": ["!", "-d", EXCLUDED], "conditionsV6": ["!", "-d", "fd02::9"]},
            (True, False, True, False, True),
        ),
        ({"conditionsV4": ["-d", "192.0.2.8/29"]}, (False, True, True, True, False)),
        ({"conditionsV4": ["ip", "daddr", "!=", "192.0.2.8/29"]}, (True, False, True, True, True)),
        ({"conditionsV6": ["ip6 saddr == fd02::/64 ip6 daddr fd02::9"]}, (True, True, False, True, True)),
        ({"conditionsV4": ["!", "-s", "192.0.2.2/32"]}, (False, False, True, True, True)),
        ({"conditionsV4": ["-i", "up+"], "conditionsV6": ["iifname", '"up0"']}, (True, True, True, True, False)),
        (
            {"conditionsV4": ["!", "-i", "up0"], "conditionsV6": ["iifname", "!=", "up*"]},
            (False, False, False, False, True),
        ),
        ({"conditionsV4": ["-i", "up0", "-s", "192.0.2.0/24", "!", "-d", EXCLUDED]}, (True, False, True, True, False)),
    ],
)
def test_conditions(host, addresses, conditions, wanted):
    pod, _result, conf = connect(host, **conditions, **mapped({"hostPort": 8080, "containerPort": 80}))
    with server(pod):
        found = [ask(addresses, target, 8080) is not None for target in (UPLINK[0], EXCLUDED, "fd02::1", "fd02::9")]
        assert (*found, ask(host.netns, UPLINK[0], 8080) is not None) == wanted
    host.call("portmap", "CHECK", conf, "c1", pod)


@pytest.mark.defect("portmap: the last network's conditions win")
def test_each_network_has_its_own_conditions(host, addresses):
    """The one that came last decides nothing about the others; what is gone leaves its chain to those that stay."""
    first, _result, conf = connect(
        host, "c1", conditionsV4=["!", "-d", EXCLUDED], **mapped({"hostPort": 8080, "containerPort": 80})
    )
    second, _result, other = connect(
        host, "c2", conditionsV4=["-d", EXCLUDED], name="two", **mapped({"hostPort": 9090, "containerPort": 80})
    )
    third, _result, _conf = connect(host, "c3", name="three", **mapped({"hostPort": 7070, "containerPort": 80}))

    def answers(port):
        return tuple(ask(addresses, address, port) is not None for address in (UPLINK[0], EXCLUDED))

    with server(first), server(second), server(third):
        assert (answers(8080), answers(9090), answers(7070)) == ((True, False), (False, True), (True, True))
        again, _result, last = connect(
            host, "c4", conditionsV4=["!", "-d", EXCLUDED], **mapped({"hostPort": 6060, "containerPort": 80})
        )
        host.call("portmap", "DEL", conf, "c1", first)
        with server(again):
            assert (answers(8080), answers(6060)) == ((False, False), (True, False))
    host.call("portmap", "DEL", last, "c4", again)
    host.call("portmap", "DEL", other, "c2", second)
    names = [item["chain"]["name"] for item in host.netns.nft() if "chain" in item]
    assert not [name for name in names if name.startswith("conditions")]


def test_changed_conditions_are_noticed(host, failure):
    mapping = mapped({"hostPort": 8080, "containerPort": 80, "hostIP": UPLINK[0]})
    pod, _result, conf = connect(host, conditionsV4=["!", "-d", EXCLUDED], **mapping)
    host.call("portmap", "CHECK", conf, "c1", pod)
    (chain,) = (
        item["chain"]["name"]
        for item in host.netns.nft()
        if "chain" in item and item["chain"]["name"].startswith("conditions")
    )
    host.netns.run(f"nft flush chain inet podnet {chain}")
    with pytest.raises(failure, match="conditions"):
        host.call("portmap", "CHECK", conf, "c1", pod)


@pytest.mark.parametrize(
    ("key", "words", "code"),
    [
        ("conditionsV4", ["-m", "owner"], 2),
        ("conditionsV4", ["!", "-p", "tcp"], 2),
        ("conditionsV4", ["-d"], 7),
        ("conditionsV4", ["-d", "fd00::/8"], 7),
        ("conditionsV6", ["-d", "10.0.0.0/8"], 7),
        ("conditionsV4", ["-d", "10.0.0.0/33"], 7),
        ("conditionsV4", ["-i", "a-name-that-is-too-long"], 7),
        ("conditionsV4", [4], 7),
    ],
)
def test_conditions_that_cannot_be(host, failure, key, words, code):
    pod = host.pod()
    result = host.call("bridge", "ADD", host.conf(), "c1", pod)
    conf = conf_of(host, prevResult=result, **{key: words}, **mapped({"hostPort": 8080, "containerPort": 80}))
    with pytest.raises(failure, match=key) as caught:
        host.call("portmap", "ADD", conf, "c1", pod)
    assert caught.value.code == code
    assert host.state()["elements"] == []


def test_sctp_beside_tcp_and_udp(host):
    """One port of three protocols leads to three ports of the pod (this kernel may have no SCTP to connect with)."""
    ports = [
        {"hostPort": 7000, "containerPort": 80 + number, "protocol": protocol}
        for number, protocol in enumerate(("tcp", "udp", "sctp"))
    ]
    pod, _result, conf = connect(host, **mapped(*ports))
    listed = host.netns.run("nft list map inet podnet hostports4").stdout
    for number, protocol in ((80, "tcp"), (81, "udp"), (82, "sctp")):
        assert f"{protocol} . 7000" in listed
        assert f"10.9.0.2 . {number}" in listed
    host.call("portmap", "CHECK", conf, "c1", pod)


@pytest.mark.parametrize(
    "more", [{"markMasqBit": 3}, {"externalSetMarkChain": "KUBE-MARK-MASQ"}, {"backend": "iptables"}]
)
def test_keys_of_iptables_change_nothing(host, world, more):
    """What is masqueraded is told by conntrack: no mark, no chain of somebody else's."""
    pod, _result, _conf = connect(host, **more, **mapped({"hostPort": 8080, "containerPort": 80}))
    with server(pod):
        assert ask(host.netns, "127.0.0.1", 8080) == "pod 10.9.0.1"
    assert "mark" not in host.netns.run("nft list ruleset").stdout.replace("# mark", "")
