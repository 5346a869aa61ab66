# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnetctl inspect and podnetctl trace: this node's network state, and a packet's path, hop by hop."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..verify.model.state import NodeState

TRACE = """\
An end is a pod of this node (NAMESPACE/NAME or NAME), a node's name, or any address; one of them must be this node's.
The node at the other end is judged by what comes back, unless its state is given: `podnetctl inspect --json` there, for
the same two addresses. With the states of both ends' nodes, a path between two other nodes is judged, too.
Exit status: 0 the path is OK, 1 it is broken, 2 it could not be traced.
"""


def register(commands: Any) -> None:
    """Adds both commands to podnetctl's."""
    command = commands.add_parser("inspect", help="print the node's network state as JSON")
    command.add_argument("ends", nargs="*", metavar="ADDRESS", help="two addresses: the path between them is inspected")
    command.add_argument("--json", action="store_true", help="(the only form there is)")
    command.add_argument("--mark", default="", help="also send, or watch for, packets of the trace with this mark")
    command.add_argument("--port", type=int, default=9, help="TCP and UDP port that the path is for (9)")
    command.add_argument("--delay", type=float, default=0.7, metavar="SECONDS", help="before packets are sent (0.7)")
    command.add_argument("--root", default="", metavar="DIR", help="where the node's files are (/)")
    command.set_defaults(action=inspect)
    command = commands.add_parser(
        "trace", help="trace a packet and report where and why it is lost", epilog=TRACE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("source", metavar="FROM")
    command.add_argument("target", metavar="TO")
    command.add_argument("--state", action="append", default=[], metavar="FILE", help="another node's state")
    command.add_argument("--no-probes", action="store_true", help="inspect states only, send nothing")
    command.add_argument("--port", type=int, default=9, help="TCP and UDP port to probe; closed ones do (9)")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--root", default="", metavar="DIR", help="where the node's files are (/)")
    command.set_defaults(action=trace)


def inspect(options: argparse.Namespace, _channel: object) -> int:
    """Prints the node's state."""
    from ..verify.checks import node as node_checks
    from ..verify.model.endpoint import EndpointError
    from ..verify.model.request import TraceRequest
    from ..verify.observe import node as node_state
    from ..verify.trace import resolve, run
    from .render_checks import check_as_json

    places = node_state.Places(options.root)
    if len(options.ends) not in (0, 2) or (options.mark and not options.ends):
        return _refuse("inspect: give two addresses, or none")
    found = node_state.collect(places)
    if options.ends:
        try:
            source, target = (resolve.resolve(text, [found]) for text in options.ends)
        except EndpointError as error:
            return _refuse(f"inspect: {error}")
        (found,) = run.look([TraceRequest(source, target, options.mark, options.port)], places, options.delay)
    checks = [check_as_json(each) for each in node_checks.checks(found)]
    print(json.dumps({**found.as_json(), "checks": checks}, indent=1))
    return 0


def trace(options: argparse.Namespace, _channel: object) -> int:
    """Prints the path, hop by hop."""
    from ..verify.observe import node as node_state
    from ..verify.trace import run
    from . import render_trace

    places = node_state.Places(options.root)
    try:
        others = [_load(path) for path in options.state]
        found = run.here(
            options.source, options.target, places, others, port=options.port, probing=not options.no_probes
        )
    except ValueError as error:  # an EndpointError is one
        return _refuse(f"trace: {error}")
    if options.json:
        print(json.dumps(render_trace.as_json(found), indent=1))
    else:
        print(render_trace.render(found), end="")
    return 0 if found.ok else 1


def _load(path: str) -> NodeState:
    """The state of another node. Raises ValueError."""
    from ..verify.model.state import state_from

    try:
        with open(path, encoding="utf-8") as file:
            return state_from(json.load(file))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; `podnetctl inspect --json` makes a node state file") from None


def _refuse(reason: str) -> int:
    print(f"podnetctl: {reason}", file=sys.stderr)
    return 2
