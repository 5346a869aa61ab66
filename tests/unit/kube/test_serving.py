# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubelets' requests as the API has them; the rest is told by a real API server (test_real_server.py)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube import serving
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import ApiError


def request(name: str, node: str, **status) -> dict:
    spec = {"username": serving.user(node), "groups": ["system:nodes"], "usages": None, "request": "UEVN"}
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec, "status": status}


def api(*items: dict, configuration: str | None = None) -> SimpleNamespace:
    """A client of an API with these requests, and this configuration for kubelets that join."""

    def call(_method: str, _path: str) -> dict:
        if configuration is None:
            raise ApiError(404, "NotFound", "")
        return {"data": {"kubelet": configuration}}

    found = SimpleNamespace(items=lambda: [*items])
    return SimpleNamespace(items=lambda _path, _query: found, call=call)


def test_all_undecided_requests_of_a_kubelet_are_found():
    some = request("a", "node1"), request("b", "node1"), request("c", "node2")
    decided = request("d", "node2", conditions=[{"type": "Denied"}])
    found = serving.undecided(api(*some, decided))
    assert found == {"system:node:node1": [some[0], some[1]], "system:node:node2": [some[2]]}


def test_what_is_judged_of_a_request():
    assert serving.essence(request("a", "node1")) == {
        "uid": "uid-a", "request": "PEM", "groups": ["system:nodes"], "usages": []
    }  # fmt: skip


@pytest.mark.parametrize("configuration", [None, "serverTLSBootstrap: false\n", "# serverTLSBootstrap: true\n"])
def test_none_is_awaited_where_kubelets_sign_their_own(configuration):
    assert serving.wait(api(configuration=configuration), {"node1": "192.0.2.1"}, 60.0) == ({}, [])
