# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of codes: complete, and every text can be written."""

from __future__ import annotations

import string

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.findings.texts import ENTRIES


def test_every_code_has_its_entry():
    assert set(ENTRIES) == set(Code)


@pytest.mark.parametrize("code", list(Code), ids=str)
def test_every_code_can_be_told(code):
    """Text, cause and fix are there; the text begins with what it is about and is no sentence of its own."""
    entry = ENTRIES[code]
    names = {
        name
        for template in entry[::2]
        for _text, name, _spec, _conversion in string.Formatter().parse(template)
        if name
    }
    parameters = {name: f"<{name}>" for name in names - {"node", "subject"}}
    found = Finding(code, "node1", "<subject>", parameters)
    assert "<subject>" in render.text(found) + render.fix(found) or "node1" in render.text(found)
    assert entry.cause.endswith(".")
    assert render.fix(found)
    assert not render.text(found).endswith(".")
    assert Finding.from_json(render.as_json(found)) == found
