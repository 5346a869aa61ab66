# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnet-cni: CNI by hand, with the verbs, arguments and environment variables of cnitool.

Exit status: 0 done, 1 the plugin's error (JSON on standard output), 2 invalid arguments.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence

from ..exec.service import SOCKET
from ..spec import conflist
from ..spec.environment import parse_args
from ..spec.errors import CniError
from .runtime import BIN_DIRS, CACHE, Attachment, Runtime

EPILOG = """\
environment:
  NETCONFPATH  directory of the configurations (default /etc/cni/net.d)
  CNI_PATH     directories of the plugins (default /opt/podnet/current/bin)
  CNI_IFNAME   interface in the container (default eth0)
  CNI_ARGS     KEY=VALUE;KEY=VALUE
  CAP_ARGS     JSON: what the runtime supplies for capabilities, {"portMappings": [...]}
  CNI_CONTAINERID  the container's ID (default: follows from the namespace's path, as in cnitool)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "serve":
        return _serve(options.socket)
    runtime = Runtime((os.environ.get("CNI_PATH") or ":".join(BIN_DIRS)).split(":"), options.cache)
    network = None
    try:
        network = find(os.environ.get("NETCONFPATH") or "/etc/cni/net.d", options.network)
        return _run(runtime, network, options)
    except CniError as error:
        print(json.dumps(error.as_dict(network.version if network else "1.1.0"), indent=4))
        return 1
    except (OSError, ValueError) as error:
        print(f"podnet-cni: {error}", file=sys.stderr)
        return 2


def find(directory: str, name: str) -> conflist.Conflist:
    """The configuration list of that network name. ConflistError if the directory has none."""
    reasons = []
    for path in conflist.files(directory):
        try:
            found = conflist.load(path)
        except conflist.ConflistError as error:
            reasons.append(str(error))
            continue
        if found.name == name:
            return found
    raise conflist.ConflistError("; ".join([f"no network {name!r} in {directory}", *reasons]))


def _run(runtime: Runtime, network: conflist.Conflist, options: argparse.Namespace) -> int:
    if options.command == "status":
        runtime.status(network)
        return 0
    if options.command == "restore":
        return _print_failures(runtime.restore(network))
    if options.command == "gc":
        # cnitool expects a namespace's path here, and treats no attachment as valid
        valid = [tuple(item.split("/", 1)) for item in options.valid if not item.startswith("/")]
        return _print_failures(
            runtime.collect(network, [(item[0], item[1] if len(item) > 1 else "eth0") for item in valid])
        )
    attachment = _attachment(options)
    if options.command == "add":
        print(json.dumps(runtime.add(network, attachment), indent=4))
    elif options.command == "check":
        runtime.check(network, attachment)
    else:
        runtime.delete(network, attachment)
    return 0


def _print_failures(failures: list[str]) -> int:
    """Prints the failures; returns the exit status."""
    for failure in failures:
        print(f"podnet-cni: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _serve(socket: str) -> int:
    """Executes the service in a new interpreter, without the modules of this command, which are most of its memory."""
    home = os.path.abspath(__file__).rsplit("/lib/podnet/", 1)[0]
    script = os.path.join(home, "lib", "serve")
    try:
        os.execv(sys.executable, [sys.executable, "-IS", script, socket])
    except OSError as error:
        print(f"podnet-cni: {script}: {error.strerror}", file=sys.stderr)
    return 2


def _attachment(options: argparse.Namespace) -> Attachment:
    env = os.environ
    path = os.path.abspath(options.netns)
    return Attachment(
        env.get("CNI_CONTAINERID") or "cnitool-" + hashlib.sha512(path.encode()).hexdigest()[:20],
        path,
        options.ifname or env.get("CNI_IFNAME") or "eth0",
        _args(env.get("CNI_ARGS", "")),
        _capabilities(env.get("CAP_ARGS") or "{}"),
    )


def _args(text: str) -> dict:
    try:
        return parse_args(text)
    except CniError as error:
        raise ValueError(f"CNI_ARGS: {error}") from None


def _capabilities(text: str) -> dict:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"CAP_ARGS: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f'CAP_ARGS must be an object such as {{"portMappings": [...]}}, not {text}')
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="podnet-cni",
        description="Connects a network namespace to a CNI network, as a container runtime does.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", default=CACHE, help="where results are kept (default %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="add|check|del|status|gc|restore|serve")
    for name, text in (("add", "connect"), ("check", "compare with what add made"), ("del", "disconnect")):
        command = commands.add_parser(name, help=text)
        command.add_argument("network", help="the network's name")
        command.add_argument("netns", help="path of the network namespace")
        command.add_argument("-i", "--ifname", help="interface in the container (default: CNI_IFNAME, or eth0)")
    status = commands.add_parser("status", help="ask whether the network is ready")
    status.add_argument("network")
    status.add_argument("netns", nargs="?", help="not looked at: cnitool wants one")
    collect = commands.add_parser("gc", help="remove every attachment but those named")
    collect.add_argument("network")
    collect.add_argument("valid", nargs="*", help="CONTAINERID or CONTAINERID/INTERFACE")
    restore = commands.add_parser(
        "restore",
        help="put pods' host ports, masquerade and firewall rules into deleted nftables tables once more",
    )
    restore.add_argument("network")
    serve = commands.add_parser("serve", help="run the service that does the executables' work")
    serve.add_argument("--socket", default=SOCKET, help="where it listens (default %(default)s)")
    return parser
