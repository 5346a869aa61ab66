# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON without the json package: the same values, the same refusals."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import fastjson
from hypothesis import given
from hypothesis import strategies as st

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_writes_what_json_reads(value):
    assert json.loads(fastjson.dumps(value)) == value
    assert fastjson.dumps(value).isascii()


@given(values, st.sampled_from([None, 2]))
def test_reads_what_json_writes(value, indent):
    assert fastjson.loads(json.dumps(value, indent=indent).encode()) == value


@given(st.binary() | st.text().map(str.encode))
def test_agrees_with_json_on_anything(data):
    try:
        wanted = json.loads(data.decode("utf-8").strip(fastjson.BLANK), parse_constant=_refuse)
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):
            fastjson.loads(data)
        return
    assert fastjson.loads(data) == wanted


def _refuse(name):
    raise ValueError(name)


@pytest.mark.parametrize("data", [b"", b" ", b"{", b'{"a":}', b"1 2", b"NaN", b"-Infinity", b"[" * 200_000, b"\xff"])
def test_refuses(data):
    with pytest.raises(ValueError):
        fastjson.loads(data)


def test_interpreter_without_scanner(monkeypatch):
    monkeypatch.setattr(fastjson, "Scanner", None)
    assert fastjson.loads(b' {"a": [1, "b"]} ') == {"a": [1, "b"]}
    with pytest.raises(ValueError):
        fastjson.loads(b"NaN")
