# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connection plugin: into a node of a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nspawn
short_description: Into a node of a lab on this host
version_added: "0.1.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - Runs commands in a systemd-nspawn machine that M(podnet.cluster.lab_nodes) started.
  - A command enters the node's namespaces and its cgroups.
  - Needs root on the host that carries the lab, and nothing but a shell in the node.
options:
  lab:
    description: Name of the lab that the node belongs to.
    type: str
    default: lab
    env:
      - name: PODNET_LAB
    vars:
      - name: ansible_nspawn_lab
  node:
    description: Name of the node.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_nspawn_node
  remote_user:
    description: The user in the node; always root.
    type: str
    default: root
    choices: [root]
    vars:
      - name: ansible_user
"""

import os
import signal
import subprocess
import time

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase

from ..module_utils.lab import machine, state

#: What a process that was killed ends with: to the one who waited for it, and to a shell that did
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class Connection(ConnectionBase):
    """A connection is no more than the node's name: every command enters again, so a node may be restarted between two
    tasks."""

    transport = "podnet.cluster.nspawn"
    has_pipelining = True
    has_tty = False

    def _connect(self):
        if os.geteuid() != 0:
            raise AnsibleError("podnet.cluster.nspawn: only root can enter a lab's nodes")
        self._connected = True
        return self

    def close(self):
        self._connected = False

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Runs a shell command line in the node; returns (exit status, stdout, stderr)."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._run(["/bin/sh", "-c", cmd], input=in_data or b"")
        return done.returncode, done.stdout, done.stderr

    # Through the node's own `cat`, not through /proc/<pid>/root: there, an absolute symbolic link of the node would
    # lead into the host.

    def put_file(self, in_path, out_path):
        """Copies a file of the controller into the node."""
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"{in_path} does not exist on the controller")
        with open(in_path, "rb") as source:
            self._copy(["/bin/sh", "-c", 'cat > "$1"', "sh", out_path], out_path, stdin=source)

    def fetch_file(self, in_path, out_path):
        """Copies a file of the node to the controller."""
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as target:
            self._copy(["cat", "--", in_path], in_path, stdin=subprocess.DEVNULL, stdout=target)

    def _copy(self, argv, path, **streams):
        done = self._run(argv, **streams)
        if done.returncode:
            raise AnsibleError(
                f"{self.get_option('node')}: copying {path}: {done.stderr.decode(errors='replace').strip()}"
            )

    def _run(self, argv, **streams):
        """Runs `argv` in the node. Raises AnsibleConnectionFailure when there is no such node, it is not running, or it
        ends before the command does, as ssh does for a machine that is switched off."""
        try:
            lab = state.get(self.get_option("lab"))
            node = lab.node(self.get_option("node"))
            booted = machine.running(lab, node)
        except state.LabError as error:
            raise AnsibleConnectionFailure(str(error)) from error
        done = subprocess.run(
            machine.command(booted, argv),  # nsenter, which fails where PID 1 ends before it begins
            env=machine.ENVIRONMENT,
            check=False,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        if done.returncode and self._ends(lab, node, booted, 2 if done.returncode in KILLED else 0):
            raise AnsibleConnectionFailure(f"{node.name} of lab {lab.name} ended while a command ran in it")
        return done

    @staticmethod
    def _ends(lab, node, booted, patience):
        """Whether the node's PID 1, `booted`, ends within so many seconds: its processes are killed before it is
        gone."""
        until = time.monotonic() + patience
        while machine.leader(lab, node) == booted:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True
