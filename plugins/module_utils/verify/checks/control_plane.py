# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what a node needs besides the pod network: certificates; on a control plane etcd, and its backups."""

from __future__ import annotations

import os
import time

from ...converge.plan import StateError
from ...converge.units import show
from ...findings.codes import Code
from ...findings.finding import Finding
from ...kube import etcd, expiry
from ..model.check import Check, CheckName

#: The share of etcd's quota from which on a finding tells of it.
FULL = 0.8
#: What a timer of the role backup starts; a unit that does not exist has not failed.
BACKUPS = "podnet-backup.service"


def checks(node: str) -> list[Check]:
    """What there is to check on this node. Asks etcd."""
    found = [*_checks(CheckName.CERTIFICATES_VALID, node, expiry.findings(node, expiry.ends(), time.time()))]
    if os.path.exists(etcd.MANIFEST):
        found += _checks(CheckName.ETCD_HEALTHY, node, _etcd(node))
        failed = show([BACKUPS])[BACKUPS].get("ActiveState") == "failed"
        old = [Finding(Code.BACKUP_FAILED, node, BACKUPS)] if failed else []
        found += _checks(CheckName.BACKUPS_MADE, node, old)
    return found


def _checks(name: CheckName, node: str, findings: list[Finding]) -> list[Check]:
    return [Check(name, each.subject, node, None, each) for each in findings] or [Check(name, node, node)]


def _etcd(node: str) -> list[Finding]:
    try:
        status = etcd.status()
    except StateError as error:
        return [Finding(Code.ETCD_SILENT, node, node, {"error": str(error)})]
    return of_etcd(node, status)


def of_etcd(node: str, status: etcd.Status) -> list[Finding]:
    """What is wrong with a member that answers."""
    found = [Finding(Code.ETCD_ALARM, node, node, {"alarm": alarm}) for alarm in status.alarms]
    if not found and status.quota and status.used > FULL * status.quota:
        there = {"used": status.used >> 20, "quota": status.quota >> 20}
        found.append(Finding(Code.ETCD_SPACE_LOW, node, node, there))
    return found
