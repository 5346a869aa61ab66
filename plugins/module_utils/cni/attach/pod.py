# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod's side: enter its namespace, configure its interface by a result, and check it."""

from __future__ import annotations

import posix
from errno import EEXIST, EINVAL, ENOENT

from ...netlink import address, link, removal, route
from ...netlink.channel import Channel
from ...netlink.netns import Netns, is_netns
from ...netlink.wire import NetlinkError
from ..spec.environment import Environment
from ..spec.errors import INTERNAL, NETNS, CniError, config_error
from ..spec.result import family, interface_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.route import Route

#: rtnetlink.h; seconds without a change of them within which an IPv6 address has its local route.
RTNLGRP_IPV6_ROUTE, SETTLE = 11, 1.0
ANYWHERE = route.ANYWHERE


class Visit(Netns):
    """A namespace for one ``with``, closed at its end: as soon as DEL has answered the runtime unmounts the path, and
    the kernel refuses that (EBUSY) while anything has it open. Garbage collection would be too late."""

    def __exit__(self, *failure: object) -> None:
        super().__exit__(*failure)
        self.close()


def namespace(env: Environment, kind: type[Netns] = Netns) -> Netns:
    """The pod's namespace, for any number of ``with``; the caller closes it. CniError 8 if it cannot be opened."""
    try:
        return kind(env.netns)
    except OSError as error:
        raise CniError(NETNS, f"failed to open netns {env.netns!r}: {error.strerror}") from None


def enter(env: Environment) -> Netns:
    """The pod's namespace for one ``with``. Raises CniError 8 if it cannot be opened."""
    return namespace(env, Visit)


class Absent:
    """Stands for a namespace that is gone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_failure: object) -> None:
        pass


def enter_if_there(env: Environment) -> Netns | Absent:
    """The same for DEL: None in the ``with`` if the namespace is gone or was not given. CniError 8 for one that is
    there and cannot be opened, as without a descriptor: what ADD did in it is not undone yet."""
    if not is_netns(env.netns):  # a path to something else: nothing of ours is there
        return Absent()
    try:
        return Visit(env.netns)
    except OSError as error:
        if error.errno not in (ENOENT, EINVAL):  # gone meanwhile; a namespace of another kind
            raise CniError(NETNS, f"failed to open netns {env.netns!r}: {error.strerror}") from None
        return Absent()


def configure(channel: Channel, index: int, ifname: str, result: dict, detect: bool = False) -> None:
    """Adds addresses to the interface, sets it up and adds routes. `channel` is the pod's.

    `result` has ``ips`` and ``routes``. IPv6 addresses skip duplicate address detection unless `detect`.
    """
    prepare(ifname, result)
    requests = []
    for item in result["ips"]:
        requests.append(address.add(index, item["address"], broadcast="+", replace=False, nodad=not detect))
    requests.append(link.change(index, up=True, what=ifname))
    requests += route_requests(index, result)
    for request, error in zip(requests, channel.batch(requests)):
        if error and not (error.errno == EEXIST and request[0] == route.RTM_NEWROUTE):  # the very same route
            raise CniError(INTERNAL, f"failed to configure {ifname}: {error}")


def settle(netns: Netns, result: dict, detect: bool = False) -> None:
    """Returns when the pod accepts packets to its IPv6 addresses: the kernel makes an address' local route in a queue
    of work, duplicate address detection or not (addrconf_dad_work in net/ipv6/addrconf.c), and until then drops what
    comes. Does nothing with `detect`, which takes a second or two."""
    wanted = [item["address"].partition("/")[0] for item in result["ips"] if family(item["address"]) == 6]
    if not wanted or detect:
        return
    with netns, Channel() as inside:
        if _accepts(inside, wanted):
            return
        with Channel() as events:
            events.subscribe(RTNLGRP_IPV6_ROUTE)
            while not _accepts(inside, wanted) and events.wait(SETTLE):
                pass


def _accepts(channel: Channel, addresses: list[str]) -> bool:
    try:
        return all(route.lookup(channel, each).type == "local" for each in addresses)
    except NetlinkError:  # no route at all yet
        return False


def prepare(ifname: str, result: dict) -> None:
    """The settings that an interface needs before it gets addresses; the namespace is the thread's."""
    families = {family(item["address"]) for item in result["ips"]}
    if families:  # gratuitous ARP: neighbors learn at once who has the address, also one that is added later
        write_sysctl(f"net/ipv4/conf/{ifname}/arp_notify", "1", fresh=True)
        ignore_routers(ifname, fresh=True)  # its addresses and routes are those of the result
    if 6 in families:
        write_sysctl(f"net/ipv6/conf/{ifname}/disable_ipv6", "0")
        write_sysctl(f"net/ipv6/conf/{ifname}/keep_addr_on_down", "1", optional=True, fresh=True)
        write_sysctl(f"net/ipv6/conf/{ifname}/ndisc_notify", "1", optional=True, fresh=True)


