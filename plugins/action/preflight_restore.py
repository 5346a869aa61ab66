# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants

from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..module_utils.provision import backup_file
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge


class ActionModule(Judge):
    """Check a backup and the nodes that it is for; documented in plugins/modules/preflight_restore.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        hostvars = (task_vars or {})["hostvars"]
        findings = [
            Finding(Code.NODE_IN_CLUSTER, host, host)
            for host in given["hosts"]
            if hostvars[host]["ansible_facts"]["podnet_node"]["joined"]
        ]
        plain, manifest = "", None
        try:
            plain = _plain(given["path"], given["key"])
            manifest = backup_file.read(plain)
        except backup_file.BackupError as error:
            findings.insert(0, error.finding._replace(subject=given["path"]))
        else:
            settings = backup_file.text_of(plain, backup_file.ENCRYPTION), given["encryption"]
            findings += backup_file.misfits(manifest, given["path"], given["cluster"], given["release"], settings)
        result = self.verdict(findings, "backup and nodes")
        return {**result, "plain": plain, "manifest": manifest._asdict() if manifest else None}


def _plain(path: str, key: str) -> str:
    """The backup as it can be read: itself, or what is decrypted to a file that goes with this run of Ansible."""
    if not backup_file.is_encrypted(path):
        return path
    if not key:
        raise backup_file.BackupError(Finding(Code.BACKUP_ENCRYPTED, "", path))
    plain = os.path.join(tempfile.mkdtemp(dir=constants.DEFAULT_LOCAL_TMP), "backup.tar.gz")
    backup_file.decrypt(path, key, plain)
    return plain
