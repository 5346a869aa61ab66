# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of pods that are gone."""

from __future__ import annotations

import io
import json
import os

from ansible_collections.podnet.cluster.plugins.module_utils.agent.garbage import Sweeper
from ansible_collections.podnet.cluster.plugins.module_utils.agent.log import Log


def test_only_networks_whose_pods_have_a_link_on_the_host_are_swept(tmp_path, monkeypatch):
    def conflist(name: str, **plugin) -> None:
        (directory / f"{name}.conflist").write_text(json.dumps({"name": name, "plugins": [plugin]}))

    directory = tmp_path / "net.d"
    directory.mkdir()
    conflist("pods", type="flannel")
    conflist("plain", type="bridge")
    conflist("mac", type="macvlan")
    conflist("other", type="flannel", delegate={"type": "ipvlan"})
    (directory / "garbage.conflist").write_text("{")
    os.mkfifo(directory / "fifo.conflist")  # nobody writes there: it is not waited for
    monkeypatch.setenv("NETCONFPATH", str(directory))
    for name in ("pods", "mac"):
        (tmp_path / "cni/networks" / name).mkdir(parents=True)
        (tmp_path / "cni/networks" / name / "10.1.2.3").write_bytes(b"abc\r\neth1")
        (tmp_path / "cni/networks" / name / "last_reserved_ip.0").write_text("10.1.2.3")
        os.mkfifo(tmp_path / "cni/networks" / name / "10.1.2.4")
    sweeper = Sweeper(str(tmp_path / "cni"), Log(io.StringIO()), grace=-1)
    assert sorted(sweeper.networks()) == ["plain", "pods"]
    assert sweeper.reservations() == [("pods", "abc", "eth1")]
    assert Sweeper(str(tmp_path / "cni"), Log(io.StringIO())).reservations() == []


def test_what_podnet_cni_cannot_do_is_reported(tmp_path):
    """A DEL that fails, host ports that do not come back, and a program that is missing."""
    stream = io.StringIO()
    sweeper = Sweeper(str(tmp_path), Log(stream), "/bin/false")
    sweeper._running[sweeper._spawn("del")] = ("pods", "abc", "eth0")
    sweeper._restoring[sweeper._spawn("restore")] = "pods"
    while sweeper._running or sweeper._restoring:
        assert sweeper.reap() == 0
    Sweeper(str(tmp_path), Log(stream), str(tmp_path / "nothing"))._spawn("restore")
    codes = [line.partition(": ")[0] for line in stream.getvalue().splitlines()]
    assert sorted(codes) == ["agent.action-failed", "agent.release-failed", "agent.restore-failed"]
