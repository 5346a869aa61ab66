# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as checks: one for each that ends, one for the node where none does."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks import control_plane
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import CheckName

NOW = 1_800_000_000


@pytest.fixture
def ending(monkeypatch):
    """A function that has the node's certificates end after so many days, by their paths."""
    monkeypatch.setattr(control_plane.time, "time", lambda: NOW)

    def end(**days: float):
        ends = {f"/{name}.crt": NOW + round(each * 86400) for name, each in days.items()}
        monkeypatch.setattr(control_plane.expiry, "ends", lambda: ends)
        return [check for check in control_plane.checks("node1") if check.name == CheckName.CERTIFICATES_VALID]

    return end


@pytest.mark.parametrize("days", [{}, {"ca": 3650}])
def test_certificates_that_last(ending, days):
    (check,) = ending(**days)
    assert (check.ok, check.subject, check.node) == (True, "node1", "node1")


def test_each_that_ends_is_a_check(ending):
    ended, soon = ending(apiserver=-1, kubelet=3, ca=3650)
    assert (ended.subject, ended.finding.code) == ("/apiserver.crt", Code.CERTIFICATE_EXPIRED)
    assert (soon.subject, soon.finding.code) == ("/kubelet.crt", Code.CERTIFICATE_EXPIRES)
    assert soon.finding.parameters["days"] == 3
