# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewall behind bridges: who reaches whom; witnessed by nft and ping."""

from __future__ import annotations

import json
import subprocess

import pytest


@pytest.fixture
def walled(host):
    """A function that makes a pod behind a bridge and the firewall: (pod, address, firewall's configuration)."""

    def make(container, bridge="br0", policy=None, number=1, **more):
        ranges = [[{"subnet": f"10.{number}.0.0/24"}], [{"subnet": f"fd0{number}::/64"}]]
        ipam = {"type": "host-local", "dataDir": str(host.data), "ranges": ranges}
        conf = host.conf(bridge=bridge, name=bridge, isDefaultGateway=True, ipam=ipam)
        pod = host.pod()
        result = host.call("bridge", "ADD", conf, container, pod)
        wall = {"cniVersion": "1.1.0", "name": bridge, "type": "firewall", "prevResult": result, **more}
        if policy:
            wall["ingressPolicy"] = policy
        assert host.call("firewall", "ADD", wall, container, pod) == result
        return pod, result["ips"][0]["address"].partition("/")[0], wall

    return make


def reaches(pod, address):
    return pod.run(f"ping -c 1 -W 1 {address}", check=False).returncode == 0


def elements(host, name):
    """What nft lists of a set or map of ours; addresses and names only."""
    listed = host.netns.nft()
    (found,) = (item[kind] for item in listed for kind in ("set", "map") if item.get(kind, {}).get("name") == name)
    return found.get("elem", [])


def test_pods_are_elements(host, walled, empty):
    pod, _address, wall = walled("c1")
    text = host.netns.run("nft list table inet podnet").stdout
    rules = text.count("comment")
    assert "10.1.0.2" in text
    assert "fd01::2" in text
    assert 'comment "c1 eth0 br0"' in text
    assert "jump CNI-ADMIN" in text
    host.call("firewall", "CHECK", wall, "c1", pod)
    walled("c2")
    chain = host.netns.run("nft list chain inet podnet forward").stdout
    assert chain.count("comment") == 9  # rules stay as many
    assert rules > 9
    for container in ("c1", "c2"):
        for _time in range(2):
            host.call("firewall", "DEL", wall, container, pod)
    assert host.state()["elements"] == empty["elements"]


@pytest.mark.defect("firewall: DEL without prevResult leaks")
@pytest.mark.parametrize("policy", ["open", "same-bridge", "isolated"])
def test_del_without_anything_known(host, walled, empty, policy):
    _pod, _address, wall = walled("c1", policy=policy)
    assert host.state()["elements"] != []
    conf = {key: value for key, value in wall.items() if key != "prevResult"}
    host.call("firewall", "DEL", conf, "c1", "/run/netns/gone")
    assert host.state()["elements"] == empty["elements"]


def test_open_keeps_nobody_out(host, walled):
    first, address, _wall = walled("c1", "br1")
    second, other, _wall = walled("c2", "br2", number=2)
    assert reaches(first, other)
    assert reaches(second, address)


def test_same_bridge(host, walled, failure):
    """Within a bridge and with the host as before, nothing between bridges; one without a policy takes no part."""
    first, address, wall = walled("c1", "br1", "same-bridge")
    second, beside, _wall = walled("c2", "br1", "same-bridge")
    third, far, _wall = walled("c3", "br2", "same-bridge", number=2)
    _fourth, unwalled, _wall = walled("c4", "br3", number=3)
    assert reaches(first, beside)
    assert reaches(second, address)
    assert not reaches(first, far)
    assert not reaches(third, address)
    assert not reaches(third, "fd01::2")
    assert reaches(first, unwalled)
    assert reaches(host.netns, address)
    assert reaches(first, "10.1.0.1")
    host.call("firewall", "CHECK", wall, "c1", first)
    host.netns.run("nft flush set inet podnet ingress_bridges")
    with pytest.raises(failure, match="ingress_bridges lacks br1"):
        host.call("firewall", "CHECK", wall, "c1", first)


def test_isolated(host, walled, failure):
    """Not even within the bridge; the host and what is beyond it are reached."""
    first, address, wall = walled("c1", "br1", "isolated")
    second, beside, _wall = walled("c2", "br1", "isolated")
    _third, far, _wall = walled("c3", "br2", "isolated", number=2)
    assert not reaches(first, beside)
    assert not reaches(second, address)
    assert not reaches(first, far)
    assert reaches(first, "10.1.0.1")
    assert reaches(host.netns, address)
    host.call("firewall", "CHECK", wall, "c1", first)
    host.netns.run(f"bridge link set dev {wall['prevResult']['interfaces'][1]['name']} isolated off")
    with pytest.raises(failure, match="not isolated"):
        host.call("firewall", "CHECK", wall, "c1", first)


