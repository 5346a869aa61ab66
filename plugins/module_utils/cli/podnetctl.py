# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetctl: a node's overlay by hand. Where podnetd runs, both go by the same leases: podnetctl asks it for them.

Exit status: 0 done or in sync; 1 ``plan`` or ``status`` found differences; 2 failed, with the reason on stderr.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterable, Sequence

from ..agent import client
from ..agent import settings as configuration
from ..agent.sources.source import DIRECTORY, FileSource
from ..converge.plan import Plan
from ..findings import render
from ..findings.codes import Code
from ..findings.finding import Finding
from ..netlink.channel import Channel
from ..netlink.wire import NetlinkError
from ..overlay import reconcile
from ..overlay.config import Config, ConfigError
from ..overlay.lease import Leases
from ..overlay.lock import locked
from ..overlay.subnet_env import PATH
from . import trace as verify

#: Seconds between two attempts while the underlay has no address yet.
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
    """Applies the desired state; prints what it did, a line each."""
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
                _warn(leases, overlay)
                for line in overlay.plan.describe():
                    print(line)
                failures = overlay.plan.apply()
                break
        time.sleep(PAUSE)
    _report(failures)
    return 2 if failures else 0


def plan(options: argparse.Namespace, channel: Channel) -> int:
    """Prints what ``apply`` would do, and does nothing."""
    config, leases = _known(options)
    overlay = _look(channel, config, leases, options)
    _warn(leases, overlay)
    for line in overlay.plan.describe():
        print(line)
    return int(bool(overlay.plan))


def print_status(options: argparse.Namespace, channel: Channel) -> int:
    """Prints the state of the overlay."""
    from ..kube import expiry  # loaded where it is used only, as status
    from . import status

    config, leases = _known(options)
    overlay = _look(channel, config, leases, options)
    others = expiry.ends((*expiry.KUBEADM, *expiry.KUBELET))  # the certificates that are not the agent's
    more = [*_expiring(options.config), *expiry.findings("", others, time.time())]
    found = status.collect(config, leases, overlay, more, client.ask(options.run, "/status"))
    print(json.dumps(status.as_json(found), indent=1) if options.json else status.as_text(found))
    return int(not found.in_sync)


def print_peers(options: argparse.Namespace, channel: Channel) -> int:
    """Prints the peers, a line each, and the refused ones."""
    _config, leases = _known(options)
    if options.json:
        refused = {name: render.as_json(each) for name, each in leases.refused.items()}
        print(json.dumps({"peers": [peer.as_json() for peer in leases.peers], "refused": refused}, indent=1))
        return 0
    for peer in leases.peers:
        print(f"{peer.name}  {peer.address}  {' '.join(map(str, peer.pod_cidrs))}  {peer.vtep_mac}")
    for each in leases.refused.values():
        print(render.warning(each))
    return 0


def explain_policies(options: argparse.Namespace, channel: Channel) -> int:
    """Prints a pod's policies."""
    from . import policy  # with verification, which others need not

    return policy.explain(options, channel)


def load_policies(options: argparse.Namespace, _channel: Channel) -> int:
    """Puts the policies in force that were last, where the node enforces any."""
    settings = configuration.load(options.config)
    if settings.policy is None:
        return 0
    from ..agent.policies import options as policies  # loaded where it is used only
    from ..agent.policies import restore

    failures = restore.at_boot(policies.parse(settings.policy), options.run)
    _report(failures)
    return 2 if failures else 0


def make_backup(options: argparse.Namespace, _channel: Channel) -> int:
    """Writes a backup of the cluster; prints what it did, a line each."""
    from ..provision import backup  # loaded where it is used only

    return _carry_out(Plan(then=backup.plan(options.directory, options.keep, options.recipient, {})))


def renew_certificates(options: argparse.Namespace, _channel: Channel) -> int:
    """Renews the node's certificates that expire soon; prints what it did, a line each."""
    from ..provision import certificates  # loaded where it is used only

    return _carry_out(Plan(then=certificates.plan(options.node, options.days, options.force, 240)))


