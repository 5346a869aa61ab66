# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VLANs of a port of the bridge plugin, and of its gateway, which reaches the pods' VLAN through a veth pair.

Loaded only for ``vlan`` or ``vlanTrunk``.
"""

from __future__ import annotations

import posix

from ....netlink import bridge_vlan, link
from ....netlink.channel import Channel
from ....netlink.wire import NetlinkError
from ...attach import pod
from ...spec import config
from ...spec.errors import INTERNAL, CniError, config_error
from ...spec.names import digest, mac

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ....netlink.link import Link

VLAN_MAX = 4094
#: The VLAN in which the kernel puts a new port.
DEFAULT_VLAN = 1
EEXIST = 17


def vlan_range(item: dict) -> tuple[int, int]:
    """An entry of vlanTrunk, {id} or {minID, maxID}, as (first, last). CniError unless it is one of the two."""
    one = config.value(item, "id")
    ends = [config.value(item, key) for key in ("minID", "maxID")]
    if (one is None) == (ends == [None, None]) or (one is None and None in ends):
        raise config_error(f"vlanTrunk: either id or minID and maxID must be there, not {item!r}")
    keys = ("minID", "maxID") if one is None else ("id", "id")
    first, last = [config.integer(item, key, None, 1, VLAN_MAX) for key in keys]
    if first > last:
        raise config_error("vlanTrunk: minID is greater than maxID")
    return first, last


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
    """A port's VLANs: ``access`` leaves it untagged (0: none), those in the ranges ``trunk`` tagged; the kernel's
    default VLAN too if ``keep_default``."""

    def __init__(self, access: int, trunk: list[tuple[int, int]], keep_default: bool) -> None:
        self.access = access
        self.trunk = trunk
        self.drop_default = not keep_default and access != DEFAULT_VLAN

    def put(self, host: Channel, port: str) -> None:
        """Puts the port into its VLANs. CniError if the kernel refuses."""
        index = pod.interface(host, port).index
        requests = [bridge_vlan.remove(index, DEFAULT_VLAN)] if self.drop_default else []
        requests += bridge_vlan.trunk(index, self.trunk)  # after the removal: the trunk may have the default VLAN
        if self.access:
            requests.append(bridge_vlan.access(index, self.access))
        for error in host.batch(requests):
            if error:
                raise CniError(INTERNAL, f"failed to set the VLANs of {port}: {error}")

    def check(self, host: Channel, bridge: Link, port: Link) -> None:
        """CHECK: the port has its VLANs and no default VLAN besides. CniError otherwise."""
        if not bridge.data.get("vlan_filtering"):
            raise CniError(INTERNAL, f"bridge {bridge.name} does not filter VLANs")
        untagged, carried = bridge_vlan.read(host, port.index)
        if self.access and untagged != self.access:
            raise CniError(INTERNAL, f"{port.name} is in VLAN {untagged}, not {self.access}")
        tagged = {vlan for first, last in self.trunk for vlan in range(first, last + 1)}
        missing = tagged - carried
        if missing:
            raise CniError(INTERNAL, f"{port.name} does not carry VLAN {min(missing)}")
        if self.drop_default and DEFAULT_VLAN in carried - tagged:
            raise CniError(INTERNAL, f"{port.name} is in the default VLAN {DEFAULT_VLAN}")

    def gateway(self, host: Channel, bridge: Link, name: str, mtu: int) -> Link:
        """The link `name` for the gateway's addresses: one end of a veth pair whose other end is a port in these VLANs.

        Every call makes all of it: an earlier call may have been killed half way.
        """
        port = "veth" + digest("gateway", bridge.name, str(self.access)).hex()[:11]
        own = mac("gateway", posix.uname().nodename, name)
        requests = [
            link.add_veth(port, name, mac=mac("host", port), mtu=mtu or None, master=bridge.index, peer_mac=own),
            link.change(0, name=name, up=True),
        ]
        for error in host.batch(requests):
            if error and error.errno != EEXIST:
                raise CniError(INTERNAL, f"could not add {name!r}: {error}")
        pod.write_sysctl(f"net/ipv6/conf/{name}/accept_dad", "0", optional=True)
        self.put(host, port)
        found = link.get(host, name)
        if found is None or found.kind != "veth":
            raise CniError(INTERNAL, f"{name!r} already exists but is not the gateway of VLAN {self.access}")
        return found
