# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what a node needs besides the pod network: certificates that are valid."""

from __future__ import annotations

import time

from ...findings.finding import Finding
from ...kube import expiry
from ..model.check import Check, CheckName


def checks(node: str) -> list[Check]:
    """What there is to check on this node."""
    return _checks(CheckName.CERTIFICATES_VALID, node, expiry.findings(node, expiry.ends(), time.time()))


def _checks(name: CheckName, node: str, findings: list[Finding]) -> list[Check]:
    return [Check(name, each.subject, node, None, each) for each in findings] or [Check(name, node, node)]
