# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VLANs of a port of the bridge plugin, and of its gateway, which reaches the pods' VLAN through a veth pair.

Loaded only for ``vlan`` or ``vlanTrunk``.
"""

from __future__ import annotations

from errno import EEXIST

from ....netlink import bridge_vlan, link
from ....netlink.channel import Channel
from ....netlink.wire import NetlinkError
from ...attach import interface, pod
from ...spec import config
from ...spec.errors import INTERNAL, CniError, config_error
from ...spec.names import digest, mac

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ....netlink.link import Link

VLAN_MAX = 4094
#: The native VLAN of a trunk that names none, as in Go's plugin.
NATIVE_VLAN = 1


def vlan_ranges(item: dict) -> list[tuple[int, int]]:
    """An entry of vlanTrunk, {id}, {minID, maxID} or both, as (first, last) each. CniError for anything else."""
    one, ends = config.value(item, "id"), [config.value(item, key) for key in ("minID", "maxID")]
    if (one is None and None in ends) or ends.count(None) == 1:
        raise config_error(f"vlanTrunk: either id or minID and maxID must be there, not {item!r}")
    wanted = [("id", "id")] if one is not None else []
    wanted += [("minID", "maxID")] if None not in ends else []
    found = [(_vlan(item, first), _vlan(item, last)) for first, last in wanted]
    if any(first > last for first, last in found):
        raise config_error("vlanTrunk: minID is greater than maxID")
    return found


def _vlan(item: dict, key: str) -> int:
    return config.integer(item, key, None, 1, VLAN_MAX)


def enable_filtering(host: Channel, bridge: Link) -> None:
    """Switches VLAN filtering on for a bridge that was made without."""
    if bridge.data.get("vlan_filtering"):
        return
    try:
        info = link.info("bridge", link.pack_data("bridge", {"vlan_filtering": True}))
        host.request(link.change(bridge.index, info=info, what=bridge.name))
    except NetlinkError as error:
        raise CniError(INTERNAL, f"vlan needs a kernel whose bridges filter VLANs: {error}") from None


class Vlans:
    """A port's VLANs: the native one ``access`` leaves it untagged, those in the ranges ``trunk`` tagged. A trunk
    without ``access`` has the native VLAN 1. The VLAN in which the kernel puts a new port (the bridge's
    vlan_default_pvid) stays only if ``keep_default``."""

    def __init__(self, access: int, trunk: list[tuple[int, int]], keep_default: bool) -> None:
        self.access = access or NATIVE_VLAN
        self.trunk = trunk
        self.keep_default = keep_default

    def put(self, host: Channel, port: str) -> None:
        """Puts the port into its VLANs. CniError if the kernel refuses."""
        index = pod.interface(host, port).index
        _untagged, present = bridge_vlan.read(host, index)
        stay = self._carried() if not self.keep_default else present
        requests = [bridge_vlan.remove(index, vlan) for vlan in sorted(present - stay)]
        requests += bridge_vlan.trunk(index, self.trunk)
        requests.append(bridge_vlan.access(index, self.access))  # last: as a part of the trunk it would be tagged
        for error in host.batch(requests):
            if error:
                raise CniError(INTERNAL, f"failed to set the VLANs of {port}: {error}")

    def check(self, host: Channel, bridge: Link, port: Link) -> None:
        """CHECK: the port has its VLANs and no default VLAN besides. CniError otherwise."""
        if not bridge.data.get("vlan_filtering"):
            raise CniError(INTERNAL, f"bridge {bridge.name} does not filter VLANs")
        untagged, carried = bridge_vlan.read(host, port.index)
        if untagged != self.access:
            raise CniError(INTERNAL, f"{port.name} is in VLAN {untagged}, not {self.access}")
        missing = self._carried() - carried
        if missing:
            raise CniError(INTERNAL, f"{port.name} does not carry VLAN {min(missing)}")
        foreign = carried - self._carried()
        if foreign and not self.keep_default:
            raise CniError(INTERNAL, f"{port.name} carries VLAN {min(foreign)}, which is not configured")

    def _carried(self) -> set[int]:
        """All VLANs of the port that are configured."""
        return {self.access, *(vlan for first, last in self.trunk for vlan in range(first, last + 1))}

    def gateway(self, host: Channel, bridge: Link, name: str, mtu: int) -> Link:
        """The link `name` for the gateway's addresses: one end of a veth pair whose other end is a port in ``access``.

        Every call makes all of it: an earlier call may have been killed half way.
        """
        port = "veth" + digest("gateway", bridge.name, str(self.access)).hex()[:11]
        own = mac("gateway", name)
        pair = link.add_veth(port, name, mac=mac("host", port), mtu=mtu or None, master=bridge.index, peer_mac=own)
        (error,) = host.batch([pair])
        if error and error.errno != EEXIST:
            raise CniError(INTERNAL, f"could not add {name!r}: {error}")
        pod.ignore_routers(name)  # before it is up: pods are its neighbors
        interface.request(host, link.change(0, name=name, up=True), f"could not set {name!r} up")
        pod.write_sysctl(f"net/ipv6/conf/{name}/accept_dad", "0", optional=True)
        Vlans(self.access, [], self.keep_default).put(host, port)
        found = link.get(host, name)
        if found is None or found.kind != "veth":
            raise CniError(INTERNAL, f"{name!r} already exists but is not the gateway of VLAN {self.access}")
        return found
