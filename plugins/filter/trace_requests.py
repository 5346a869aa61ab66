# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: trace_requests
short_description: What to trace in a cluster
version_added: "0.2.0"
author:
  - podnet.cluster contributors (@podnet)
description:
  - From the objects of the Kubernetes API, what to trace - the path between two named ends, or the paths on which
    probes failed, one for each pair of nodes.
positional: _input
options:
  _input:
    description: The items of C(kubectl get nodes,pods,services,endpointslices --output json); with namespaces and
      networkpolicies what these forbid is not traced.
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
    description: How many requests to return at most.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Inspect the nodes between two pods
  podnet.cluster.node_network_info:
    requests: "{{ items | podnet.cluster.trace_requests(ends=['default/web-0', 'default/web-1'], port=8080) }}"
"""

RETURN = r"""
_value:
  description: Each request with C(source), C(target), C(port), C(mark) and C(nodes), the names of the nodes to inspect.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.records.codec import from_json, to_json
from ..module_utils.verify.cluster import resolve
from ..module_utils.verify.cluster.api import cluster
from ..module_utils.verify.cluster.policies import Policies
from ..module_utils.verify.model.evidence import ProbeResult
from ..module_utils.verify.model.request import DISCARD, TraceRequest, new_mark


def trace_requests(
    items: list[dict], ends: list[str] | None = None, port: int = 0, results: list[dict] | None = None, most: int = 4
) -> list[dict[str, Any]]:
    try:
        there = cluster(items)
        if ends is not None:
            if not all(ends):
                raise ValueError("two ends are needed: give both, as in -e from=default/web-0 -e to=default/web-1")
            source, target = resolve.resolve(there, ends[0]), resolve.resolve(there, ends[1], int(port))
            offered = [one.ports[0] for one in there.services if one.address == target.address and one.ports]
            found = [TraceRequest(source, target, port=int(port) or (offered or [DISCARD])[0])]
        else:
            failed = [from_json(ProbeResult, result) for result in results or [] if not result["ok"]]
            found = resolve.requests(there, failed, int(most), Policies(items, there))
    except ValueError as error:
        raise AnsibleFilterError(f"podnet.cluster.trace_requests: {error}") from None
    for request in found:
        request.mark, request.nodes = new_mark(), resolve.nodes(request, there)
    return [to_json(request) for request in found]


class FilterModule:
    def filters(self) -> dict:
        return {"trace_requests": trace_requests}
