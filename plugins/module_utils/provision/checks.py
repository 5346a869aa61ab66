# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster's variables, judged on the controller before any node is touched: every finding at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..findings.codes import Code
from ..findings.finding import Finding
from ..overlay.config import ConfigError, parse_backend
from . import archive, endpoint, inventory, mirrors, networks, releases
from .variable import NOT_SHOWN, invalid

SOURCES = ("repository", "archive", "modules")
#: The variables that are proxies, and their keys. Their values, of which passwords are part, are not shown.
PROXIES, PROXY_KEYS = ("cluster_proxy", "containerd_proxy"), ("http_proxy", "https_proxy", "no_proxy")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


class Outcome(NamedTuple):
    """All findings, and what was understood on the way: the release and the archive's content, each None when it
    wasn't."""

    findings: list[Finding]
    release: releases.Release | None
    archive: archive.Archive | None


def check(variables: Mapping[str, Any], nodes: Sequence[inventory.Node]) -> Outcome:
    """Checks the cluster's ``variables`` (by their names) and its ``nodes``.

    An archive that is on the controller is read whole, to verify its checksums.
    """
    findings = [
        *inventory.check_nodes(nodes),
        *endpoint.check(variables, nodes),
        *_backend(variables.get("overlay_backend")),
        *_proxies(variables),
    ]
    findings += networks.check(variables, nodes)
    wanted = variables.get("containerd_registry_mirrors", {})
    findings += mirrors.check(wanted)
    findings += [each for node in nodes for each in mirrors.check_runtime(wanted, node.runtime, node.host)]
    release, wrong = _release(variables.get("kubernetes_release"))
    findings += [*wrong, *_source(variables.get("kubernetes_source"), release)]
    content = None
    if variables.get("kubernetes_source") == "archive":
        content, wrong = _archive(variables, release)
        findings += wrong
    return Outcome(findings, release, content)


def _backend(value: object) -> Iterator[Finding]:
    try:
        parse_backend(value)
    except ConfigError as error:
        yield invalid(f"overlay_{error.key}", error.value, error.wanted)


def _proxies(variables: Mapping[str, Any]) -> Iterator[Finding]:
    for variable in PROXIES:
        proxy = variables.get(variable) or {}
        if variable != PROXIES[0] and proxy == variables.get(PROXIES[0]):
            continue  # as by default
        if not isinstance(proxy, Mapping):
            yield invalid(variable, NOT_SHOWN, f"an object with {', '.join(PROXY_KEYS)}")
            continue
        for key, value in proxy.items():
            if key not in PROXY_KEYS:
                yield invalid(f"{variable}.{key}", NOT_SHOWN, f"nothing: a proxy has {', '.join(PROXY_KEYS)}")
            elif key == "no_proxy" and not isinstance(value, str):
                yield invalid(f"{variable}.{key}", NOT_SHOWN, "a string: hosts and networks, with commas between them")
            elif key != "no_proxy" and not _is_proxy(value):
                yield invalid(f"{variable}.{key}", NOT_SHOWN, "a URL such as http://proxy.example.org:3128, or empty")


def _is_proxy(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        url = urlsplit(value)
        return not value or (url.scheme in PROXY_SCHEMES and bool(url.hostname) and url.port != 0)
    except ValueError:  # a port that is none, or an IPv6 address without its end
        return False


def _release(value: object) -> tuple[releases.Release | None, list[Finding]]:
    variable = "kubernetes_release"
    if isinstance(value, float):
        return None, [Finding(Code.VARIABLE_UNQUOTED, "", variable, {"value": value})]
    try:
        return releases.parse(value), []
    except releases.ReleaseError:
        wanted = f'a release from "1.{releases.OLDEST}" to "1.{releases.NEWEST}", with or without its patch number'
        return None, [invalid(variable, value, wanted)]


def _source(source: object, release: releases.Release | None) -> Iterator[Finding]:
    if source not in SOURCES:
        yield invalid("kubernetes_source", source, f"one of {', '.join(SOURCES)}")
    elif release:
        wanted = ""
        if source == "modules" and not release.has_modules:
            wanted = "one of " + ", ".join(minor.modules for minor in releases.MINORS.values() if minor.modules)
        elif source == "archive" and release.patch is None:
            wanted = f'the archive\'s patch release, such as "{release.name}.0"'
        if wanted:
            values = {"release": release.name, "source": str(source), "wanted": wanted}
            yield Finding(Code.RELEASE_UNAVAILABLE, "", "kubernetes_release", values)


def _archive(
    variables: Mapping[str, Any], release: releases.Release | None
) -> tuple[archive.Archive | None, list[Finding]]:
    directory = variables.get("kubernetes_archive")
    if not isinstance(directory, str) or not directory.startswith("/"):
        wanted = f"the absolute path of the directory that holds the archive's {archive.SUMS}"
        return None, [invalid("kubernetes_archive", directory, wanted)]
    if variables.get("kubernetes_archive_remote"):
        return None, []  # it is on the nodes, which verify it before they use it
    content, findings = archive.inspect(directory, keyring=variables.get("kubernetes_archive_keyring") or "")
    if content and release and release.patch is not None and content.release != release.name:
        values = {"release": release.name, "directory": directory, "found": content.release}
        findings.append(Finding(Code.ARCHIVE_RELEASE_DIFFERS, "", "kubernetes_release", values))
    return content, findings
