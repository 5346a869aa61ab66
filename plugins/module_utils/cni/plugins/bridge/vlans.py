# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridge plugin's VLANs: its ports', and the gateway's, which is in the pods' VLAN by a pair of its own.

Loaded by those who have ``vlan`` or ``vlanTrunk``. `settings` are the bridge plugin's.
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
    from .bridge import Settings

VLAN_MAX = 4094
#: The VLAN that a port has by itself.
DEFAULT_VLAN = 1
EEXIST = 17


def parse(item: dict) -> tuple[int, int]:
    """An entry of vlanTrunk, {id} or {minID, maxID}, as (first, last)."""
    one = config.value(item, "id")
    ends = [config.value(item, key) for key in ("minID", "maxID")]
    if (one is None) == (ends == [None, None]) or (one is None and None in ends):
        raise config_error(f"vlanTrunk: either id or minID and maxID must be there, not {item!r}")
    keys = ("minID", "maxID") if one is None else ("id", "id")
    first, last = [config.integer(item, key, None, 1, VLAN_MAX) for key in keys]
    if first > last:
        raise config_error("vlanTrunk: minID is greater than maxID")
    return first, last


def filter_them(host: Channel, bridge: Link) -> None:
    """Has a bridge filter VLANs that was made without that."""
    if bridge.data.get("vlan_filtering"):
        return
    try:
        info = link.info("bridge", link.pack_data("bridge", {"vlan_filtering": True}))
        host.request(link.change(bridge.index, info=info, what=bridge.name))
    except NetlinkError as error:
        raise CniError(INTERNAL, f"vlan needs a kernel whose bridges filter VLANs: {error}") from None


def gateway(host: Channel, bridge: Link, settings: Settings) -> Link:
    """The link with the gateway's addresses: one end of a pair whose other end is the bridge's port in the VLAN.

    All of it is asked for every time: a call may have been killed half way.
    """
    name = settings.gateway_link
    port = "veth" + digest("gateway", settings.bridge, str(settings.vlan)).hex()[:11]
    own = mac("gateway", posix.uname().nodename, name)
    requests = [
        link.add_veth(port, name, mac=mac("host", port), mtu=settings.mtu or None, master=bridge.index, peer_mac=own),
        link.change(0, name=name, up=True),
    ]
    for error in host.batch(requests):
        if error and error.errno != EEXIST:
            raise CniError(INTERNAL, f"could not add {name!r}: {error}")
    pod.write_sysctl(f"net/ipv6/conf/{name}/accept_dad", "0", optional=True)
    put(host, port, settings)
    found = link.get(host, name)
    if found is None or found.kind != "veth":
        raise CniError(INTERNAL, f"{name!r} already exists but is not the gateway of VLAN {settings.vlan}")
    return found


def put(host: Channel, port: str, settings: Settings) -> None:
    """Puts a port into its VLANs."""
    found = pod.interface(host, port)
    requests = bridge_vlan.trunk(found.index, settings.trunk)
    if settings.vlan:
        requests.append(bridge_vlan.access(found.index, settings.vlan))
    if not settings.preserve_default_vlan and settings.vlan != DEFAULT_VLAN:
        requests.append(bridge_vlan.remove(found.index, DEFAULT_VLAN))
    for error in host.batch(requests):
        if error:
            raise CniError(INTERNAL, f"failed to set the VLANs of {port}: {error}")


def check(host: Channel, bridge: Link, port: Link, settings: Settings) -> None:
    """CHECK: the port carries its VLANs, and none that it shall not."""
    if not bridge.data.get("vlan_filtering"):
        raise CniError(INTERNAL, f"bridge {bridge.name} doesn't filter VLANs")
    untagged, carried = bridge_vlan.read(host, port.index)
    if settings.vlan and untagged != settings.vlan:
        raise CniError(INTERNAL, f"{port.name} is in VLAN {untagged}, not {settings.vlan}")
    missing = _all(settings) - carried
    if missing:
        raise CniError(INTERNAL, f"{port.name} doesn't carry VLAN {min(missing)}")
    if (
        not settings.preserve_default_vlan
        and settings.vlan != DEFAULT_VLAN
        and DEFAULT_VLAN in carried - _all(settings)
    ):
        raise CniError(INTERNAL, f"{port.name} is in the default VLAN {DEFAULT_VLAN}")


def _all(settings: Settings) -> set[int]:
    return {vlan for first, last in settings.trunk for vlan in range(first, last + 1)}
