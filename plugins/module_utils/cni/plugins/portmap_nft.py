# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's side of portmap: elements of the table ``inet podnet``, route_localnet, conntrack entries to delete."""

from __future__ import annotations

import posix
from _socket import if_indextoname, if_nametoindex
from errno import EEXIST

from ...nat import pods, table
from ...nat.pods import PortMapping
from ...netlink import conntrack, nftables, route
from ...netlink.channel import Channel
from ...netlink.netns import is_netns
from ...netlink.removal import Unhurried
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError, unpack_ip
from ..attach import pod
from ..spec.errors import INTERNAL, NOT_AVAILABLE, CniError
from ..spec.fastjson import loads
from ..spec.names import link_name

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..spec.call import Call

UDP = pods.PROTOCOLS["udp"]
#: Where libcni keeps the results of ADD, <network>-<container>-<interface>, until DEL.
CACHE = "/var/lib/cni/results"
CACHE_MAX = 1 << 20
KINDS = (*pods.HOST_PORTS, pods.LINKS)


def add(call: Call, mappings: list[PortMapping], again: bool = False) -> None:
    """Maps all of `mappings` or none. CniError names the owner of a port that is taken.
    `again`: after the table with the elements was deleted.

    A port that another interface of the same container has stays there: runtimes give a container's port mappings to
    each of its networks, and the first network wins.
    """
    comment = pods.owner_comment(call.network, *call.owner)
    elements = [element for mapping in mappings for element in mapping.elements()]
    chains = pods.mapping_chains(mappings)
    with Unhurried(NETLINK_NETFILTER) as channel:
        try:
            opened = _to_open(channel, mappings, again)
            elements += [pods.link_element(name, address) for address, name in opened]
            try:
                pods.add(channel, elements, comment, chains)
            except NetlinkError as error:
                if error.errno != EEXIST:
                    raise
                freed = _bury(channel, elements)
                taken = [element for element in elements if _leads_elsewhere(channel, element, comment)]
                strange = [element for element in taken if not _is_containers(channel, element, call)]
                if strange or not (taken or freed):
                    raise CniError(INTERNAL, _conflict(channel, strange)) from None
                pods.add(channel, [element for element in elements if element not in taken], comment, chains)
        except NetlinkError as error:
            raise CniError(INTERNAL, f"failed to map ports: {error}") from None
        try:
            for _pod_address, name in opened:
                pod.write_sysctl(_route_localnet(name), "1")
            _reroute(channel, mappings)
        except (CniError, NetlinkError) as error:
            _remove(channel, pods.by_owner(comment))
            raise CniError(INTERNAL, f"failed to map ports: {error}") from None


def _bury(channel: Channel, elements: list[pods.Element]) -> bool:
    """Removes the host ports of owners of these elements that are gone, and returns whether there were any: a runtime
    calls portmap's DEL only as long as its list has portmap.

    An owner is gone if neither its link nor a result of libcni's cache with a live namespace is there. It has had its
    link before its ports, but for plugins other than bridge and ptp, which have none on the host.
    """
    freed = False
    for comment in sorted({pods.comment_of(channel, name, key) or "" for name, key, _data in elements}):
        owner = pods.owner_of(comment)
        if owner is None:
            continue
        try:
            if_nametoindex(link_name("veth", *owner))
        except OSError:
            if not _is_attached(*owner):
                _remove(channel, pods.by_owner(comment))
                freed = True
    return freed


