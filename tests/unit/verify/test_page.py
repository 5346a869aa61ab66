# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a page, read as a browser's parser does: what is shown, where it is drawn, that nothing is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_report import report_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.report import report
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.plugin_utils.page import (
    LARGEST_BY_NODE,
    matrix,
    natural,
    render,
    topology,
)

from .conftest import NAMESPACE, PORT, lose
from .test_outputs import broken_trace

VOID = {"meta", "br"}


class Page(HTMLParser):
    """The page's text by section, all tags with their attributes; tags that do not match fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.sections: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes.get("id", "")))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for name in {name for _tag, name in self._open}:
            self.sections[name] = self.sections.get(name, "") + data

    def having(self, tag: str, word: str) -> list[dict]:
        """The attributes of all tags of this kind and class."""
        return [attributes for name, attributes in self.tags if name == tag and word in attributes.get("class", "")]


@pytest.fixture
def judged(items, found):
    """A function that judges the cluster as the other fixtures have it by now."""
    return lambda traces=(): report_as_json(report(cluster(items), found, NAMESPACE, PORT, True, list(traces)))


def lose_all(found, node, target):
    """Let no probe of a node's first pod reach this target."""
    lost = [
        result
        for result in found[node].results
        if result.scope == "pod to pod" and result.source.endswith(f"each-{node[-1]}") and result.target == target
    ]
    return [lose(result) for result in lost]


def test_a_healthy_cluster_has_one_verdict(judged):
    page = Page(render(judged(), "the lab", "today"))
    assert "failures" not in page.sections
    assert "All is well" in page.sections[""]
    assert not page.having("line", "bad")
    assert not page.having("td", "lost")
    assert len(page.having("line", "tunnel good")) == 3
    for shown in ("node3", "10.244.2.0/24", "flannel.1 0a:00:00:00:00:01", "1450"):
        assert shown in page.sections["nodes"]


def test_a_lost_path_is_shown_in_every_part(judged, found):
    lost = lose_all(found, "node1", f"{NAMESPACE}/some-2")
    page = Page(render(judged(), "the lab"))
    # what is lost between the same two nodes is shown once
    assert len(lost) == 2
    assert page.sections["failures"].count("no answer from") == 1
    assert "and 1 more from node1 to node2" in page.sections["failures"]
    (line,) = page.having("line", "tunnel bad")
    (cell,) = page.having("td", "lost")
    assert re.search("0 of 2 probes arrived; icmp: no answer from .*; tcp: no answer from ", cell["title"])
    assert "✗ 0/2" in page.sections["matrix"]
    assert re.search(r"✗ \d+/\d+", page.sections["topology"])
    assert line["x1"] != line["x2"] or line["y1"] != line["y2"]


def test_a_trace_is_shown_hop_by_hop_with_its_fix(judged):
    page = Page(render(judged([broken_trace()]), "the lab"))
    assert "The path from a to b" in page.sections[""]
    assert "ip route delete x" in page.sections[""]
    assert "→ forward: a to b" in page.sections[""]
    assert len([tag for tag, attributes in page.tags if tag == "tr" and attributes.get("class") == "broken"]) == 1


def test_a_check_s_fix_stands_with_it(judged, items):
    items[0]["status"]["conditions"][0].update(status="False", message="the disk is full")
    page = Page(render(judged(), "the lab"))
    for section in ("failures", "checks"):
        assert "the disk is full" in page.sections[section]
        assert "systemctl status kubelet" in page.sections[section]


def test_nothing_is_loaded(judged):
    text = render(judged(), "the lab")
    assert not re.search(r"https?://|url\(|@import|<script|<link|<img|<iframe|src=", text)


def test_names_are_text_and_no_markup(judged, items, found):
    items[0]["status"]["nodeInfo"]["osImage"] = "<script>alert(1)</script>"
    lose(found["node1"].results[0], Code.PROBE_ERROR, error='"><b onmouseover=x>')
    page = Page(render(judged(), "<i>"))
    assert not {"script", "b", "i"} & {tag for tag, _attributes in page.tags}
    assert "<script>alert(1)</script>" in page.sections["nodes"]


@pytest.mark.parametrize("count", range(1, 13))
def test_boxes_lie_in_the_picture_and_apart(count):
    nodes = [{"name": f"node{number}", "address": f"10.0.0.{number}", "ready": True} for number in range(count)]
    drawn = topology({"nodes": nodes, "pods": [], "probes": [], "flows": [], "namespace": NAMESPACE})
    width, height = drawn["box"]
    places = [(box["x"], box["y"]) for box in drawn["boxes"]]
    for number, (x, y) in enumerate(places):
        assert 0 <= x <= drawn["width"] - width
        assert 0 <= y <= drawn["height"] - height
        for other_x, other_y in places[number + 1 :]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height
    assert len(drawn["tunnels"]) == count * (count - 1) // 2


def test_a_large_cluster_s_matrix_shows_the_nodes_that_lose_most():
    count = 200
    pods = [{"name": f"{NAMESPACE}/{n}", "node": f"node{n:03}", "host_network": False} for n in range(count)]
    probes = [
        {
            "source": f"{NAMESPACE}/{n}",
            "target": f"{NAMESPACE}/{(n + 1) % count}",
            "scope": "pod to pod",
            "kind": "icmp",
        }
        for n in range(count)
    ]
    for number, probe in enumerate(probes):
        probe.update({"ok": number != 150, "ms": 1.0, "failure": None})
    shown = matrix({"pods": pods, "probes": probes, "namespace": NAMESPACE})
    assert (shown["kind"], len(shown["rows"]), shown["hidden"]) == ("node", LARGEST_BY_NODE, count - LARGEST_BY_NODE)
    assert {"node150", "node151"} <= {row["name"] for row in shown["rows"]}
    assert shown["dense"]


def test_names_are_in_their_natural_order():
    names = ["node10", "node2", "a1-b10", "a1-b9", "node1"]
    assert sorted(names, key=natural) == ["a1-b9", "a1-b10", "node1", "node2", "node10"]


def test_a_sample_is_stated(judged):
    told = judged()
    told["coverage"].update(pod_pairs=12, from_each_pod=2, to_each_pod=2)
    page = Page(render(told, "the lab"))
    assert "A sample was probed: 12 of 30 pairs of pods, 6 of 6 pairs of nodes" in page.sections["matrix"]
    assert "A sample" not in Page(render(judged(), "the lab")).sections["matrix"]
