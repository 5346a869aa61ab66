# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tuning: sysctls of the pod's namespace, and its interface's MAC address, MTU, queue length and flags.

Former values are stored in a file before they are changed. DEL restores those that were not changed since: an interface
may outlive the pod (host-device), and so may a namespace.
"""

from __future__ import annotations

import posix

from ...ipam.files import replace
from ...netlink import link
from ...netlink.channel import Channel
from ..attach import interface, pod
from ..spec import config
from ..spec.environment import known_args
from ..spec.errors import INTERNAL, IO, CniError, config_error
from ..spec.fastjson import dumps, loads
from ..spec.result import new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

DATA_DIR = "/run/cni/tuning"
#: One regular expression a line; if the file exists, a sysctl must match one of them.
ALLOW_LIST = "/etc/cni/tuning/allowlist.conf"
ATTRIBUTES = ("mac", "mtu", "promisc", "allmulti", "txqlen")
MTU_MAX = QUEUE_MAX = (1 << 31) - 1


class Settings:
    """The configuration's keys, checked: ``sysctls`` maps paths below /proc/sys to values, ``link`` attributes."""

    def __init__(self, call: Call) -> None:
        conf, args = call.conf, call.args()
        known_args(call.env.args)
        self.data_dir = config.string(conf, "dataDir", DATA_DIR)
        self.sysctls: dict[str, str] = {}
        for section in (conf, args):
            self.sysctls.update(_sysctls(section, call.env.ifname))
        mac = interface.requested_mac(call)
        self.link: dict = {"mac": mac} if mac else {}
        for section in (conf, args):
            for key, name, most in (("mtu", "mtu", MTU_MAX), ("txQLen", "txqlen", QUEUE_MAX)):
                value = config.integer(section, key, 0, 0, most)
                if value or (name == "txqlen" and config.value(section, key) is not None):
                    self.link[name] = value
            for key in ("promisc", "allmulti"):
                if config.value(section, key) is not None:
                    self.link[key] = config.boolean(section, key)
        if self.link.get("promisc") is False:  # false leaves it as it is, unlike allmulti: Go's plugin does so, too
            del self.link["promisc"]


def _sysctls(section: dict, ifname: str) -> dict[str, str]:
    """Paths below /proc/sys with their values. Raises CniError 7, also for two spellings of one path."""
    found: dict[str, str] = {}
    for key, value in config.mapping(section, "sysctl").items():
        path = _path(key.replace("IFNAME", ifname))
        if not isinstance(value, str) or "\0" in value:
            raise config_error(f"sysctl {key}: the value must be a string, not {value!r}")
        if path in found:
            raise config_error(f"duplicated sysctl keys are not allowed: {path}")
        found[path] = value
    return found


def _path(key: str) -> str:
    """A sysctl's path below /proc/sys: "net.core.somaxconn" and "net/core/somaxconn"; the first separator decides.

    The other one is part of a name then, with the slash for a dot: "net.ipv4.conf.eth0/5.forwarding" (sysctl(8)).
    """
    dot, slash = key.find("."), key.find("/")
    parts = key.split("/") if slash >= 0 and (dot < 0 or slash < dot) else key.split(".")
    parts = [part.replace("/", ".") for part in parts]
    if parts[0] != "net" or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise config_error(f"invalid net sysctl key: {key!r}")
    return "/".join(parts)


def _check_allowed(settings: Settings) -> None:
    """Refuses (CniError 7) sysctls that the allow list does not match."""
    if not settings.sysctls:
        return
    try:
        with open(ALLOW_LIST, encoding="utf-8") as file:
            patterns = [line.strip() for line in file.read(1 << 20).splitlines() if line.strip()]
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise CniError(IO, f"{ALLOW_LIST}: {error}") from None
    import re  # without the list, all are allowed

    for name in settings.sysctls:
        spelt = name.replace("/", ".")
        try:
            if not any(re.search(pattern, spelt) or re.search(pattern, name) for pattern in patterns):
                raise config_error(f"Sysctl {spelt} is not allowed. Only the following sysctls are allowed: {patterns}")
        except re.error as error:
            raise CniError(IO, f"{ALLOW_LIST}: {error}") from None


def add(call: Call) -> dict:
    """Stores the former values, sets the new ones, and passes the result on with the new MAC address and MTU."""
    settings = Settings(call)
    _check_allowed(settings)
    result = call.previous or new()
    if not settings.sysctls and not settings.link:
        return result
    with pod.enter(call.env), Channel() as inside:
        before = _read(inside, call, settings)
        _write_note(call, settings, before)
        try:
            for name, value in settings.sysctls.items():
                pod.write_sysctl(name, value)
            changes = dict(settings.link)
            if changes.get("mac") == before["link"].get("mac"):
                changes.pop("mac", None)  # the same one again would flush the neighbor entries
            if changes:
                request = link.change(0, name=call.env.ifname, what=call.env.ifname, **changes)
                interface.request(inside, request, f"failed to tune {call.env.ifname}")
        except BaseException:
            _restore(inside, call, settings.data_dir)
            raise
    if "mac" in settings.link:
        from .bridge import macspoof  # an earlier bridge of the chain may guard the pod by its MAC address

        try:
            macspoof.follow(call, settings.link["mac"])
        except BaseException:
            delete(call)
            raise
    for item in result["interfaces"]:
        if item.get("name") == call.env.ifname and item.get("sandbox"):
            item.update({key: settings.link[key] for key in ("mac", "mtu") if key in settings.link})
    return result


