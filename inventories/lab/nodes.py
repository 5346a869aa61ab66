#!/usr/bin/env python3
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab, as an inventory and as a command. The environment's PODNET_LAB names the lab (default: lab).

nodes.py --list                    the inventory, as ansible-playbook -i asks for it
nodes.py --exec NODE COMMAND…      runs a command in a node; without COMMAND, a shell
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "plugins" / "module_utils"))

from lab import machine, state  # noqa: E402


def inventory(lab: state.Lab | None) -> dict:
    """The inventory of `lab`: its first nodes, or those that `lab_control_planes` names, are the control plane. No lab:
    the groups, empty."""
    nodes = lab.nodes if lab else []
    names = [node.name for node in nodes]
    heads = lab.variables.get("lab_control_planes", 1) if lab else 0
    control_plane = [name for name in names if name in heads] if isinstance(heads, list) else names[: int(heads)]
    kind = "address6" if lab and lab.variables.get("lab_family") == "ipv6" else "address"
    runtimes = (lab.variables.get("lab_runtimes") if lab else None) or ["containerd"]
    hostvars = {
        node.name: {
            "node_address": getattr(node, kind),
            "node_interface": "eth0",
            "container_runtime": runtimes[number % len(runtimes)],
        }
        for number, node in enumerate(nodes)
    }
    everywhere = {"ansible_connection": "podnet.cluster.nspawn", "ansible_python_interpreter": "/usr/bin/python3"}
    if lab:
        everywhere |= {"ansible_nspawn_lab": lab.name, "lab_name": lab.name, "lab_network": lab.network} | lab.variables
    return {
        "_meta": {"hostvars": hostvars},
        "cluster": {"children": ["control_plane", "workers"], "vars": everywhere},
        "control_plane": {"hosts": control_plane},
        "workers": {"hosts": [name for name in names if name not in control_plane]},
    }


def main(arguments: list[str]) -> None:
    name = os.environ.get("PODNET_LAB", "lab")
    if arguments[:1] == ["--list"]:
        print(json.dumps(inventory(state.load(name)), indent=1))
    elif arguments[:1] == ["--host"]:
        print("{}")
    elif arguments[:1] == ["--exec"] and len(arguments) > 1:
        lab = state.get(name)
        words = [word for position, word in enumerate(arguments[2:]) if position or word != "--"] or [
            "/bin/bash",
            "--login",
        ]
        command = machine.command(machine.running(lab, lab.node(arguments[1])), words)
        os.execve(command[0], command, {**machine.ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")})
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except state.LabError as error:
        raise SystemExit(f"nodes.py: {error}") from None
