# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd's registry mirrors as the variables give them (containerd's docs/hosts.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings.finding import Finding
from .variable import invalid

VARIABLE = "containerd_registry_mirrors"
#: A mirror's keys besides its url, and the types of their values.
_KEYS: dict[str, tuple[type, str]] = {
    "ca": (str, "the path of a file on the node"),
    "client": (list, "a list of two paths on the node: certificate and key"),
    "header": (dict, "an object of header fields"),
    "skip_verify": (bool, "true or false"),
    "override_path": (bool, "true or false"),
}


def check(value: object) -> Iterator[Finding]:
    """What is wrong with ``value``: by registry a list of mirrors, each a URL, or an object with ``url`` and more."""
    if not isinstance(value, dict):
        yield invalid(VARIABLE, value, "an object of registries, such as {docker.io: [https://mirror.example.org]}")
        return
    for registry, mirrors in value.items():
        where = f"{VARIABLE}[{registry!r}]"
        if not isinstance(mirrors, (list, tuple)):
            yield invalid(where, mirrors, "a list of URLs, or of objects with url")
            continue
        for number, mirror in enumerate(mirrors):
            yield from _mirror(f"{where}[{number}]", mirror)


def _mirror(where: str, mirror: Any) -> Iterator[Finding]:
    values = mirror if isinstance(mirror, dict) else {"url": mirror}
    url = values.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        yield invalid(where, mirror, "a URL such as https://mirror.example.org, or an object with url")
    for name, each in values.items():
        if name == "url":
            continue
        if name not in _KEYS:
            yield invalid(f"{where}.{name}", each, f"nothing: a mirror has url, {', '.join(_KEYS)}")
        elif not isinstance(each, _KEYS[name][0]) or (isinstance(each, list) and len(each) != 2):
            yield invalid(f"{where}.{name}", each, _KEYS[name][1])
