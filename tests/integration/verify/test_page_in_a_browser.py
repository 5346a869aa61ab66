# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page as Chromium shows it: legible in light, in dark and printed, with nothing cut off."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.plugin_utils.page import render

NAMES = ("a", "b", "c")
NODES = [
    {
        "name": f"node{number}",
        "address": f"192.0.2.1{number}",
        "ready": number != 2,
        "reason": "",
        "release": "v1.31.0",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "pod_cidrs": [f"10.244.{number}.0/24"],
        "vteps": [{"device": "flannel.1", "mac": "0a:00:00:00:00:01", "port": 8472, "mtu": 1450, "up": True}],
    }
    for number in range(3)
]
PODS = [
    {
        "name": f"probes/{name}",
        "node": f"node{number}",
        "address": f"10.244.{number}.2",
        "ready": True,
        "host_network": False,
    }
    for number, name in enumerate(NAMES)
]
LOST = {"text": "no answer from 10.244.1.2 in 1 s", "fix": "ansible-playbook podnet.cluster.trace"}
PROBES = [
    {
        "source": f"probes/{one}", "target": f"probes/{two}", "scope": "pod to pod", "kind": "icmp", "size": 1450,
        "ok": one != "a", "ms": None if one == "a" else 0.3, "failure": LOST if one == "a" else None,
    }
    for one in NAMES for two in NAMES if one != two
]  # fmt: skip
NOT_READY = {"text": "node node2 is not Ready: kubelet stopped posting node status", "fix": "systemctl start kubelet"}
CHECKS = [{"name": "node Ready", "subject": "node2", "ok": False, "finding": NOT_READY}]
REPORT = {
    "ok": False, "namespace": "probes", "nodes": NODES, "pods": PODS, "checks": CHECKS, "probes": PROBES, "flows": [],
    "summary": {"pod to pod": {"ok": 4, "total": 6}},
    "failures": [{"kind": "check", "text": NOT_READY["text"], "finding": NOT_READY, "fault": NOT_READY, "ends": []}],
    "traces": [],
}  # fmt: skip

#: Works out for each text its contrast with what is behind it (WCAG 2.1, 1.4.3), and what is wider than the page.
MEASURE = """<script>
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
}
function luminance(colour) {
  const linear = one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4;
  const [r, g, b] = [...rgba(colour)].map(one => linear(one / 255));
  return .2126 * r + .7152 * g + .0722 * b;
}
function behind(element) {
  for (let one = element; one; one = one.parentElement) {
    const style = getComputedStyle(one), rect = one.tagName === "g" && one.querySelector(":scope > rect");
    if (rect) return getComputedStyle(rect).fill;
    if (rgba(style.backgroundColor)[3] === 255) return style.backgroundColor;
  }
  return "white";
}
const texts = [...document.querySelectorAll("body *")].filter(one => one.tagName !== "title" && one.tagName !== "SCRIPT"
  && [...one.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
const contrasts = texts.map(one => {
  const style = getComputedStyle(one), svg = one instanceof SVGElement;
  const [x, y] = [luminance(svg ? style.fill : style.color), luminance(behind(one))].sort((p, q) => q - p);
  return [(x + .05) / (y + .05), one.textContent.trim().slice(0, 40)];
});
const result = document.createElement("output");
result.id = "measured";
result.textContent = JSON.stringify({
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  texts: texts.length,
  least: contrasts.sort((p, q) => p[0] - q[0])[0],
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
});
document.body.append(result);
</script>"""


@pytest.fixture
def chromium(tmp_path):
    """A function that opens a page in Chromium with these options; returns what it prints."""
    if not shutil.which("chromium"):
        pytest.skip("Chromium is not installed (Debian package chromium)")

    def run(text: str, *options: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={tmp_path}/profile", *options, path.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=tmp_path).stdout

    return run


def large(count: int) -> dict:
    """A report of so many nodes with a pod on each; what the first sends to the others is lost."""
    names = [f"n{number}" for number in range(count)]
    nodes = [{**NODES[0], "name": name, "ready": True} for name in names]
    pods = [{**PODS[0], "name": f"probes/{name}", "node": name} for name in names]
    probes = [
        {
            **PROBES[-1], "source": f"probes/{one}", "target": f"probes/{two}", "ok": one != "n0",
            "failure": LOST if one == "n0" else None,
        }
        for one in names for two in names if one != two
    ]  # fmt: skip
    return {**REPORT, "nodes": nodes, "pods": pods, "probes": probes}


@pytest.mark.parametrize(
    ("scheme", "setting", "width", "report"),
    [("light", 1, 700, REPORT), ("dark", 0, 700, REPORT), ("light", 1, 500, large(30)), ("dark", 0, 1200, large(70))],
    ids=["light", "dark", "narrow, 30 nodes", "70 nodes"],
)
def test_it_is_legible_and_whole(chromium, scheme, setting, width, report):
    shown = chromium(
        render(report, "a lab") + MEASURE,
        "--dump-dom",
        f"--blink-settings=preferredColorScheme={setting}",
        f"--window-size={width},900",
    )
    found = json.loads(html.unescape(re.search(r'<output id="measured">(.*?)</output>', shown)[1]))
    assert found["dark"] is (scheme == "dark")
    assert found["texts"] > 60
    assert found["least"][0] >= 4.5, found["least"]
    assert found["overflow"] == 0


def test_it_prints(chromium, tmp_path):
    chromium(render(REPORT, "a lab"), "--no-pdf-header-footer", f"--print-to-pdf={tmp_path}/page.pdf")
    printed = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True
    )
    for shown in (
        "a lab",
        "failures",
        "node2 (not Ready)",
        "✗ 0/1",
        "kubelet stopped posting node status",
        "systemctl start kubelet",
    ):
        assert shown in printed.stdout
