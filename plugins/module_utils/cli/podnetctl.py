# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetctl: a node's overlay by hand. Where podnetd runs, both go by the same leases: what it knows is asked of it.

Exit status: 0 done or level; 1 ``plan`` or ``status`` found differences; 2 it could not be done, the reason on stderr.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Sequence

from ..agent import client
from ..agent import settings as configuration
from ..agent.sources.source import DIRECTORY, FileSource
from ..netlink.channel import Channel
from ..netlink.wire import NetlinkError
from ..overlay import reconcile
from ..overlay.config import Config, ConfigError
from ..overlay.lease import Leases
from ..overlay.lock import locked
from ..overlay.subnet_env import PATH
from . import status
from . import trace as verify

#: Seconds between two looks for an underlay that is not there yet.
PAUSE = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    gc.disable()  # a short life with tens of thousands of objects, and no cycle among them worth a look
    reason = ""
    try:
        with Channel() as channel:
            return int(options.action(options, channel))
    except (ConfigError, NetlinkError) as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    print(f"podnetctl: {reason}", file=sys.stderr)
    return 2


def apply(options: argparse.Namespace, channel: Channel) -> int:
    """Makes the node's overlay what it must be; tells what it did, a line each."""
    deadline = time.monotonic() + options.wait
    while True:
        config, leases = _known(options)
        with locked():
            try:
                overlay = reconcile.present(channel, config, leases, options.subnet_env)
            except ConfigError:
                if time.monotonic() >= deadline:
                    raise
            else:
                _warn({**leases.refused, **(overlay.desired.refused if overlay.desired else {})})
                for line in overlay.plan.describe():
                    print(line)
                errors = overlay.plan.apply()
                break
        time.sleep(PAUSE)
    for line in errors:
        print(f"podnetctl: {line}", file=sys.stderr)
    return 2 if errors else 0


def plan(options: argparse.Namespace, channel: Channel) -> int:
    """Tells what ``apply`` would do, and does nothing."""
    config, leases = _known(options)
    overlay = _look(channel, config, leases, options)
    _warn({**leases.refused, **(overlay.desired.refused if overlay.desired else {})})
    for line in overlay.plan.describe():
        print(line)
    return int(bool(overlay.plan))


def tell_status(options: argparse.Namespace, channel: Channel) -> int:
    """Tells how the node's overlay is."""
    config, leases = _known(options)
    found = status.collect(config, leases, _look(channel, config, leases, options))
    found["warnings"] += _of_credentials(options.config)
    found["agent"] = client.ask(options.run, "/status")
    print(json.dumps(found, indent=1) if options.json else status.render(found), end="\n" if options.json else "")
    return int(not found["level"])


def tell_peers(options: argparse.Namespace, channel: Channel) -> int:
    """Tells who the peers are, a line each, and who is refused."""
    _config, leases = _known(options)
    if options.json:
        print(json.dumps({"peers": [peer.as_json() for peer in leases.peers], "refused": leases.refused}, indent=1))
        return 0
    for peer in leases.peers:
        print(f"{peer.name}  {peer.address}  {' '.join(map(str, peer.pod_cidrs))}  {peer.vtep_mac}")
    for name, reason in leases.refused.items():
        print(f"refused: {name}: {reason}")
    return 0


def _known(options: argparse.Namespace) -> tuple[Config, Leases]:
    """What the agent goes by; where none runs, what it knew last of the API, or what the files say. Raises
    ConfigError."""
    return client.known(options.run) or _kept(options.config) or FileSource(options.config).read()


def _kept(directory: str) -> tuple[Config, Leases] | None:
    settings = configuration.load(directory)
    if settings.source != "kubernetes":
        return None
    from ..agent.sources import kubernetes as kubernetes_source  # loaded where it is used only

    return kubernetes_source.kept(directory, settings.kubernetes)


def _of_credentials(directory: str) -> list[str]:
    """What is wrong, or soon will be, with how the agent comes to the API."""
    settings = configuration.load(directory)
    if settings.source != "kubernetes":
        return []
    from ..agent.sources import kubernetes as kubernetes_source  # loaded where it is used only

    try:
        told = kubernetes_source.about_to_end(directory, settings.kubernetes)
    except ConfigError as error:
        return [str(error)]
    return [told] if told else []


def _look(channel: Channel, config: Config, leases: Leases, options: argparse.Namespace) -> reconcile.Overlay:
    with locked():  # not amid what the agent does
        return reconcile.present(channel, config, leases, options.subnet_env)


def _warn(refused: dict[str, str]) -> None:
    for name, reason in refused.items():
        print(f"podnetctl: refused {name}: {reason}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="podnetctl", description="The pod network of this node.")
    parser.add_argument(
        "--config", default=DIRECTORY, metavar="DIR", help=f"where overlay.json and leases.json are ({DIRECTORY})"
    )
    parser.add_argument("--subnet-env", default=PATH, metavar="FILE", help=f"the file for the CNI plugin ({PATH})")
    parser.add_argument("--run", default=client.RUN, metavar="DIR", help=f"where podnetd's socket is ({client.RUN})")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("apply", help="make the overlay what the files say")
    command.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long to wait for the underlay's address"
    )
    command.set_defaults(action=apply)
    commands.add_parser("plan", help="tell what apply would do").set_defaults(action=plan)
    command = commands.add_parser("status", help="tell how the overlay is")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(action=tell_status)
    command = commands.add_parser("peers", help="tell who the peers are")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(action=tell_peers)
    verify.register(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
