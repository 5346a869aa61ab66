# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of IPv6 packets' paths, in a cluster of both IP versions: named as those of IPv4 are."""

from __future__ import annotations

import faults
import pytest

from .test_faults import named, names


@pytest.mark.parametrize("cluster_of", [((4, 6), {})], ids=["dual-stack"], indirect=True)
@pytest.mark.parametrize("fault", faults.load(faults.IPV6), ids=lambda fault: fault["name"].replace(" ", "-"))
def test_a_fault_is_named(cluster_of, impatient, fault):
    known = names(cluster_of, 6)
    named(cluster_of, fault, known, [known["A1"], known["A2"]])
