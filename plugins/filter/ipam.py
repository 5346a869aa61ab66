# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: pod CIDRs for nodes, computed on the controller."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.ipam.allocator import AllocationError, assign


def pod_cidrs(
    nodes: list[str],
    networks: list[str],
    node_prefix: int = 24,
    node_prefix_ipv6: int = 64,
    services: list[str] | None = None,
    occupied: dict[str, list[str]] | None = None,
) -> dict[str, list[str]]:
    """Pod CIDRs for ``nodes``, by name (see module_utils/ipam/allocator.py)."""
    try:
        lengths = {4: int(node_prefix), 6: int(node_prefix_ipv6)}
        return assign(nodes, networks, lengths, services or [], occupied)
    except (AllocationError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"pod_cidrs: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pod_cidrs": pod_cidrs}
