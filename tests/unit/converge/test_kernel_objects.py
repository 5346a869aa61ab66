# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What turns actual kernel objects into the desired ones, without a kernel."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.converge.kernel_objects import KernelObjects, differences
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.neighbour import Fdb, Neighbour
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route


def described(desired, actual) -> list[str]:
    return [str(change) for change in differences(desired, actual)]


def overlay(vni: int = 1, mtu: int = 1450) -> list:
    return [
        Link("flannel.1", "vxlan", mtu=mtu, data={"id": vni, "learning": False}),
        Address("flannel.1", "10.244.0.0/32"),
        Neighbour("flannel.1", "10.244.1.0", "02:00:00:00:00:01"),
        Fdb("flannel.1", "02:00:00:00:00:01", "192.0.2.1"),
        Route("10.244.1.0/24", "flannel.1", "10.244.1.0", onlink=True),
    ]


def test_equal_states_need_nothing():
    assert described(overlay(), overlay()) == []


def test_a_missing_object_is_added_and_a_superfluous_one_deleted():
    assert described(overlay(), overlay()[:4]) == ["add route 10.244.1.0/24"]
    assert described(overlay()[:4], overlay()) == ["delete route 10.244.1.0/24"]


def test_a_change_says_what():
    assert described(overlay(mtu=1400), overlay()) == ["change link flannel.1: mtu 1450 → 1400"]


def test_what_is_not_wanted_of_an_object_is_not_compared():
    actual = Link("cni0", "bridge", mac="02:00:00:00:00:09", mtu=1450, up=True)
    assert not differences([Link("cni0", "bridge", up=True)], [actual])


def test_a_link_made_anew_takes_what_stood_on_it_along():
    changes = described(overlay(vni=2), overlay())
    assert changes[0].startswith("recreate link flannel.1: data")
    assert changes[1:] == [
        "add address flannel.1 10.244.0.0/32",
        "add neighbour flannel.1 10.244.1.0",
        "add fdb flannel.1 02:00:00:00:00:01 192.0.2.1",
        "add route 10.244.1.0/24",
    ]


def test_a_diff_shows_only_what_the_plan_touches():
    (diff,) = KernelObjects(None, overlay(mtu=1400), overlay()).diffs()
    link = "link name=flannel.1 kind=vxlan mtu={} data={{'id': 1, 'learning': False}}\n"
    assert diff == ("kernel", link.format(1450), link.format(1400))


def test_what_renews_a_link():
    step = KernelObjects(None, overlay(vni=2), overlay())
    assert step.renews("flannel.1") and not step.renews("cni0")
    assert not KernelObjects(None, overlay(mtu=1400), overlay()).renews("flannel.1")


def test_each_change_has_the_kind_of_its_object():
    kinds = [change.kind for change in differences(overlay(), [])]
    assert kinds == ["link", "address", "neighbour", "fdb", "route"]
