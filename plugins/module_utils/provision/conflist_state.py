# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's conflist as the modules conflist and node_state are given it: its options, and their way to a plan."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from ..cni.spec import conflist
from ..converge import paths
from ..converge.plan import Change, StateError
from ..findings.codes import Code
from ..findings.finding import Finding

#: The options of a conflist that is there, as Ansible's argument specification.
OPTIONS: dict[str, Any] = {
    "directory": {"type": "path", "default": "/etc/cni/net.d"},
    "file": {"type": "str", "default": "10-podnet.conflist"},
    "network": {"type": "str", "default": "podnet"},
    "cni_version": {"type": "str", "choices": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"], "default": "1.0.0"},
    "plugins": {"type": "list", "elements": "dict"},
    "bin_dirs": {"type": "list", "elements": "path", "default": ["/opt/podnet/current/bin"]},
}


class Others(NamedTuple):
    """Other configurations in the directory: those that sort before ours, and the invalid ones with the reason."""

    first: list[str]
    invalid: dict[str, str]


def path(options: dict[str, Any]) -> str:
    """The file's path. Raises StateError for a name that runtimes do not read."""
    if "/" in options["file"] or not options["file"].endswith(".conflist"):
        raise StateError(f"file: {options['file']!r} is not a file name that ends in .conflist")
    return os.path.join(options["directory"], options["file"])


def steps(
    options: dict[str, Any], beside: Others, check_mode: bool, warn: Callable[[Finding], object]
) -> Iterator[Change]:
    """Writes the file; ``warn`` is called for each one ``beside`` it that sorts before it. Raises StateError for
    invalid plugins, and where an executable is missing (not in check mode), and OSError."""
    file = path(options)
    content = {"cniVersion": options["cni_version"], "name": options["network"], "plugins": options["plugins"]}
    try:
        lacking = conflist.missing(conflist.Conflist(content, options["file"]), options["bin_dirs"])
    except conflist.ConflistError as error:
        raise StateError(str(error)) from None
    if lacking and not check_mode:
        where = ", ".join(options["bin_dirs"])
        raise StateError(f"plugins: {', '.join(lacking)} not found as an executable in {where}")
    for other in beside.first:
        if other in beside.invalid:
            warn(Finding(Code.CNI_CONFIGURATION_INVALID, "", other, {"error": beside.invalid[other]}))
        else:
            warn(Finding(Code.CNI_CONFLIST_SHADOWED, "", other, {"ours": file}))
    yield from paths.plan({"path": file, "state": "file", "content": conflist.render(content), "mode": "0600"})


def removal(options: dict[str, Any]) -> Iterator[Change]:
    """Removes the file. Raises StateError and OSError."""
    return paths.plan({"path": path(options), "state": "absent", "mode": "0644"})


def others(options: dict[str, Any]) -> Others:
    """The directory's other configurations. Raises StateError and OSError."""
    file = path(options)
    first, invalid = [], {}
    for other in conflist.files(os.path.dirname(file)):
        if other == file:
            continue
        if other < file:
            first.append(other)
        try:
            conflist.load(other)
        except (OSError, conflist.ConflistError) as error:
            invalid[other] = str(error)
    return Others(first, invalid)
