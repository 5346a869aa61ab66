# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that dies comes back with its pods, and nothing of its former life stays reserved."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from userlab import RECAP, Recap

NODE = "node2"
#: A file of site.yml's that no pod needs.
LACKING = "/etc/crictl.yaml"


def pods_of(lab, node: str) -> list[dict]:
    return lab.objects("pods", "--all-namespaces", "--field-selector", f"spec.nodeName={node}")


def started(lab) -> dict[str, list[str]]:
    """When each container of the node's pods was started; empty for a pod that is not Ready."""
    return {
        pod["metadata"]["name"]: [
            status.get("state", {}).get("running", {}).get("startedAt", "")
            for status in pod["status"].get("containerStatuses", [])
        ]
        if {"type": "Ready", "status": "True"}.items()
        <= next(c for c in pod["status"]["conditions"] if c["type"] == "Ready").items()
        else []
        for pod in pods_of(lab, node=NODE)
    }


def test_a_killed_node_comes_back(milestone):
    boot = milestone.node(
        NODE, "cat /proc/sys/kernel/random/boot_id /etc/machine-id; systemctl show -p UserspaceTimestampMonotonic"
    )
    former = started(milestone)
    assert former and all(former.values())
    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=killed")
    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=started")
    assert (
        milestone.node(
            NODE, "cat /proc/sys/kernel/random/boot_id /etc/machine-id; systemctl show -p UserspaceTimestampMonotonic"
        )
        != boot
    )

    def back() -> bool:
        present = started(milestone)
        return present.keys() == former.keys() and all(
            times and times != former[name] for name, times in present.items()
        )

    milestone.until(f"all pods of {NODE} run anew and are Ready", back, 180)


def test_a_worker_that_dies_on_the_way_ends_nothing_for_the_others(milestone):
    """It is killed once preflight has found what it lacks: the others are brought to the end. The run stands still
    meanwhile, for on a converged cluster it takes no longer than the killing."""
    milestone.node(NODE, "rm", LACKING)
    command = ["ansible-playbook", "playbooks/site.yml"]
    with subprocess.Popen(
        command,
        cwd=milestone.root,
        env=milestone.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as site:
        lines = []
        for line in site.stdout:
            lines.append(line)
            if "PLAY [Prepare the nodes]" in line:
                os.killpg(site.pid, signal.SIGSTOP)
                try:
                    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=killed")
                finally:
                    os.killpg(site.pid, signal.SIGCONT)
    output = "".join(lines)
    (milestone.output / "site-with-a-death.log").write_text(output)
    recap = {host: Recap(*map(int, counts)) for host, *counts in RECAP.findall(output)}
    assert site.returncode == 4, output[-3000:]
    assert recap[NODE].unreachable == 1
    for other in {*milestone.names} - {NODE}:
        assert (recap[other].failed, recap[other].unreachable) == (0, 0), other
    assert "PLAY [Connect the pods]" in output
    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=started")
    milestone.until(
        f"{NODE} is Ready", lambda: "NotReady" not in milestone.kubectl("get", "nodes", "--no-headers"), 120
    )
    assert milestone.play("site").changed == {NODE: 1}, "what it lacks is done when it is back"


def test_an_unreachable_worker_is_left_out(milestone):
    """Of site.yml and upgrade.yml."""
    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=killed")
    ran = milestone.play("site", expect=4)
    assert "host.unreachable" in ran.output or f"host {NODE} is unreachable" in ran.output
    assert [ran.recap[other].failed for other in milestone.names if other != NODE] == [0, 0]
    milestone.lab("node", "-e", f"node={NODE}", "-e", "state=started")


def test_its_pods_reach_everything(lab):
    assert lab.verify()["ok"]


def test_no_address_is_leaked_or_given_twice(lab):
    """Reservations on disk, namespaces that live and the API's pods are the same set, on each node."""
    for name in lab.names:
        api = {pod["status"]["podIP"] for pod in pods_of(lab, name) if not pod["spec"].get("hostNetwork")}
        reserved = lab.node(name, "ls /var/lib/cni/networks/podnet").split()
        assert {entry for entry in reserved if entry[0].isdigit()} == api, name
        namespaces = lab.node(
            name, "for n in $(ip netns list | cut -d' ' -f1); do ip -j -n $n -4 address show dev eth0; echo; done"
        )
        inside = [
            json.loads(line)[0]["addr_info"][0]["local"]
            for line in namespaces.splitlines()
            if line.strip() not in ("", "[]")
        ]
        assert sorted(inside) == sorted(api), name
    everything = [
        pod["status"]["podIP"] for pod in lab.objects("pods", "--all-namespaces") if not pod["spec"].get("hostNetwork")
    ]
    assert len(everything) == len(set(everything))


def test_the_boot_restored_all_that_ansible_had_made(lab):
    # A lab's node does not run systemd-sysctl at boot, much of which would be the host's; elsewhere it does this.
    assert lab.play("site").changed_tasks <= {"podnet.cluster.node : Configure the node"}
