# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container runtime itself says of its CNI configuration: the directories in effect, the networks it has loaded.

Its files say less: it has defaults, imports and drop-ins, loads them at its start alone, and containerd notices only
some changes in its CNI directory. The CRI's ``Status`` has whether the network is ready (k8s.io/cri-api, api.proto).
With ``verbose`` containerd's has the rest, too (internal/cri/server/status.go); CRI-O's configuration is at the path
/config of the same socket (server/inspect.go), and cri-dockerd's is its command line. Neither says what it has loaded.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from typing import Any

from ..model.runtimes import DEFAULT, RUNTIMES, Runtime
from ..model.state import RuntimeState
from . import grpc, proc

STATUS = "/runtime.v1.RuntimeService/Status"
#: StatusRequest{verbose: true}, and the numbers of fields: StatusResponse, RuntimeStatus, RuntimeCondition, a map's.
VERBOSE = b"\x08\x01"
_STATUS, _INFO = 1, 2
_CONDITIONS = 1
_TYPE, _TRUE, _REASON, _MESSAGE = 1, 2, 3, 4
_KEY, _VALUE = 1, 2
_CRIO_CONF_DIR = re.compile(r'^\s*network_dir = "([^"]*)"', re.MULTILINE)
_CRIO_BIN_DIRS = re.compile(r"^\s*plugin_dirs = \[([^\]]*)\]", re.MULTILINE)
#: cri-dockerd's own defaults (cmd/options.go).
_DOCKER = {"--cni-conf-dir": "/etc/cni/net.d", "--cni-bin-dir": "/opt/cni/bin"}


def ask(path: str, ours: object, runtime: Runtime = RUNTIMES[DEFAULT]) -> RuntimeState | None:
    """The state by ``runtime`` at the Unix socket ``path``; None where none answers, or another runtime.

    ``ours``: our configuration list, decoded.
    """
    try:
        answer = grpc.call(path, STATUS, VERBOSE)
        info, error = {}, ""
        for number, value in grpc.fields(answer):
            if number == _INFO:
                entry = _texts(value)
                info[entry.get(_KEY, "")] = entry.get(_VALUE, "")
            elif number == _STATUS:
                error = _network_error(value)
        if runtime is RUNTIMES["crio"]:
            directories, conf_dir = _crio(_get(path, "/config"))
            return RuntimeState(directories, conf_dir, error=error, unit=runtime.unit)
        if runtime is RUNTIMES["docker"]:
            directories, conf_dir = _docker(proc.command_line("cri-dockerd"))
            return RuntimeState(directories, conf_dir, error=error, unit=runtime.unit)
        return _state(json.loads(info["cniconfig"]), ours, error)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _state(config: dict[str, Any], ours: object, error: str) -> RuntimeState:
    loaded = [json.loads(network["Config"]["Source"]) for network in config.get("Networks") or []]
    directories = [str(each) for each in config["PluginDirs"]]
    names = [str(each["name"]) for each in loaded]
    return RuntimeState(directories, str(config["PluginConfDir"]), names, ours in loaded, error)


def _crio(config: str) -> tuple[list[str], str]:
    """The plugins' directories and that of the configurations, by CRI-O's configuration (TOML as it writes it). Raises
    ValueError without them."""
    conf_dir, bin_dirs = _CRIO_CONF_DIR.search(config), _CRIO_BIN_DIRS.search(config)
    if not conf_dir or not bin_dirs:
        raise ValueError("no network_dir or plugin_dirs")
    return re.findall(r'"([^"]*)"', bin_dirs[1]), conf_dir[1].rstrip("/")


def _docker(words: Sequence[str]) -> tuple[list[str], str]:
    """The same by cri-dockerd's command line. Raises ValueError where it does not run."""
    if not words:
        raise ValueError("cri-dockerd does not run")
    found = dict(_DOCKER)
    for word, following in zip(words, [*words[1:], ""]):
        name, equals, value = word.partition("=")
        if name in found:
            found[name] = value if equals else following
    return found["--cni-bin-dir"].split(","), found["--cni-conf-dir"].rstrip("/")


def _get(path: str, resource: str) -> str:
    """The body of what an HTTP server at the Unix socket ``path`` has at ``resource``. Raises OSError, ValueError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(f"GET {resource} HTTP/1.0\r\n\r\n".encode())
        answer = bytearray()
        while part := connection.recv(1 << 16):
            answer += part
    head, _empty, body = bytes(answer).partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError(f"{path} has no {resource}")
    return body.decode()


def _network_error(status: Any) -> str:
    """Why the condition NetworkReady is false; "" where it is true."""
    conditions: list[Any] = [value for number, value in grpc.fields(status) if number == _CONDITIONS]
    for each in conditions:
        condition = _texts(each)
        if condition.get(_TYPE) == "NetworkReady" and _TRUE not in dict(grpc.fields(each)):
            return condition.get(_MESSAGE) or condition.get(_REASON) or "no reason given"
    return ""


def _texts(message: Any) -> dict[int, str]:
    """The texts among the fields of a message."""
    return {
        number: value.decode("utf-8", "replace") for number, value in grpc.fields(message) if isinstance(value, bytes)
    }
