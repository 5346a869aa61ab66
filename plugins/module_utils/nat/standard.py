# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the standard Go plugins have in nftables for a pod: recognised and removed, when DEL or GC finds ours instead.

A node changes from those plugins to ours while its pods live. Names, comments and hashes are those of
github.com/containernetworking/plugins 1.10.0: pkg/utils/utils.go (hashes), pkg/ip/ipmasq_*_linux.go (masquerade),
plugins/meta/portmap (host ports), plugins/meta/firewall/iptables.go, pkg/link/spoofcheck.go. iptables' rules are among
them: in nftables where iptables is iptables-nft, else in the kernel's own tables (iptables-legacy).
"""

from __future__ import annotations

from errno import EBUSY, ENOENT

from ..netlink import nft_rules, nftables
from ..netlink.nftables import Table
from ..netlink.wire import NetlinkError, pack_ip

try:
    from _sha2 import sha512  # type: ignore[import-not-found]  # built in; hashlib brings OpenSSL along
except ImportError:
    try:
        from _sha512 import sha512  # type: ignore[import-not-found]  # its name below Python 3.12
    except ImportError:
        from hashlib import sha512

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..netlink.channel import Channel
    from ..netlink.nft_rules import Found
    from ..netlink.xtables import Rule

CHAIN_MAX = 28  # pkg/utils: maxChainLength
HASH = 16
#: iptables' tables; the prefixes of an attachment's chains (masquerade, host ports, their old form), and what leads to
#: each.
NAT = [Table(family, "nat", [], []) for family in ("ip", "ip6")]
CHAINS = {"CNI-": "POSTROUTING", "CNI-DN-": "CNI-HOSTPORT-DNAT", "CNI-SN-": "CNI-HOSTPORT-SNAT"}
FILTER = [Table(family, "filter", [], []) for family in ("ip", "ip6")]
FORWARD = "CNI-FORWARD"
MASQUERADE = Table("inet", "cni_plugins_masquerade", [], [])
MASQUERADING = "masq_checks"
HOST_PORTS = [Table(family, "cni_hostport", [], []) for family in ("ip", "ip6")]
HOST_PORT_CHAINS = ("hostports", "hostip_hostports", "masquerading")
SPOOF_CHECK = Table("bridge", "nat", [], [])


def digest(content: str, length: int, prefix: str = "") -> str:
    """pkg/utils: MustFormatHashWithPrefix."""
    return str(prefix + sha512(content.encode()).hexdigest())[:length]


def remove(channel: Channel, network: str, container: str, ifname: str, addresses: Iterable[str]) -> None:
    """Removes what belongs to an attachment; `addresses` are the pod's. Raises OSError."""
    for table in NAT:
        _remove_chains(channel, table, network, container)
    _remove_legacy_chains(network, container)
    packed = [pack_ip(item) for item in addresses]
    for table in FILTER:
        _remove(channel, table, FORWARD, lambda rule: any(item in packed for item in rule.values))
    _remove_legacy("filter", lambda rule: rule.chain == FORWARD and any(item in packed for item in rule.addresses))
    instance = _instance(network, ifname, container)
    _remove(channel, MASQUERADE, MASQUERADING, lambda rule: rule.comment.startswith(instance))
    for table in HOST_PORTS:
        for chain in HOST_PORT_CHAINS:
            _remove(channel, table, chain, lambda rule: rule.comment == container)
    spoof = f"cni-br-iface-{container}-{ifname}"
    _remove(channel, SPOOF_CHECK, "PREROUTING", None, [spoof, f"{spoof}-mac"])


def collect(channel: Channel, network: str, valid: set[tuple[str, str]]) -> None:
    """Removes what names the network and none of the `valid` attachments (container ID, interface). Rules that name no
    network stay: those of firewall, of the spoof check, and host ports of the nftables back end."""
    containers = {container for container, _ifname in valid}
    for table in NAT:
        told = [_told(rule.comment) for parent in CHAINS.values() for rule in nft_rules.read(channel, table, parent)]
        for container in sorted({container for name, container in told if name == network} - containers):
            _remove_chains(channel, table, network, container)
    for container in sorted(_legacy_containers(network) - containers):
        _remove_legacy_chains(network, container)
    ours = digest(network, HASH) + "-"
    kept = tuple(_instance(network, ifname, container) for container, ifname in valid)

    def astray(rule: Found) -> bool:
        return rule.comment.startswith(ours) and not rule.comment.startswith(kept)

    _remove(channel, MASQUERADE, MASQUERADING, astray)


def _told(comment: str) -> tuple[str, str]:
    """Network and container of a comment (pkg/utils: FormatComment); ("", "") of another one."""
    words = comment.split('"')
    return (words[1], words[3]) if len(words) == 5 and words[2] == " id: " else ("", "")


def _instance(network: str, ifname: str, container: str) -> str:
    return f"{digest(network, HASH)}-{digest(f'{ifname}:{container}', HASH)},"


def _remove_chains(channel: Channel, table: Table, network: str, container: str) -> None:
    """Removes the chains of an attachment in iptables' nat table, and what leads there."""
    for prefix, parent in CHAINS.items():
        chain = digest(network + container, CHAIN_MAX, prefix)
        _remove(channel, table, parent, None, [chain])


def _remove(
    channel: Channel, table: Table, parent: str, chosen: Callable[[Found], bool] | None, chains: Iterable[str] = ()
) -> None:
    """Removes the chosen rules of the chain `parent`; or the `chains` that are there, with what leads there from it."""
    there = [chain for chain in chains if nftables.chain_use(channel, table, chain) is not None]
    if not (chosen or there):
        return  # quickly: the parent may have thousands of rules
    rules = nft_rules.read(channel, table, parent)
    requests = [nft_rules.delete(table, one) for one in rules if (chosen(one) if chosen else one.target in there)]
    for chain in there:  # the kernel takes a chain only if nothing leads there
        requests += [nft_rules.delete(table, rule) for rule in nft_rules.read(channel, table, chain)]
    requests += [nftables.delete_chain(table, chain) for chain in there]
    try:
        if requests:
            nftables.transaction(channel, requests)
    except NetlinkError as error:
        if error.errno not in (ENOENT, EBUSY):  # another process was first, or has a rule that leads there
            raise


def _legacy() -> bool:
    """Whether the kernel has tables of iptables-legacy. The code that reads them costs memory and time."""
    for names in ("ip", "ip6"):
        try:
            with open(f"/proc/net/{names}_tables_names", "rb") as file:
                if file.read(1):
                    return True
        except OSError:
            continue
    return False


def _legacy_containers(network: str) -> set[str]:
    """The containers for which there are chains of the network in iptables-legacy's nat table."""
    if not _legacy():
        return set()
    from ..netlink import xtables

    told = [_told(rule.comment) for table in xtables.tables("nat") for rule in xtables.rules_of(table)]
    return {container for name, container in told if name == network}


def _remove_legacy_chains(network: str, container: str) -> None:
    chains = [digest(network + container, CHAIN_MAX, prefix) for prefix in CHAINS]
    _remove_legacy("nat", lambda rule: rule.chain in chains or rule.target in chains)


def _remove_legacy(table: str, unwanted: Callable[[Rule], bool]) -> None:
    """Removes rules of iptables-legacy. Raises OSError."""
    if not _legacy():
        return
    from ..netlink import xtables_rules

    xtables_rules.remove(table, unwanted)
