# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand pods whose first packet runs a race with their policies; then podnetd killed, stopped for ten minutes and
started again under load, while packets flow that policies allow, and others that they do not.

`make races`: too long for `make test`, where test_enforcer.py has fewer of both.
"""

from __future__ import annotations

import signal
import time

import pytest

from .race import Flows, Load, lock, race
from .test_enforcer import FROM_CLIENTS, shop

__all__ = ["shop"]
PODS, KILLS, AWAY = 1000, 20, 600
pytestmark = pytest.mark.timeout(3600)


def test_no_first_packet_of_a_thousand_pods_slips_through(shop):
    server = shop.run_pod("shop", "server")
    lock(shop)
    assert race(shop, server, PODS) == []
    assert shop.status()["admitted"] == PODS + 1 and shop.status()["refused"] == 0


@pytest.mark.parametrize("number, rounds, away", [(signal.SIGKILL, KILLS, 1), (signal.SIGTERM, 1, AWAY)], ids=str)
def test_podnetd_away_lets_nothing_through_and_loses_nothing(shop, eventually, number, rounds, away):
    shop.cluster.namespace("free")
    shop.cluster.policy("shop", "clients", podSelector={"matchLabels": {"app": "server"}}, **FROM_CLIENTS)
    client, other = shop.run_pod("shop", "client", role="client"), shop.run_pod("shop", "other")
    server = shop.run_pod("shop", "server", app="server")
    for version in (4, 6):
        eventually("the policy", lambda version=version: client.reaches(server, version))
        eventually("its denial", lambda version=version: not other.reaches(server, version))
    load = Load(shop)
    load.start()
    with Flows(server, client, other) as flows:
        for _round in range(rounds):
            shop.node.agents[-1].stop(number)
            time.sleep(away)
            shop.start()
            eventually("the policies in force", lambda: shop.status()["in_force"], 60)
    load.stop()
    assert load.rounds > rounds and (flows.lost(), flows.leaked()) == ([], [])
