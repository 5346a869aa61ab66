# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network configuration lists in a runtime's directory (CNI specification 1.1.0, section 1).

For the runtime's side and for modules that write configurations; plugins never load this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from .environment import identifier
from .result import VERSIONS

#: The file names that runtimes read as configurations.
EXTENSIONS = (".conf", ".conflist", ".json")


class ConflistError(ValueError):
    """A configuration list is invalid; the text has the place and the reason."""


class Conflist:
    """A checked configuration list: ``name``, ``version``, ``plugins`` (dicts) and the flags of 1.1.0."""

    def __init__(
        self, content: dict, source: str = "the configuration list", drop_ins: Callable[[str], list] = lambda _name: []
    ) -> None:
        """Checks `content`. ConflistError names the fault and `source`.

        `drop_ins` returns the plugins that files of their own add to a network of that name.
        """
        if not isinstance(content, dict):
            raise ConflistError(f"{source}: must be an object, not {type(content).__name__}")
        if "plugins" not in content and "type" in content:  # a single plugin's configuration is a list of one
            plugin = {key: value for key, value in content.items() if key not in ("cniVersion", "name")}
            content = {**{key: content[key] for key in ("cniVersion", "name") if key in content}, "plugins": [plugin]}
            content["loadOnlyInlinedPlugins"] = True
        self.content = content
        name = content.get("name")
        if not isinstance(name, str) or not identifier(name):
            raise ConflistError(f"{source}: name must be letters, digits, '_', '.' and '-', not {name!r}")
        self.name = name
        self.version = _version(content, source)
        self.disable_check = _flag(content, "disableCheck", source)
        self.disable_gc = _flag(content, "disableGC", source)
        inline = content.get("plugins", [])
        if not isinstance(inline, list):
            raise ConflistError(f"{source}: plugins must be a list that is not empty, not {inline!r}")
        more = [] if _flag(content, "loadOnlyInlinedPlugins", source) else drop_ins(self.name)
        self.plugins = [*inline, *more]
        if not self.plugins and "plugins" in content:
            raise ConflistError(f"{source}: plugins must be a list that is not empty")
        if not self.plugins:
            raise ConflistError(f"{source}: plugins or type is required")
        for number, plugin in enumerate(self.plugins):
            _check_plugin(plugin, f"{source}: plugins[{number}]")

    def types(self) -> list[str]:
        """The plugins that it names, each once, with delegates and IPAM plugins."""
        found: list[str] = []
        for plugin in self.plugins:
            delegate = plugin.get("delegate") if isinstance(plugin.get("delegate"), dict) else {}
            named = [plugin["type"], delegate.get("type")]
            if plugin["type"] == "flannel":
                named += [delegate.get("type", "bridge"), "host-local"]
            for section in (plugin, delegate):
                ipam = section.get("ipam")
                named.append(ipam.get("type") if isinstance(ipam, dict) else None)
            found += [name for name in named if isinstance(name, str) and name and name not in found]
        return list(dict.fromkeys(found))


def _check_plugin(plugin, where: str) -> None:
    if not isinstance(plugin, dict):
        raise ConflistError(f"{where}: must be an object, not {type(plugin).__name__}")
    kind = plugin.get("type")
    if not isinstance(kind, str) or not kind or "/" in kind:
        raise ConflistError(f"{where}: type must be a plugin's name, not {kind!r}")
    capabilities = plugin.get("capabilities") or {}
    if not isinstance(capabilities, dict) or not all(isinstance(value, bool) for value in capabilities.values()):
        raise ConflistError(f"{where}: capabilities must map names to true or false, not {capabilities!r}")


def _version(content: dict, source: str) -> str:
    """The newest supported version of ``cniVersion`` and ``cniVersions``."""
    single, several = content.get("cniVersion"), content.get("cniVersions") or []
    if not isinstance(several, list) or not all(isinstance(version, str) for version in several):
        raise ConflistError(f"{source}: cniVersions must be a list of versions, not {several!r}")
    if single is not None and not isinstance(single, str):
        raise ConflistError(f"{source}: cniVersion must be a string, not {single!r}")
    offered = [*several, single] if single or several else ["0.1.0"]
    known = [version for version in VERSIONS if version in offered]
    if not known:
        raise ConflistError(f"{source}: cniVersion must be one of {', '.join(VERSIONS)}, not {single or several!r}")
    return known[-1]


def _flag(content: dict, key: str, source: str) -> bool:
    value = content.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):  # strings are allowed, too
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ConflistError(f"{source}: {key} must be true or false, not {value!r}")
    return value


def load(path: str) -> Conflist:
    """The configuration in a file, with the plugins in the directory beside it that has the network's name.

    Raises ConflistError, and OSError if it cannot be read.
    """
    return Conflist(_read(path), path, lambda name: _drop_ins(os.path.join(os.path.dirname(path), name)))


def _drop_ins(directory: str) -> list:
    """The plugins in a directory's files ``*.conf``, one each, by name (``loadOnlyInlinedPlugins``)."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".conf"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [_read(os.path.join(directory, name)) for name in names]


def _read(path: str):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConflistError(f"{path}: not JSON: {error}") from None


def files(directory: str) -> list[str]:
    """The configuration files of a directory in the order in which runtimes try them: by name."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    paths = [os.path.join(directory, name) for name in sorted(names) if name.endswith(EXTENSIONS)]
    return [path for path in paths if os.path.isfile(path)]


def render(content: dict) -> str:
    """A configuration as the text of a file."""
    return json.dumps(content, indent=2) + "\n"


def missing(conflist: Conflist, bin_dirs: list[str]) -> list[str]:
    """The plugins that none of the directories has as an executable."""
    return [
        name
        for name in conflist.types()
        if not any(os.access(os.path.join(directory, name), os.X_OK) for directory in bin_dirs)
    ]
