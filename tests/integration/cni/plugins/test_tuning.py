# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tuning and sample after another plugin in a chain; witnessed by ip and /proc/sys."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ALL = {
    "sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1"},
    "mac": "c2:b0:57:49:47:f1",
    "mtu": 1454,
    "promisc": True,
    "allmulti": True,
    "txQLen": 77,
}


@pytest.fixture
def tuned(host, tmp_path):
    """A pod that is connected, and functions for tuning's configuration and for what its interface is like."""

    class Tuned:
        pod = host.pod()
        notes = tmp_path / "notes"
        result = host.call("bridge", "ADD", host.conf(), "c1", pod)

        def conf(self, **more):
            base = {"cniVersion": "1.1.0", "name": "net", "type": "tuning", "dataDir": str(self.notes)}
            return {**base, "prevResult": self.result, **more}

        def call(self, command, pod=None, **more):
            return host.call("tuning", command, self.conf(**more), "c1", pod or self.pod)

        def link(self):
            return self.pod.ip("link show dev eth0")[0]

        def left(self):
            return [name for _path, _directories, names in os.walk(self.notes) for name in names]

    return Tuned()


def test_everything_is_set_checked_and_put_back(tuned):
    before = tuned.link()
    somaxconn = tuned.pod.sysctl("net.core.somaxconn")
    result = tuned.call("ADD", **ALL)
    link = tuned.link()
    assert (link["address"], link["mtu"], link["txqlen"]) == (ALL["mac"], 1454, 77)
    assert {"PROMISC", "ALLMULTI"} <= set(link["flags"])
    assert tuned.pod.sysctl("net.core.somaxconn") == "500"
    assert tuned.pod.sysctl("net.ipv4.conf.eth0.arp_filter") == "1"
    inside = result["interfaces"][2]
    assert (inside["mac"], inside["mtu"]) == (ALL["mac"], 1454)
    assert result["interfaces"][:2] == tuned.result["interfaces"][:2]
    tuned.call("CHECK", **ALL, prevResult=result)
    tuned.call("DEL", **ALL, prevResult=result)
    assert tuned.link() == before
    assert tuned.pod.sysctl("net.core.somaxconn") == somaxconn
    assert tuned.left() == []
    tuned.call("DEL", **ALL, prevResult=None)


def test_false_means_off_for_allmulti_and_nothing_for_promisc(tuned, failure):
    for flag in ("allmulticast", "promisc"):
        tuned.pod.run(f"ip link set eth0 {flag} on")
    tuned.call("ADD", allmulti=False, promisc=False)
    assert "ALLMULTI" not in tuned.link()["flags"]
    assert "PROMISC" in tuned.link()["flags"]
    tuned.call("CHECK", allmulti=False, promisc=False)
    tuned.call("DEL", allmulti=False, promisc=False)
    with pytest.raises(failure, match="allmulti is True, not False"):
        tuned.call("CHECK", allmulti=False)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"mtu": 1400}, "mtu is 1500, not 1400"),
        ({"mac": "c2:b0:57:49:47:f2"}, "mac is"),
        ({"promisc": True}, "promisc"),
        ({"allmulti": True}, "allmulti"),
        ({"txQLen": 5}, "txqlen"),
        ({"sysctl": {"net.core.somaxconn": "77"}}, "somaxconn"),
    ],
)
def test_check_names_what_is_otherwise(tuned, failure, more, words):
    with pytest.raises(failure, match=words):
        tuned.call("CHECK", **more)


def test_what_somebody_changed_since_stays(tuned):
    tuned.call("ADD", **ALL)
    tuned.pod.run("ip link set eth0 mtu 1300")
    tuned.pod.sysctl("net.core.somaxconn", "900")
    tuned.call("DEL", **ALL)
    assert tuned.link()["mtu"] == 1300
    assert tuned.pod.sysctl("net.core.somaxconn") == "900"


@pytest.mark.parametrize(
    ("cni_args", "more", "mac"),
    [
        ("MAC=02:00:00:00:00:01", {}, "02:00:00:00:00:01"),
        ("MAC=02:00:00:00:00:01", {"args": {"cni": {"mac": "02:00:00:00:00:02"}}}, "02:00:00:00:00:02"),
        (
            "MAC=02:00:00:00:00:01",
            {"args": {"cni": {"mac": "02:00:00:00:00:02"}}, "runtimeConfig": {"mac": "02-00-00-00-00-03"}},
            "02:00:00:00:00:03",
        ),
    ],
)
def test_who_names_the_mac(tuned, host, cni_args, more, mac):
    conf = tuned.conf(mac="02:00:00:00:00:09", **more)
    host.call("tuning", "ADD", conf, "c1", tuned.pod, args=cni_args)
    assert tuned.link()["address"] == mac


