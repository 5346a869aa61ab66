# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of two bare nodes, Debian 12 and 13, from nothing to nothing, and the host before and after it.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible_collections.podnet.cluster.plugins.connection import nspawn
from ansible_collections.podnet.cluster.plugins.module_utils.lab import host, state

# Its own for each run: several may go on at once.
NAME = f"t{os.getpid()}"
SUBNET = f"10.97.{os.getpid() % 256}"
NETWORK = f"{SUBNET}.0/24"
OTHER = f"o{os.getpid()}"
VARIABLES = {
    "lab_name": NAME,
    "lab_network": NETWORK,
    "lab_nodes": 2,
    "lab_suites": ["bookworm", "trixie"],
    "lab_variant": "bare",
    "lab_boot_timeout": 900 if os.environ.get("PODNET_EMULATED") else 90,
}
# These count, or tell the time; nobody sets them.
VOLATILE = ("fs/dentry-state", "fs/inode-", "fs/file-nr", "fs/aio-nr", "fs/quota/", "kernel/random/")
VOLATILE += (
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "net/netfilter/nf_conntrack_count",
    "kernel/perf_event_max_sample_rate",
)


def witness(*command: str) -> list:
    """What a tool prints as JSON."""
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return json.loads(output) if output else []


def others() -> list[str]:
    """The names of the labs that are up beside this one."""
    labs = pathlib.Path("/run/podnet-lab")
    return sorted(file.stem for file in labs.glob("*.json") if file.stem != NAME and not file.name.startswith("."))


def host_state() -> dict[str, set[str]]:
    """The host's links, routes, addresses, namespaces, nftables, mounts, cgroups and sysctls, without what belongs to
    other labs and to namespaces of other tests."""
    labs = others()
    mounts = {line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()}
    sysctls = set()
    if not labs:  # another lab's kubelet writes to them at any time
        for path in pathlib.Path("/proc/sys").rglob("*"):
            name = str(path.relative_to("/proc/sys"))
            if path.is_file() and os.access(path, os.R_OK) and not name.startswith(VOLATILE):
                try:
                    sysctls.add(f"{name} = {path.read_text(errors='replace').strip()}")
                except OSError:  # some are readable in name only
                    continue
    tables = [entry["table"] for entry in witness("nft", "-j", "list", "tables")["nftables"] if "table" in entry]
    state = {
        "links": {f"{link['ifname']} {link['address']} {link['mtu']}" for link in witness("ip", "-j", "link")},
        "routes": {
            f"{route['dst']} {route.get('dev')}" for route in witness("ip", "-j", "route", "show", "table", "all")
        },
        "addresses": {f"{a['ifname']} {i['local']}" for a in witness("ip", "-j", "addr") for i in a["addr_info"]},
        "namespaces": {space["name"] for space in witness("ip", "-j", "netns", "list")},
        "nftables": {f"{table['family']} {table['name']}" for table in tables},
        "mounts": mounts,
        "cgroups": {str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("*/podnet-lab/*") if path.is_dir()},
        "sysctls": sysctls,
        "disks": {str(path) for path in pathlib.Path("/var/lib/podnet-lab").glob("*")},
    }
    foreign = [f"{lab}{sign}" for lab in labs for sign in ("-host", "-node")] + ["podnet-test-", "podnet-lab-"]
    for kind, entries in state.items():
        keep = {entry for entry in entries if not any(word in entry for word in foreign) or NAME in entry}
        state[kind] = keep - {f"/run/netns/{lab}" for lab in labs} - set(labs) - {"/run/netns" if labs else ""}
        state[kind] -= {entry for entry in keep if kind in ("cgroups", "disks") and entry.rsplit("/")[-1] in labs}
    return state


