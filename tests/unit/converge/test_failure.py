# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong while a plan was applied: the kernel's refusals by errno, all else by what was being done."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.failure import failure
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NetlinkError


def test_a_refusal_of_the_kernel_has_its_request_and_its_errno():
    error = NetlinkError(errno.EEXIST, "add route 10.244.1.0/24", "File exists")
    refused = {"error": "File exists", "errno": "EEXIST"}
    assert failure("anything", error) == Finding(Code.CHANGE_REFUSED, "", "add route 10.244.1.0/24", refused)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/etc/x"), "No space left on device"),
        (OSError("odd"), "odd"),
        (StateError("unit x does not exist"), "unit x does not exist"),
    ],
)
def test_what_else_fails_has_what_was_being_done(error, reason):
    assert failure("write file /etc/x", error) == Finding(
        Code.CHANGE_FAILED, "", "write file /etc/x", {"error": reason}
    )
