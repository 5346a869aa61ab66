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
from ..module_utils.verify.model.runtimes import DEFAULT

MODULE = "podnet.cluster.artifacts"


class ActionModule(ActionBase):
    """Asks the node what it lacks, unless its facts say that it lacks nothing, copies that, and has it installed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        facts = given.pop("facts", None) or {}
        remote = boolean(given.get("remote_src", False))
        try:
            content = _told(given, facts) if remote else _read(given)
            wanted = _wanted(given, content)
            if (content or not given.get("archive")) and _has_all(facts, wanted):
                images = [each["name"] for each in wanted["images"]]
                return {"changed": False, "changes": [], "files": [], "images": images}
            if remote:
                return self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
            for image in wanted["images"]:
                image["sha256"] = image["sha256"] or archive.sha256(image["file"])
        except (archive.ArchiveError, OSError) as error:
            raise AnsibleActionFail(f"archive: {error}") from None
        planned = self._execute_module(module_name=MODULE, module_args={**wanted, "plan": True}, task_vars=task_vars)
        if planned.get("failed") or not planned.get("changed") or self._task.check_mode:
            return planned
        installed = self._install(wanted, planned["files"], task_vars)
        return {**installed, "images": planned["images"], "files": planned["files"]}

    def _install(self, wanted: dict[str, Any], lacking: list[str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        directory = self._make_tmp_path()
        try:
            copies = {
                file: self._connection._shell.join_path(directory, f"{number}-{os.path.basename(file)}")
                for number, file in enumerate(lacking)
            }
            for file, copy in copies.items():
                self._connection.put_file(file, copy)
            arguments: dict[str, Any] = {"remote_src": True, "runtime": wanted["runtime"]}
            for kind in ("executables", "images"):
                arguments[kind] = [
                    {**each, "file": copies[each["file"]]} for each in wanted[kind] if each["file"] in copies
                ]
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(directory, force=True)


def _read(given: dict[str, Any]) -> archive.Archive | None:
    """The archive on the controller, if one is given."""
    return archive.read(given["archive"], given.get("keyring") or "") if given.get("archive") else None


def _told(given: dict[str, Any], facts: dict[str, Any]) -> archive.Archive | None:
    """The archive on the node by what node_facts read of it; None if it read none, or verified no signature by these
    keys."""
    found = facts.get("archive") or {}
    content = archive.Archive(**found["content"]) if found else None
    same = content and content.directory == given.get("archive") and found["keyring"] == (given.get("keyring") or "")
    return content if same else None


def _wanted(given: dict[str, Any], content: archive.Archive | None) -> dict[str, Any]:
    """The module's arguments with the archive's content instead of the archive."""
    executables = list(given.get("executables") or [])
    images = [{"sha256": None, **image} for image in given.get("images") or []]
    if content:
        components = given.get("components") or list(archive.BINARIES)
        bin_dir = given.get("bin_dir") or "/usr/bin"
        more = artifacts.of_archive(content, bin_dir, components, given.get("skip_images") or [])
        executables += [each._asdict() for each in more[0]]
        if boolean(given.get("import_images", True)):
            images += [each._asdict() for each in more[1]]
    runtime = given.get("runtime") or DEFAULT
    return {"executables": executables, "images": images, "remote_src": True, "runtime": runtime}


def _has_all(facts: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the node has all that is wanted by what node_facts found."""
    executables, images = facts.get("executables", {}), facts.get("images", [])
    return all(executables.get(each["path"]) == each["sha256"] for each in wanted["executables"]) and all(
        each["name"] in images for each in wanted["images"]
    )