def route_requests(index: int, result: dict) -> list:
    """The requests for the result's routes; one without gateway takes the first of its family, or none.

    Several to one destination share its packets; and each of them comes besides what the pod has by other interfaces.
    """
    gateways: dict[int, str] = {}
    for item in result["ips"]:
        if item.get("gateway"):
            gateways.setdefault(family(item["address"]), item["gateway"])
    grouped: dict[tuple, list[str | None]] = {}
    for item in result["routes"]:
        scope = item.get("scope")
        if scope is not None and scope not in route.SCOPE_NAMES:
            raise config_error(f"route {item['dst']}: scope {scope} must be one of {sorted(route.SCOPE_NAMES)}")
        gateway = item.get("gw") or gateways.get(family(item["dst"]))
        if scope is not None and scope >= route.SCOPES["link"]:
            gateway = item.get("gw")
        key = (canonical(item["dst"]), scope, *(item.get(name) for name in ("table", "priority", "mtu", "advmss")))
        hops = grouped.setdefault(key, [])
        if gateway not in hops:
            hops.append(gateway)
    return [
        route.add(
            dst,
            index,
            gateways=hops,
            protocol=route.RTPROT_BOOT,
            scope=None if scope is None else route.SCOPE_NAMES[scope],
            mtu=mtu,
            advmss=advmss,
            metric=metric,
            table=table or route.RT_TABLE_MAIN,
            flags=route.BESIDE,
        )
        for (dst, scope, table, metric, mtu, advmss), hops in grouped.items()
    ]


def interface(channel: Channel, ifname: str, netns: str = "") -> Link:
    """The interface of that name; CniError 999 if it is missing. `netns` is the pod's path, "" the host's own."""
    found = link.get(channel, ifname)
    if found is None:
        raise CniError(INTERNAL, f"interface {ifname} is missing in {netns or 'the host'}")
    return found


def check_interface(channel: Channel, ifname: str, previous: dict, kind: str, netns: str) -> Link:
    """CHECK's part in the pod: the interface is there, of its kind, with its MAC, addresses and routes. Returns it.

    Raises CniError for the first difference.
    """
    found = interface(channel, ifname, netns)
    if kind and found.kind != kind:
        raise CniError(INTERNAL, f"interface {ifname} is a {found.kind or 'device'}, not a {kind}")
    if not found.up:
        raise CniError(INTERNAL, f"interface {ifname} is down")
    expected = [item for item in previous["interfaces"] if item.get("name") == ifname and item.get("sandbox")]
    if expected and expected[0].get("mac") and expected[0]["mac"].lower() != found.mac:
        raise CniError(INTERNAL, f"interface {ifname} has the MAC address {found.mac}, not {expected[0]['mac']}")
    owners = [(item["address"], interface_of(previous, item)) for item in previous["ips"]]
    wanted = [address for address, owner in owners if owner is None or owner in expected]
    present = [item.address for item in address.dump(channel, index=found.index)]
    for item in wanted:
        if canonical(item) not in present:
            raise CniError(INTERNAL, f"interface {ifname} lacks the address {item}")
    _check_routes(channel, found.index, previous["routes"])
    return found


