# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runtime's parameters in the environment (CNI specification 1.1.0, section 2 "Parameters")."""

from __future__ import annotations

import posix

from .errors import ENVIRONMENT, NETNS, CniError, config_error

#: The variables that a command requires.
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "GC": ("CNI_PATH",),
    "STATUS": ("CNI_PATH",),
    "VERSION": (),
}
FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
REST = FIRST | frozenset("_.-")
INTERFACE_NAME_MAX = 15  # IFNAMSIZ without its zero byte, linux/if.h
#: The names that `interface_name` accepts, in words.
INTERFACE_NAME = "1 to 15 bytes, not '.' or '..', without '/', ':', '%' and white space"
HOST_NETNS = "/proc/self/ns/net"
#: CNI_ARGS that our plugins use or Kubernetes' runtimes set. A whole chain gets them, so all plugins know them.
KNOWN_ARGS = ("IP", "GATEWAY", "MAC", "K8S_POD_NAME", "K8S_POD_NAMESPACE", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID")


def identifier(text: str) -> bool:
    """Whether `text` is a valid container ID or network name by the specification."""
    return bool(text) and text[0] in FIRST and REST.issuperset(text)


def interface_name(text: str) -> bool:
    """Whether the kernel accepts `text` as an interface's name (dev_valid_name, net/core/dev.c).

    "eth%d" is refused: the kernel would replace it by the first free name of that form (dev_alloc_name).
    """
    if not text or text in (".", "..") or len(text.encode("utf-8", "replace")) > INTERFACE_NAME_MAX:
        return False
    return not any(char in "/:%" or char.isspace() or char == "\0" for char in text)


class Environment:
    """One call's parameters: strings, empty where the runtime gave none.

    ``path`` is CNI_PATH as a list of directories, ``args`` CNI_ARGS as a dict.
    """

    def __init__(self, env: dict[str, str]) -> None:
        """Reads `env`; raises CniError 4 for what is missing or malformed."""
        self.command = env.get("CNI_COMMAND", "")
        if self.command not in REQUIRED:
            raise CniError(ENVIRONMENT, f"unknown CNI_COMMAND: {self.command}", "known: " + ", ".join(REQUIRED))
        missing = [name for name in REQUIRED[self.command] if not env.get(name)]
        if missing:
            raise CniError(ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")
        self.container_id = env.get("CNI_CONTAINERID", "")
        self.netns = env.get("CNI_NETNS", "")
        self.ifname = env.get("CNI_IFNAME", "")
        self.path = [entry for entry in env.get("CNI_PATH", "").split(":") if entry]
        self.args_text = env.get("CNI_ARGS", "")
        self.override = env.get("CNI_NETNS_OVERRIDE", "") in ("1", "true", "TRUE", "True", "t", "T")
        if "CNI_CONTAINERID" in REQUIRED[self.command]:
            self._check_names()

    @property
    def args(self) -> dict[str, str]:
        """CNI_ARGS as a dict, for plugins that read it: CniError 4 if it is malformed, but DEL must clean up. It
        concerns an attachment, so it is empty where the command does not."""
        if "CNI_CONTAINERID" not in REQUIRED[self.command]:
            return {}
        return parse_args(self.args_text, self.command == "DEL")

    def _check_names(self) -> None:
        if not identifier(self.container_id):
            raise CniError(
                ENVIRONMENT,
                f"invalid characters in containerID: {self.container_id!r}",
                "letters, digits, '_', '.' and '-', the first one a letter or digit",
            )
        if not interface_name(self.ifname):
            raise CniError(ENVIRONMENT, f"invalid interface name: {self.ifname!r}", INTERFACE_NAME)

    def check_netns(self) -> None:
        """Refuses (CniError 8) a network namespace that is the host's own, before anything is done in it."""
        if not self.netns or self.override:
            return
        host = posix.stat(HOST_NETNS)
        try:
            pod = posix.stat(self.netns)
        except OSError as error:
            if self.command == "DEL":  # DEL must clean up after a namespace is gone
                return
            raise CniError(NETNS, f"failed to open netns {self.netns!r}: {error.strerror}") from None
        if (pod.st_dev, pod.st_ino) == (host.st_dev, host.st_ino):
            raise CniError(NETNS, "plugin's netns and netns from CNI_NETNS should not be the same")
        if pod.st_dev != host.st_dev and self.command != "DEL":
            raise CniError(NETNS, f"failed to open netns {self.netns!r}: not a network namespace")

    def as_dict(self) -> dict[str, str]:
        """The variables as an environment, for a plugin that this one executes."""
        return {
            "CNI_COMMAND": self.command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_PATH": ":".join(self.path),
            "CNI_ARGS": self.args_text,
        }


def parse_args(text: str, leniently: bool = False) -> dict[str, str]:
    """CNI_ARGS, ``K=V;K=V``, as a dict; CniError 4 for a pair without "=", which is passed over `leniently`."""
    args = {}
    for pair in text.split(";"):
        if not pair:
            continue
        key, equals, value = pair.partition("=")
        if leniently and not (equals and key):
            continue
        if not equals or not key:
            raise CniError(ENVIRONMENT, f"ARGS: invalid pair {pair!r}", 'expected: "KEY=VALUE;KEY=VALUE"')
        args[key] = value
    return args


def known_args(args: dict[str, str]) -> None:
    """Refuses (CniError 7) unknown keys of CNI_ARGS, unless IgnoreUnknown is true (libcni, types.LoadArgs)."""
    ignore = args.get("IgnoreUnknown", "false")
    if ignore.lower() in ("1", "true"):
        return
    if ignore.lower() not in ("0", "false"):
        raise config_error(f"ARGS: IgnoreUnknown must be true or false, not {ignore!r}")
    unknown = [key for key in args if key not in KNOWN_ARGS and key != "IgnoreUnknown"]
    if unknown:
        raise config_error(f"ARGS: unknown args {unknown}")