def _read(inside: Channel, call: Call, settings: Settings) -> dict:
    """The present values of what the settings would change."""
    before: dict = {"sysctl": {}, "link": {}}
    for name in settings.sysctls:
        before["sysctl"][name] = pod.read_sysctl(name)
    if settings.link:
        found = pod.interface(inside, call.env.ifname, call.env.netns)
        before["link"] = {name: getattr(found, name) for name in settings.link}
    return before


def _note(data_dir: str, call: Call) -> str:
    """Where an attachment's former values are, and Go's would be. The network may have another name at DEL."""
    return f"{data_dir}/{call.env.container_id}_{call.env.ifname}.json"


def _write_note(call: Call, settings: Settings, before: dict) -> None:
    """Stores the former values; an older file, of a call that failed, has the right ones and stays."""
    path = _note(settings.data_dir, call)
    if _load(path) is not None:
        return
    note = {**before, "set": {"sysctl": settings.sysctls, "link": settings.link}, "network": call.network}
    try:
        replace(path, f"{path}.new", dumps(note).encode())
    except OSError as error:
        raise CniError(IO, f"tuning: {path}: {error.strerror}") from None


def _load(path: str) -> dict | None:
    """The note there; None where none is, or one that is damaged. CniError for one that cannot be read: what it says
    stands in no other place."""
    try:
        with open(path, "rb") as file:
            note = loads(file.read(1 << 20))
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return None
    except OSError as error:
        raise CniError(IO, f"tuning: {path}: {error.strerror}") from None
    return note if isinstance(note, dict) else None


def _restore(inside: Channel, call: Call, data_dir: str) -> None:
    """Restores stored values that are still as we set them, and removes the file. The thread is in the pod."""
    path = _note(data_dir, call)
    note = _load(path) or {}
    done = config.mapping(note, "set")
    for name, value in config.mapping(note, "sysctl").items():
        if isinstance(value, str) and pod.read_sysctl(name) == config.mapping(done, "sysctl").get(name):
            pod.write_sysctl(name, value, optional=True)
    found = link.get(inside, call.env.ifname)
    if found is not None:
        ours = config.mapping(done, "link")
        values = {
            name: value
            for name, value in config.mapping(note, "link").items()
            if name in ATTRIBUTES and getattr(found, name) == ours.get(name) != value
        }
        if values:
            inside.batch([link.change(found.index, what=call.env.ifname, **values)])
    _forget(path)


def _forget(path: str) -> None:
    for name in (path, f"{path}.new"):
        try:
            posix.unlink(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise CniError(IO, f"tuning: {name}: {error.strerror}") from None


def delete(call: Call) -> None:
    """Restores what ADD changed, as far as it still exists."""
    data_dir = config.string(call.conf, "dataDir", DATA_DIR)
    path = _note(data_dir, call)
    with pod.enter_if_there(call.env) as there:
        if there and _load(path) is not None:
            with Channel() as inside:
                _restore(inside, call, data_dir)
    _forget(path)


def check(call: Call) -> None:
    """Sysctls and interface are as configured."""
    settings = Settings(call)
    with pod.enter(call.env), Channel() as inside:
        for name, value in settings.sysctls.items():
            actual = pod.read_sysctl(name)
            if actual.split() != value.split():
                raise CniError(INTERNAL, f"sysctl {name.replace('/', '.')} is {actual!r}, not {value!r}")
        if settings.link:
            found = pod.interface(inside, call.env.ifname, call.env.netns)
            for name, value in settings.link.items():
                if getattr(found, name) != value:
                    raise CniError(INTERNAL, f"{call.env.ifname}: {name} is {getattr(found, name)}, not {value}")


def status(call: Call) -> None:
    """Ready if the configuration is valid and the allow list matches it."""
    _check_allowed(Settings(call))


def gc(call: Call) -> None:
    """Removes the network's files of attachments that are gone; what they changed went with them."""
    directory = config.string(call.conf, "dataDir", DATA_DIR)
    valid = {f"{container}_{ifname}.json" for container, ifname in call.valid_attachments()}
    try:
        names = posix.listdir(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CniError(IO, f"tuning: {directory}: {error.strerror}") from None
    for name in names:
        path = f"{directory}/{name}"
        if name.removesuffix(".new") not in valid and (_load(path) or {}).get("network") == call.network:
            _forget(path)
