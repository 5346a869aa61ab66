# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that come in pieces."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.kube import list_reader
from ansible_collections.podnet.cluster.plugins.module_utils.kube.list_reader import ListReader

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