def _is_attached(network: str, container: str, ifname: str) -> bool:
    """Whether libcni's cache has a result whose namespace lives; true if it cannot be read."""
    try:
        file = posix.open(f"{CACHE}/{network}-{container}-{ifname}", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        content = loads(posix.read(file, CACHE_MAX))
        return is_netns(str(content.get("netns") or ""))
    except (OSError, ValueError, AttributeError):
        return True
    finally:
        posix.close(file)


def _leads_elsewhere(channel: Channel, element: tuple, comment: str) -> bool:
    return element[0].startswith(pods.BY_PORT) and pods.comment_of(channel, *element[:2]) not in (None, comment)


def _is_containers(channel: Channel, element: tuple, call: Call) -> bool:
    """Whether an element is the container's, of any of its interfaces."""
    found = pods.comment_of(channel, *element[:2])
    return found is not None and pods.is_of_container(found, call.env.container_id)


def _conflict(channel: Channel, taken: list) -> str:
    for name, key, _data in taken:
        return f"host port is taken: {pods.describe(name, key)} belongs to {pods.comment_of(channel, name, key)}"
    return "a host port is to lead to two ports of the pod, or does so from an earlier call"


# -- loopback ---------------------------------------------------------------------------------------------------


def _to_open(channel: Channel, mappings: list[PortMapping], again: bool) -> list[tuple[str, str]]:
    """Those of ``_links`` that are to let packets from 127.0.0.1 out to the pod; they are masqueraded on the way.

    The kernel then accepts packets to 127.0.0.0/8 from that link too; the table's chain ``guard`` drops them. A link
    where others have set route_localnet stays theirs.
    """
    found = _links(mappings)
    if again or not any(pod.read_sysctl(_route_localnet(name)) == "1" for _address, name in found):
        return found
    ours = pods.links(pods.owned(channel, (pods.LINKS,)))
    return [(address, name) for address, name in found if name in ours or pod.read_sysctl(_route_localnet(name)) != "1"]


def _links(mappings: list[PortMapping]) -> list[tuple[str, str]]:
    """The IPv4 addresses of the pod that 127.0.0.1 should reach, each with the link of the route to it; not those that
    this host has no route to: whoever routes to the pod later reaches its host ports, and 127.0.0.1 does not."""
    wanted = dict.fromkeys(item.pod_ip for item in mappings if item.snat and item.family == 4)
    found = []
    with Channel() as host:
        for address in wanted:
            try:
                found.append((address, if_indextoname(route.lookup(host, address).index)))
            except OSError:  # NetlinkError is one
                continue  # no route, or the link is gone
    return found


def _route_localnet(name: str) -> str:
    return f"net/ipv4/conf/{name}/route_localnet"


# -- flows ------------------------------------------------------------------------------------------------------


def _reroute(channel: Channel, mappings: list[PortMapping]) -> None:
    """Deletes conntrack entries of UDP flows to the mapped ports, which would keep their old destination while packets
    come: this host, or the pod that has the port on every address. Flows to the same port of other hosts, and those
    translated by others (a Service), stay."""
    for item in mappings:
        if item.protocol == "udp":
            before = _pod_at_every_address(channel, item)
            flows = conntrack.dump(channel, item.family, UDP, item.host_port)
            concerned = [one for one in flows if one.answering in (one.target, before) and _is_for(item, one.target)]
            channel.batch([conntrack.forget(one) for one in concerned])


def _pod_at_every_address(channel: Channel, mapping: PortMapping) -> str:
    """The pod that has the mapping's port on every address, "" for none: a mapping at one address precedes it."""
    if not mapping.host_ip:
        return ""
    everywhere = PortMapping(mapping.protocol, mapping.host_port, "", mapping.pod_ip, mapping.pod_port)
    ((name, key, _data),) = everywhere.elements()
    found = nftables.get_element(channel, table.TABLE, name, key)
    return _address(name, found[0]) if found else ""


def _address(name: str, data: object) -> str:
    """The pod's address in the data of an element of ``hostports*``."""
    return unpack_ip(data[: table.LENGTH[int(name[-1])]]) if isinstance(data, bytes) else ""


def _is_for(mapping: PortMapping, target: str) -> bool:
    """Whether the mapping is for packets to that address."""
    if mapping.host_ip:
        return mapping.host_ip == target
    try:
        with Channel() as host:
            return route.lookup(host, target).type == "local"
    except NetlinkError:
        return False  # no route


def delete(call: Call) -> None:
    """Removes all host ports of the attachment, and their UDP conntrack entries."""
    with Unhurried(NETLINK_NETFILTER) as channel:
        _remove(channel, pods.by_owner(pods.owner_comment(call.network, *call.owner)))


def _remove(channel: Channel, chosen: Callable[[str], bool]) -> None:
    """Removes elements by their comment and what belongs to them: conntrack entries of UDP flows to the pod, and
    route_localnet of links that no other host port needs."""
    elements = pods.owned(channel, KINDS)
    gone = [element for element in elements if chosen(element[3])]
    links = pods.links(gone)
    # Before the removal: an ADD meanwhile finds either our element or 0, and takes neither for a setting of others.
    closed = links - pods.links(element for element in elements if element not in gone)
    _set_localnet(closed, "0")
    pods.take_out(channel, gone)
    for name, key, data, _comment in gone:
        if name.startswith("hostports"):
            protocol, port = pods.port_of(name, key)
            if protocol == UDP:
                flows = conntrack.dump(channel, int(name[-1]), UDP, port)
                channel.batch([conntrack.forget(one) for one in flows if one.answering == _address(name, data)])
    while links:
        present = pods.links(pods.owned(channel, (pods.LINKS,)))
        _set_localnet(closed & present, "1")  # for a concurrent ADD, which read 1
        late = links - closed - present  # other calls removed theirs at the same time
        _set_localnet(late, "0")
        closed |= late
        if not late:
            break


def _set_localnet(links: set[str], value: str) -> None:
    for name in links:
        pod.write_sysctl(_route_localnet(name), value, optional=True)  # the link may be gone


def check(call: Call, mappings: list[PortMapping]) -> None:
    """Table, rules and elements are as ADD left them. Raises CniError for the first difference."""
    with Unhurried(NETLINK_NETFILTER) as channel:
        _requests, changes = table.differences(channel)
        if changes:
            raise CniError(INTERNAL, f"{table.TABLE.title()} has drifted: {changes[0]}")
        for mapping in mappings:
            for element in mapping.elements():
                if not _is_containers(channel, element, call):
                    raise CniError(INTERNAL, f"port mapping is missing: {pods.describe(*element[:2])}")
        rules = nftables.read_rules(channel, table.TABLE)
        for chain in pods.mapping_chains(mappings):
            if not chain.is_in(rules):
                raise CniError(INTERNAL, f"chain {chain.name} of port mappings is not as configured")
    for _address, name in _links(mappings):
        if pod.read_sysctl(_route_localnet(name)) == "0":
            raise CniError(
                INTERNAL, f"port mappings are unreachable from 127.0.0.1: net.ipv4.conf.{name}.route_localnet is off"
            )


def status() -> None:
    """CniError 50 if nftables is not available."""
    try:
        with Unhurried(NETLINK_NETFILTER) as channel:
            nftables.exists(channel, table.TABLE)
    except OSError as error:
        raise CniError(NOT_AVAILABLE, f"nftables is not available: {error}") from None


def gc(call: Call) -> None:
    """Removes the mappings of all but the valid attachments."""
    with Unhurried(NETLINK_NETFILTER) as channel:
        _remove(channel, pods.by_network(call.network, call.valid_attachments()))
