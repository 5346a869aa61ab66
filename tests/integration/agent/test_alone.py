# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd among others: a second agent, processes that hold locks, links that come and go all the time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

PODNETD = "ansible_collections.podnet.cluster.plugins.module_utils.agent.daemon"
#: Each rename makes the kernel call every dump of links, addresses and routes that is under way interrupted.
CHURN = """
ip link add churn0 type bridge
for n in $(seq 5000); do echo link set churn0 name churn1; echo link set churn1 name churn0; done > "$1"
while :; do ip -batch "$1"; done
"""


def prefixes(node) -> set[str]:
    """Where the node's routes of ours lead."""
    return {route["dst"] for route in node.netns.ip("route show proto 112 type unicast")}


def test_a_second_agent_refuses_and_leaves_the_first_its_socket(make_nodes, tmp_path):
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    words = [sys.executable, "-m", PODNETD, *node.paths()]
    second = node.netns.run(*words, env=node.environment(), check=False)
    assert second.returncode == 2
    assert "another podnetd keeps this network namespace" in second.stderr
    assert agent.get("/healthz") == (200, "ok\n") and agent.status()["pid"] == agent.process.pid


def test_a_lock_on_the_namespace_s_file_stalls_nothing(make_nodes, eventually):
    """Any process in the namespace may have it, one of another user, too."""
    (node, _peer), _switch = make_nodes(2)
    node.start()
    hold = (
        "import fcntl, os; os.setuid(65534); file = open('/proc/self/ns/net', 'rb');"
        "fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    )
    words = ["nsenter", f"--net={node.netns.path}", "--", "python3", "-c", hold]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        began = time.monotonic()
        node.netns.run("ip route del 10.244.2.0/24")
        eventually("healed", lambda: prefixes(node) == {"10.244.2.0/24"})
        assert time.monotonic() - began < 5
    finally:
        holder.communicate(b"\n")


def test_links_that_change_all_the_time_keep_nothing_from_being_healed(make_nodes, eventually, tmp_path):
    (node, _peer), _switch = make_nodes(2, bridge="cni0")
    links = "".join(f"link add idle{number} type bridge\n" for number in range(400))
    (tmp_path / "idle").write_text(links)
    node.netns.run("ip", "-batch", str(tmp_path / "idle"))
    agent = node.start()
    eventually("in sync", lambda: agent.status()["in_sync"])
    churn = subprocess.Popen(
        ["nsenter", f"--net={node.netns.path}", "--", "sh", "-c", CHURN, "sh", str(tmp_path / "churn")],
        start_new_session=True,
    )
    try:
        time.sleep(2)
        for _time in range(3):
            node.netns.run("ip route del 10.244.2.0/24")
            eventually("healed", lambda: prefixes(node) == {"10.244.2.0/24"}, 30)
            time.sleep(1)
        assert agent.process.poll() is None, agent.log()
    finally:
        subprocess.run(["kill", "--", f"-{churn.pid}"], check=True)
        churn.wait()
    eventually("in sync", lambda: agent.status()["in_sync"])
    assert "interrupted" not in agent.log()


def test_the_public_listener_has_three_paths(make_nodes):
    """What is known of the cluster is for root on the node alone."""
    (node, _peer), _switch = make_nodes(2)
    (node.directory / "podnetd.json").write_text('{"listen": "127.0.0.1:9441"}')
    agent = node.start()

    def status(path: str) -> str:
        return node.netns.run(f"curl -s -o /dev/null -w %{{http_code}} http://127.0.0.1:9441{path}").stdout

    assert {path: status(path) for path in ("/healthz", "/readyz", "/metrics", "/status", "/known", "/")} == {
        "/healthz": "200", "/readyz": "200", "/metrics": "200", "/status": "404", "/known": "404", "/": "404",
    }  # fmt: skip
    assert agent.get("/status")[0] == agent.get("/known")[0] == 200


@pytest.mark.parametrize("name", ["leases.json", "overlay.json", "podnetd.json"])
def test_a_fifo_in_a_file_s_place_keeps_nobody_waiting(make_nodes, eventually, name):
    (node, _peer), _switch = make_nodes(2)
    agent = node.start()
    path = node.directory / name
    path.unlink(missing_ok=True)
    node.netns.run("mkfifo", str(node.directory / "fifo"))
    (node.directory / "fifo").rename(path)
    agent.process.send_signal(1)
    eventually("reported", lambda: f"{path}: is not a regular file" in agent.log())
    assert agent.get("/healthz") == (200, "ok\n")
