# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module node_runtime: packs the library, and sends it only to a node that lacks it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils import install

MODULE = "podnet.cluster.node_runtime"


class ActionModule(ActionBase):
    """Asks the node which version it has, unless its facts say that it is the wanted one; where it is another, copies
    the archive and has it installed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state", "present") != "present":
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        try:
            files = install.own_tree()
        except OSError as error:
            raise AnsibleActionFail(f"node_runtime: {error}") from None
        interpreter = arguments.get("interpreter") or install.INTERPRETER
        version = install.version_name(install.digest(files, interpreter))
        if arguments.pop("installed", None) == version and arguments.get("root", install.ROOT) == install.ROOT:
            bin_dir = self._connection._shell.join_path(install.ROOT, "current", "bin")
            return {"changed": False, "changes": [], "version": version, "bin_dir": bin_dir}
        arguments["version"] = version
        result = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if result.get("failed") or not result.get("changed") or self._task.check_mode:
            return result
        directory = self._make_tmp_path()
        try:
            archive = self._connection._shell.join_path(directory, "library.tar")
            self._transfer_data(archive, install.pack(files))
            arguments["archive"] = archive
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(directory, force=True)
