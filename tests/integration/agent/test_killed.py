# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd is killed before and after every message to the kernel: a connection between pods loses nothing by it, and
the next start makes everything level."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Run in the node's namespace. For each number a podnetd of its own is started, by fork so that it takes milliseconds:
#: it looks at a node that has what another set of leases left, is told of that set once more when it is ready, and
#: kills itself at the message, or at the file's coming into place, of that number. Ends with the number that nobody
#: reaches, and prints it.
VICTIMS = """
import json, os, signal, sys
from LIBRARY.agent import daemon
from LIBRARY.agent.sources.source import FileSource
from LIBRARY.netlink.channel import Channel
from LIBRARY.agent.sd_notify import Notifier

directory, env, run, sets = *sys.argv[1:4], json.loads(sys.argv[4])


def write(leases):
    with open(directory + "/fresh", "w") as file:
        json.dump({"leases": leases}, file)
    os.rename(directory + "/fresh", directory + "/leases.json")


def victim(number, after):
    reached, level = 0, 0

    def counted(act):
        def step(*arguments):
            nonlocal reached
            reached += 1
            if reached == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            told = act(*arguments)
            if reached == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return told

        return step

    def report(self, is_level, reason):
        nonlocal level
        level += is_level
        if level > 1:
            os._exit(0)

    def tell(self, words):
        if words == "READY=1":
            place(directory + "/fresh", directory + "/leases.json")

    write(sets[0])
    with open(directory + "/fresh", "w") as file:
        json.dump({"leases": sets[1]}, file)
    place = os.rename
    os.rename, Channel._send = counted(os.rename), counted(Channel._send)
    FileSource.report, Notifier.tell = report, tell
    daemon.main(["--config", directory, "--subnet-env", env, "--run", run])
    os._exit(1)


for number in range(1, 1000):
    ends = []
    for after in (False, True):
        child = os.fork()
        if not child:
            victim(number, after)
        _pid, status = os.waitpid(child, 0)
        ends.append(status)
        if status not in (0, signal.SIGKILL):
            sys.exit(f"killed at {number}: {status}")
    if ends == [0, 0]:
        print(number)
        sys.exit(0)
"""
#: Numbers, one after the other, from a pod to another; the receiver tells the first that is not the next, and how many
#: came.
RECEIVER = """
import socket, struct
with socket.create_server(("0.0.0.0", 7777)) as server:
    print("ready", flush=True)
    stream = server.accept()[0].makefile("rb")
    count = 0
    while record := stream.read(8):
        count += 1
        assert struct.unpack("!Q", record)[0] == count, (record, count)
print(count)
"""
SENDER = """
import select, socket, struct, sys
with socket.create_connection((sys.argv[1], 7777)) as stream:
    count = 0
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        count += 1
        stream.sendall(struct.pack("!Q", count))
print(count)
"""


def inside(netns, *words: str, **more) -> subprocess.Popen:
    """A process in the namespace."""
    command = ["nsenter", f"--net={netns.path}", "--", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)


def kill_at_each_step(node, *sets: list) -> None:
    """Runs the victims on the node, with these two sets of leases in turn."""
    program = VICTIMS.replace("LIBRARY", "ansible_collections.podnet.cluster.plugins.module_utils")
    paths = (str(node.directory), str(node.subnet_env), str(node.directory / "run"))
    words = (sys.executable, "-c", program, *paths, json.dumps(sets))
    ran = node.netns.run(*words, env=node.environment(), check=False)
    assert ran.returncode == 0 and int(ran.stdout.splitlines()[-1]) > 20, ran.stderr[-2000:]


def sent_again(netns) -> int:
    """How many TCP segments were sent again though the receiver had not got them, as nstat counts."""
    told = json.loads(netns.run("nstat -asz -j TcpRetransSegs TcpExtTCPDSACKRecv").stdout)["kernel"]
    return told["TcpRetransSegs"] - told["TcpExtTCPDSACKRecv"]


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_killed_at_any_moment_it_is_level_again_and_no_connection_notices(make_nodes, backend):
    config = {"backend": {"type": backend}, "bridge": "cni0"}
    (node, peer, third), _switch = make_nodes(3, **config)
    leases = [each.lease() for each in (node, peer, third)]
    moved = third.lease(pod_cidrs=["10.244.77.0/24", "fd00:244:0:77::/64"], vtep_mac="02:00:00:00:00:77")
    fourth = {"name": "node4", "address": "10.77.0.14", "pod_cidrs": ["10.244.4.0/24"]}
    for each in (node, peer):
        each.start()
    node.agents[0].stop()
    before = node.state()
    receiver = inside(peer.pod, sys.executable, "-c", RECEIVER)
    assert receiver.stdout and receiver.stdout.readline() == "ready\n"
    sender = inside(node.pod, sys.executable, "-c", SENDER, "10.244.2.2", stdin=subprocess.PIPE)
    echoes = inside(node.pod, "ping", "-q", "-i", "0.005", "10.244.2.2")
    kill_at_each_step(node, leases, [*leases[:2], moved, fourth])
    node.write(leases, **config)
    node.start()
    assert node.state() == before and node.plan() == []
    echoes.send_signal(2)
    told = echoes.communicate(timeout=30)[0]
    assert " 0% packet loss" in told and "duplicates" not in told, told
    sent = sender.communicate("", timeout=30)[0]
    assert receiver.communicate(timeout=30)[0] == sent and int(sent) > 100
    assert sent_again(node.pod) == sent_again(peer.pod) == 0


def test_killed_at_any_moment_of_its_first_start_it_leaves_nothing_doubled(make_nodes):
    (node, peer), _switch = make_nodes(2, bridge="cni0")
    peer.start()
    leases = [each.lease() for each in (node, peer)]
    kill_at_each_step(node, leases, leases[:1])
    node.write(leases, bridge="cni0")
    node.start()
    assert node.plan() == []
    assert node.pod.run("ping", "-c", "1", "-W", "5", "10.244.2.2", check=False).returncode == 0
    rules = [[entry for entry in each.state()["nft"] if "rule" in entry] for each in (node, peer)]
    assert rules[0] == rules[1] and rules[0]
    assert [path.name for path in node.subnet_env.parent.iterdir()] == [node.subnet_env.name]
    assert [entry["dst"] for entry in node.state()["fdb"]] == ["10.77.0.12"]
