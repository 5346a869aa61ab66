# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containerd says of its network, and what becomes of answers that are none."""

from __future__ import annotations

import json
import socket
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_status, grpc
from standin import cri

OURS = {"cniVersion": "1.0.0", "name": "podnet", "plugins": [{"type": "bridge"}]}


@pytest.fixture
def containerd(tmp_path):
    conflist = tmp_path / "10-podnet.conflist"
    conflist.write_text(json.dumps(OURS, indent=2))
    made = cri.Cri(tmp_path / "c.sock", conflist)
    made.path = str(tmp_path / "c.sock")
    yield made
    made.close()


def test_directories_and_networks(containerd):
    containerd.bin_dirs = ["/opt/cni/bin", "/opt/podnet/current/bin"]
    found = cri_status.ask(containerd.path, OURS)
    assert (found.bin_dirs, found.conf_dir) == (containerd.bin_dirs, "/etc/cni/net.d")
    assert (found.loaded, found.loaded_ours, found.error) == (["cni-loopback", "podnet"], True, "")


def test_another_content_than_the_files(containerd):
    containerd.loaded = json.dumps({**OURS, "cniVersion": "0.4.0"})
    found = cri_status.ask(containerd.path, OURS)
    assert found.loaded == ["cni-loopback", "podnet"] and not found.loaded_ours


def test_why_the_network_is_not_ready(containerd):
    containerd.conflist.unlink()
    containerd.error = "Network plugin returns error: cni plugin not initialized"
    found = cri_status.ask(containerd.path, None)
    assert found.loaded == ["cni-loopback"] and found.error == containerd.error and not found.loaded_ours


def test_an_answer_of_several_frames(containerd):
    containerd.loaded = json.dumps({**OURS, "more": "x" * 200_000})
    assert cri_status.ask(containerd.path, json.loads(containerd.loaded)).loaded_ours


ERROR = cri.frame(4, 0, 0, b"") + cri.frame(1, 5, 1, b"\x88")  # trailers alone
NONE = {
    "nothing": b"",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an error": ERROR,
    "a reset": cri.frame(3, 0, 1, b"\0\0\0\1"),
    "a message cut off": cri.frame(0, 1, 1, b"\0\0\0\1\0abc"),
    "a compressed message": cri.frame(0, 1, 1, b"\1\0\0\0\1a"),
    "too much": cri.frame(0, 0, 1, bytes(1 << 20)) * 5,
    "no information": cri.frame(0, 1, 1, b"\0\0\0\0\0"),
    "information that is none": cri.frame(0, 1, 1, b"\0\0\0\0\3\x12\x7f\x01"),
}


@pytest.mark.parametrize("answer", NONE.values(), ids=NONE)
def test_an_answer_that_is_none(containerd, answer):
    containerd.frames = answer
    assert cri_status.ask(containerd.path, OURS) is None


@pytest.mark.parametrize(
    "config", ["[]", "{}", "null", '{"PluginDirs": 5}', "x", '{"PluginDirs": [], "Networks": [1]}']
)
def test_a_configuration_that_is_none(containerd, monkeypatch, config):
    monkeypatch.setattr(containerd, "message", lambda: cri.text(2, cri.text(1, "cniconfig") + cri.text(2, config)))
    assert cri_status.ask(containerd.path, OURS) is None


def test_nobody_answers(tmp_path):
    assert cri_status.ask(str(tmp_path / "none"), OURS) is None


def test_who_does_not_answer_is_not_waited_for(tmp_path):
    path = str(tmp_path / "silent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        before = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            grpc.call(path, cri_status.STATUS, b"", patience=0.2)
        assert time.monotonic() - before < 2
