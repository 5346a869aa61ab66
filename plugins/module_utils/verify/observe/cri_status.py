# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What containerd itself says of its CNI configuration: the directories in effect and the networks it has loaded.

Its files say less: it has defaults, imports and drop-ins, loads them at its start alone, and notices only some changes
in its CNI directory. A call of the CRI's ``Status``, with ``verbose``, has it all (k8s.io/cri-api, api.proto; the keys
of ``info`` are containerd's, internal/cri/server/status.go).
"""

from __future__ import annotations

import json
from typing import Any

from ..model.state import RuntimeState
from . import grpc

STATUS = "/runtime.v1.RuntimeService/Status"
#: StatusRequest{verbose: true}, and the numbers of fields: StatusResponse, RuntimeStatus, RuntimeCondition, a map's.
VERBOSE = b"\x08\x01"
_STATUS, _INFO = 1, 2
_CONDITIONS = 1
_TYPE, _TRUE, _REASON, _MESSAGE = 1, 2, 3, 4
_KEY, _VALUE = 1, 2


def ask(path: str, ours: object) -> RuntimeState | None:
    """The state by the runtime at the Unix socket ``path``; None where none answers, or another than containerd.

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
        return _state(json.loads(info["cniconfig"]), ours, error)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _state(config: dict[str, Any], ours: object, error: str) -> RuntimeState:
    loaded = [json.loads(network["Config"]["Source"]) for network in config.get("Networks") or []]
    directories = [str(each) for each in config["PluginDirs"]]
    names = [str(each["name"]) for each in loaded]
    return RuntimeState(directories, str(config["PluginConfDir"]), names, ours in loaded, error)


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
