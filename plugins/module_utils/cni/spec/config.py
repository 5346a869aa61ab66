# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plugin's configuration: parses standard input, and reads its keys."""

from __future__ import annotations

from . import result
from .environment import identifier
from .errors import DECODE, INCOMPATIBLE_VERSION, CniError, config_error
from .fastjson import loads
from .result import VERSIONS


def parse(data: bytes) -> dict:
    """The configuration in `data`, with ``cniVersion`` filled in.

    Raises CniError: 6 for anything but a JSON object, 1 for an unknown version.
    """
    try:
        conf = loads(data)
    except ValueError as error:
        raise CniError(DECODE, f"error unmarshall conf: {error}") from None
    if not isinstance(conf, dict):
        raise CniError(DECODE, f"error unmarshall conf: must be an object, not {type(conf).__name__}")
    version = conf.setdefault("cniVersion", "0.1.0") or "0.1.0"
    if not isinstance(version, str):
        raise CniError(DECODE, f"cniVersion must be a string, not {version!r}")
    if version not in VERSIONS:
        raise CniError(
            INCOMPATIBLE_VERSION,
            "incompatible CNI versions",
            f"config is {version!r}, plugin supports {list(VERSIONS)}",
        )
    conf["cniVersion"] = version
    return conf


def check_name(conf: dict) -> None:
    """Refuses (CniError 7) a network with a missing or invalid name."""
    name = conf.get("name")
    if name is None or name == "":
        raise config_error("missing network name")
    if not isinstance(name, str) or not identifier(name):
        raise CniError(7, f"invalid characters found in network name: {name!r}")


def previous_result(conf: dict) -> dict | None:
    """The ``prevResult`` in the newest form, or None; CniError 6 if it is malformed."""
    previous = conf.get("prevResult")
    if previous is None:
        return None
    try:
        return result.parse(previous, conf["cniVersion"])
    except ValueError as error:
        raise CniError(DECODE, f"could not parse prevResult: {error}") from None


def value(conf: dict, key: str):
    """The value of `key` in `conf`, None if it is absent.

    Keys match in any case, as in Go: containerd writes "HostPort" where the specification says "hostPort".
    """
    if key in conf:
        return conf[key]
    folded = key.lower()
    for other, found in conf.items():
        if other.lower() == folded:
            return found
    return None


def string(conf: dict, key: str, default: str = "") -> str:
    """A string; null, absence and an empty one are the default. CniError 7 for another type (likewise below)."""
    found = value(conf, key)
    if found is None or found == "":
        return default
    if not isinstance(found, str) or not _plain(found):
        raise config_error(f"{key} must be a string without zero bytes or lone surrogates, not {found!r}")
    return found


def _plain(text: str) -> bool:
    """Whether the kernel accepts this text as a path or a name."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))


def boolean(conf: dict, key: str, default: bool = False) -> bool:
    """A boolean."""
    found = value(conf, key)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise config_error(f"{key} must be true or false, not {found!r}")
    return found


def integer(conf: dict, key: str, default: int | None, low: int, high: int) -> int:
    """A whole number from `low` to `high`; with None as default it must be there."""
    found = value(conf, key)
    if found is None and default is not None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        raise config_error(f"{key} must be a whole number from {low} to {high}, not {found!r}")
    return found


def mapping(conf: dict, key: str) -> dict:
    """An object; absent: empty."""
    found = value(conf, key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise config_error(f"{key} must be an object, not {found!r}")
    return found


def objects(conf: dict, key: str) -> list[dict]:
    """A list of objects; absent: empty."""
    found = value(conf, key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise config_error(f"{key} must be a list of objects, not {found!r}")
    return found


def strings(conf: dict, key: str) -> list[str]:
    """A list of strings; absent: empty."""
    found = value(conf, key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise config_error(f"{key} must be a list of strings, not {found!r}")
    return found


def dns(section: dict) -> dict:
    """The ``dns`` of a configuration or an ipam section, checked as a result's is."""
    try:
        return result.parse_dns(value(section, "dns"))
    except ValueError as error:
        raise config_error(str(error)) from None


def routes(section: dict) -> list[dict]:
    """The ``routes`` of an ipam section, checked as a result's are."""
    found = []
    for item in objects(section, "routes"):
        if not item.get("dst"):
            raise config_error("a route without dst")
        found.append({key: value for key, value in item.items() if value is not None})
    try:
        return result.parse({"routes": found}, VERSIONS[-1])["routes"]
    except ValueError as error:
        raise config_error(f"ipam.routes: {error}") from None
