# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd on a node that lacks what it should have: it does what it can, tells what it cannot, and does that later."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time

AGENT = "ansible_collections.podnet.cluster.plugins.module_utils.agent.daemon"


def test_a_disk_that_is_full_or_read_only_is_told_and_used_when_it_is_not(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    env = node.subnet_env.parent
    env.mkdir()
    mount = f"mount -t tmpfs -o size=8192 none '{env}' && head -c 8192 /dev/zero > '{env}/other' && exec \"$@\""
    agent = node.start("unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-m", AGENT)

    def there(*words: str) -> subprocess.CompletedProcess:
        words = ("nsenter", "--mount", "--target", str(agent.process.pid), "--", *words)
        return subprocess.run(words, check=False, capture_output=True, text=True)

    status = agent.status()
    assert not status["in_sync"] and f"{node.subnet_env}: No space left on device" in status["summary"]
    assert [each["code"] for each in status["not_ready"]] == ["change.failed"]
    assert agent.get("/healthz")[0] == 503 and prefixes(node) == {"10.244.2.0/24"}, "what can be done is done"
    assert there("ls", str(env)).stdout == "other\n", "nothing half done"
    eventually("it goes on trying", lambda: agent.status()["failures"] > 3)
    assert "another process keeps changing the overlay" not in agent.log(), "its own attempts"
    there("rm", f"{env}/other")
    eventually("it is written", lambda: agent.status()["in_sync"] and there("cat", str(node.subnet_env)).stdout)
    there("mount", "-o", "remount,ro", str(env))
    node.write([node.lease(pod_cidrs=["10.244.9.0/24"]), _peer.lease()])
    eventually("it is told", lambda: "Read-only file system" in agent.status()["summary"])
    there("mount", "-o", "remount,rw", str(env))
    eventually("it is written", lambda: "10.244.9.1/24" in there("cat", str(node.subnet_env)).stdout)
    eventually("all is well", lambda: agent.get("/readyz") == (200, "ok\n"))


def prefixes(node) -> set[str]:
    """Where the node's routes of ours lead."""
    return {route["dst"] for route in node.netns.ip("route show proto 112 type unicast")}


def test_a_port_that_somebody_has_is_told_and_taken_when_it_is_free(make_nodes, eventually):
    (node, _peer), _switch = make_nodes(2)
    (node.directory / "podnetd.json").write_text('{"listen": "127.0.0.1:9441", "resync": 1}')
    listen = "import socket; kept = socket.create_server(('127.0.0.1', 9441)); print(flush=True); input()"
    somebody = subprocess.Popen(
        ["nsenter", f"--net={node.netns.path}", "--", sys.executable, "-c", listen],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        somebody.stdout.readline()
        agent = node.start()
        assert agent.status()["in_sync"] and prefixes(node) == {"10.244.2.0/24"}
        (warning,) = agent.status()["warnings"]
        assert (warning["code"], warning["subject"]) == ("agent.not-listening", "127.0.0.1:9441")
        assert warning["parameters"] == {"error": "Address already in use"}
    finally:
        somebody.communicate(b"\n")
    ask = "curl -s http://127.0.0.1:9441/healthz"
    eventually("it listens", lambda: node.netns.run(ask, check=False).stdout == "ok\n")
    eventually("no trouble", lambda: agent.status()["warnings"] == [])


def test_many_who_ask_nothing_keep_nobody_from_asking(make_nodes):
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    path = str(node.directory / "run" / "podnetd.sock")
    hold = (
        "import socket, sys\n"
        "kept = [socket.socket(socket.AF_UNIX) for _ in range(100)]\n"
        "[each.connect(sys.argv[1]) for each in kept]\n"
        "print(flush=True); input()"
    )
    idle = subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        idle.stdout.readline()
        assert agent.get("/healthz") == (200, "ok\n")
    finally:
        idle.communicate(b"\n")


def test_no_descriptor_left_is_survived_and_not_asked_for_all_the_time(make_nodes, eventually):
    """Callers wait, drift waits, the processor rests; with descriptors again all goes on."""
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    assert agent.status()["in_sync"] and prefixes(node) == {"10.244.2.0/24"}
    pid = agent.process.pid
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, usual[1]))
    with contextlib.ExitStack() as open_callers:
        callers = [open_callers.enter_context(socket.socket(socket.AF_UNIX)) for _number in range(3)]
        for caller in callers:
            caller.settimeout(10)
            caller.connect(str(node.directory / "run/podnetd.sock"))
            caller.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        node.netns.run("ip route delete 10.244.2.0/24")
        before = cpu(pid)
        time.sleep(3)
        assert cpu(pid) - before < 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        for caller in callers:
            assert caller.recv(100).startswith(b"HTTP/1.1 ")
    eventually("healed", lambda: prefixes(node) == {"10.244.2.0/24"})
    eventually("in sync again", lambda: agent.status()["in_sync"])


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
