# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods and images that go by the CRI; a runtime that refuses is reported, one that is not there has none."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.provision import pods
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_image, grpc
from standin.cri import text


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime with two pods and one image; ``refused`` calls fail. ``calls``: what was asked of it."""

    class Runtime:
        path = str(tmp_path / "s.sock")
        calls: list = []
        refused: tuple = ()

        def call(self, path, method, message, _patience=5.0):
            assert path == self.path
            name = method.rpartition("/")[2]
            if name == "ListPodSandbox":
                return b"".join(text(1, text(1, each) + text(6, "x")) for each in ("a" * 64, "b" * 64))
            if name == "ListImages":
                return text(1, text(1, "sha256:1") + text(2, "registry/a:1"))
            if name in self.refused:
                raise OSError("does not answer")
            self.calls.append((name, message))
            return b""

    found = Runtime()
    found.calls = []
    monkeypatch.setattr(grpc, "call", found.call)
    (tmp_path / "s.sock").write_text("")
    return found


def test_pods_are_stopped_and_removed(runtime):
    plan = Plan(then=pods.pods(runtime.path))
    assert plan.apply() == []
    assert plan.describe() == [f"remove pod {'a' * 13}", f"remove pod {'b' * 13}"]
    sent = [text(1, letter * 64) for letter in "ab"]
    names = ("StopPodSandbox", "RemovePodSandbox")
    assert runtime.calls == [(name, message) for message in sent for name in names]


def test_images_are_removed(runtime):
    assert Plan(then=pods.images(runtime.path)).apply() == []
    assert runtime.calls == [("RemoveImage", cri_image._request("sha256:1"))]


def test_a_pod_that_cannot_be_stopped(runtime):
    runtime.refused = ("StopPodSandbox",)
    (change, _other) = pods.pods(runtime.path)
    (error,) = change.apply()
    assert "StopPodSandbox of pod aaa" in error.parameters["error"]


def test_without_a_runtime_there_is_nothing(tmp_path):
    assert list(pods.pods(str(tmp_path / "none"))) == list(pods.images(str(tmp_path / "none"))) == []
    (tmp_path / "dead.sock").write_text("")
    assert list(pods.pods(str(tmp_path / "dead.sock"))) == list(pods.images(str(tmp_path / "dead.sock"))) == []
