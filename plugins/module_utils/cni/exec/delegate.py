# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls a plugin: as a function if the type is ours, else as a process."""

from __future__ import annotations

import posix

from ..spec import result
from ..spec.call import Call
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.fastjson import dumps, loads

#: linux/stat.h: S_IFMT and S_IFREG.
S_IFMT, S_IFREG = 0o170000, 0o100000
#: Our plugins: type → module below cni/plugins/.
OWN = {
    "bandwidth": "bandwidth",
    "bridge": "bridge.bridge",
    "dhcp": "dhcp.plugin",
    "dummy": "dummy",
    "firewall": "firewall",
    "flannel": "flannel",
    "host-device": "host_device",
    "host-local": "host_local",
    "ipvlan": "ipvlan",
    "loopback": "loopback",
    "macvlan": "macvlan",
    "portmap": "portmap",
    "ptp": "ptp",
    "sample": "sample",
    "sbr": "sbr",
    "static": "static",
    "tap": "tap",
    "tuning": "tuning",
    "vlan": "vlan",
    "vrf": "vrf",
}
#: Exists where podnetd enforces NetworkPolicies (gate.py); a configuration's ``policyGate`` may name another place.
GATE = "/var/lib/podnet/policy/gate"
PLUGINS = __package__.rpartition(".")[0] + ".plugins"
#: The IPAM plugins among them.
IPAM = ("dhcp", "host-local", "static")
#: IPAM plugins that do not need the pod's link: they may be called before it is made.
WITHOUT_LINK = ("host-local", "static")
#: A command's function in a plugin's module.
FUNCTIONS = {"ADD": "add", "DEL": "delete", "CHECK": "check", "STATUS": "status", "GC": "gc"}


def call(plugin: str, command: str, to: Call) -> dict | None:
    """Has `plugin` carry out `command` and returns its result in the inner form, None where the command has none.

    Raises CniError: the plugin's own, or 7 if there is no such plugin.
    """
    if plugin in OWN:
        return _function(plugin, command)(to)
    return _execute(plugin, command, to)


def call_own(plugin: str, to: Call) -> dict | None:
    """Carries out the call's own command."""
    if plugin not in OWN:
        raise config_error(f"unknown plugin {plugin!r}; available: {', '.join(OWN)}")
    return _function(plugin, to.env.command)(to)


def gate_of(conf: dict) -> str:
    """The path of the file GATE, "" where no policies are enforced."""
    path = conf.get("policyGate", GATE)
    return path if isinstance(path, str) and posix.access(path, posix.F_OK) else ""


def restore(plugin: str, to: Call) -> None:
    """Adds again what `plugin` has in nftables of a live attachment; plugins without any, and foreign ones, are passed
    over."""
    if plugin in OWN:
        module = _module(plugin)
        if hasattr(module, "restore"):
            module.restore(to)


def _function(plugin: str, command: str):
    return getattr(_module(plugin), FUNCTIONS[command])


def _module(plugin: str):
    return __import__(f"{PLUGINS}.{OWN[plugin]}", None, None, ["*"])


def _execute(plugin: str, command: str, to: Call) -> dict | None:
    from .attachment_lock import HELD

    path = find(plugin, to.env.path)
    conf = {**to.conf, "type": to.conf.get("type") or plugin}
    env = {**posix.environ, **{key.encode(): value.encode() for key, value in to.env.as_dict().items()}}
    env[b"CNI_COMMAND"] = command.encode()
    env[HELD.encode()] = b"1"  # should it be one of ours again, further down
    # Files in memory instead of pipes: neither side ever waits for the other to read.
    stdin = posix.memfd_create("cni-config", 0)
    stdout = posix.memfd_create("cni-result", 0)
    try:
        posix.write(stdin, dumps(conf).encode())
        posix.lseek(stdin, 0, 0)
        actions = [(posix.POSIX_SPAWN_DUP2, stdin, 0), (posix.POSIX_SPAWN_DUP2, stdout, 1)]
        try:
            child = posix.posix_spawn(path, [path], env, file_actions=actions)
        except OSError as error:
            raise CniError(INTERNAL, f"failed to execute {path}: {error.strerror}") from None
        _pid, status = posix.waitpid(child, 0)
        posix.lseek(stdout, 0, 0)
        printed = b""
        while True:
            part = posix.read(stdout, 1 << 20)
            if not part:
                break
            printed += part
    finally:
        posix.close(stdin)
        posix.close(stdout)
    return _outcome(plugin, command, to.version, posix.waitstatus_to_exitcode(status), printed)


def _outcome(plugin: str, command: str, version: str, status: int, printed: bytes) -> dict | None:
    if not status and command != "ADD":  # no result is expected, so its output does not matter
        return None
    try:
        answer = loads(printed) if printed.strip() else None
    except ValueError as error:
        raise CniError(INTERNAL, f"netplugin {plugin} failed: {printed[:200]!r}", str(error)) from None
    if status:
        if isinstance(answer, dict) and isinstance(answer.get("code"), int):
            raise CniError(answer["code"], str(answer.get("msg", "")), str(answer.get("details") or ""))
        raise CniError(INTERNAL, f"netplugin {plugin} failed with no error message: exit status {status}")
    try:
        return result.parse(answer if answer is not None else {}, version)
    except ValueError as error:
        raise CniError(INTERNAL, f"netplugin {plugin} printed a malformed result: {error}") from None


def find(plugin: str, path: list[str]) -> str:
    """The executable of a plugin's type in the directories of CNI_PATH; CniError 7 if there is none."""
    if not isinstance(plugin, str) or not plugin or "/" in plugin or "\0" in plugin or plugin in (".", ".."):
        raise config_error(f"invalid plugin type: {plugin!r}")
    for directory in path:
        candidate = f"{directory}/{plugin}"
        if posix.access(candidate, posix.X_OK) and _is_file(candidate):
            return candidate
    raise config_error(f"failed to find plugin {plugin!r} in path {path}")


def _is_file(path: str) -> bool:
    return posix.stat(path).st_mode & S_IFMT == S_IFREG
