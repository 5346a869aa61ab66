# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plugin's process: environment and standard input in, result or error on standard output, exit status."""

from __future__ import annotations

import posix
import sys

from ..spec import config
from ..spec.call import Call
from ..spec.environment import Environment
from ..spec.errors import INCOMPATIBLE_VERSION, INTERNAL, IO, CniError, config_error
from ..spec.fastjson import dumps
from ..spec.result import VERSIONS, at_least, render
from . import delegate

#: The argument by which the executable dhcp is the daemon.
DAEMON = "daemon"
#: The version of the specification that introduced a command.
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def main(plugin: str) -> None:
    """Runs the plugin of that type and ends the process."""
    if plugin == "dhcp" and sys.argv[1:2] == [DAEMON]:
        _become_daemon()
    # Skips the interpreter's finalization, which takes longer than most calls.
    posix._exit(run(plugin))


def _become_daemon() -> None:
    """Go's daemon is its plugin's executable with this argument; ours is a command beside it."""
    home = sys.modules[__name__.partition(".")[0]].__path__[0].rpartition("/lib/")[0]
    posix.execv(f"{home}/bin/podnet-dhcp", ["podnet-dhcp", *sys.argv[2:]])


def run(plugin: str) -> int:
    """Does the call of this process's environment and standard input; returns the exit status.

    Never raises, never prints a traceback.
    """
    env = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in posix.environ.items()}
    if not env.get("CNI_COMMAND"):
        _write(2, f"CNI {plugin} plugin (podnet.cluster)\nCNI protocol versions supported: {', '.join(VERSIONS)}\n")
        return 0
    answer, status = respond(plugin, env, 0)
    if answer is not None and _write(1, dumps(answer) + "\n"):
        status = 1
    return status


def respond(plugin: str, env: dict[str, str], stdin: int) -> tuple[dict | None, int]:
    """What to print (None: nothing) and the exit status, for a call with this environment and input descriptor."""
    version = VERSIONS[0]
    try:
        call_env = Environment(env)
        data = _read(stdin)
        if call_env.command == "VERSION":
            return _version(data), 0
        conf = config.parse(data)
        version = conf["cniVersion"]
        answer = _run(plugin, call_env, conf)
        return (None if answer is None else render(answer, version)), 0
    except CniError as error:
        return error.as_dict(version), 1
    except Exception as error:  # the runtime must read any failure as a CNI error
        wrapped = CniError(INTERNAL, str(error) or type(error).__name__, f"{type(error).__name__} in {plugin}")
        return wrapped.as_dict(version), 1


def _run(plugin: str, env: Environment, conf: dict) -> dict | None:
    since = SINCE.get(env.command, VERSIONS[0])
    if not at_least(conf["cniVersion"], since):
        raise CniError(
            INCOMPATIBLE_VERSION,
            f"config version does not allow {env.command}",
            f"cniVersion is {conf['cniVersion']}, {env.command} exists since {since}",
        )
    config.check_name(conf)
    try:
        previous = config.previous_result(conf)
    except CniError:
        if env.command != "DEL":
            raise
        previous = None  # DEL must clean up even with a malformed prevResult
    if env.command in ("ADD", "CHECK", "DEL"):
        env.check_netns()
    if env.command == "CHECK" and previous is None:
        raise config_error("Required prevResult missing")
    to = Call(env, conf, previous)
    if env.command not in ("ADD", "DEL"):
        return delegate.call_own(plugin, to)
    from .attachment_lock import Turn

    with Turn(env):
        answer = delegate.call_own(plugin, to)
        path = delegate.gate_of(conf)
        if path:
            from . import gate  # only if needed

            gate.passed(path, plugin, to, answer)
        return answer


def _version(data: bytes) -> dict:
    version = VERSIONS[-1]
    try:
        version = config.parse(data)["cniVersion"] if data.strip() else version
    except CniError:
        pass  # VERSION must answer whatever version the caller sends
    return {"cniVersion": version, "supportedVersions": list(VERSIONS)}


def _read(stdin: int) -> bytes:
    parts: list[bytes] = []
    try:
        while True:
            part = posix.read(stdin, 1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)
    except OSError as error:
        raise CniError(IO, f"error reading from stdin: {error.strerror}") from None


def _write(file: int, text: str) -> int:
    """Writes everything; returns 1 if the reader is gone."""
    data = text.encode()
    try:
        while data:
            data = data[posix.write(file, data) :]
    except OSError:
        return 1
    return 0
