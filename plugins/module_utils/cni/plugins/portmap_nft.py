# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's side of portmap: elements of the table ``inet podnet``, and conntrack entries to delete."""

from __future__ import annotations

from ...ipam.ip import parse_subnet
from ...nat import pods, table
from ...netlink import conntrack, link, nftables, route
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError
from ..attach import pod
from ..spec.errors import INTERNAL, NOT_AVAILABLE, CniError
from ..spec.result import family

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

EEXIST = 17
UDP = pods.PROTOCOLS["udp"]


def add(call: Call, mappings: list[dict], addresses: list[str], snat: bool) -> None:
    """Maps all of `mappings` (see ``pods.mapping_elements``) or none. CniError names the owner of a port that is taken.

    A port that another interface of the same container has stays there: runtimes give a container's port mappings to
    each of its networks, and the first network wins.
    """
    comment = pods.owner_comment(call.network, *call.owner)
    elements = [element for mapping in mappings for element in pods.mapping_elements(mapping)]
    subnets = [str(parse_subnet(item)) for item in addresses]
    chains = list(_chains(mappings).values())
    with Channel(NETLINK_NETFILTER) as channel:
        try:
            try:
                pods.add(channel, elements, subnets, comment, chains)
            except NetlinkError as error:
                if error.errno != EEXIST:
                    raise
                taken = [element for element in elements if _leads_elsewhere(channel, element, comment)]
                strange = [element for element in taken if not _is_containers(channel, element, call)]
                if strange or not taken:
                    raise CniError(INTERNAL, _conflict(channel, strange)) from None
                pods.add(channel, [element for element in elements if element not in taken], subnets, comment, chains)
        except NetlinkError as error:
            raise CniError(INTERNAL, f"failed to map ports: {error}") from None
        try:
            if snat:
                _open_loopback(addresses)
            _forget_connections(channel, mappings)
        except (CniError, NetlinkError) as error:
            pods.remove_owner(channel, comment, pods.HOST_PORTS)
            raise CniError(INTERNAL, f"failed to map ports: {error}") from None


def _chains(mappings: list[dict]) -> dict[str, nftables.Chain]:
    """The chains with the mappings' conditions, by name."""
    wanted = {(item["conditions"], family(item["pod_ip"])) for item in mappings if item["conditions"]}
    chains = [pods.condition_chain(conditions, kind) for conditions, kind in sorted(wanted)]
    return {chain.name: chain for chain in chains}


def _leads_elsewhere(channel: Channel, element: tuple, comment: str) -> bool:
    return pods.comment_of(channel, *element[:2]) not in (None, comment)


def _is_containers(channel: Channel, element: tuple, call: Call) -> bool:
    """Whether an element is the container's, of any of its interfaces."""
    found = pods.comment_of(channel, *element[:2])
    return found is not None and pods.is_of_container(found, call.env.container_id)


def _conflict(channel: Channel, taken: list) -> str:
    for name, key, _data in taken:
        return f"host port is taken: {pods.describe(name, key)} belongs to {pods.comment_of(channel, name, key)}"
    return "a host port is to lead to two ports of the pod, or does so from an earlier call"


def _open_loopback(addresses: list[str]) -> None:
    """Lets packets from 127.0.0.1 out to the pod; they are masqueraded on the way."""
    for name in _loopback_sysctls(addresses):
        pod.write_sysctl(name, "1")


def _loopback_sysctls(addresses: list[str]) -> list[str]:
    """The sysctl that must be 1 on the interface by which packets from 127.0.0.1 leave for the pod."""
    names = []
    for item in addresses:
        if family(item) == 4:
            with Channel() as host:
                way = route.lookup(host, item.partition("/")[0])
                found = link.get(host, index=way.index)
            if found:
                names.append(f"net/ipv4/conf/{found.name}/route_localnet")
    return names


def _forget_connections(channel: Channel, mappings: list[dict]) -> None:
    """Deletes UDP conntrack entries: a flow with an entry keeps its old translation while packets come."""
    wanted = {(family(item["pod_ip"]), item["host_port"]) for item in mappings if item["protocol"] == "udp"}
    channel.batch([conntrack.forget(kind, UDP, port) for kind, port in sorted(wanted)])


def delete(call: Call) -> None:
    """Removes all host ports of the attachment, and their UDP conntrack entries."""
    comment = pods.owner_comment(call.network, *call.owner)
    with Channel(NETLINK_NETFILTER) as channel:
        _forget_removed(channel, pods.remove_owner(channel, comment, pods.HOST_PORTS))


def _forget_removed(channel: Channel, removed: list) -> None:
    wanted = set()
    for name, key in removed:
        protocol, port = pods.port_of(name, key)
        if protocol == UDP:
            wanted.add((int(name[-1]), port))
    channel.batch([conntrack.forget(kind, UDP, port) for kind, port in sorted(wanted)])


def check(call: Call, mappings: list[dict]) -> None:
    """Table, rules and elements are as ADD left them. Raises CniError for the first difference."""
    with Channel(NETLINK_NETFILTER) as channel:
        _requests, changes = table.differences(channel)
        if changes:
            raise CniError(INTERNAL, f"{table.TABLE.title()} has drifted: {changes[0]}")
        chains = _chains(mappings)
        rules = nftables.read_rules(channel, table.TABLE) if chains else {}
        for name, chain in chains.items():
            if rules.get(name) != [rule.digest() for rule in chain.rules]:
                raise CniError(INTERNAL, f"the conditions of port mappings are not as configured: chain {name}")
        for mapping in mappings:
            for element in pods.mapping_elements(mapping):
                if not _is_containers(channel, element, call):
                    raise CniError(INTERNAL, f"port mapping is missing: {pods.describe(*element[:2])}")
    for name in _loopback_sysctls([mapping["pod_ip"] for mapping in mappings if mapping["snat"]]):
        if pod.read_sysctl(name) == "0":
            raise CniError(INTERNAL, f"port mappings are unreachable from 127.0.0.1: {name.replace('/', '.')} is off")


def status() -> None:
    """CniError 50 if nftables is not available."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            nftables.exists(channel, table.TABLE)
    except OSError as error:
        raise CniError(NOT_AVAILABLE, f"nftables is not available: {error}") from None


def gc(call: Call) -> None:
    """Removes the mappings of all but the valid attachments."""
    with Channel(NETLINK_NETFILTER) as channel:
        _forget_removed(channel, pods.collect(channel, pods.HOST_PORTS, call.network, call.valid_attachments()))