def test_args_cni_counts_for_more(tuned, host):
    given = {"sysctl": {"net.core.somaxconn": "501"}, "mtu": 1440, "promisc": True, "allmulti": True}
    host.call("tuning", "ADD", {**tuned.conf(mtu=1450), "args": {"cni": given}}, "c1", tuned.pod)
    assert tuned.link()["mtu"] == 1440
    assert {"PROMISC", "ALLMULTI"} <= set(tuned.link()["flags"])
    assert tuned.pod.sysctl("net.core.somaxconn") == "501"


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net/ipv4/conf/eth0/arp_filter", "net/ipv4/conf/eth0/arp_filter"),
        ("net.ipv4.conf.eth0.arp_filter", "net/ipv4/conf/eth0/arp_filter"),
    ],
)
def test_sysctls_are_spelt_both_ways(tuned, key, path):
    tuned.call("ADD", sysctl={key: "1"})
    assert tuned.pod.sysctl(path) == "1"


@pytest.mark.parametrize(
    "key", ["kernel.hostname", "net", "net/../kernel/hostname", "net..ipv4", "/net/core/somaxconn", "net.", ""]
)
def test_only_sysctls_of_the_network_namespace(tuned, failure, key):
    hostname = Path("/proc/sys/kernel/hostname").read_text()
    with pytest.raises(failure, match="invalid net sysctl key") as caught:
        tuned.call("ADD", sysctl={key: "1"})
    assert caught.value.code == 7
    assert Path("/proc/sys/kernel/hostname").read_text() == hostname


@pytest.mark.parametrize("other", ["net/core/somaxconn", "net.ipv4.conf.IFNAME.arp_filter"])
def test_one_sysctl_in_two_spellings(tuned, failure, other):
    keys = {"net.core.somaxconn": "500", "net.ipv4.conf.eth0.arp_filter": "1", other: "0"}
    with pytest.raises(failure, match="duplicated sysctl keys are not allowed") as caught:
        tuned.call("ADD", sysctl=keys)
    assert caught.value.code == 7


def test_a_network_with_another_name_at_del(tuned):
    before = tuned.link()
    tuned.call("ADD", **ALL)
    tuned.call("DEL", **ALL, name="renamed", prevResult=None)
    assert (tuned.link(), tuned.left()) == (before, [])


def test_a_failing_add_takes_back_what_it_did(tuned, failure):
    somaxconn = tuned.pod.sysctl("net.core.somaxconn")
    with pytest.raises(failure, match="no_such_thing"):
        tuned.call("ADD", sysctl={"net.core.somaxconn": "500", "net.core.no_such_thing": "1"})
    assert tuned.pod.sysctl("net.core.somaxconn") == somaxconn
    with pytest.raises(failure, match="failed to tune eth0"):
        tuned.call("ADD", sysctl={"net.core.somaxconn": "500"}, mtu=1)
    with pytest.raises(failure, match="not a unicast MAC address"):
        tuned.call("ADD", mac="01:00:00:00:00:01")
    assert tuned.pod.sysctl("net.core.somaxconn") == somaxconn
    assert tuned.left() == []


def test_the_operator_allows(tuned, host, alone, tmp_path):
    """The allow list lies at a fixed place: a mount namespace, where the service doesn't serve, puts ours there."""
    etc = tmp_path / "etc"
    (etc / "tuning").mkdir(parents=True)
    (etc / "tuning/allowlist.conf").write_text("^net\\.core\\.somaxconn$\n")
    command, env = host.command("tuning", "ADD", "c1", tuned.pod)
    Path("/etc/cni").mkdir(exist_ok=True)
    command[-1] = f"{alone}/tuning"
    words = ["unshare", "--mount", "sh", "-c", f'mount --bind {etc} /etc/cni && exec "$@"', "sh", *command]

    def add(**sysctls):
        done = subprocess.run(
            words, input=json.dumps(tuned.conf(sysctl=sysctls)), env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout)

    assert add(**{"net.core.somaxconn": "501"})[0] == 0
    status, answer = add(**{"net.core.somaxconn": "502", "net.ipv4.conf.all.arp_filter": "1"})
    assert (status, answer["code"]) == (1, 7)
    assert "arp_filter is not allowed" in answer["msg"]
    assert tuned.pod.sysctl("net.core.somaxconn") == "501"


