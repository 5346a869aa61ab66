# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model import runtimes


@pytest.mark.parametrize(
    ("reported", "units"),
    [
        ("containerd://2.3.1", ["containerd"]),
        ("cri-o://1.34.0", ["crio"]),
        ("docker://26.1.5", ["docker", "cri-docker"]),
        ("rkt://1.0", []),
        ("", []),
    ],
)
def test_units_of_a_node_s_runtime(reported, units):
    assert runtimes.units(reported) == units