def _check_routes(channel: Channel, index: int, wanted: list[dict]) -> None:
    tables: dict[int, list] = {}
    for item in wanted:
        destination, table = canonical(item["dst"]), item.get("table") or route.RT_TABLE_MAIN
        if table not in tables:
            tables[table] = route.dump(channel, table=table)
            if not item.get("table"):  # a plugin later in the chain, sbr or vrf, may have moved it
                tables[table] += route.dump(channel, table=0, index=index)
        matching = [one for one in tables[table] if one.dst == destination]
        if not matching:
            raise CniError(INTERNAL, f"route to {item['dst']} is missing")
        for key, attribute in (("gw", "gateway"), ("mtu", "mtu"), ("advmss", "advmss"), ("priority", "metric")):
            value = canonical(item[key]) if key == "gw" and item.get(key) else item.get(key)
            if value and not any(value in _values(one, attribute) for one in matching):
                raise CniError(INTERNAL, f"route to {item['dst']} does not have {attribute} {value}")


def _values(one: Route, attribute: str) -> list:
    return one.gateways() if attribute == "gateway" else [getattr(one, attribute)]


def canonical(text: str) -> str:
    """An address or prefix as the kernel's readers spell it."""
    host, slash, length = text.partition("/")
    return route.unpack_ip(route.pack_ip(host)) + slash + length


def alone(text: str) -> str:
    """An address as the prefix that holds nothing else: "10.1.0.5/32"."""
    return f"{canonical(text)}/{32 if family(text) == 4 else 128}"


def ignore_routers(name: str, fresh: bool = False) -> None:
    """Ignores IPv6 router advertisements, by which a pod could pose as a router (CVE-2020-10749).

    Call it before the interface is up: an advertisement may be the first packet.
    """
    write_sysctl(f"net/ipv6/conf/{name}/accept_ra", "0", optional=True, fresh=fresh)


def forwarding(kind: int) -> str:
    """The sysctl by which this host forwards packets of the family."""
    return "net/ipv4/ip_forward" if kind == 4 else "net/ipv6/conf/all/forwarding"


def check_forwarding(ips: list[dict]) -> None:
    """CHECK: this host forwards packets of the families of a result's `ips`. CniError if it does not."""
    for kind in sorted({family(item["address"]) for item in ips}):
        if read_sysctl(forwarding(kind)) == "0":
            name = forwarding(kind).replace("/", ".")
            raise CniError(INTERNAL, f"this host does not forward IPv{kind} packets: {name} is 0")


def read_sysctl(name: str) -> str:
    """A sysctl's value by its path below /proc/sys; empty if the kernel does not have it."""
    try:
        file = posix.open(f"/proc/sys/{name}", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(file, 4096).decode().strip()
    finally:
        posix.close(file)


def write_sysctl(name: str, value: str, optional: bool = False, fresh: bool = False) -> None:
    """Sets a sysctl, unless it has the value already. CniError if that fails, unless it is `optional`. Do not look
    first at a `fresh` link's: it has the default, and a look takes as long as the change."""
    if not fresh and read_sysctl(name) == value:
        return
    try:
        file = posix.open(f"/proc/sys/{name}", posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(file, value.encode())
        finally:
            posix.close(file)
    except OSError as error:
        if not optional and read_sysctl(name) != value:
            raise CniError(INTERNAL, f"failed to set {name.replace('/', '.')} to {value}: {error.strerror}") from None


def delete_link(channel: Channel, name: str) -> bool:
    """Deletes a link; False if it is missing. `channel` is of the thread's network namespace."""
    try:
        return removal.remove(channel, name)
    except NetlinkError as error:
        raise CniError(INTERNAL, str(error)) from None