def test_a_bridge_keeps_its_policy_while_anybody_is_behind_it(host, walled):
    first, _address, wall = walled("c1", "br1", "same-bridge")
    second, _beside, _wall = walled("c2", "br1", "same-bridge")
    _third, far, _wall = walled("c3", "br2", "same-bridge", number=2)
    host.call("firewall", "DEL", wall, "c1", first)
    assert not reaches(second, far)
    assert sorted(elements(host, "ingress_bridges")) == ["br1", "br2"]
    host.call("firewall", "DEL", wall, "c2", second)
    assert elements(host, "ingress_bridges") == ["br2"]
    assert len(elements(host, "ingress_same")) == 1


@pytest.mark.parametrize("chain", ["CNI-ADMIN", "OURS"])
def test_the_operator_has_the_first_word(host, walled, chain):
    more = {} if chain == "CNI-ADMIN" else {"iptablesAdminChainName": chain}
    first, _address, wall = walled("c1", "br1", **more)
    _second, far, _wall = walled("c2", "br2", number=2)
    host.netns.run(f"nft add rule inet podnet {chain} ip daddr {far} drop")
    assert not reaches(first, far)
    assert reaches(first, "10.2.0.1")
    # what the operator wrote there outlives the pods, and the next ADD
    host.call("firewall", "DEL", wall, "c1", first)
    walled("c3", "br1", **more)
    assert far in host.netns.run(f"nft list chain inet podnet {chain}").stdout


def test_who_drops_what_we_accept_is_told(host, walled):
    """No table can overrule another's drop: the log says who does it."""
    host.netns.run("nft add table ip filter")
    host.netns.run("nft", "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
    pod, _address, wall = walled_quietly(host)
    words, env = host.command("firewall", "ADD", "c1", pod)
    done = subprocess.run(words, input=json.dumps(wall), env=env, capture_output=True, text=True, check=True)
    assert "ip filter FORWARD: what is not accepted there is dropped" in done.stderr
    assert json.loads(done.stdout) == wall["prevResult"]


def walled_quietly(host):
    pod = host.pod()
    result = host.call("bridge", "ADD", host.conf(), "c1", pod)
    wall = {"cniVersion": "1.1.0", "name": "net", "type": "firewall", "prevResult": result}
    return pod, result["ips"][0]["address"], wall


@pytest.mark.parametrize("backend", ["iptables", "firewalld", "nftables"])
def test_every_backend_is_our_table(host, walled, backend):
    walled("c1", backend=backend)
    assert {item["table"]["name"] for item in host.netns.nft() if "table" in item} == {"podnet"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"backend": "pf"}, "backend"),
        ({"ingressPolicy": "closed"}, "ingressPolicy"),
        ({"iptablesAdminChainName": "a b"}, "not a valid chain name"),
        ({"iptablesAdminChainName": "forward"}, "reserved for the plugin"),
        ({"prevResult": None}, "prevResult"),
        ({"ingressPolicy": "isolated", "prevResult": {"cniVersion": "1.1.0"}}, "needs a bridge"),
    ],
)
def test_bad_input_is_told(host, failure, empty, more, words):
    pod, _address, wall = walled_quietly(host)
    with pytest.raises(failure, match=words) as caught:
        host.call("firewall", "ADD", {**wall, **more}, "c1", pod)
    assert caught.value.code == 7
    assert host.state()["elements"] == empty["elements"]


def test_gc_keeps_the_living(host, walled):
    pod, _address, wall = walled("c1", "br1", "same-bridge")
    walled("c2", "br1", "same-bridge")
    alive = [{"containerID": "c1", "ifname": "eth0"}]
    host.call("firewall", "GC", {**wall, "cni.dev/valid-attachments": alive})
    host.call("firewall", "CHECK", wall, "c1", pod)
    assert "c2 eth0" not in host.netns.run("nft list ruleset").stdout
    host.call("firewall", "STATUS", wall)


def test_an_address_that_is_used_again_belongs_to_the_new_pod(host, walled):
    """The old one's DEL comes late: nothing of the new one's goes."""
    pod, _address, wall = walled_quietly(host)
    host.call("firewall", "ADD", wall, "c1", pod)
    host.call("firewall", "ADD", wall, "c2", pod)
    host.call("firewall", "DEL", wall, "c1", pod)
    host.call("firewall", "CHECK", wall, "c2", pod)
