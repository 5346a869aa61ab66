#!/usr/bin/env python3
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the Vagrantfile, as an inventory: nodes.py --list

How to log in is Vagrant's to say (`vagrant ssh-config`). The node's address is the private network's: Vagrant's own
interface is NAT, and under VirtualBox every machine has the same address there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

#: ssh_config's words and Ansible's
WORDS = {
    "HostName": "ansible_host",
    "User": "ansible_user",
    "Port": "ansible_port",
    "IdentityFile": "ansible_ssh_private_key_file",
}


def machines(text: str) -> dict[str, dict[str, str]]:
    """The hosts of ``vagrant ssh-config``'s output, each with its words."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        word, _space, value = line.strip().partition(" ")
        if word == "Host":
            found[value] = {}
        elif found and word:
            found[list(found)[-1]][word] = value.strip('"')
    return found


def inventory(found: dict[str, dict[str, str]], network: str) -> dict[str, object]:
    """An inventory of the machines ``found``, node1 being the control plane; ``network`` is the private network's first
    three parts."""
    hostvars = {}
    for name, words in found.items():
        number = re.fullmatch(r"node(\d+)", name)
        if not number:
            continue
        login = {ours: words[theirs] for theirs, ours in WORDS.items() if theirs in words}
        hostvars[name] = {**login, "node_address": f"{network}.{10 + int(number[1])}"}
    names = sorted(hostvars, key=lambda name: int(name[4:]))
    everywhere = {
        "ansible_become": True,
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }
    return {
        "_meta": {"hostvars": hostvars},
        "cluster": {"children": ["control_plane", "workers"], "vars": everywhere},
        "control_plane": {"hosts": names[:1]},
        "workers": {"hosts": names[1:]},
    }


def main() -> None:
    """Prints the inventory of the machines that run; of none where Vagrant knows of none."""
    try:
        done = subprocess.run(["vagrant", "ssh-config"], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit(
            "nodes.py: there is no vagrant on this machine: install it, or use another inventory"
        ) from None
    print(json.dumps(inventory(machines(done.stdout), os.environ.get("NETWORK", "192.168.56")), indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--host"]:
        print("{}")
    else:
        main()
