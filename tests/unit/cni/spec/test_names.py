# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are derived from their attachment: DEL finds by them what ADD made, also after an upgrade."""

from __future__ import annotations

import hashlib

from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import names


def test_a_link_s_name_is_of_the_attachment_and_fits():
    found = {
        names.link_name("veth", network, container, ifname)
        for network in ("podnet", "lan")
        for container in ("c1", "c2")
        for ifname in ("eth0", "net1")
    }
    assert len(found) == 8 and {len(name) for name in found} == {15}
    assert all(name.startswith("veth") for name in found)


def test_it_never_changes():
    """A pod that is running was named by an older library."""
    digest = hashlib.blake2b(b"podnet\0c1\0eth0", digest_size=16).hexdigest()
    assert names.link_name("veth", "podnet", "c1", "eth0") == f"veth{digest[:11]}"


def test_parts_are_not_run_together():
    assert names.digest("ab", "c") != names.digest("a", "bc") != names.digest("abc")
    assert len(names.digest("\udcff")) == 16  # a container ID that is not UTF-8


def test_mac_addresses_are_local_unicast_and_of_their_host(monkeypatch):
    here = names.mac("bridge", "podnet", "cni0")
    assert int(here[:2], 16) & 3 == 2 and len(here) == 17
    uname = names.posix.uname()
    other = type("Uname", (), {"nodename": f"{uname.nodename}-2"})
    monkeypatch.setattr(names.posix, "uname", lambda: other)
    assert names.mac("bridge", "podnet", "cni0") != here
