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
        (f"checks.{entry['name']}", f"{entry['node']} {entry['subject']}".strip(), entry["ok"], entry["finding"], 0.0)
        for entry in report["checks"]
    ]
    cases += [
        (f"probes.{entry['scope']}", f"{entry['kind']} {entry['source']} → {entry['target']}",
         entry["ok"] or bool(entry.get("denied")),
         entry["failure"], (entry["ms"] or 0) / 1000)
        for entry in report["probes"]
    ]  # fmt: skip
    lost = {entry["trace"]: entry["finding"] for entry in report["failures"] if entry["kind"] == "trace"}
    cases += [
        ("traces", f"{entry['from']['name']} → {entry['to']['name']}", entry["ok"], lost.get(number), 0.0)
        for number, entry in enumerate(report["traces"])
    ]
    failed = sum(not ok for _group, _name, ok, _finding, _seconds in cases)
    suite = ElementTree.Element("testsuite", name="podnet.cluster.verify", tests=str(len(cases)), failures=str(failed))
    for group, name, ok, finding, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name, time=f"{seconds:.6f}")
        if not ok:
            code, text, fix = (finding[key] for key in ("code", "text", "fix"))
            ElementTree.SubElement(case, "failure", message=text, type=code).text = f"{text}\nfix: {fix}"
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
