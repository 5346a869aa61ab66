# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bandwidth behind the bridge; witnessed by tc, and by packets that don't come through."""

from __future__ import annotations

import json
import socket

import pytest

LIMITS = {"ingressRate": 8_000_000, "ingressBurst": 160_000, "egressRate": 16_000_000, "egressBurst": 320_000}


@pytest.fixture
def shaped(host, needs):
    """A pod that is connected, and functions for bandwidth's calls and for what tc sees."""
    needs("ifb")

    class Shaped:
        pod = host.pod()
        result = host.call("bridge", "ADD", host.conf(), "c1", pod)
        outside = result["interfaces"][1]["name"]

        def conf(self, **more):
            base = {"cniVersion": "1.1.0", "name": "net", "type": "bandwidth", "prevResult": self.result}
            return {**base, **more}

        def call(self, command, pod=None, **more):
            return host.call("bandwidth", command, self.conf(**more), "c1", pod or self.pod)

        def tc(self, arguments):
            return json.loads(host.netns.run(f"tc -s -j {arguments}").stdout or "[]")

        def shapes(self, dev):
            return [item for item in self.tc(f"qdisc show dev {dev}") if item["kind"] in ("tbf", "htb", "ingress")]

        def ifbs(self):
            return [link["ifname"] for link in host.netns.ip("link show type ifb")]

    return Shaped()


def test_both_directions_are_limited(shaped, host, empty):
    before = host.state()
    result = shaped.call("ADD", **LIMITS)
    (ifb,) = shaped.ifbs()
    assert [item["name"] for item in result["interfaces"]] == ["br0", shaped.outside, "eth0", ifb]
    root, ingress = shaped.shapes(shaped.outside)
    assert (root["kind"], ingress["kind"]) == ("tbf", "ingress")
    # tc tells bytes a second; what waits is 25 ms of the rate, and the burst
    assert root["options"]["rate"] == 1_000_000
    assert root["options"]["burst"] == 20_000
    (other,) = shaped.shapes(ifb)
    assert (other["options"]["rate"], other["options"]["burst"]) == (2_000_000, 40_000)
    text = host.netns.run(f"tc filter show dev {shaped.outside} parent ffff:").stdout
    assert f"mirred (Egress Redirect to device {ifb})" in text
    shaped.call("CHECK", **LIMITS, prevResult=result)
    shaped.pod.run("ping -c 1 -W 2 10.9.0.1")
    assert shaped.shapes(ifb)[0]["packets"] > 0

    shaped.call("DEL", **LIMITS, prevResult=result)
    assert shaped.ifbs() == []
    assert shaped.shapes(shaped.outside) == []
    assert host.state() == before
    shaped.call("DEL", **LIMITS, prevResult=result)
    shaped.call("DEL", **LIMITS, prevResult=None)
    host.call("bridge", "DEL", {**host.conf(), "prevResult": result}, "c1", shaped.pod)
    assert host.state() == empty


@pytest.mark.defect("bandwidth: not idempotent")
def test_add_again_gives_the_same(shaped):
    shaped.call("ADD", **LIMITS)
    first = shaped.ifbs()
    result = shaped.call("ADD", **LIMITS)
    assert shaped.ifbs() == first
    assert str(shaped.tc(f"filter show dev {shaped.outside} parent ffff:")).count("mirred_action") == 1
    assert len(shaped.shapes(shaped.outside)) == 2
    shaped.call("CHECK", **LIMITS, prevResult=result)
    # and with other limits: those
    result = shaped.call("ADD", **{**LIMITS, "egressRate": 0, "egressBurst": 0})
    assert [item["kind"] for item in shaped.shapes(shaped.outside)] == ["tbf"]


def flood(source, port):
    """Fifty datagrams of 1000 bytes at once from inside ``source``."""
    with source.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _number in range(50):
            out.sendto(bytes(1000), port)


def test_what_the_pod_receives_is_held_back(shaped, host):
    shaped.call("ADD", ingressRate=80_000, ingressBurst=16_000)
    flood(host.netns, ("10.9.0.2", 9))
    assert shaped.shapes(shaped.outside)[0]["drops"] > 20
    assert shaped.ifbs() == []


def test_what_the_pod_sends_is_held_back(shaped):
    shaped.call("ADD", egressRate=80_000, egressBurst=16_000)
    flood(shaped.pod, ("10.9.0.1", 9))
    assert shaped.shapes(shaped.ifbs()[0])[0]["drops"] > 20


@pytest.mark.parametrize(
    ("key", "subnets", "held_back"),
    [
        ("unshapedSubnets", ["10.9.0.0/24", "fd09::/64"], False),
        ("unshapedSubnets", ["10.8.0.0/24", "fd09::/64"], True),
        ("shapedSubnets", ["10.9.0.0/28"], True),
        ("shapedSubnets", ["10.9.1.0/24", "fd09::/64"], False),
    ],
)
def test_subnets_of_peers(shaped, host, key, subnets, held_back):
    limits = {"ingressRate": 80_000, "ingressBurst": 16_000, "egressRate": 80_000, "egressBurst": 16_000, key: subnets}
    result = shaped.call("ADD", **limits)
    (ifb,) = shaped.ifbs()
    flood(host.netns, ("10.9.0.2", 9))
    flood(shaped.pod, ("10.9.0.1", 9))
    for dev in (shaped.outside, ifb):
        (shape,) = (item for item in shaped.shapes(dev) if item["kind"] == "htb")
        assert (shape["drops"] > 20) == held_back, dev
    shaped.call("CHECK", **limits, prevResult=result)
    shaped.call("DEL", **limits, prevResult=result)
    assert shaped.shapes(shaped.outside) == []


