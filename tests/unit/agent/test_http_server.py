# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses to listen on."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.agent import http_server


def test_addresses_to_listen_at():
    assert http_server.endpoint("127.0.0.1:9441") == ("127.0.0.1", 9441)
    assert http_server.endpoint("[::1]:80") == ("::1", 80)
