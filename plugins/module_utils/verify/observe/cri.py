# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the container runtime goes by when it starts a pod: its directories, the configuration there, the executables.

And what is noted of addresses that are given out.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ... import install, launcher
from ...cni.spec import conflist

CONF_DIR = "/etc/cni/net.d"
CONFLIST = "10-podnet.conflist"
LIBRARY = install.ROOT
CONTAINERD = "/etc/containerd/config.toml"
#: Where host-local keeps its reservations by default.
DATA_DIR = "/var/lib/cni/networks"
_SECTION = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]")
_VALUE = re.compile(r"""^\s*(bin_dirs?|conf_dir)\s*=\s*\[?\s*["']([^"']*)["']""")


def collect(root: str, conf_dir: str, file: str, containerd: str, library: str) -> dict[str, Any]:
    """``files``: the configurations in the order in which a runtime tries them, each with ``error`` where it is none;
    ``network``: that of ``file``, which is ours; ``bridge``, ``hairpin``, ``maps_ports``; ``plugins``: what lacks;
    ``library``: the installed version and the executables that aren't as installed; ``containerd``: its directories;
    ``foreign``: the executables there that aren't ours; ``reservations``: see below."""
    found: dict[str, Any] = {
        "conf_dir": conf_dir,
        "files": [],
        "ours": "",
        "needs_overlay": False,
        "network": "",
        "bridge": "",
        "hairpin": None,
        "maps_ports": False,
        "reservations": {},
        "library": _library(root + library),
        "containerd": directories(root + containerd),
    }
    types = []
    for path in conflist.files(root + conf_dir):
        entry = {"path": path[len(root) :], "name": "", "error": ""}
        try:
            read = conflist.load(path)
        except (OSError, conflist.ConflistError) as error:
            entry["error"] = str(error)
        else:
            entry["name"] = read.name
            if entry["path"] == os.path.join(conf_dir, file):
                found.update(ours=entry["path"], network=read.name, **_port(read))
                found["maps_ports"] = any((each.get("capabilities") or {}).get("portMappings") for each in read.plugins)
                found["needs_overlay"] = any(plugin["type"] == "flannel" for plugin in read.plugins)
                types = read.types()
                found["reservations"] = reservations(os.path.join(_below(root, _data_dir(read)), read.name))
        found["files"].append(entry)
    bin_dir = found["containerd"].get("bin_dir") or os.path.join(library, "current/bin")
    found["bin_dir"] = bin_dir
    found["lacking"] = _lacking(root + bin_dir, types)
    found["foreign"] = [name for name in types if name not in found["lacking"] and not _ours(root + bin_dir, name)]
    found["library_dir"] = library
    return found


def reservations(directory: str) -> dict[str, dict[str, Any]]:
    """host-local's reservations by address: ``owner`` ("containerID interface"), ``changed`` (seconds since the epoch)
    and ``path``; nothing where there is no directory."""
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
                found[name] = {"owner": owner, "changed": os.stat(path).st_mtime, "path": path}
            except OSError:
                continue
    return found


def directories(path: str) -> dict[str, str]:
    """containerd's ``bin_dir`` and ``conf_dir`` as its configuration (version 2 or 3) has them; {} without a file.

    A key that is left out has containerd's default.
    """
    found = {"bin_dir": "/opt/cni/bin", "conf_dir": CONF_DIR}
    section = ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
        return {}
    for line in lines:
        header, value = _SECTION.match(line), _VALUE.match(line)
        if header:
            section = header.group(1)
        elif value and section.endswith(".cni"):
            found["bin_dir" if value.group(1).startswith("bin") else "conf_dir"] = value.group(2)
    return found


def _port(network: conflist.Conflist) -> dict[str, Any]:
    """The bridge and its ports' hairpin mode as the bridge plugin gets them."""
    for plugin in network.plugins:
        values = plugin.get("delegate") or {} if plugin["type"] == "flannel" else plugin
        if plugin["type"] in ("flannel", "bridge") and values.get("type", "bridge") == "bridge":
            return {"bridge": values.get("bridge", "cni0"), "hairpin": bool(values.get("hairpinMode"))}
    return {}


def _data_dir(network: conflist.Conflist) -> str:
    for plugin in network.plugins:
        for section in (plugin.get("ipam"), (plugin.get("delegate") or {}).get("ipam")):
            if isinstance(section, dict) and section.get("dataDir"):
                return str(section["dataDir"])
    return DATA_DIR


def _below(root: str, path: str) -> str:
    """``path`` below ``root``, unless it is given so already."""
    return path if root and path.startswith(root) else root + path


def _lacking(directory: str, types: list[str]) -> dict[str, str]:
    """The plugins that the configuration names and the runtime can't execute, with the reason."""
    found = {}
    for name in types:
        path = os.path.join(directory, name)
        if not os.path.exists(path):
            found[name] = "is missing"
        elif not os.access(path, os.X_OK) or not os.stat(path).st_mode & 0o111:
            found[name] = "is not executable"
    return found


def _ours(directory: str, name: str) -> bool:
    """Whether an executable is one of the library's; a plugin that the library has not is nobody's business."""
    if name not in install.PLUGINS:
        return True
    return b"podnet" in _bytes(os.path.join(directory, name))


def _library(root: str) -> dict[str, Any]:
    """The installed version; whether its files are what they were (``whole``); and its executables that aren't.

    One that other files than ours have made can't be told by ours: that it is another is a matter of the cluster.
    """
    version = install.installed(root)
    if not version:
        return {"version": "", "whole": False, "changed": {}}
    directory = os.path.join(root, version)
    files = install.read_tree(os.path.join(directory, "lib", "podnet"))
    if any(name in files and files[name] != source for name, source in _makers()):
        return {"version": version, "whole": True, "changed": {}}
    changed = {}
    for name in install.PLUGINS:
        path = os.path.join(directory, "bin", name)
        wanted = install.PLUGIN_SCRIPT.format(interpreter="", what=f"The CNI plugin {name}", module="main", name=name)
        if not os.path.exists(path):
            changed[name] = "is missing"
        elif not os.stat(path).st_mode & 0o111:
            changed[name] = "is not executable"
        elif _body(_read(path)) != _body(wanted):
            changed[name] = "is not as it was installed"
    whole = install.version_name(install.digest(files)) == version
    return {"version": version, "whole": whole, "changed": changed}


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
