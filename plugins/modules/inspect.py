#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inspect
short_description: Look at what a node has on its packets' way
version_added: "0.1.0"
description:
  - Compares what a node has with what it must have - links, addresses, routes, neighbours, forwarding entries, packet
    filter, files, the container runtime's configuration, its pods - and tells what differs, with cause and cure.
  - For ways between two ends it takes the kernel's own routing decisions, too; and, given marks, takes part in their
    traces. The node of a way's source sends packets, and every node watches where they pass.
  - Changes nothing.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
options:
  ways:
    description:
      - The ways to look at, each with RV(ignore:from) and RV(ignore:to) as P(podnet.cluster.ways#filter) makes them,
        RV(ignore:port) and RV(ignore:mark).
    type: list
    elements: dict
    default: []
  delay:
    description: Seconds that a sender waits, so that the other nodes watch when the packets come.
    type: float
    default: 0.7
  conflist:
    description: The configuration list that is ours, among those that the node's container runtime may find there.
    type: path
    default: /etc/cni/net.d/10-podnet.conflist
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Compare what the node has with what it must have
  podnet.cluster.inspect:
  register: found

- name: Tell what is wrong
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
  description: Each comparison; C(reason), C(cure) and C(step), the hop of a packet's way, are empty where all is well.
  returned: always
  type: list
  elements: dict
  sample:
    - check: nobody else routes the pod network
      subject: node1
      node: node1
      ok: false
      reason: 10.244.2.0/25 dev eth0 (added by hand) takes packets from the pod network
      cure: ip route delete 10.244.2.0/25 dev eth0
      step: route
about:
  description: What a comparison between nodes needs.
  returned: always
  type: dict
  sample:
    time: 1763790000.1
    library: 0.1.0-7f1fe4f61d09
    mtu: 1450
    lease: {name: node1, address: 10.77.0.11, pod_cidrs: [10.244.1.0/24], vtep_mac: "02:1a:2b:3c:4d:5e"}
states:
  description: The node's state for each of O(ways), as C(podnetctl inspect --json) prints it.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.netlink.wire import NetlinkError
from ..module_utils.verify.checks.node import about, checks
from ..module_utils.verify.model.endpoint import as_end
from ..module_utils.verify.observe.node import at, collect
from ..module_utils.verify.trace import run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ways": {"type": "list", "elements": "dict", "default": []},
            "delay": {"type": "float", "default": 0.7},
            "conflist": {"type": "path", "default": "/etc/cni/net.d/10-podnet.conflist"},
        },
        supports_check_mode=True,
    )
    places = at(module.params["conflist"])
    try:
        found = collect((), places)
        ways = [
            run.Asked(as_end(way["from"]), as_end(way["to"]), way["mark"], int(way["port"]))
            for way in module.params["ways"]
        ]
        states = run.look(ways, places, module.params["delay"])
    except KeyError as error:
        module.fail_json(msg=f"ways: an entry lacks {error}; the filter podnet.cluster.ways makes them")
    except (NetlinkError, OSError) as error:
        module.fail_json(msg=f"cannot look at this node: {error}")
    module.exit_json(changed=False, node=found["node"], checks=checks(found), about=about(found), states=states)


if __name__ == "__main__":
    main()