def test_gc_forgets_the_dead_of_its_network(tuned):
    tuned.call("ADD", **ALL)
    assert len(tuned.left()) == 1
    (tuned.notes / "theirs_eth0.json").write_text('{"mtu": 1500}')  # as Go's plugin has it
    alive = [{"containerID": "c1", "ifname": "eth0"}]
    tuned.call("GC", prevResult=None, **{"cni.dev/valid-attachments": alive})
    tuned.call("GC", prevResult=None, name="other", **{"cni.dev/valid-attachments": []})
    assert len(tuned.left()) == 2
    tuned.call("GC", prevResult=None, **{"cni.dev/valid-attachments": []})
    assert tuned.left() == ["theirs_eth0.json"]


def test_del_with_the_namespace_gone(tuned):
    tuned.call("ADD", **ALL)
    tuned.call("DEL", pod="/run/netns/gone", prevResult=None)
    assert tuned.left() == []


def test_nothing_to_tune_passes_on(tuned):
    assert tuned.call("ADD") == {**tuned.result, "cniVersion": "1.1.0"}
    assert tuned.left() == []


def test_sample_is_a_link_of_a_chain(tuned, host, failure):
    conf = {"cniVersion": "1.1.0", "name": "net", "type": "sample", "anotherAwesomeArg": "yes"}
    told = {**conf, "prevResult": tuned.result}
    assert host.call("sample", "ADD", told, "c1", tuned.pod) == tuned.result
    host.call("sample", "CHECK", told, "c1", tuned.pod)
    host.call("sample", "DEL", conf, "c1", tuned.pod)
    host.call("sample", "STATUS", conf)
    host.call("sample", "GC", {**conf, "cni.dev/valid-attachments": []})
    with pytest.raises(failure, match="must be called as chained plugin"):
        host.call("sample", "ADD", conf, "c1", tuned.pod)
    with pytest.raises(failure, match="anotherAwesomeArg"):
        host.call("sample", "ADD", {**told, "anotherAwesomeArg": ""}, "c1", tuned.pod)
    tuned.pod.run("ip link set eth0 down")
    with pytest.raises(failure, match="is down"):
        host.call("sample", "CHECK", told, "c1", tuned.pod)


def test_a_mac_address_that_it_has_already_leaves_its_neighbours(tuned):
    """The kernel flushes a link's neighbor entries, permanent ones too, whenever its MAC address is set."""
    own = tuned.link()["address"]
    tuned.pod.run("ip neighbour add 10.9.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent")
    for command in ("ADD", "CHECK", "DEL"):
        tuned.call(command, mac=own, txQLen=77)
        assert "10.9.0.77" in [entry["dst"] for entry in tuned.pod.ip("neighbour show nud permanent")], command


def test_the_check_of_source_addresses_follows_a_changed_one(host, tmp_path, empty, failure):
    """bridge's macspoofchk before tuning in a chain: the pod speaks by its new MAC address, and by no other."""
    pod, conf = host.pod(), host.conf(isDefaultGateway=True, macspoofchk=True)
    tuning = {"cniVersion": "1.1.0", "name": "net", "type": "tuning", "dataDir": str(tmp_path / "notes")}
    tuning["mac"] = ALL["mac"]
    first = host.call("bridge", "ADD", conf, "c1", pod)
    result = host.call("tuning", "ADD", {**tuning, "prevResult": first}, "c1", pod)
    assert pod.run("ping -c 1 -W 5 10.9.0.1").returncode == 0
    for name, link in (("tuning", tuning), ("bridge", conf)):
        host.call(name, "CHECK", {**link, "prevResult": result}, "c1", pod)
    own = host.netns.run("nft list set bridge podnet own").stdout
    assert ALL["mac"] in own
    assert first["interfaces"][2]["mac"] not in own

    host.netns.run("nft flush set bridge podnet own")
    with pytest.raises(failure, match="not guarded"):
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    for name, link in (("tuning", tuning), ("bridge", conf)):
        host.call(name, "DEL", {**link, "prevResult": result}, "c1", pod)
    assert host.state()["elements"] == empty["elements"]
