# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what a node needs besides the pod network: certificates, API servers; on a control plane etcd, and its
backups."""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import urlsplit

from ...converge.plan import StateError
from ...findings.codes import Code
from ...findings.finding import Finding
from ...kube import api_servers, backups, etcd, expiry
from ..model.check import Check, CheckName

#: The share of etcd's quota from which on a finding tells of it.
FULL = 0.8
#: Seconds for a connection to another member.
PATIENCE = 2.0


def checks(node: str) -> list[Check]:
    """What there is to check on this node. Asks API servers and etcd."""
    found = [*_checks(CheckName.CERTIFICATES_VALID, node, expiry.findings(node, expiry.ends(), time.time()))]
    found += _checks(CheckName.API_SERVERS_READY, node, api_servers.findings(node))
    if os.path.exists(etcd.MANIFEST):
        try:
            status, members = etcd.status(), etcd.members()
        except StateError as error:
            silent = Finding(Code.ETCD_SILENT, node, node, {"error": str(error)})
            found += _checks(CheckName.ETCD_HEALTHY, node, [silent])
        else:
            found += _checks(CheckName.ETCD_HEALTHY, node, of_etcd(node, status))
            found += _checks(CheckName.ETCD_MEMBERS, node, of_members(node, members))
        found += _checks(CheckName.BACKUPS_MADE, node, backups.findings(node, time.time()))
    return found


def _checks(name: CheckName, node: str, findings: list[Finding]) -> list[Check]:
    return [Check(name, each.subject, node, None, each) for each in findings] or [Check(name, node, node)]


def of_etcd(node: str, status: etcd.Status) -> list[Finding]:
    """What is wrong with a member that answers."""
    found = [Finding(Code.ETCD_ALARM, node, node, {"alarm": alarm}) for alarm in status.alarms]
    if not found and status.quota and status.used > FULL * status.quota:
        there = {"used": status.used >> 20, "quota": status.quota >> 20}
        found.append(Finding(Code.ETCD_SPACE_LOW, node, node, there))
    return found


def of_members(node: str, members: list[etcd.Member]) -> list[Finding]:
    """Those whose peers' port cannot be reached from here; one that waits to start has no name, but its URL."""
    lost = {member: error for member in members if (error := _refusal(member.peer))}
    spare = (len(members) - 1) // 2 - len(lost)
    return [
        Finding(
            Code.ETCD_MEMBER_SILENT, node, member.name or member.peer,
            {"peer": member.peer, "error": error, "spare": max(0, spare)},
        )
        for member, error in lost.items()
    ]  # fmt: skip


def _refusal(url: str) -> str:
    """Why nothing accepts connections at the URL's place; "" where something does."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 2380), PATIENCE).close()
    except OSError as error:
        return str(error)
    return ""
