#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_restore
short_description: Check a backup, and that it can be restored onto these nodes
version_added: "0.2.0"
description:
  - Used by the playbook C(restore.yml). Decrypts the backup, verifies each file in it, and refuses one of another
    cluster, of a release that does not fit, or with encryption keys that would be lost; and nodes that have a cluster.
  - Reports all findings at once, and fails if there are any.
  - Runs on the controller; makes no connection to a host.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
author:
  - podnet.cluster contributors (@podnet)
options:
  path:
    description: The backup on the controller.
    type: path
    required: true
  key:
    description: The controller's file with the private key for an encrypted one.
    type: path
    default: ""
  cluster:
    description: The UID of the cluster that the backup should be of; empty for any.
    type: str
    default: ""
  release:
    description: The Kubernetes release that the nodes will have.
    type: str
    required: true
  encryption:
    description: What the API server will decrypt by, as C(resources) of an EncryptionConfiguration has it, in YAML.
    type: str
    default: ""
  hosts:
    description: The hosts to check. M(podnet.cluster.node_facts) has gathered C(podnet_node) on each.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check backup and nodes
  podnet.cluster.preflight_restore:
    path: /srv/backups/podnet-6d2a0c0e-6a4e-4c1b-8ed0-0d5a3a1f2b3c-20261130T161500Z.tar.gz
    release: "1.37"
    hosts: "{{ ansible_play_hosts }}"
  run_once: true
"""

RETURN = r"""
plain:
  description: The backup, or what was decrypted of it until Ansible ends.
  returned: success
  type: str
manifest:
  description: What is in it.
  returned: success
  type: dict
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
"""
