# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registry mirrors as the variables give them (containerd's docs/hosts.md), and what other runtimes know of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings.finding import Finding
from .variable import NOT_SHOWN, invalid

VARIABLE = "containerd_registry_mirrors"
#: A mirror's keys besides its url, and the types of their values.
_KEYS: dict[str, tuple[Any, str]] = {
    "ca": (str, "the path of a file on the node"),
    "client": (list, "a list of two paths on the node: certificate and key"),
    "header": (dict, "an object of header fields"),
    "skip_verify": (bool, "true or false"),
    "override_path": (bool, "true or false"),
}


def check(value: object) -> Iterator[Finding]:
    """What is wrong with ``value``: by registry a list of mirrors, each a URL, or an object with ``url`` and more."""
    if not isinstance(value, dict):
        yield invalid(
            VARIABLE, _shown(value), "an object of registries, such as {docker.io: [https://mirror.example.org]}"
        )
        return
    for registry, mirrors in value.items():
        where = f"{VARIABLE}[{registry!r}]"
        if not isinstance(mirrors, (list, tuple)):
            yield invalid(where, _shown(mirrors, registry), "a list of URLs, or of objects with url")
            continue
        for number, mirror in enumerate(mirrors):
            yield from _mirror(f"{where}[{number}]", mirror)


#: What a runtime other than containerd can be told: the registries (None: any but ``_default``) and a mirror's keys
#: (containers-registries.conf(5) and containers-certs.d(5); dockerd's registry-mirrors).
LIMITS: dict[str, tuple[set[str] | None, set[str]]] = {
    "crio": (None, {"url", "ca", "skip_verify"}),
    "docker": ({"docker.io"}, {"url", "ca"}),
}


def check_runtime(value: object, runtime: object, host: str) -> Iterator[Finding]:
    """What of ``value``, which is valid, ``runtime`` of ``host`` can't be told."""
    if runtime not in LIMITS or not isinstance(value, dict):
        return
    registries, keys = LIMITS[str(runtime)]
    for registry, mirrors in value.items():
        where = f"{VARIABLE}[{registry!r}]"
        if registry == "_default" or (registries is not None and registry not in registries):
            wanted = "registries by name" if registries is None else "docker.io alone"
            yield invalid(where, _shown(mirrors, registry), f"{wanted}: the runtime of {host} is {runtime}", host)
        for mirror in mirrors if isinstance(mirrors, (list, tuple)) else []:
            for name in sorted(set(mirror) - keys) if isinstance(mirror, dict) else []:
                shown = _shown(mirror[name], name)
                yield invalid(f"{where}.{name}", shown, f"left out: the runtime of {host} is {runtime}", host)


def _mirror(where: str, mirror: Any) -> Iterator[Finding]:
    values = mirror if isinstance(mirror, dict) else {"url": mirror}
    url = values.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        yield invalid(where, _shown(mirror), "a URL such as https://mirror.example.org, or an object with url")
    for name, each in values.items():
        if name == "url":
            continue
        if name not in _KEYS:
            yield invalid(f"{where}.{name}", _shown(each, name), f"nothing: a mirror has url, {', '.join(_KEYS)}")
        elif not isinstance(each, _KEYS[name][0]) or (name == "client" and not (len(each) == 2 and _are_texts(each))):
            yield invalid(f"{where}.{name}", _shown(each, name), _KEYS[name][1])
        elif name == "header":
            for field, text in each.items():
                if not _are_texts(text if isinstance(text, list) else [text]):
                    yield invalid(f"{where}.header[{field!r}]", NOT_SHOWN, "a string, or a list of strings")


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def _shown(value: Any, key: str = "") -> Any:
    """``value``, which a mirror has as ``key``, without header fields: passwords are among them."""
    if key == "header":
        return NOT_SHOWN
    if isinstance(value, dict):
        return {name: _shown(each, name) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, (list, tuple)) else value
