# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dhcp: an address from a DHCP server on the network of the pod's interface (IPv4).

A lease must be renewed while the pod lives, so a daemon holds it (daemon.py); this plugin asks the daemon.
"""

from __future__ import annotations

import posix
from _socket import socket as Socket

from ....ipam.ip import parse_interface
from ...spec import config, result
from ...spec.errors import INTERNAL, NOT_AVAILABLE, CniError, config_error
from ...spec.fastjson import dumps, loads
from .options import CLIENT_ID, DEFAULT_REQUEST, number_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...spec.call import Call

SOCKET = "/run/cni/dhcp.sock"
#: Seconds that STATUS waits: a daemon that is well answers in milliseconds.
PATIENCE = 5.0
AF_UNIX, SOCK_STREAM_CLOEXEC = 1, 1 | 0o2000000
VALUE_MAX = 255  # an option's length is one byte
CLIENT_ID_MAX = 254
PRIORITY_MAX = (1 << 32) - 1


class Settings:
    """The configuration's keys, checked: the request to the daemon."""

    def __init__(self, call: Call) -> None:
        section = config.mapping(call.conf, "ipam")
        self.socket = config.string(section, "daemonSocketPath", SOCKET)
        self.priority = config.integer(section, "priority", 0, 0, PRIORITY_MAX)
        requested = config.objects(section, "request")
        self.request = [_option(item) for item in requested if config.value(item, "option") is not None]
        if not any(config.boolean(item, "skipDefault") for item in requested):
            self.request = [*DEFAULT_REQUEST, *self.request]
        # RFC 2132 9.14: type 0 is anything but a hardware address
        name = "/".join((call.env.container_id, call.network, call.env.ifname))
        self.provide = {str(CLIENT_ID): "\0" + name[: CLIENT_ID_MAX - 1]}
        for item in config.objects(section, "provide"):
            value = _value(item, "value")
            source = config.string(item, "fromArg")
            if source and call.env.args.get(source):
                value = call.env.args[source]
            if len(value.encode()) > VALUE_MAX:
                raise config_error(
                    f"provide: the value of option {item.get('option')!r} is longer than {VALUE_MAX} bytes"
                )
            if value:
                self.provide[str(_option(item))] = value


def _option(item: dict) -> int:
    try:
        return number_of(config.string(item, "option"))
    except ValueError as error:
        raise config_error(f"ipam: {error}") from None


def _value(item: dict, key: str) -> str:
    found = config.value(item, key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise config_error(f"provide: {key} must be a string, not {found!r}")
    return found


def add(call: Call) -> dict:
    """Requests a lease from the daemon; returns its address, routes and name servers."""
    settings = Settings(call)
    answer = _ask(
        call,
        settings.socket,
        netns=call.env.netns,
        request=sorted(set(settings.request)),
        provide=settings.provide,
    )
    lease = result.new()
    try:
        lease = result.parse(answer.get("result") or {}, result.VERSIONS[-1])
    except ValueError as error:
        raise CniError(INTERNAL, f"the dhcp daemon's answer is invalid: {error}") from None
    if settings.priority:
        for route in lease["routes"]:
            route["priority"] = settings.priority
    return lease


def delete(call: Call) -> None:
    """Has the daemon release the lease. Without a daemon it removes the lease's file, and the lease expires."""
    section = config.mapping(call.conf, "ipam")
    socket = config.string(section, "daemonSocketPath", SOCKET)
    try:
        _ask(call, socket, netns=call.env.netns)
    except _Unreachable:
        try:
            posix.unlink(note(socket, call.network, *call.owner))
        except OSError:
            pass


def check(call: Call) -> None:
    """The daemon holds a lease of the pod's address."""
    answer = _ask(call, Settings(call).socket)
    address = answer.get("address")
    addresses = [item["address"] for item in (call.previous or result.new())["ips"]]
    if not isinstance(address, str) or parse_interface(address) not in [parse_interface(item) for item in addresses]:
        raise CniError(INTERNAL, f"dhcp: the lease is of {address}, the pod has {', '.join(addresses) or 'no address'}")


def status(call: Call) -> None:
    """Not available (50) without the daemon, or one that does not answer in time."""
    settings = Settings(call)
    try:
        _ask(call, settings.socket, PATIENCE)
    except CniError as error:
        raise CniError(NOT_AVAILABLE, error.msg) from None


def gc(call: Call) -> None:
    """Has the daemon release what belongs to no valid attachment."""
    valid = [list(owner) for owner in sorted(call.valid_attachments())]
    section = config.mapping(call.conf, "ipam")
    try:
        _ask(call, config.string(section, "daemonSocketPath", SOCKET), valid=valid)
    except _Unreachable:
        pass  # it drops those whose namespaces are gone when it restarts


def note(socket: str, network: str, container: str, ifname: str) -> str:
    """The file in which the daemon at `socket` stores an attachment's lease."""
    return f"{socket}.leases/{network}/{container}_{ifname}.json"


class _Unreachable(CniError):
    """The daemon does not listen."""


def _ask(call: Call, path: str, patience: float | None = None, **more) -> dict:
    """Sends one line of JSON and reads one: the answer. Raises the CniError in it. `patience`: seconds for each step,
    None for a lease, which takes as long as the daemon lets it."""
    question = {"command": call.env.command, "network": call.network, "container": call.env.container_id}
    text = " ".join(dumps({**question, "ifname": call.env.ifname, **more}).split("\n")) + "\n"
    printed = b""
    connection = Socket(AF_UNIX, SOCK_STREAM_CLOEXEC)
    connection.settimeout(patience)
    try:
        connection.connect(path)
        connection.sendall(text.encode())
        while not printed.endswith(b"\n"):
            part = connection.recv(1 << 16)
            if not part:
                break
            printed += part
    except OSError as error:
        raise _Unreachable(INTERNAL, f"error dialing DHCP daemon: {path}: {error.strerror or error}") from None
    finally:
        connection.close()
    try:
        answer = loads(printed)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CniError(INTERNAL, f"the dhcp daemon at {path} closed the connection")
    failure = answer.get("error")
    if failure:
        raise CniError(int(failure.get("code", INTERNAL)), str(failure.get("msg", "")))
    return answer