def _carry_out(todo: Plan) -> int:
    failures = todo.apply()
    for line in todo.describe():
        print(line)
    _report(failures)
    return 2 if failures else 0


def _known(options: argparse.Namespace) -> tuple[Config, Leases]:
    """What the agent goes by; where none runs, what it last knew of the API, or the files. Raises ConfigError."""
    return client.known(options.run) or _kept(options.config) or FileSource(options.config).read()


def _kept(directory: str) -> tuple[Config, Leases] | None:
    settings = configuration.load(directory)
    if settings.source != "kubernetes":
        return None
    from ..agent.sources import kubernetes as kubernetes_source  # loaded where it is used only

    return kubernetes_source.kept(directory, settings.kubernetes)


def _expiring(directory: str) -> list[Finding]:
    """What is wrong, or soon will be, with the agent's credentials for the API."""
    settings = configuration.load(directory)
    if settings.source != "kubernetes":
        return []
    from ..agent.sources import kubernetes as kubernetes_source  # loaded where it is used only

    try:
        expiry = kubernetes_source.expiring_soon(directory, settings.kubernetes)
    except ConfigError as error:
        return [Finding(Code.AGENT_SETTINGS_INVALID, "", "podnetd", {"error": str(error)})]
    return [expiry] if expiry else []


def _look(channel: Channel, config: Config, leases: Leases, options: argparse.Namespace) -> reconcile.Overlay:
    with locked(make=False):  # not while the agent changes something
        return reconcile.present(channel, config, leases, options.subnet_env)


def _warn(leases: Leases, overlay: reconcile.Overlay) -> None:
    refused = {**leases.refused, **(overlay.desired.refused if overlay.desired else {})}
    _report(refused.values())


def _report(findings: Iterable[Finding]) -> None:
    for each in findings:
        print(f"podnetctl: {render.warning(each)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="podnetctl", description="The pod network of this node.")
    parser.add_argument(
        "--config", default=DIRECTORY, metavar="DIR", help=f"directory of overlay.json and leases.json ({DIRECTORY})"
    )
    parser.add_argument("--subnet-env", default=PATH, metavar="FILE", help=f"file for the CNI plugin ({PATH})")
    parser.add_argument("--run", default=client.RUN, metavar="DIR", help=f"podnetd's directory ({client.RUN})")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("apply", help="apply the desired state")
    command.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="time to wait for the underlay's address"
    )
    command.set_defaults(action=apply)
    commands.add_parser("plan", help="print what apply would do").set_defaults(action=plan)
    command = commands.add_parser("status", help="print the state of the overlay")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(action=print_status)
    command = commands.add_parser("peers", help="print the peers")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(action=print_peers)
    command = commands.add_parser("load-policies", help="put the policies in force that were last (at boot)")
    command.set_defaults(action=load_policies)
    command = commands.add_parser("policy", help="print who may reach a pod, whom it may reach, and why")
    command.add_argument("pod", metavar="POD", help="a pod of this node, NAMESPACE/NAME")
    command.add_argument("--to", metavar="OTHER", help="only what it sends to this pod or address")
    command.add_argument("--from", dest="source", metavar="OTHER", help="only what this pod or address sends to it")
    command.add_argument("--port", metavar="PORT", help="of that connection, such as 80/tcp (any protocol: none)")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(action=explain_policies)
    command = commands.add_parser("backup", help="back up the cluster, on a control plane")
    command.add_argument("--directory", default="/var/backups/podnet", metavar="DIR", help="where to (%(default)s)")
    command.add_argument("--keep", type=int, default=7, metavar="N", help="how many stay there (%(default)s)")
    command.add_argument("--recipient", default="", metavar="FILE", help="certificate to encrypt it for")
    command.set_defaults(action=make_backup)
    command = commands.add_parser("renew-certificates", help="renew the node's certificates that expire soon")
    command.add_argument("--node", required=True, metavar="NAME", help="the node's name in Kubernetes")
    command.add_argument("--days", type=int, default=90, metavar="N", help="what they have left then (%(default)s)")
    command.add_argument("--force", action="store_true", help="all of them, whatever they have left")
    command.set_defaults(action=renew_certificates)
    verify.register(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
