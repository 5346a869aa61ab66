# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that come in pieces, and credentials."""

from __future__ import annotations

import base64
import itertools
import json
import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube import list_reader
from ansible_collections.podnet.cluster.plugins.module_utils.kube.client import load_credentials
from ansible_collections.podnet.cluster.plugins.module_utils.kube.list_reader import ListReader
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError

LIST = {
    "kind": "NodeList",
    "metadata": {"resourceVersion": "12", "continue": 'x"}]'},
    "items": [
        {"metadata": {"name": f"knoten-ä{number}", "n": [number, -1.5e3, None, True, '\\"]}']}} for number in range(9)
    ],
    "count": 1234,
}


def read(data: bytes, cuts: list[int]) -> tuple[list, dict]:
    """What a reader makes of the pieces."""
    bounds = [0, *sorted(cuts), len(data)]
    reader = ListReader(iter([data[start:end] for start, end in zip(bounds, bounds[1:])]))
    return list(reader.items()), reader.fields


@pytest.mark.parametrize("seed", range(40))
def test_any_pieces_and_any_order_give_the_same_list(seed):
    chance = random.Random(seed)
    keys = list(LIST)
    chance.shuffle(keys)
    data = json.dumps({key: LIST[key] for key in keys}, indent=chance.choice((None, 1)), ensure_ascii=bool(seed % 2))
    encoded = data.encode()
    cuts = [chance.randrange(len(encoded)) for _cut in range(chance.choice((0, 1, 5, 200)))]
    items, fields = read(encoded, cuts)
    assert items == LIST["items"]
    assert fields == {key: value for key, value in LIST.items() if key != "items"}


@pytest.mark.parametrize("items", ["null", "[]", "[ ]"])
def test_an_empty_list(items):
    data = b'{"items":%s,"metadata":{"resourceVersion":"5"}}' % items.encode()
    assert read(data, [])[0] == []
    assert read(data, list(range(len(data))))[1]["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"items":[{}', b'{"items":[{]}', b'{"items":[{}{}]}', b"nonsense"]
)
def test_what_is_no_list_is_told(data):
    with pytest.raises(ValueError):
        read(data, list(range(1, len(data))))


def test_an_item_in_drips_costs_what_its_length_does(monkeypatch):
    """Byte by byte, an item of 200 KB is not parsed 200,000 times."""
    item = {"name": "a" * 100_000, "more": list(range(20_000))}
    data = json.dumps({"items": [item]}).encode()
    attempts = []
    decode = json.JSONDecoder().raw_decode
    reader = ListReader(data[at : at + 1] for at in range(len(data)))
    monkeypatch.setattr(reader, "_parse", lambda *given: attempts.append(1) or decode(*given))
    assert list(reader.items()) == [item]
    assert len(attempts) < 150


def test_a_list_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(list_reader, "MOST", 1000)
    pieces = itertools.chain([b'{"items":['], itertools.repeat(b"{},"))
    with pytest.raises(ValueError, match="more than 1000 items"):
        list(ListReader(pieces).items())


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
