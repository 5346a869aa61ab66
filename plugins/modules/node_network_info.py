#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_network_info
short_description: Get a node's network state, and how it differs from the desired one
version_added: "0.2.0"
description:
  - Used by the role P(podnet.cluster.verify#role). Its options may change with any release.
  - Compares a node's links, addresses, routes, neighbor and FDB entries, packet filter, files, container runtime
    configuration and pods with the desired state, and reports each difference with a code, its cause and a fix.
  - For O(requests) it also asks the kernel for its routing decisions. For those with a mark it takes part in the
    trace. The node of the source sends packets, and every node captures where they pass.
  - Changes nothing.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  requests:
    description: What to trace, as P(podnet.cluster.trace_requests#filter) returns it.
    type: list
    elements: dict
    default: []
  delay:
    description: Seconds that the sender waits before it sends, until the other nodes capture packets.
    type: float
    default: 0.7
  conflist:
    description: Path of our CNI configuration list in the container runtime's directory.
    type: path
    default: /etc/cni/net.d/10-podnet.conflist
"""

EXAMPLES = r"""
- name: Compare the node with its desired state
  podnet.cluster.node_network_info:
  register: found

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ found.checks | rejectattr('ok') }}"
"""

RETURN = r"""
node:
  description: The node's name.
  returned: always
  type: str
  sample: node1
checks:
  description:
    - Each comparison, under a stable C(name). C(finding) is null where all is well. C(step) is the kind of hop on a
      packet's path that the check is about.
  returned: always
  type: list
  elements: dict
  sample:
    - name: no foreign routes in the pod network
      subject: 10.244.2.0/25 dev eth0
      node: node1
      step: route
      ok: false
      finding:
        code: route.foreign
        node: node1
        subject: 10.244.2.0/25 dev eth0
        parameters: {origin: added by hand, remove: ip route delete 10.244.2.0/25 dev eth0}
        text: route 10.244.2.0/25 dev eth0 (added by hand) takes packets from the pod network
        fix: ip route delete 10.244.2.0/25 dev eth0
about:
  description: What a comparison between nodes needs.
  returned: always
  type: dict
  sample:
    node: node1
    time: 1763790000.1
    library: 0.1.0-7f1fe4f61d09
    mtu: 1450
    lease: {name: node1, address: 10.77.0.11, pod_cidrs: [10.244.1.0/24], vtep_mac: "02:1a:2b:3c:4d:5e"}
states:
  description: The node's state for each of O(requests), as C(podnetctl inspect --json) prints it.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cli.render_checks import check_as_json
from ..module_utils.converge.module import run as end
from ..module_utils.netlink.wire import NetlinkError
from ..module_utils.records.codec import from_json, to_json
from ..module_utils.verify.checks.node import about, checks
from ..module_utils.verify.model.request import TraceRequest
from ..module_utils.verify.observe.node import at, collect
from ..module_utils.verify.trace import run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "requests": {"type": "list", "elements": "dict", "default": []},
            "delay": {"type": "float", "default": 0.7},
            "conflist": {"type": "path", "default": "/etc/cni/net.d/10-podnet.conflist"},
        },
        supports_check_mode=True,
    )
    places = at(module.params["conflist"])
    try:
        requests = [from_json(TraceRequest, request) for request in module.params["requests"]]
        found = collect(places)
        states = run.look(requests, places, module.params["delay"])
    except ValueError as error:
        module.fail_json(msg=f"requests: {error}; the filter podnet.cluster.trace_requests makes them")
    except (NetlinkError, OSError) as error:
        module.fail_json(msg=f"cannot inspect this node: {error}")
    end(
        module,
        node=found.node,
        checks=[check_as_json(check) for check in checks(found)],
        about=to_json(about(found)),
        states=[state.as_json() for state in states],
    )


if __name__ == "__main__":
    main()
