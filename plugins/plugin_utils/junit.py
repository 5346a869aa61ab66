# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A verification report as JUnit's XML: a test case for each check, probe and trace."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree


def render(report: dict[str, Any]) -> str:
    """The report as the text of an XML file."""
    cases = [
        (f"checks.{entry['check']}", f"{entry['node']} {entry['subject']}".strip(), entry["ok"], _told(entry), 0.0)
        for entry in report["checks"]
    ]
    cases += [
        (f"probes.{entry['scope']}", f"{entry['kind']} {entry['source']} → {entry['target']}", entry["ok"],
         entry["reason"], (entry["ms"] or 0) / 1000)
        for entry in report["probes"]
    ]  # fmt: skip
    cases += [
        ("traces", f"{entry['from']['name']} → {entry['to']['name']}", entry["ok"], _told(entry["verdict"] or {}), 0.0)
        for entry in report["traces"]
    ]
    failed = sum(not ok for _group, _name, ok, _text, _seconds in cases)
    suite = ElementTree.Element("testsuite", name="podnet.cluster.verify", tests=str(len(cases)), failures=str(failed))
    for group, name, ok, text, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name, time=f"{seconds:.6f}")
        if not ok:
            ElementTree.SubElement(case, "failure", message=text.partition("\n")[0]).text = text
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _told(entry: dict[str, Any]) -> str:
    lines = [entry.get("reason") or entry.get("cause") or "it does not arrive"]
    if entry.get("cure"):
        lines.append(f"cure: {entry['cure']}")
    return "\n".join(lines)
