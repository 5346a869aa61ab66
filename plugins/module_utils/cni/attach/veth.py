# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The veth pair between the pod and the host, of bridge and ptp; its name and alias identify it."""

from __future__ import annotations

from errno import EEXIST

from ...netlink import link
from ...netlink.channel import Channel
from ..spec.errors import INTERNAL, CniError
from ..spec.names import host_name, link_name, mac
from . import pod

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.wire import Request
    from ..spec.call import Call
    from .undo import Undo

KIND = "veth"
#: The beginning of a host end's alias; network, container ID and interface follow.
ALIAS = "podnet"


def make(
    host: Channel,
    call: Call,
    netns_fd: int,
    pod_mac: str,
    undo: Undo,
    mtu: int = 0,
    master: int | None = None,
    more: list[Request] | None = None,
) -> str:
    """Makes the pair in one request, the pod's end in the namespace open as `netns_fd`; returns the host end's name.

    `undo` gets the step that removes the pair; `more` are requests for the host's end in the same batch.
    """
    name = host_name(call)
    pair = link.add_veth(
        name,
        call.env.ifname,
        mac=mac("host", name),
        mtu=mtu or None,
        master=master,
        peer_mac=pod_mac,
        peer_netns=netns_fd,
    )
    failures = host.batch([pair, link.change(0, name=name, alias=alias(call)), *(more or [])])
    if not failures[0]:
        undo.append(lambda: remove_ours(call))
    if failures[0] and failures[0].errno == EEXIST:
        if link.get(host, name) is None:
            raise CniError(INTERNAL, f"container interface {call.env.ifname} already exists in {call.env.netns}")
        raise CniError(INTERNAL, f"{call.env.container_id} is already attached to {call.network}, by {name}")
    for failure in failures:
        if failure:
            raise CniError(INTERNAL, f"failed to connect {call.env.ifname}: {failure}")
    pod.ignore_routers(name, fresh=True)
    return name


def alias(call: Call) -> str:
    """The alias that marks the host's end as this attachment's."""
    return f"{ALIAS} {call.network} {call.env.container_id} {call.env.ifname}"[:255]


def find(host: Channel, call: Call, previous: dict, inner: Link | None) -> Link:
    """The host's end: by our name, or by the result's; it must be the other end of `inner`."""
    names = [item.get("name") for item in previous["interfaces"] if not item.get("sandbox")]
    for name in [host_name(call), *[name for name in names if name]]:
        found = link.get(host, name)
        if found and found.kind == KIND and (inner is None or found.index == inner.peer_index):
            return found
    raise CniError(INTERNAL, f"the host's end of {call.env.ifname} is missing")


def remove_ours(call: Call) -> bool:
    """Deletes the pair that ADD made; False if there is none."""
    with Channel() as host:
        return pod.delete_link(host, host_name(call))


def remove(call: Call) -> None:
    """Deletes the pair: by the host's end, or by the pod's if another implementation made it, with its rules."""
    if remove_ours(call):
        return
    with pod.enter_if_there(call.env) as there:
        if there:
            with Channel() as inside:
                found = link.get(inside, call.env.ifname)
                if found and found.kind == KIND:
                    pod.delete_link(inside, call.env.ifname)
    from . import leftovers  # only if needed

    leftovers.remove(call)


def collect(host: Channel, network: str, valid: set, kind: str = KIND) -> None:
    """Deletes the network's links of that kind, named after it, of all but the valid attachments."""
    kept = {link_name(kind, network, *owner) for owner in valid}
    for item in link.dump(host, kind):
        # the alias may be cut off, so it does not identify the attachment
        if (item.alias or "").startswith(f"{ALIAS} {network} ") and item.name not in kept:
            pod.delete_link(host, item.name)
