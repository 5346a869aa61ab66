# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text format of metrics."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import exposition
from ansible_collections.podnet.cluster.plugins.module_utils.agent.metrics import Family


def test_the_text_format():
    families = [
        Family("podnet_up", "gauge", "One\nline and a \\.", [({}, 1)]),
        Family("podnet_drops_total", "counter", "Drops.", [({"why": 'a "b"\n\\', "node": "n1"}, 2.5)]),
    ]
    assert exposition.plain(families) == (
        "text/plain; version=0.0.4; charset=utf-8",
        b"# HELP podnet_up One\\nline and a \\\\.\n# TYPE podnet_up gauge\npodnet_up 1.0\n"
        b"# HELP podnet_drops_total Drops.\n# TYPE podnet_drops_total counter\n"
        b'podnet_drops_total{why="a \\"b\\"\\n\\\\",node="n1"} 2.5\n',
    )


@pytest.mark.parametrize(
    ("error", "writer"),
    [
        (ModuleNotFoundError(name="prometheus_client"), "plain text"),
        (
            ModuleNotFoundError("No module named x", name="x"),
            "plain text, since prometheus_client cannot be loaded: No",
        ),
        (SyntaxError("bad"), "plain text, since prometheus_client cannot be loaded: SyntaxError: bad"),
    ],
    ids=["absent", "incomplete", "broken"],
)
def test_without_a_library_of_use_we_write(monkeypatch, error, writer):
    def fail():
        raise error

    monkeypatch.setattr(exposition, "_library", fail)
    exposition._writer.cache_clear()
    try:
        told, kind, body = exposition.render([Family("up", "gauge", "Up.", [({}, 1)])], "")
    finally:
        exposition._writer.cache_clear()
    assert told.startswith(writer) and kind == exposition.TEXT and body.endswith(b"\nup 1.0\n")


def test_a_library_that_fails_is_reported_and_done_without(monkeypatch):
    def write(_families, _accept):
        raise RuntimeError("torn")

    monkeypatch.setattr(exposition, "_writer", lambda: ("prometheus_client in /x", write))
    told, _kind, body = exposition.render([], "")
    assert told == "plain text, since prometheus_client in /x failed: RuntimeError: torn" and body == b"\n"
