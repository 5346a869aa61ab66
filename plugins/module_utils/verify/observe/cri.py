# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the container runtime goes by when it starts a pod: its configuration, the files there, the executables.

And what is noted of addresses that are given out.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ... import install, launcher
from ...cni.spec import conflist
from ..model.runtimes import CRICTL, Runtime, of_crictl
from ..model.state import (
    MISSING,
    MODIFIED,
    NOT_EXECUTABLE,
    CniState,
    ConfFile,
    InstalledLibrary,
    Reservation,
)
from . import cri_status

CONF_DIR = "/etc/cni/net.d"
CONFLIST = "10-podnet.conflist"
LIBRARY = install.ROOT
#: Where host-local keeps its reservations by default.
DATA_DIR = "/var/lib/cni/networks"


def collect(root: str, conf_dir: str, file: str, library: str) -> CniState:
    """What the container runtime goes by; ``file`` in ``conf_dir`` is our configuration list. ``root`` goes before all
    paths."""
    used = runtime_of(root)
    runtime = cri_status.ask(root + used.socket, _content(root + os.path.join(conf_dir, file)), used)
    bin_dirs = runtime.bin_dirs if runtime else [os.path.join(library, "current/bin")]
    found = CniState(conf_dir, bin_dirs, library, _library(root + library), runtime=runtime)
    for path in conflist.files(root + conf_dir):
        entry = ConfFile(path[len(root) :])
        found.files.append(entry)
        try:
            read = conflist.load(path)
        except (OSError, conflist.ConflistError) as error:
            entry.error = str(error)
            continue
        entry.name = read.name
        if entry.path == os.path.join(conf_dir, file):
            _ours(found, read, root)
            found.ours = entry.path
    return found


def runtime_of(root: str = "") -> Runtime:
    """The runtime of the node whose files are below ``root``, as crictl knows it."""
    try:
        return of_crictl(_read(root + CRICTL))
    except OSError:
        return of_crictl("")


def _ours(found: CniState, read: conflist.Conflist, root: str) -> None:
    """Enter what our configuration list asks for, and whether the runtime can do it."""
    found.network = read.name
    found.maps_ports = any((each.get("capabilities") or {}).get("portMappings") for each in read.plugins)
    found.needs_overlay = any(plugin["type"] == "flannel" for plugin in read.plugins)
    port = _bridge_port(read)
    if port:
        found.bridge, found.hairpin = port
    found.reservations = reservations(os.path.join(_below(root, _data_dir(read)), read.name))
    for name in read.types():
        path = _executable(root, found.bin_dirs, name)
        if not path:
            found.lacking[name] = _why_lacking(root, found.bin_dirs, name)
        elif not _is_ours(path, name):
            found.foreign.append(path[len(root) :])


def reservations(directory: str) -> dict[str, Reservation]:
    """host-local's reservations by address; {} where there is no directory."""
    found = {}
    try:
        names = os.listdir(directory)
    except OSError:
        return {}
    for name in names:
        if name[:1].isdigit() or ":" in name:
            try:
                path = os.path.join(directory, name)
                owner = " ".join(_read(path)[:1000].split())
                found[name] = Reservation(owner, os.stat(path).st_mtime, path)
            except OSError:
                continue
    return found


def _content(path: str) -> object:
    """A JSON file's content, None where it has none."""
    try:
        return json.loads(_bytes(path))
    except (OSError, ValueError):
        return None


def _bridge_port(network: conflist.Conflist) -> tuple[str, bool] | None:
    """The bridge and its ports' hairpin mode as the bridge plugin gets them, None without such a plugin."""
    for plugin in network.plugins:
        values = plugin.get("delegate") or {} if plugin["type"] == "flannel" else plugin
        if plugin["type"] in ("flannel", "bridge") and values.get("type", "bridge") == "bridge":
            return values.get("bridge", "cni0"), bool(values.get("hairpinMode"))
    return None


def _data_dir(network: conflist.Conflist) -> str:
    for plugin in network.plugins:
        for section in (plugin.get("ipam"), (plugin.get("delegate") or {}).get("ipam")):
            if isinstance(section, dict) and section.get("dataDir"):
                return str(section["dataDir"])
    return DATA_DIR


def _below(root: str, path: str) -> str:
    """``path`` below ``root``, unless it is given so already."""
    return path if root and path.startswith(root) else root + path


def _executable(root: str, directories: list[str], name: str) -> str:
    """The plugin's executable as a runtime finds it, "" where none is: the first in the order of the directories."""
    paths = [f"{root}{directory}/{name}" for directory in directories]
    return next((path for path in paths if os.path.isfile(path) and os.stat(path).st_mode & 0o111), "")


def _why_lacking(root: str, directories: list[str], name: str) -> str:
    there = any(os.path.exists(f"{root}{directory}/{name}") for directory in directories)
    return NOT_EXECUTABLE if there else MISSING


def _is_ours(path: str, name: str) -> bool:
    """Whether an executable is one of the library's, or a plugin that the library has not."""
    return name not in install.PLUGINS or b"podnet" in _bytes(path)


def _library(root: str) -> InstalledLibrary:
    """What is installed. Executables that another version's files have made can't be judged by ours: that there are two
    versions is a matter of the cluster.
    """
    version = install.installed(root)
    if not version:
        return InstalledLibrary()
    directory = os.path.join(root, version)
    files = install.read_tree(os.path.join(directory, "lib", "podnet"))
    if any(name in files and files[name] != source for name, source in _makers()):
        return InstalledLibrary(version, whole=True)
    changed = {}
    for name in install.PLUGINS:
        path = os.path.join(directory, "bin", name)
        wanted = install.PLUGIN_SCRIPT.format(interpreter="", what=f"The CNI plugin {name}", module="main", name=name)
        if not os.path.exists(path):
            changed[name] = MISSING
        elif not os.stat(path).st_mode & 0o111:
            changed[name] = NOT_EXECUTABLE
        elif _body(_read(path)) != _body(wanted):
            changed[name] = MODIFIED
    whole = install.version_name(install.digest(files)) == version
    return InstalledLibrary(version, whole, changed)


def _makers() -> list[tuple[str, bytes]]:
    """What makes the executables and their version's name, as this very program has it: a module's is in an archive."""
    found = []
    for name, module in (("install.py", install), ("launcher.py", launcher)):
        loader: Any = module.__loader__
        found.append((name, loader.get_data(module.__file__)))
    return found


def _body(script: str) -> str:
    """A script without its first line, which names the interpreter or the launcher."""
    return script.partition("\n")[2]


def _read(path: str) -> str:
    return _bytes(path).decode(errors="replace")


def _bytes(path: str, most: int = 1 << 16) -> bytes:
    with open(path, "rb") as file:
        return file.read(most)
