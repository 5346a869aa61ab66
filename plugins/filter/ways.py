# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ways
short_description: The ways that are to be traced
version_added: "0.1.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - From what the Kubernetes API says of the cluster, the ways to trace - the one between two ends that are named, or
    those on which probes have failed, one for each pair of nodes.
positional: _input
options:
  _input:
    description: The items of C(kubectl get nodes,pods,services,endpoints --output json).
    type: list
    elements: dict
    required: true
  ends:
    description: Names or addresses of two ends.
    type: list
    elements: str
  port:
    description: TCP and UDP port to probe at the target. With 0 it is the Service's first one, else 9, where a refusal
      proves as much as an answer.
    type: int
    default: 0
  results:
    description: Results of P(podnet.cluster.probe#module).
    type: list
    elements: dict
  most:
    description: How many ways there are at most.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Look at a way
  podnet.cluster.inspect:
    ways: "{{ items | podnet.cluster.ways(ends=['default/web-0', 'default/web-1'], port=8080) }}"
"""

RETURN = r"""
_value:
  description: Each way with C(from), C(to), C(port), C(mark) and C(nodes), the names of the nodes to look at.
  type: list
  elements: dict
"""

from dataclasses import asdict

from ansible.errors import AnsibleFilterError
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster import resolve as known
from ansible_collections.podnet.cluster.plugins.module_utils.verify.cluster.api import cluster
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.run import new_mark


def ways(
    items: list[dict],
    ends: list[str] | None = None,
    port: int = 0,
    results: list[dict] | None = None,
    most: int = 4,
) -> list[dict]:
    try:
        there = cluster(items)
        if ends is not None:
            if not all(ends):
                raise ValueError("a way has two ends: give both, as in -e from=default/web-0 -e to=default/web-1")
            source, target = (known.end_of(there, end) for end in ends)
            offered = [one.ports[0] for one in there.services if one.address == target.address and one.ports]
            found = [{"from": asdict(source), "to": asdict(target), "port": int(port) or (offered or [9])[0]}]
        else:
            found = known.ways(there, results or [], int(most))
    except ValueError as error:
        raise AnsibleFilterError(f"podnet.cluster.ways: {error}") from None
    return [{**way, "mark": new_mark(), "nodes": known.nodes(way, there)} for way in found]


class FilterModule:
    """Filters of the verify role."""

    def filters(self) -> dict:
        return {"ways": ways}
