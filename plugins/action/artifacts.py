# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module artifacts: copies to the node the files that it lacks, and no others."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils.provision import archive, artifacts

MODULE = "podnet.cluster.artifacts"


class ActionModule(ActionBase):
    """Asks the node what it lacks, unless its facts say that it lacks nothing, copies that, and has it installed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the action."""
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        facts = given.pop("facts", None) or {}
        if boolean(given.get("remote_src", False)):
            return self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
        try:
            wanted = self._wanted(given)
        except (archive.ArchiveError, OSError) as error:
            raise AnsibleActionFail(f"archive: {error}") from None
        if _has_all(facts, wanted):
            return {"changed": False, "changes": [], "files": [], "images": [each["name"] for each in wanted["images"]]}
        planned = self._execute_module(module_name=MODULE, module_args={**wanted, "plan": True}, task_vars=task_vars)
        if planned.get("failed") or not planned.get("changed") or self._task.check_mode:
            return planned
        installed = self._install(wanted, planned["files"], task_vars)
        return {**installed, "images": planned["images"], "files": planned["files"]}

    def _wanted(self, given: dict[str, Any]) -> dict[str, Any]:
        """The module's arguments with the archive read here, and the checksums that were not given."""
        executables = list(given.get("executables") or [])
        images = [{"sha256": None, **image} for image in given.get("images") or []]
        for image in images:
            image["sha256"] = image["sha256"] or archive.sha256(image["file"])
        if given.get("archive"):
            components = given.get("components") or list(archive.BINARIES)
            content = archive.read(given["archive"], given.get("keyring") or "")
            bin_dir = given.get("bin_dir") or "/usr/bin"
            more = artifacts.of_archive(content, bin_dir, components, given.get("skip_images") or [])
            executables += [each._asdict() for each in more[0]]
            if boolean(given.get("import_images", True)):
                images += [each._asdict() for each in more[1]]
        return {"executables": executables, "images": images, "remote_src": True}

    def _install(self, wanted: dict[str, Any], lacking: list[str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        directory = self._make_tmp_path()
        try:
            copies = {
                file: self._connection._shell.join_path(directory, f"{number}-{os.path.basename(file)}")
                for number, file in enumerate(lacking)
            }
            for file, copy in copies.items():
                self._connection.put_file(file, copy)
            arguments: dict[str, Any] = {"remote_src": True}
            for kind in ("executables", "images"):
                arguments[kind] = [
                    {**each, "file": copies[each["file"]]} for each in wanted[kind] if each["file"] in copies
                ]
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(directory, force=True)


def _has_all(facts: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the node has all that is wanted by what node_facts found."""
    executables, images = facts.get("executables", {}), facts.get("images", [])
    return all(executables.get(each["path"]) == each["sha256"] for each in wanted["executables"]) and all(
        each["name"] in images for each in wanted["images"]
    )
