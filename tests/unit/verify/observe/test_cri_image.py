# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that the runtime has, can pull, or cannot have; tests/cluster has a real containerd asked."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_image
from standin.cri import TRAILERS, Cri, frame, text


@pytest.fixture
def runtime(tmp_path):
    cri = Cri(tmp_path / "containerd.sock", tmp_path / "conflist")
    yield cri
    cri.close()


def answer(message):
    """The frames of a call that succeeds with ``message``."""
    data = bytes(1) + len(message).to_bytes(4, "big") + message
    return frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x88") + frame(0, 0, 1, data) + frame(1, 5, 1, TRAILERS)


#: A call that fails has its status in the headers, and no message.
FAILED = frame(4, 0, 0, b"") + frame(1, 5, 1, b"\x88\x40\x0bgrpc-status\x015")


@pytest.mark.parametrize(("message", "present"), [(text(1, text(1, "sha256:1")), True), (b"", False)])
def test_whether_it_is_there(runtime, tmp_path, message, present):
    runtime.frames = answer(message)
    assert cri_image.is_present(str(tmp_path / "containerd.sock"), "registry.example.org/a:1") is present


def test_an_image_that_is_pulled(runtime, tmp_path):
    runtime.frames = answer(text(1, "sha256:1"))
    assert cri_image.pull(str(tmp_path / "containerd.sock"), "registry.example.org/a:1", "node1", 5) is None


def test_an_image_that_cannot_be_had(runtime, tmp_path):
    runtime.frames = FAILED
    found = cri_image.pull(str(tmp_path / "containerd.sock"), "registry.example.org/a:1", "node1", 5)
    assert found == Finding(Code.IMAGE_UNAVAILABLE, "node1", "registry.example.org/a:1")


def test_a_runtime_that_does_not_answer(tmp_path):
    with pytest.raises(OSError):
        cri_image.is_present(str(tmp_path / "none.sock"), "a:1")


def test_the_names_of_all_images(runtime, tmp_path):
    """Docker calls busybox what has its registry's name in full with the others."""
    tags = (["registry.k8s.io/pause:3.10.2", "localhost/a:1"], ["busybox:1", "group/b:2", "registry:5000/c:1"])
    images = [text(1, f"sha256:{number}") + b"".join(text(2, tag) for tag in each) for number, each in enumerate(tags)]
    runtime.frames = answer(b"".join(text(1, each) for each in images))
    path = str(tmp_path / "containerd.sock")
    assert cri_image.names(path) == [
        "registry.k8s.io/pause:3.10.2", "localhost/a:1",
        "docker.io/library/busybox:1", "docker.io/group/b:2", "registry:5000/c:1",
    ]  # fmt: skip
    assert cri_image.identifiers(path) == ["sha256:0", "sha256:1"]


@pytest.mark.parametrize("length", [1, 125, 126, 200, 20000])
def test_the_request(length):
    """By an encoder of its own."""
    assert cri_image._request("x" * length) == text(1, text(1, "x" * length))