def test_the_runtime_counts_for_more(shaped):
    more = {"ingressRate": 24_000_000, "ingressBurst": 480_000, "egressRate": 0, "egressBurst": 0}
    shaped.call("ADD", **LIMITS, runtimeConfig={"bandwidth": more})
    (root,) = shaped.shapes(shaped.outside)
    assert root["options"]["rate"] == 3_000_000
    assert shaped.ifbs() == []


def test_rates_beyond_32_bits(shaped):
    result = shaped.call("ADD", ingressRate=80_000_000_000, ingressBurst=34_000_000_000)
    (root,) = shaped.shapes(shaped.outside)
    assert root["options"]["rate"] == 10_000_000_000
    shaped.call("CHECK", ingressRate=80_000_000_000, ingressBurst=34_000_000_000, prevResult=result)


def test_nothing_to_limit_passes_on(shaped):
    assert shaped.call("ADD") == shaped.result
    assert shaped.shapes(shaped.outside) == []
    shaped.call("CHECK")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ingressRate": 8000}, "ingressBurst must also be set"),
        ({"egressBurst": 8000}, "egressRate must also be set"),
        ({"egressRate": 8000, "egressBurst": 1 << 36}, "cannot be more than 4GB"),
        ({"ingressRate": 8000, "ingressBurst": 8000}, "less than one packet"),
        ({"ingressRate": -8, "ingressBurst": 8000}, "whole number"),
        ({"ingressRate": "fast", "ingressBurst": 8000}, "whole number"),
        ({**LIMITS, "shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["11.0.0.0/8"]}, "cannot be both"),
        ({**LIMITS, "shapedSubnets": ["10.0.0.0"]}, "shapedSubnets"),
        ({**LIMITS, "prevResult": None}, "chained"),
    ],
)
def test_bad_input_is_told(shaped, failure, more, words):
    with pytest.raises(failure, match=words) as caught:
        shaped.call("ADD", **more)
    assert caught.value.code == 7
    assert shaped.ifbs() == []
    assert shaped.shapes(shaped.outside) == []


def test_check_sees_what_is_otherwise(shaped, host, failure):
    result = shaped.call("ADD", **LIMITS)
    (ifb,) = shaped.ifbs()
    for command, words in (
        (f"tc qdisc delete dev {shaped.outside} ingress", "is not redirected"),
        (f"tc qdisc replace dev {ifb} root tbf rate 1mbit burst 10k latency 5ms", "egress is not limited"),
        (f"ip link delete {ifb}", "is missing"),
        (f"tc qdisc delete dev {shaped.outside} root", "ingress is not limited"),
    ):
        host.netns.run(command)
        with pytest.raises(failure, match=words):
            shaped.call("CHECK", **LIMITS, prevResult=result)


def test_a_pod_without_a_host_end_is_refused(shaped, host, failure):
    result = {
        **shaped.result,
        "interfaces": shaped.result["interfaces"][:1] + shaped.result["interfaces"][2:],
        "ips": [],
    }
    with pytest.raises(failure, match="no interface of this host"):
        shaped.call("ADD", **LIMITS, prevResult=result)
    assert shaped.ifbs() == []


@pytest.mark.parametrize("known", [True, False])
def test_del_with_the_namespace_gone(shaped, known):
    result = shaped.call("ADD", **LIMITS)
    shaped.call("DEL", pod="/run/netns/gone", **LIMITS, prevResult=result if known else None)
    assert shaped.ifbs() == []


def test_gc_keeps_the_living(shaped, host):
    shaped.call("ADD", **LIMITS)
    alive = [{"containerID": "c1", "ifname": "eth0"}]
    for name, valid, left in (("net", alive, 1), ("other", [], 1), ("net", [], 0)):
        conf = {**shaped.conf(prevResult=None), "name": name, "cni.dev/valid-attachments": valid}
        host.call("bandwidth", "GC", conf)
        assert len(shaped.ifbs()) == left


def test_status(shaped, failure):
    shaped.call("STATUS", **LIMITS)
    with pytest.raises(failure):
        shaped.call("STATUS", ingressRate=8000)


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(10_000_000, 65_535 + 18), (1_000_000_000, 3_125_000), (200_000_000_000, 625_000_000), (1 << 42, (1 << 32) - 1)],
)
def test_a_burst_that_is_none(shaped, rate, burst):
    """containerd gives 2**32 - 1 where a pod's annotations have a rate only: half a gigabyte would pass at full speed.

    What takes its place is 25 ms of the rate, and one packet of any link at least.
    """
    none = (1 << 32) - 1
    result = shaped.call("ADD", ingressRate=rate, ingressBurst=none, egressRate=rate, egressBurst=none)
    for name in (result["interfaces"][1]["name"], result["interfaces"][-1]["name"]):
        (root,) = [item for item in shaped.shapes(name) if item["kind"] == "tbf"]
        assert root["options"]["burst"] == pytest.approx(burst, rel=0.01)
    shaped.call("CHECK", ingressRate=rate, ingressBurst=none, egressRate=rate, egressBurst=none, prevResult=result)


def test_what_passes_with_a_burst_that_is_none(shaped, host):
    """Half a megabyte at once: all would pass with the burst that was given (bench/bandwidth.py measures it)."""
    shaped.call("ADD", ingressRate=10_000_000, ingressBurst=(1 << 32) - 1)
    for _number in range(10):
        flood(host.netns, ("10.9.0.2", 9))
    assert shaped.shapes(shaped.outside)[0]["drops"] > 200
