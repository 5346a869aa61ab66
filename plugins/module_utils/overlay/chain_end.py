# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a packet in a base chain of nftables that none of its conditions is about: the policy says so, or a
rule without a condition before it, as firewalld's last one (``reject with icmpx admin-prohibited``)."""

from __future__ import annotations

from ..netlink.channel import Channel
from ..netlink.nftables import FAMILIES, GETCHAIN, GETRULE, INFO
from ..netlink.wire import attr_str, attributes, parse, text

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from typing import Union

    #: A chain: family, table, name.
    Key = tuple[int, str, str]
    #: A rule's end: dropped or accepted (True, False), or the chain that it jumps to and whether it comes back.
    End = Union[bool, tuple[str, bool]]

# linux/netfilter/nf_tables.h: attributes of chains, rules, expressions and verdicts; linux/netfilter.h: verdicts
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY = 1, 3, 4, 5
RULE_EXPRESSIONS = 4
NF_DROP, NF_ACCEPT, NFT_JUMP, NFT_GOTO, NFT_RETURN = 0, 1, -3, -4, -5
#: Expressions, and matches and targets of iptables-nft, that are no condition and end nothing.
_PASSING = ("counter", "log", "meta nftrace")
_PASSING_MATCHES, _PASSING_TARGETS = ("comment",), ("LOG", "NFLOG")
_OURS = ("podnet", "podnet_policy")


def dropping(channel: Channel, hook: int) -> list[str]:
    """The base chains of others at the hook (a number of ``nftables.HOOKS``) in which such a packet is dropped, as nft
    names them. Those of the bridge family, which see frames, are left out. Raises OSError, NetlinkError."""
    names = {value: name for name, value in FAMILIES.items()}
    found = []
    for payload in channel.dump((GETCHAIN, 0, INFO.pack(0, 0, 0), "list chains")):
        values = parse(payload, INFO.size)
        if CHAIN_HOOK not in values or payload[0] == FAMILIES["bridge"]:
            continue
        key = (payload[0], text(values[CHAIN_TABLE]), text(values[CHAIN_NAME]))
        if int.from_bytes(parse(values[CHAIN_HOOK]).get(1, b""), "big") != hook or key[1] in _OURS:
            continue
        ended = _end(channel, key, ())
        if ended or (ended is None and values.get(CHAIN_POLICY) == bytes(4)):
            found.append(f"{names.get(key[0], key[0])} {key[1]} {key[2]}")
    return sorted(found)


def _end(channel: Channel, key: Key, above: tuple[str, ...]) -> bool | None:
    """Whether the packet is dropped (True) or accepted (False) in the chain; None where it comes to its end."""
    if key[2] in above:
        return None  # a goto may lead back; the kernel forbids loops, which is not ours to prove
    body = INFO.pack(key[0], 0, 0) + attr_str(1, key[1]) + attr_str(2, key[2])
    for payload in channel.dump((GETRULE, 0, body, f"list rules of {key[2]}")):
        values = parse(payload, INFO.size)
        if (payload[0], text(values[1]), text(values[2])) != key:
            continue  # an older kernel lists all
        end = _rule(values.get(RULE_EXPRESSIONS, b""))
        if isinstance(end, tuple):
            target, back = end
            if not target:
                return None
            ended = _end(channel, (key[0], key[1], target), (*above, key[2]))
            if ended is not None or not back:
                return ended
        elif end is not None:
            return end
    return None


def _rule(expressions: bytes) -> End | None:
    """How a rule without a condition ends, ("", False) for return; None for one with a condition, or without an end."""
    for _kind, element in attributes(expressions):
        values = parse(element)
        name, data = text(values.get(1, b"")), parse(values.get(2, b""))
        if name in _PASSING:
            continue
        if name == "reject":
            return True
        if name in ("match", "target"):
            extension = text(data.get(1, b""))
            if extension == "REJECT" and name == "target":
                return True
            if extension in (_PASSING_MATCHES if name == "match" else _PASSING_TARGETS):
                continue
            return None
        if name != "immediate":
            return None
        verdict = parse(parse(data.get(2, b"")).get(2, b""))
        if 1 not in verdict:
            return None  # it loads a value for a condition
        code = int.from_bytes(verdict[1], "big", signed=True)
        if code in (NFT_JUMP, NFT_GOTO):
            return text(verdict[2]), code == NFT_JUMP
        ends: dict[int, End] = {NF_DROP: True, NF_ACCEPT: False, NFT_RETURN: ("", False)}
        return ends.get(code)
    return None
