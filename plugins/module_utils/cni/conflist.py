# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network configuration lists: what a runtime finds in its directory (CNI specification 1.1.0, section 1).

For those who run plugins or write configurations; the plugins themselves never load this.
"""

from __future__ import annotations

import json
import os

from .environment import identifier
from .result import VERSIONS

#: What runtimes take for a configuration, by the file's name.
EXTENSIONS = (".conf", ".conflist", ".json")


class ConflistError(ValueError):
    """What is wrong with a configuration list, and where."""


class Conflist:
    """A checked configuration list: ``name``, ``version``, ``plugins`` (dicts) and the two flags of 1.1.0."""

    def __init__(self, content: dict, source: str = "the configuration list") -> None:
        """Checks `content`; ConflistError says what is wrong in `source`."""
        if not isinstance(content, dict):
            raise ConflistError(f"{source}: an object is wanted, not {type(content).__name__}")
        if "plugins" not in content:  # a single plugin's configuration is a list of one
            if "type" not in content:
                raise ConflistError(f"{source}: neither plugins nor type is there")
            plugin = {key: value for key, value in content.items() if key not in ("cniVersion", "name")}
            content = {**{key: content[key] for key in ("cniVersion", "name") if key in content}, "plugins": [plugin]}
        self.content = content
        name = content.get("name")
        if not isinstance(name, str) or not identifier(name):
            raise ConflistError(f"{source}: name must be letters, digits, '_', '.' and '-', not {name!r}")
        self.name = name
        self.version = content.get("cniVersion") or "0.1.0"
        if self.version not in VERSIONS:
            raise ConflistError(f"{source}: cniVersion must be one of {', '.join(VERSIONS)}, not {self.version!r}")
        self.plugins = content["plugins"]
        if not isinstance(self.plugins, list) or not self.plugins:
            raise ConflistError(f"{source}: plugins must be a list that isn't empty")
        for number, plugin in enumerate(self.plugins):
            _check_plugin(plugin, f"{source}: plugins[{number}]")
        self.disable_check = _flag(content, "disableCheck", source)
        self.disable_gc = _flag(content, "disableGC", source)

    def types(self) -> list[str]:
        """The plugins that it names, delegates and address management included, each once."""
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
        raise ConflistError(f"{where}: an object is wanted, not {type(plugin).__name__}")
    kind = plugin.get("type")
    if not isinstance(kind, str) or not kind or "/" in kind:
        raise ConflistError(f"{where}: type must be a plugin's name, not {kind!r}")
    capabilities = plugin.get("capabilities") or {}
    if not isinstance(capabilities, dict) or not all(isinstance(value, bool) for value in capabilities.values()):
        raise ConflistError(f"{where}: capabilities must map names to true or false, not {capabilities!r}")


def _flag(content: dict, key: str, source: str) -> bool:
    value = content.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):  # the specification allows the words
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ConflistError(f"{source}: {key} must be true or false, not {value!r}")
    return value


def parse(text: str, source: str) -> Conflist:
    """A configuration's text, checked. Raises ConflistError."""
    try:
        return Conflist(json.loads(text), source)
    except ConflistError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConflistError(f"{source}: not JSON: {error}") from None


def load(path: str) -> Conflist:
    """The configuration in a file. Raises ConflistError, and OSError when it can't be read."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse(file.read(), path)


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