def processes_in(spaces: set[str]) -> dict[int, str]:
    """The processes, by number, that are in one of these namespaces (as /proc/<pid>/ns names them)."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if spaces & {os.readlink(process / "ns" / kind) for kind in ("net", "pid", "mnt")}:
                found[int(process.name)] = (process / "comm").read_text().strip()
        except OSError:  # it ended while we looked
            continue
    return found


@pytest.fixture(scope="session")
def playbook(root):
    """A function that runs one of the lab's playbooks with this lab's variables and more."""

    def run(name: str, *arguments: str, check: bool = True, **more) -> subprocess.CompletedProcess:
        command = [f"{root}/.venv/bin/ansible-playbook", f"playbooks/lab/{name}.yml"]
        command += ["-e", json.dumps({**VARIABLES, **more}), *arguments]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "PODNET_LAB": NAME}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done

    return run


@pytest.fixture(scope="module")
def before() -> dict[str, set[str]]:
    """The host before the lab."""
    return host_state()


@pytest.fixture(scope="module")
def lab(playbook, before):
    """The lab, up."""
    if os.geteuid():
        pytest.skip("a lab needs root")
    done = playbook("up")
    assert "changed=1 " in done.stdout, done.stdout
    yield NAME
    playbook("down")


@pytest.fixture
def node(lab, root):
    """A function that runs a command in a node through the inventory's own command, and returns what it prints."""

    def run(name: str, *command: str, check: bool = True) -> str:
        words = [f"{root}/inventories/lab/nodes.py", "--exec", name, "--", *command]
        done = subprocess.run(words, env={**os.environ, "PODNET_LAB": lab}, capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(f"{name}: {command}: exit {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout.strip() if check else done.stdout + done.stderr

    return run


@pytest.fixture
def connection(lab):
    """A function that makes a connection to a node; its options are those that Ansible would find in the inventory."""

    def connect(name: str) -> nspawn.Connection:
        plugin = nspawn.Connection(PlayContext())
        plugin._options = {"lab": lab, "node": name, "remote_user": "root"}
        return plugin

    return connect


def leader(name: str) -> int:
    """The host's number of a node's PID 1: of the lab's processes the one that is 1 in its own namespace."""
    for pid in processes_in({namespace(name)}):
        numbers = [line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if "NSpid" in line]
        if numbers and numbers[0].split()[-1] == "1" and len(numbers[0].split()) > 2:
            return pid
    raise AssertionError(f"{name} has no PID 1")


def namespace(name: str) -> str:
    """The network namespace of a node, as /proc/<pid>/ns/net names it."""
    return f"net:[{os.stat(f'/run/netns/{NAME}-{name}').st_ino}]"


def test_nodes_run_their_release_and_reach_each_other(node):
    assert "VERSION_CODENAME=bookworm" in node("node1", "cat", "/etc/os-release")
    assert "VERSION_CODENAME=trixie" in node("node2", "cat", "/etc/os-release")
    assert node("node1", "uname", "-n") == "node1"
    assert node("node1", "systemctl", "is-active", "multi-user.target") == "active"
    assert node("node2", "systemctl", "--failed", "--no-legend") == ""
    node("node1", "ping", "-c1", "-W5", f"{SUBNET}.12")
    node("node2", "ping", "-c1", "-W5", f"{SUBNET}.1")


def test_a_node_sees_its_own_network_only(node):
    links = {link["ifname"]: link for link in json.loads(node("node1", "ip", "-j", "link"))}
    assert set(links) == {"lo", "eth0"}
    assert node("node1", "ls", "/sys/class/net").split() == ["eth0", "lo"]
    assert node("node1", "cat", "/etc/machine-id") != node("node2", "cat", "/etc/machine-id")


def test_the_host_lets_nothing_pass_to_the_clusters_own_networks(lab):
    """A request to a Service that is not there would leave the host; some networks answer for every address."""
    told = witness("nft", "-j", "list", "chain", "ip", f"podnet-lab-{NAME}", "forward")["nftables"]
    (dropped,) = [
        match["match"]["right"]["set"]
        for entry in told
        if "rule" in entry and {"drop": None} in entry["rule"]["expr"]
        for match in entry["rule"]["expr"]
        if "match" in match and match["match"]["left"].get("payload", {}).get("field") == "daddr"
    ]
    networks = [(each["prefix"]["addr"], each["prefix"]["len"]) for each in dropped]
    assert networks == [("10.96.0.0", 12), ("10.244.0.0", 16)]


def test_the_nodes_have_inotify_instances_for_many(lab):
    assert int(pathlib.Path("/proc/sys/fs/inotify/max_user_instances").read_text()) >= 1024


def test_a_bare_node_has_no_cni_plugins(node):
    listed = node("node1", "sh", "-c", "ls /opt/cni/bin /usr/lib/cni; command -v containerd", check=False)
    assert "bridge" not in listed and "containerd" not in listed


def test_a_node_installs_packages(node):
    for name in ("node1", "node2"):
        node(name, "apt-get", "-qq", "update")
        node(name, "apt-get", "-qq", "install", "--yes", "jq")
        assert node(name, "jq", "-n", "1+1") == "2"


def test_connection_runs_commands(connection):
    status, output, errors = connection("node1").exec_command("read word; echo $word; echo bad >&2; exit 3", b"in\n")
    assert (status, output, errors) == (3, b"in\n", b"bad\n")


def test_connection_enters_the_nodes_cgroups(connection):
    _status, output, _errors = connection("node2").exec_command("cat /proc/self/cgroup")
    paths = {line.split(":", 2)[2] for line in output.decode().splitlines()}
    assert not any(path.startswith("/..") for path in paths), paths


def test_connection_does_not_bring_the_hosts_environment(connection, monkeypatch):
    monkeypatch.setenv("CALLER", "host")
    _status, output, _errors = connection("node1").exec_command("env")
    assert b"CALLER" not in output and b"HOME=/root" in output


def test_connection_copies_files_and_a_link_does_not_lead_into_the_host(connection, tmp_path):
    content = bytes(range(256)) * 4096
    (tmp_path / "source").write_bytes(content)
    link = connection("node1")
    link.exec_command("ln -s /root/target /root/link")
    link.put_file(str(tmp_path / "source"), "/root/link")
    assert link.exec_command("cat /root/target")[1] == content
    assert not os.path.exists("/root/target")
    link.fetch_file("/root/link", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    with pytest.raises(AnsibleError, match="No such file"):
        link.fetch_file("/root/absent", str(tmp_path / "none"))


def test_ansible_reaches_every_node_of_the_inventory(ansible, lab):
    command = "ansible -i inventories/lab cluster --one-line -m ansible.builtin.command -a 'uname -n'"
    done = ansible(*shlex.split(command), env={"PODNET_LAB": lab})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(stdout) node1" in done.stdout and "(stdout) node2" in done.stdout


def test_connection_names_what_is_wrong(connection):
    with pytest.raises(AnsibleConnectionFailure, match="no node 'node9'; it has node1, node2"):
        connection("node9").exec_command("true")


def test_a_killed_command_is_not_a_killed_node(connection):
    assert connection("node1").exec_command("kill -9 $$")[0] in (-9, 137)
    assert connection("node1").exec_command("echo alive")[1] == b"alive\n"


def test_up_again_changes_nothing(playbook, lab):
    assert "changed=0 " in playbook("up").stdout
    assert "changed=0 " in playbook("up", "--check").stdout


def test_a_killed_node_is_gone_and_comes_back_with_its_disk(playbook, lab, node, connection):
    first = node("node1", "cat", "/proc/sys/kernel/random/boot_id")
    node("node1", "sh", "-c", "echo kept > /root/kept; setsid sleep 1000 >/dev/null 2>&1 & ip link add veth7 type veth")
    assert len(processes_in({namespace("node1")})) > 3
    cut = ThreadPoolExecutor(1).submit(connection("node1").exec_command, "sleep 1000")
    with open(f"/run/netns/{NAME}-node1") as held:  # see test_down_leaves_the_host_as_it_was
        assert "changed=1 " in playbook("node", node="node1", state="killed").stdout
        assert processes_in({f"net:[{os.fstat(held.fileno()).st_ino}]"}) == {}
    with pytest.raises(AnsibleConnectionFailure, match=f"node1 of lab {NAME} ended while a command ran"):
        cut.result(timeout=10)
    assert f"{NAME}-node1" not in {space["name"] for space in witness("ip", "-j", "netns", "list")}
    assert "is not running" in node("node1", "true", check=False)
    assert "changed=0 " in playbook("node", node="node1", state="killed").stdout

    assert "changed=1 " in playbook("node", node="node1", state="started").stdout
    assert node("node1", "cat", "/root/kept") == "kept"
    assert node("node1", "cat", "/proc/sys/kernel/random/boot_id") != first
    assert {link["ifname"] for link in json.loads(node("node1", "ip", "-j", "link"))} == {"lo", "eth0"}
    node("node2", "ping", "-c1", "-W5", f"{SUBNET}.11")


def test_up_starts_what_died(playbook, lab, node, connection):
    with pytest.raises(AnsibleConnectionFailure, match=r"node2 .*ended"), ThreadPoolExecutor(1) as other:
        cut = other.submit(connection("node2").exec_command, "sleep 1000")
        time.sleep(0.5)
        os.kill(leader("node2"), 9)
        cut.result(timeout=30)
    deadline = time.monotonic() + 30
    while "is not running" not in node("node2", "true", check=False):
        assert time.monotonic() < deadline, "node2 outlives its PID 1"
        time.sleep(0.1)
    assert "changed=1 " in playbook("up").stdout
    assert node("node2", "uname", "-n") == "node2"


def test_a_stopped_node_shut_down_in_order(playbook, lab, node):
    assert "changed=1 " in playbook("node", node="node2", state="restarted").stdout
    assert "Reached target shutdown.target" in node("node2", "journalctl", "--no-pager", "--boot=-1")


def test_bad_input_fails_before_anything_is_done(playbook, lab):
    done = playbook("up", check=False, lab_name=OTHER)
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode and f"lab network {NETWORK} overlaps {NETWORK} on {NAME}-host" in output
    assert "Traceback" not in output
    assert not any(OTHER in entry for entries in host_state().values() for entry in entries)


DROP = "type filter hook forward priority 0; policy drop;"
ACCEPT = "type filter hook forward priority 10; policy accept;"
FIREWALLS = {
    "another": (f"table ip filter {{ chain FORWARD {{ {DROP} }}; }}", "nft insert rule ip filter FORWARD"),
    "Docker": (
        f"table ip filter {{ chain DOCKER-USER {{ }}; chain FORWARD {{ {DROP} }}; }}",
        "iptables -I DOCKER-USER",
    ),
    "ufw": (f"table ip filter {{ chain ufw-before-forward {{ }}; chain FORWARD {{ {DROP} }}; }}", "ufw route allow"),
    "firewalld": (f"table inet firewalld {{ chain filter_FORWARD {{ {ACCEPT} reject; }}; }}", "firewall-cmd"),
}


@pytest.mark.parametrize("owner", FIREWALLS)
def test_a_firewall_in_the_way_is_named_with_the_command_that_opens_it(netns, owner):
    probe = state.Lab("probe", "10.95.0.0/24", 1500, "/var/lib/podnet-lab")
    rules, command = FIREWALLS[owner]
    with netns.entered():
        assert host.refusals(probe) == []
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        (refusal,) = host.refusals(probe)
    assert "FORWARD of table" in refusal and f": {command}" in refusal and "probe-host" in refusal


@pytest.mark.parametrize(("owner", "rules"), [("another", 2), ("Docker", 2)])
def test_the_command_for_a_firewall_is_one(netns, owner, rules):
    """Those of firewalld and ufw need their daemons."""
    probe = state.Lab("probe", "10.95.0.0/24", 1500, "/var/lib/podnet-lab")
    with netns.entered():
        subprocess.run(["nft", "-f", "-"], input=FIREWALLS[owner][0], text=True, check=True)
        (refusal,) = host.refusals(probe)
        subprocess.run(refusal.rpartition(": ")[2], shell=True, check=True)
        listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert listed.count("probe-host") == rules


def test_up_mends_the_underlay(playbook, lab, node):
    subprocess.run(["nft", "delete", "table", "ip", f"podnet-lab-{NAME}"], check=True)
    assert "changed=1 " in playbook("up").stdout
    assert f"ip podnet-lab-{NAME}" in host_state()["nftables"]
    subprocess.run(["ip", "link", "delete", f"{NAME}-host"], check=True)
    assert "changed=1 " in playbook("up").stdout
    node("node1", "ping", "-c1", "-W5", f"{SUBNET}.1")
    node("node1", "ping", "-c1", "-W5", f"{SUBNET}.12")


def test_a_lab_whose_making_is_cut_off_goes_up_and_down(lab, root):
    """Killed as soon as its bridge is there, as by a second Ctrl-C."""
    program = textwrap.dedent("""
        import sys
        from ansible_collections.podnet.cluster.plugins.module_utils.lab import reconcile, state
        made = state.Lab(sys.argv[1], sys.argv[2], 1500, "/var/lib/podnet-lab")
        if sys.argv[3:]:
            made.populate(1, sys.argv[3:], [])
        with state.locked(made.name):
            errors = reconcile.Whole(made.name, made if made.nodes else None).apply()
            assert not errors, errors
    """)
    layers = json.loads(pathlib.Path(f"/run/podnet-lab/{NAME}.json").read_text())["nodes"][0]["layers"]
    environment = {**os.environ, "PYTHONPATH": str(root / "build/collections")}
    down = [f"{root}/.venv/bin/python", "-c", program, OTHER, NETWORK.replace("10.97", "10.96")]
    up = [*down, layers]

    def spaces() -> set[str]:
        return {space["name"] for space in witness("ip", "-j", "netns", "list") if OTHER in space["name"]}

    with subprocess.Popen(up, env=environment) as first:
        while not spaces():
            assert first.poll() is None, "it ended before it began"
            time.sleep(0.01)
        first.kill()
    subprocess.run(up, env=environment, check=True)
    assert spaces() == {OTHER, f"{OTHER}-node1"}
    assert f"{OTHER}-host" in {link["ifname"] for link in witness("ip", "-j", "link")}
    subprocess.run(down, env=environment, check=True)
    assert spaces() == set()
    assert not pathlib.Path(f"/run/podnet-lab/{OTHER}.json").exists()
    assert not any(OTHER in entry for entries in host_state().values() for entry in entries)


def test_down_leaves_the_host_as_it_was(playbook, lab, before):
    assert f"ip podnet-lab-{NAME}" in host_state()["nftables"]
    with contextlib.ExitStack() as held:  # a namespace that is open keeps its number: nobody else's gets it meanwhile
        names = ["", "-node1", "-node2"]
        files = [held.enter_context(open(f"/run/netns/{NAME}{name}")) for name in names]
        playbook("down")
        assert processes_in({f"net:[{os.fstat(file.fileno()).st_ino}]" for file in files}) == {}
    after = host_state()
    assert not any(NAME in entry for entries in after.values() for entry in entries)
    for kind in before:
        if kind not in ("namespaces", "mounts", "sysctls"):  # whoever else works on this host makes and removes those
            assert after[kind] == before[kind], kind
    if not (before["sysctls"] and after["sysctls"]):
        pytest.skip("sysctls and /run/netns are not compared: other labs were up before or after")
    assert sorted(after["sysctls"] ^ before["sysctls"]) == []
    assert ("/run/netns" in after["mounts"]) <= ("/run/netns" in before["mounts"] or bool(after["namespaces"]))
