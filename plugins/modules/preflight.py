#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check a cluster's variables before any node is touched
version_added: "0.1.0"
description:
  - Used by the role C(cluster). Checks everything about a cluster that can be known on the controller, reports all
    findings at once, each with the variable, its value and the fix, and fails if there are any.
  - Reads the Kubernetes archive, if one is used and it is on the controller, and verifies every checksum in it.
  - Reports variables of the nodes that are most likely a role's variable, misspelt.
  - Runs on the controller; makes no connection to a host. M(podnet.cluster.preflight_nodes) judges the nodes.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.read_only
  - podnet.cluster.nodes
author:
  - podnet.cluster contributors (@podnet)
options:
  overlay_network:
    description: The pod network; for dual-stack one of each IP version, comma-separated.
    type: raw
    required: true
  overlay_node_prefix:
    description: The prefix length of a node's IPv4 pod CIDR.
    type: raw
    required: true
  overlay_node_prefix_ipv6:
    description: The prefix length of a node's IPv6 pod CIDR.
    type: raw
    required: true
  overlay_backend:
    description: The overlay's back end, as the role C(overlay) takes it.
    type: raw
    required: true
  control_plane_service_network:
    description: The network of the Services' addresses.
    type: raw
    required: true
  control_plane_endpoint:
    description: The API's name or address, and its port.
    type: raw
    required: true
  control_plane_balancer:
    description: Whether each node has a load balancer for the endpoint.
    type: raw
    required: true
  control_plane_api_port:
    description: The port of each API server.
    type: raw
    required: true
  cluster_proxy:
    description: The proxy by which nodes reach package repositories.
    type: raw
    default: {}
  containerd_proxy:
    description: The proxy by which nodes reach image registries.
    type: raw
    default: {}
  containerd_registry_mirrors:
    description: Mirrors by registry, as the role C(containerd) takes them.
    type: raw
    required: true
  kubernetes_release:
    description: The Kubernetes release.
    type: raw
    required: true
  kubernetes_source:
    description: Where Kubernetes comes from.
    type: raw
    required: true
  kubernetes_archive:
    description: The directory of a Kubernetes archive.
    type: raw
    required: true
  kubernetes_archive_keyring:
    description: A file of public keys, one of which must have signed the archive's checksums.
    type: str
    default: ''
  kubernetes_archive_remote:
    description: Whether that directory is on the nodes; then they verify it.
    type: bool
    default: false
  own_variables:
    description: Variables that are not the collection's, though they are spelt almost like one of its own.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check the cluster's variables
  podnet.cluster.preflight:
    nodes: "{{ groups['cluster'] | podnet.cluster.cluster_nodes(hostvars, groups['control_plane']) }}"
    overlay_network: "{{ overlay_network }}"
    overlay_node_prefix: "{{ overlay_node_prefix }}"
    overlay_node_prefix_ipv6: "{{ overlay_node_prefix_ipv6 }}"
    overlay_backend: "{{ overlay_backend }}"
    control_plane_service_network: "{{ control_plane_service_network }}"
    control_plane_endpoint: "{{ control_plane_endpoint }}"
    control_plane_balancer: "{{ control_plane_balancer }}"
    control_plane_api_port: "{{ control_plane_api_port }}"
    kubernetes_release: "{{ kubernetes_release }}"
    kubernetes_source: "{{ kubernetes_source }}"
    kubernetes_archive: "{{ kubernetes_archive }}"
    containerd_registry_mirrors: "{{ containerd_registry_mirrors }}"
  run_once: true
"""

RETURN = r"""
findings:
  description: Each finding with C(code), C(node), C(subject), C(parameters), C(text) and C(fix).
  returned: always
  type: list
  elements: dict
release:
  description: What follows from the release, as the filter P(podnet.cluster.kubernetes_release#filter) gives it.
  returned: when the release is valid
  type: dict
images:
  description: Names of the images in the archive.
  returned: when a valid archive is on the controller
  type: list
  elements: str
architecture:
  description: What the archive's executables are for, by Go's names; empty where no archive is on the controller.
  returned: always
  type: str
"""
