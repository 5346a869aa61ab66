# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that come in pieces, and credentials."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import load_credentials
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


def config(tmp_path, user: dict, **cluster) -> str:
    """The path of a kubeconfig."""
    path = tmp_path / "kube.json"
    cluster = {"server": "https://[fd77::11]:6443/base/", "certificate-authority": "/ca", **cluster}
    path.write_text(
        json.dumps(
            {
                "current-context": "c",
                "clusters": [{"name": "k", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            }
        )
    )
    return str(path)


def test_credentials_of_every_kind(tmp_path):
    found = load_credentials(config(tmp_path, {"client-certificate": "/c", "client-key": "/k"}))
    assert (found.host, found.port, found.prefix, found.server_name) == ("fd77::11", 6443, "/base", "fd77::11")
    assert (found.ca, found.certificate, found.key, found.token) == ("/ca", "/c", "/k", None)
    inline = {"certificate-authority": None, "certificate-authority-data": base64.b64encode(b"PEM").decode()}
    found = load_credentials(
        config(tmp_path, {"token": "t"}, **inline, server="https://api", **{"tls-server-name": "k"})
    )
    assert (found.host, found.port, found.ca, found.token, found.server_name) == ("api", 443, b"PEM", b"t", "k")
    assert load_credentials(config(tmp_path, {"tokenFile": "/t"})).token == "/t"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({}, {}, "user: give client-certificate and client-key, or token"),
        ({"client-certificate": "/c"}, {}, "user: give client-certificate and client-key"),
        ({"exec": {"command": "x"}}, {}, "user: give client-certificate"),
        ({"token": "t"}, {"server": "http://a"}, "server: 'http://a' is not a URL such as"),
        ({"token": "t"}, {"server": "https://a:99999"}, "is not a URL such as"),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}, "insecure-skip-tls-verify: is not supported"),
        ({"token": "t"}, {"certificate-authority": None}, "certificate-authority is missing"),
        ({"token": "t"}, {"certificate-authority": "ca.crt"}, "'ca.crt' is not an absolute path"),
        ({"token": "t"}, {"certificate-authority-data": "?"}, "certificate-authority-data: is not base64"),
    ],
)
def test_credentials_that_cannot_work_are_told(tmp_path, user, cluster, words):
    path = config(tmp_path, user, **cluster)
    with pytest.raises(ConfigError) as caught:
        load_credentials(path)
    assert str(caught.value).startswith(path) and words in str(caught.value)


def test_a_file_that_is_no_kubeconfig_is_named(tmp_path):
    path = tmp_path / "kube.json"
    for text, words in (
        ("apiVersion: v1", "kubectl config view"),
        ("[]", "current-context"),
        ("{}", "current-context"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_credentials(str(path))
    with pytest.raises(ConfigError, match="file does not exist"):
        load_credentials(str(tmp_path / "none"))
