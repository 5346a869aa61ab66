# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words in which policies explain themselves (``explain``), for those who only read the explanation."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Reason(str, Enum):
    """Why a direction accepts or drops a connection."""

    #: No policy selects the pod in this direction, or none that decides this.
    NOT_ISOLATED = "not-isolated"
    TO_ITSELF = "to-itself"
    #: A rule accepts, or (of a ClusterNetworkPolicy) denies.
    RULE = "rule"
    #: Policies isolate the pod, and no rule of theirs accepts.
    NO_RULE = "no-rule"
    #: The address is in the node's pod CIDRs, and no pod has it whose policies are in force.
    ADDRESS_UNKNOWN = "address-unknown"


class Ports(NamedTuple):
    """Destination ports ``first`` to ``last``, of an IANA protocol number or ANY_PROTOCOL."""

    protocol: int
    first: int
    last: int
