# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dhcp and its daemon against dnsmasq, by a bridge; witnessed by ip and by what dnsmasq says."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import confined
import pytest

pytestmark = pytest.mark.skipif(not shutil.which("dnsmasq"), reason="dnsmasq is not installed (package dnsmasq-base)")

SERVER = "10.6.0.1"


class Lan:
    """A network with a DHCP server behind the host's bridge, and the daemon on the host."""

    def __init__(self, host, server, directory):
        self.host = host
        self.server = server
        self.directory = directory
        self.socket = str(directory / "dhcp.sock")
        self.processes = []
        self.dnsmasq = self.daemon = None
        host.netns.run("ip link add br0 type bridge")
        host.netns.run("ip link set br0 up")
        host.netns.run(f"ip link add lan0 master br0 type veth peer name lan1 netns {server.name}")
        host.netns.run("ip link set lan0 up")
        server.run(f"ip address add {SERVER}/24 dev lan1")
        server.run("ip link set lan1 up")

    def start(self, netns, *command, log, **options):
        with open(self.directory / log, "a") as output:
            words = ["nsenter", f"--net={netns.path}", "--", *map(str, command)]
            process = subprocess.Popen(words, stdout=output, stderr=output, **options)
        self.processes.append(process)
        return process

    def serve(self, *options, leases="leases", pool="10.6.0.100,10.6.0.110,255.255.255.0,1h"):
        """Start dnsmasq for that pool."""
        self.dnsmasq = self.start(
            self.server, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--log-dhcp",
            "--log-facility=-", "--interface=lan1", "--bind-interfaces", "--no-ping", f"--dhcp-range={pool}",
            f"--dhcp-leasefile={self.directory / leases}", "--pid-file=", "--user=root", *options, log="dnsmasq.log",
        )  # fmt: skip
        self.until(lambda: "DHCP, IP range" in self.log(), "dnsmasq to start")

    def keep(self, *options):
        """Start the daemon."""
        command = [*confined.command("cni/podnet-dhcp"), f"{self.host.bin_dir}/podnet-dhcp"]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.daemon = self.start(
            self.host.netns, *command, f"--socketpath={self.socket}", "--timeout=8s", "--resendtimeout=30", *options,
            log="daemon.log",
        )  # fmt: skip
        self.until(lambda: os.path.exists(self.socket), "the daemon to start")

    def stop(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        process.wait()

    def log(self, name="dnsmasq.log"):
        return (self.directory / name).read_text()

    def until(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            if time.monotonic() > end:
                logs = [path.read_text() for path in self.directory.glob("*.log")]
                pytest.fail(f"waited in vain for {what}\n" + "\n".join(logs))
            time.sleep(0.05)

    def leases(self):
        """dnsmasq's leases: {address: (MAC address, host name, client ID)}."""
        lines = self.log("leases").splitlines()
        return {words[2]: (words[1], words[3], words[4]) for words in map(str.split, lines) if len(words) == 5}

    def conf(self, **ipam):
        section = {"type": "dhcp", "daemonSocketPath": self.socket, **ipam}
        return self.host.conf(isGateway=False, ipam=section)

    def add(self, container="c1", args="", **ipam):
        pod = self.host.pod()
        return pod, self.host.call("bridge", "ADD", self.conf(**ipam), container, pod, args=args)

    def notes(self):
        return [name for _path, _directories, names in os.walk(f"{self.socket}.leases") for name in names]


@pytest.fixture
def lan(host, make_netns, tmp_path):
    made = Lan(host, make_netns(), tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_pod_on_the_lan(lan, host, failure):
    """Address, routes and name servers are the server's; CHECK knows the lease; DEL gives it back."""
    lan.serve("--dhcp-option=option:dns-server,10.6.0.53", "--dhcp-option=option:domain-name,example.test")
    lan.keep()
    host.call("bridge", "STATUS", lan.conf())
    pod, result = lan.add()
    (item,) = result["ips"]
    address = item["address"].partition("/")[0]
    assert address in [f"10.6.0.{last}" for last in range(100, 111)]
    assert item["gateway"] == SERVER
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": SERVER}]
    assert result["dns"] == {"nameservers": ["10.6.0.53"], "domain": "example.test"}
    (inside,) = (one for one in pod.ip("address show dev eth0")[0]["addr_info"] if one["family"] == "inet")
    assert (inside["local"], inside["prefixlen"]) == (address, 24)
    pod.run(f"ping -c 1 -W 2 {SERVER}")
    assert pod.ip("route show default")[0]["gateway"] == SERVER

    mac, _name, client = lan.leases()[address]
    assert mac == result["interfaces"][2]["mac"]
    # a type of 0, then container ID, network and interface (RFC 2132, 9.14)
    assert bytes.fromhex(client.replace(":", "")) == b"\0c1/net/eth0"
    told = {**lan.conf(), "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", pod)
    other = {**result, "ips": [{**item, "address": "10.6.0.99/24"}]}
    with pytest.raises(failure, match=f"the lease is of {address}"):
        host.call("dhcp", "CHECK", {**told, "prevResult": other}, "c1", pod)

    host.call("bridge", "DEL", told, "c1", pod)
    lan.until(lambda: "DHCPRELEASE" in lan.log(), "the release")
    lan.until(lambda: lan.leases() == {}, "the lease to go")
    lan.until(lambda: lan.notes() == [], "the note to go")
    host.call("bridge", "DEL", told, "c1", pod)
    with pytest.raises(failure, match="lease not found"):
        host.call("dhcp", "CHECK", told, "c1", pod)


def test_options_that_are_provided_and_requested(lan, host):
    lan.serve(
        "--dhcp-option=option:static-route,10.50.0.0,10.6.0.7",
        "--dhcp-option=option:domain-search,a.test,b.a.test",
        "--dhcp-option=224,special",
    )
    lan.keep()
    provide = [
        {"option": "host-name", "fromArg": "K8S_POD_NAME"},
        {"option": "vendor-class-identifier", "value": "podnet"},
        {"option": "77", "value": "who"},
    ]
    request = [{"option": "ntp-servers"}, {"option": "224"}]
    _pod, result = lan.add(args="K8S_POD_NAME=web", provide=provide, request=request, priority=77)
    assert next(iter(lan.leases().values()))[1] == "web"
    log = lan.log()
    assert "vendor class: podnet" in log
    assert "user class: who" in log
    assert "option:224" in log.replace(" ", "") or "224" in log
    assert {(route["dst"], route["gw"], route["priority"]) for route in result["routes"]} == {
        ("10.0.0.0/8", "10.6.0.7", 77),
        ("0.0.0.0/0", SERVER, 77),
    }
    assert result["dns"]["search"] == ["a.test", "b.a.test"]


def test_classless_routes_stand_for_all_others(lan):
    """RFC 3442: router and static routes don't count beside them; a next hop of 0.0.0.0 is the link itself."""
    lan.serve(
        "--dhcp-option=option:classless-static-route,10.77.0.0/17,10.6.0.9,10.88.0.0/16,0.0.0.0,0.0.0.0/0,10.6.0.1",
        "--dhcp-option=option:static-route,10.50.0.0,10.6.0.7",
    )
    lan.keep()
    pod, result = lan.add()
    assert result["routes"] == [
        {"dst": "10.77.0.0/17", "gw": "10.6.0.9"},
        {"dst": "10.88.0.0/16", "scope": 253},
        {"dst": "0.0.0.0/0", "gw": SERVER},
    ]
    (route,) = pod.ip("route show 10.88.0.0/16")
    assert (route.get("gateway"), route["scope"]) == (None, "link")


def test_a_neighbour_of_the_host(lan, host, needs):
    """macvlan, the usual company: the pod is on the network itself."""
    needs("macvlan")
    lan.serve()
    lan.keep()
    host.netns.run("ip link set lan0 nomaster")
    conf = {key: value for key, value in lan.conf().items() if key not in ("bridge", "isGateway")}
    conf.update(type="macvlan", master="lan0")
    pod = host.pod()
    result = host.call("macvlan", "ADD", conf, "c1", pod)
    assert result["ips"][0]["address"].partition("/")[0] in lan.leases()
    pod.run(f"ping -c 1 -W 2 {SERVER}")
    told = {**conf, "prevResult": result}
    host.call("macvlan", "CHECK", told, "c1", pod)
    host.call("macvlan", "DEL", told, "c1", pod)
    lan.until(lambda: lan.leases() == {}, "the lease to go")


def test_a_device_that_is_lent(lan, host):
    """host-device: the device is on the LAN, and so is the pod while it has it."""
    lan.serve()
    lan.keep()
    host.netns.run("ip link add port0 master br0 type veth peer name card0")
    host.netns.run("ip link set port0 up")
    pod = host.pod()
    conf = lan.conf() | {"type": "host-device", "device": "card0"}
    result = host.call("host-device", "ADD", conf, "c1", pod)
    address = result["ips"][0]["address"].partition("/")[0]
    assert lan.leases()[address][0] == result["interfaces"][0]["mac"]
    pod.run(f"ping -c 1 -W 2 {SERVER}")
    told = {**conf, "prevResult": result}
    host.call("host-device", "CHECK", told, "c1", pod)
    host.call("host-device", "DEL", told, "c1", pod)
    lan.until(lambda: not lan.leases(), "the lease to be released")
    assert host.netns.ip("link show dev card0")


def test_a_pair_without_a_bridge(lan, host):
    """ptp: the server is the host itself, on whichever end of a pair appears."""
    lan.start(
        host.netns, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--log-dhcp",
        "--log-facility=-", "--interface=veth*", "--bind-dynamic", "--no-ping", "--pid-file=", "--user=root",
        "--dhcp-range=10.7.0.100,10.7.0.110,255.255.255.0,1h", f"--dhcp-leasefile={lan.directory}/leases",
        log="dnsmasq.log",
    )  # fmt: skip
    lan.until(lambda: "DHCP, IP range" in lan.log(), "dnsmasq to start")
    lan.keep()
    watched = "until ip -br link | grep -q ^veth; do sleep 0.05; done; set -- $(ip -br link | grep ^veth)"
    operator = lan.start(
        host.netns, "sh", "-c", f"{watched}; ip address add 10.7.0.1/24 dev ${{1%@*}}", log="operator.log"
    )
    pod = host.pod()
    conf = lan.conf() | {"type": "ptp"}
    result = host.call("ptp", "ADD", conf, "c1", pod)
    assert operator.wait() == 0
    (item,) = result["ips"]
    assert item["gateway"] == "10.7.0.1"
    assert item["address"].partition("/")[0] in lan.leases()
    pod.run("ping -c 1 -W 2 10.7.0.1")
    told = {**conf, "prevResult": result}
    host.call("ptp", "CHECK", told, "c1", pod)
    host.call("ptp", "DEL", told, "c1", pod)
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
    assert lan.notes() == []


def test_only_what_is_asked_for(lan):
    lan.serve()
    lan.keep()
    _pod, result = lan.add(request=[{"skipDefault": True, "option": "subnet-mask"}])
    assert result["ips"][0]["address"].endswith("/24")
    assert "gateway" not in result["ips"][0]
    assert "routes" not in result


def times_of(renewal, rebinding):
    """dnsmasq's options for a lease that is short in all but its end; it makes a little more of the first."""
    return f"--dhcp-option-force=option:T1,{renewal}", f"--dhcp-option-force=option:T2,{rebinding}"


def test_leases_are_renewed(lan, host):
    """By unicast at T1; when that server is gone, by broadcast at T2, and another one takes over."""
    times = times_of(2, 6)
    lan.serve(*times)
    lan.keep()
    pod, result = lan.add()
    requests = lan.log().count("DHCPREQUEST")
    lan.until(lambda: lan.log().count("DHCPREQUEST") >= requests + 2, "two renewals")
    lan.stop(lan.dnsmasq)
    lan.server.run(f"ip address delete {SERVER}/24 dev lan1")
    lan.server.run("ip address add 10.6.0.2/24 dev lan1")
    acknowledged = lan.log().count("DHCPACK")
    lan.serve(*times, "--dhcp-authoritative")
    lan.until(lambda: lan.log().count("DHCPACK") > acknowledged, "a rebinding")
    host.call("bridge", "CHECK", {**lan.conf(), "prevResult": result}, "c1", pod)


@pytest.mark.defect("dhcp: leases live in memory only")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_leases_outlive_the_daemon(lan, host, how):
    """Killed and back: it renews what it had, and releases it with DEL."""
    lan.serve(*times_of(2, 6))
    lan.keep()
    pod, result = lan.add()
    lan.stop(lan.daemon, how)
    told = {**lan.conf(), "prevResult": result}
    lan.keep()
    host.call("bridge", "CHECK", told, "c1", pod)
    requests = lan.log().count("DHCPREQUEST")
    lan.until(lambda: lan.log().count("DHCPREQUEST") > requests, "a renewal")
    host.call("bridge", "DEL", told, "c1", pod)
    lan.until(lambda: lan.leases() == {}, "the lease to go")


def addresses(pod):
    return [item["local"] for link in pod.ip("-4 address show dev eth0") for item in link.get("addr_info", [])]


def lose(lan, pod):
    """The server refuses to renew, and offers another address."""
    lan.stop(lan.dnsmasq)
    lan.serve("--dhcp-authoritative", leases="others", pool="10.6.0.200,10.6.0.210,255.255.255.0,1h")
    lan.until(lambda: addresses(pod) == [], "the address to be taken away")


@pytest.mark.parametrize("restart", [False, True])
def test_an_address_that_is_lost_comes_back(lan, host, failure, restart):
    """The pod does not use it meanwhile; it is requested until the server gives it again, and its routes come back."""
    lan.serve(*times_of(2, 6), "--dhcp-option=option:router,10.6.0.1")
    lan.keep("--resendmax=4s")
    pod, result = lan.add()
    told = {**lan.conf(), "prevResult": result}
    pod.run("ip route add 192.0.2.0/24 via 10.6.0.1 metric 50")
    before = pod.ip("route")
    lose(lan, pod)
    assert "UP" in pod.ip("link show dev eth0")[0]["flags"], "the daemon could not ask otherwise"
    with pytest.raises(failure, match="is lost, and requested again"):
        host.call("dhcp", "CHECK", told, "c1", pod)
    if restart:
        lan.stop(lan.daemon, signal.SIGKILL)
        lan.keep("--resendmax=4s")
    lan.stop(lan.dnsmasq)
    lan.serve("--dhcp-authoritative", *times_of(2, 6), "--dhcp-option=option:router,10.6.0.1")
    lan.until(lambda: addresses(pod) == [result["ips"][0]["address"].partition("/")[0]], "the address to come back")
    lan.until(lambda: pod.ip("route") == before, "its routes to come back")
    host.call("bridge", "CHECK", told, "c1", pod)
    host.call("bridge", "DEL", told, "c1", pod)
    lan.until(lambda: lan.leases() == {}, "the lease to be released")


def test_a_lease_that_cannot_be_stored_is_kept(lan, host):
    """The disk is full, or what holds the leases is gone: the pod has its address back all the same."""
    lan.serve(*times_of(2, 6))
    lan.keep("--resendmax=4s")
    pod, result = lan.add()
    lose(lan, pod)
    stored = Path(f"{lan.socket}.leases")
    stored.rename(f"{stored}.away")
    stored.touch()  # nothing can be written below it
    lan.stop(lan.dnsmasq)
    lan.serve("--dhcp-authoritative", *times_of(2, 6))
    address = result["ips"][0]["address"].partition("/")[0]
    lan.until(lambda: addresses(pod) == [address], "the address to come back")
    acknowledged = lan.log().count("DHCPACK")
    stored.unlink()
    Path(f"{stored}.away").rename(stored)
    lan.until(lambda: lan.log().count("DHCPACK") > acknowledged, "a renewal")
    host.call("bridge", "CHECK", {**lan.conf(), "prevResult": result}, "c1", pod)


def test_a_lease_that_cannot_be_read_is_kept(lan, host):
    """By a daemon without descriptors, or from a failing disk; one that is damaged goes."""
    lan.serve()
    lan.keep()
    lan.add()
    (note,) = Path(f"{lan.socket}.leases").rglob("*.json")
    (note.parent / "loop.json").symlink_to("loop.json")  # ELOOP
    (note.parent / "bad.json").write_text("{")
    lan.stop(lan.daemon)
    lan.keep()
    lan.until(lambda: sorted(lan.notes()) == sorted(["loop.json", note.name]), "the damaged one to go")


def test_without_descriptors_the_daemon_goes_on(lan, host):
    """More callers than it can have: they wait, and the next ones are answered."""
    lan.serve()
    lan.keep()
    resource.prlimit(lan.daemon.pid, resource.RLIMIT_NOFILE, (16, 16))
    callers = []
    for _number in range(20):
        callers.append(socket.socket(socket.AF_UNIX))
        callers[-1].connect(lan.socket)
    lan.until(lambda: "Too many open files" in lan.log("daemon.log"), "the daemon to have none left")
    for caller in callers:
        caller.close()
    lan.until(lambda: host.call("bridge", "STATUS", lan.conf()) is None, "an answer")


def test_a_lost_lease_is_not_released(lan, host):
    """The address may be another client's by now."""
    lan.serve(*times_of(2, 6))
    lan.keep("--resendmax=4s")
    pod, result = lan.add()
    lose(lan, pod)
    host.call("bridge", "DEL", {**lan.conf(), "prevResult": result}, "c1", pod)
    assert lan.notes() == []
    assert "DHCPRELEASE" not in lan.log()


def test_times_of_zero(lan, host):
    """A server's T1 and T2 of 0 are no reason to ask without a pause."""
    lan.serve(*times_of(0, 0))
    lan.keep()
    lan.add()
    time.sleep(3)
    assert lan.log().count("DHCPREQUEST(") == 1


@pytest.mark.parametrize("way", ["service", "alone"])
def test_the_executable_is_the_daemon_as_in_go(lan, host, request, way):
    """``dhcp daemon``, with the options that Go's has; the service leaves it to the executable."""
    found = request.getfixturevalue(way)
    host.bin_dir = str(getattr(found, "bin_dir", found))
    lan.serve()
    options = ["-socketpath", lan.socket, "-timeout=8s", "-pidfile", f"{lan.directory}/pid"]
    lan.daemon = lan.start(host.netns, f"{host.bin_dir}/dhcp", "daemon", *options, log="daemon.log")
    lan.until(lambda: os.path.exists(lan.socket), "the daemon to start")
    _pod, result = lan.add()
    assert result["ips"][0]["address"].partition("/")[0] in lan.leases()
    assert (lan.directory / "pid").read_text() == f"{lan.daemon.pid}\n"


def test_a_pod_that_is_gone_is_forgotten(lan, host):
    """The namespace went without DEL: nothing of it is held, and its lease is not renewed."""
    lan.serve(*times_of(2, 6))
    lan.keep()
    pod, _result = lan.add()
    subprocess.run(["umount", pod.path], check=True)
    lan.until(lambda: not [name for name in host.state()["links"] if name.startswith("veth")], "the pair to go")
    lan.until(lambda: lan.notes() == [], "the lease to be forgotten")


def test_gc_releases_the_dead(lan, host):
    lan.serve()
    lan.keep()
    lan.add("c1")
    lan.add("c2")
    assert len(lan.leases()) == 2
    alive = [{"containerID": "c2", "ifname": "eth0"}]
    host.call("dhcp", "GC", {**lan.conf(), "cni.dev/valid-attachments": alive})
    lan.until(lambda: len(lan.leases()) == 1, "one lease to go")
    assert lan.notes() == ["c2_eth0.json"]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("syscall", ["connect", "sendto", "recvfrom", "write"])
def test_an_add_that_is_killed(lan, host, alone, syscall):
    """Before it asked there is no lease. Before it heard the answer the daemon notices, afterwards DEL comes."""
    lan.serve()
    lan.keep()
    pod = host.pod()
    host.netns.run(f"ip link add pod0 master br0 type veth peer name eth0 netns {pod.name}")
    host.netns.run("ip link set pod0 up")
    pod.run("ip link set eth0 up")
    command, env = host.command("dhcp", "ADD", "c1", pod)
    inject = f"inject={syscall}:signal=SIGKILL:when=1"
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", inject]
    words = [*command[:-1], *strace, f"{alone}/dhcp"]
    done = subprocess.run(words, input=json.dumps(lan.conf()), env=env, capture_output=True, text=True, check=False)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stdout
    if syscall == "write":
        assert len(lan.leases()) == 1
        host.call("dhcp", "DEL", lan.conf(), "c1", pod)
    lan.until(lambda: syscall in ("connect", "sendto") or "DHCPRELEASE" in lan.log(), "the release")
    lan.until(lambda: lan.leases() == {}, "the lease to go")
    lan.until(lambda: lan.notes() == [], "the note to go")
    result = host.call("dhcp", "ADD", lan.conf(), "c1", pod)
    assert result["ips"][0]["address"].partition("/")[0] in lan.leases()


def test_no_server(lan, host, failure, empty):
    """ADD fails with "try again later" and leaves nothing."""
    lan.keep("--timeout=1", "--resendtimeout=2")
    pod = host.pod()
    with pytest.raises(failure, match="no answer from a DHCP server") as caught:
        host.call("bridge", "ADD", lan.conf(), "c1", pod)
    assert caught.value.code == 11
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
    assert lan.notes() == []


def test_status_of_a_daemon_that_does_not_answer(lan, host, failure):
    """containerd asks it at each of its own: a node must not hang with the daemon."""
    lan.keep()
    lan.daemon.send_signal(signal.SIGSTOP)
    with pytest.raises(failure, match="timed out") as caught:
        host.call("bridge", "STATUS", lan.conf())
    assert caught.value.code == 50
    lan.daemon.send_signal(signal.SIGCONT)
    host.call("bridge", "STATUS", lan.conf())


def test_no_daemon(lan, host, failure):
    """ADD and STATUS say so; DEL and GC pass, for a lease ends by itself, and its note goes."""
    lan.serve()
    lan.keep()
    pod, result = lan.add()
    lan.stop(lan.daemon)
    told = {**lan.conf(), "prevResult": result}
    with pytest.raises(failure, match="error dialing DHCP daemon"):
        host.call("dhcp", "ADD", lan.conf(), "c2", host.pod())
    with pytest.raises(failure) as caught:
        host.call("bridge", "STATUS", lan.conf())
    assert caught.value.code == 50
    assert len(lan.notes()) == 1
    host.call("dhcp", "GC", {**lan.conf(), "cni.dev/valid-attachments": []})
    host.call("bridge", "DEL", told, "c1", pod)
    assert lan.notes() == []


def test_activated_by_systemds_socket(lan, host):
    """The daemon takes the socket that it is given as descriptor 3 (sd_listen_fds(3))."""
    lan.serve()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(lan.socket)
    listener.listen()
    script = 'exec 3<&"$1"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$2"'
    words = ["bash", "-c", script, "bash", str(listener.fileno()), f"{host.bin_dir}/podnet-dhcp"]
    lan.start(host.netns, *words, f"--socketpath={lan.socket}", log="daemon.log", pass_fds=[listener.fileno()])
    _pod, result = lan.add()
    assert result["ips"][0]["address"].startswith("10.6.0.1")
    listener.close()


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        ({"provide": [{"option": "colour", "value": "red"}]}, "colour"),
        ({"provide": [{"option": "0", "value": "red"}]}, "can not parse"),
        ({"provide": [{"option": "12", "value": "x" * 256}]}, "longer than 255"),
        ({"request": [{"option": "255"}]}, "can not parse"),
        ({"priority": -1}, "priority"),
        ({"daemonSocketPath": 5}, "daemonSocketPath"),
    ],
)
def test_bad_input_is_told(host, failure, ipam, words):
    conf = host.conf(isGateway=False, ipam={"type": "dhcp", **ipam})
    with pytest.raises(failure, match=words) as caught:
        host.call("dhcp", "ADD", conf, "c1", host.pod())
    assert caught.value.code == 7
