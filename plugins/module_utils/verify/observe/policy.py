# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's policies, and what they do to the flows that are asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...agent import settings as configuration
from ...agent.policies import options
from ...agent.policies.options import Options
from ...overlay.config import ConfigError
from ...policy.explanation import FlowsAnswer, PodAnswer, PolicyDrops, PolicyFlow, PolicyState
from .fib import Flow

if TYPE_CHECKING:
    from ...agent.policies.answers import Answer

KINDS = ("icmp", "tcp", "udp")


class PolicyReader:
    """Asks podnetd or the disk. ``root`` goes before the path of each file of the node."""

    def __init__(self, config: str, run: str, root: str = "") -> None:
        self.run = root + run
        self.options: Options | None = None
        try:
            found = configuration.load(root + config).policy
            self.options = None if found is None else options.parse(found)
        except ConfigError:
            return  # podnetd does not run with it either: what is wrong with it is told elsewhere
        if self.options:
            self.options = self.options._replace(directory=root + self.options.directory)

    def state(
        self, flows: Iterable[Flow], port: int, translated: Mapping[tuple[str, str], int] | None = None
    ) -> PolicyState | None:
        """None on a node that enforces no policies. ``translated``: the ports behind the Service that is asked about,
        by address and kind."""
        if self.options is None:
            return None
        found = self._ask("state")
        if not isinstance(found, PolicyState):
            return PolicyState()
        judged: list[PolicyFlow] = []
        for source, target in dict.fromkeys(flows):
            for kind in KINDS:
                behind = (translated or {}).get((target, kind))
                for flow in self.flow(source, target, kind, behind or port):
                    judged.append(flow._replace(translated=behind is not None))
        return found._replace(flows=tuple(judged))

    def drops_since(self, before: Iterable[PolicyDrops]) -> list[PolicyDrops]:
        """What policies have dropped since ``state`` has counted."""
        found = self._ask("state")
        counted = {each.chain: each.packets for each in before}
        now = found.drops if isinstance(found, PolicyState) else ()
        more = [each._replace(packets=each.packets - counted.get(each.chain, 0)) for each in now]
        return [each for each in more if each.packets > 0]

    def flow(self, source: str, target: str, kind: str, port: int) -> list[PolicyFlow]:
        """What the node decides of a connection; an end is an address or a pod ("namespace/name")."""
        found = self._ask(f"flow/{source},{target},{kind},{port}")
        return list(found.flows) if isinstance(found, FlowsAnswer) else []

    def pod(self, name: str) -> PodAnswer | None:
        """Who may reach a pod and whom it may reach; None where nothing is known."""
        found = self._ask(f"pod/{name}")
        return found if isinstance(found, PodAnswer) else None

    def _ask(self, question: str) -> Answer | None:
        if not self.options:
            return None
        from ...agent.policies import answers  # most nodes enforce none

        try:
            return answers.ask(self.options, self.run, question)
        except (OSError, ValueError):
            return None
