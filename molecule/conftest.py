# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""testinfra on the nodes of the lab that the environment's PODNET_LAB names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra.backend.base
from ansible_collections.podnet.cluster.plugins.module_utils.lab import machine, state
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[1]
# The nodes that a role is for; the others' are all.
SCENARIO = os.environ.get("MOLECULE_SCENARIO_NAME", "")
PART = {"worker": slice(1, None), "control_plane": slice(1)}.get(SCENARIO, slice(None))


class NodeBackend(testinfra.backend.base.BaseBackend):
    """Runs each command of testinfra in a node, as ``nodes.py --exec`` does."""

    NAME = "podnet-lab"

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node
        self.lab = state.get(os.environ["PODNET_LAB"])

    def run(self, command: str, *args: str, **_options) -> testinfra.backend.base.CommandResult:
        command = self.get_command(command, *args)
        done = machine.execute(self.lab, self.lab.node(self.node), "sh", "-c", command)
        return self.result(done.returncode, command, stdout=done.stdout, stderr=done.stderr)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``host`` on each node that the role is for."""
    if "host" in metafunc.fixturenames:
        names = [node.name for node in state.get(os.environ["PODNET_LAB"]).nodes[PART]]
        metafunc.parametrize("host", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    """testinfra's host, as its own plugin names it."""
    return Host(NodeBackend(request.param))


@pytest.fixture(scope="session")
def kubectl() -> Callable[[str], str]:
    """A function that runs kubectl with the words given on the control plane, and returns what it prints. A node's own
    credentials serve for nothing of this: since Kubernetes 1.34 a kubelet may read its own Node only."""
    control_plane = Host(NodeBackend("node1"))
    return lambda words: control_plane.check_output(f"kubectl --kubeconfig /etc/kubernetes/admin.conf {words}")


@pytest.fixture
def root() -> Path:
    """The checkout's directory."""
    return ROOT
