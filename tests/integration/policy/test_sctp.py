# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCTP as the kernel speaks it: whole associations, where test_packets.py sends first chunks only."""

from __future__ import annotations

import socket

import pytest
from policies.cluster import policy
from policies.events import of_case
from policies.fabric import FAMILIES

BOTH = ["Ingress", "Egress"]
#: Nothing passes in x but SCTP to port 80.
ONE = [
    policy("closed", "x", podSelector={}, policyTypes=BOTH),
    policy(
        "open",
        "x",
        podSelector={},
        policyTypes=["Ingress"],
        ingress=[{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80, "protocol": "SCTP"}]}],
    ),
]


def associate(source, ip: str, port: int) -> socket.socket:
    """An association that is made in time. Raises TimeoutError; an INIT is sent again after a second (RFC 9260)."""
    with source.entered():
        made = socket.socket(FAMILIES[6 if ":" in ip else 4], socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    made.settimeout(3)
    try:
        made.connect((ip, port))
    except BaseException:
        made.close()
        raise
    return made


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("source", ["y/a", "y/b"], ids=["same node", "other node"])
def test_an_association_is_made_where_a_policy_allows_its_port(needs, request, source, family):
    needs("sctp")
    fabric = request.getfixturevalue("fabric")
    fabric.enforce(of_case(ONE))
    target = fabric.addresses(family)["x/a"]
    ears = []
    for port in (80, 81):
        with fabric.ends["x/a"].entered():
            ears.append(socket.socket(FAMILIES[family], socket.SOCK_STREAM, socket.IPPROTO_SCTP))
        ears[-1].bind((target, port))
        ears[-1].listen()
    with ears[0], ears[1], associate(fabric.ends[source], target, 80) as made:
        heard, _from = ears[0].accept()
        with heard:
            heard.settimeout(5)
            made.send(b"there")
            assert heard.recv(99) == b"there"
            heard.send(b"back")
            assert made.recv(99) == b"back"
        with pytest.raises(TimeoutError):
            associate(fabric.ends[source], target, 81)
