# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the modules' arguments in the form in which the kernel's tools print them."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.object_kinds import ip, prefix


@pytest.mark.parametrize(
    ("given", "shown"),
    [(None, None), ("10.0.0.1", "10.0.0.1"), ("FD00:0:0::0A", "fd00::a"), ("::ffff:10.0.0.1", "::ffff:10.0.0.1")],
)
def test_addresses(given, shown):
    assert ip(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [("10.0.0.1", "10.0.0.1/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("FD00::/8", "fd00::/8"), ("fd00::1", "fd00::1/128")],
)
def test_prefixes(given, shown):
    assert prefix(given) == shown


@pytest.mark.parametrize(
    "given", ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "fd00::/129", "x/8", "10.0.0.1/٣"]
)
def test_what_is_none_is_refused(given):
    with pytest.raises(ValueError, match="is not"):
        prefix(given)
