#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trace
short_description: Tell where and why a packet is lost
version_added: "0.1.0"
description:
  - Walks a packet's way through the cluster hop by hop and back, by what M(podnet.cluster.inspect) found on the nodes,
    and names the first hop that is broken, with the cause and the cure.
  - Fails if the way is broken.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
options:
  way:
    description: The way, as P(podnet.cluster.ways#filter) makes it.
    type: dict
    required: true
  states:
    description: What M(podnet.cluster.inspect) told of it on the nodes, RV(podnet.cluster.inspect#module:states).
    type: list
    elements: dict
    required: true
  path:
    description: The controller's file for the trace, as JSON.
    type: path
attributes:
  check_mode:
    support: full
    details: The file is written in check mode too; it is no node's state.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Judge the way
  podnet.cluster.trace:
    way: "{{ way }}"
    states: "{{ ansible_play_hosts | map('extract', hostvars, 'looked') | map(attribute='states') | flatten }}"
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether the way is whole.
  returned: always
  type: bool
trace:
  description: The way there and back; docs/tracing.md explains its keys.
  returned: always
  type: dict
"""
