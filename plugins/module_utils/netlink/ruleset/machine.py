# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One rule after the other, as the kernel's nf_tables_core.c runs them: registers, expressions, verdicts.

Numbers are those of linux/netfilter/nf_tables.h. A register that holds what nobody told carries the name of the
expression that loaded it; a comparison with it is an open question (``choices``).
"""

from __future__ import annotations

import struct
from sys import byteorder
from typing import Callable, NamedTuple

from ..wire import parse, text
from . import xt
from .choices import Choices
from .keys import Ct, Meta, word
from .packet import ESTABLISHED, IPS_DNAT, IPS_SNAT, NEW, RELATED, Host, Packet
from .read import ChainKey, Rule, Ruleset
from .verdicts import ACCEPT, CODES, ENDING, ENDING_TARGETS, PASSING, PASSING_TARGETS, QUEUE, REWRITING_TARGETS
from .xt import Nat

_JUMP, _GOTO, _RETURN, _CONTINUE = -3, -4, -5, -1
_DEPTH = 16  # NFT_JUMP_STACK_SIZE
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772  # linux/if_arp.h
BOOL, LSHIFT, RSHIFT = 0, 1, 2  # NFT_BITWISE_
FIB_OIF, FIB_ADDRTYPE = 1, 3  # NFT_FIB_RESULT_
FIB_SADDR, FIB_IIF, FIB_PRESENT = 1, 8, 32  # NFTA_FIB_F_


class End(NamedTuple):
    """How a chain ended: ``verdict``, and the rule that gave it, None for the chain's policy."""

    verdict: str
    rule: Rule | None


class _BreakError(Exception):
    """The rule's condition does not hold."""


class _EndError(Exception):
    """The rule ends with a verdict: code, chain to go to."""

    def __init__(self, verdict: str | int, chain: str = "") -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.chain = chain


class Machine:
    """Runs chains over one packet, which it changes. ``translated`` is called for a rule's NAT, ``untracked`` for one
    that keeps the packet from connection tracking."""

    def __init__(
        self,
        ruleset: Ruleset,
        host: Host,
        packet: Packet,
        choices: Choices,
        translated: Callable[[Rule, Nat], str],
        untracked: Callable[[Rule], None],
    ) -> None:
        self.ruleset, self.host, self.packet, self.choices = ruleset, host, packet, choices
        self._translated, self._untracked = translated, untracked
        self._words: dict[int, bytes] = {}
        self._strange: dict[int, str] = {}
        self._rule: Rule | None = None

    def chain(self, key: ChainKey, depth: int = 0) -> End | None:
        """The end of the packet in the chain, None where it comes to the chain's end."""
        if depth > _DEPTH:
            return None
        for rule in self.ruleset.rules(key):
            verdict, target = self._run(rule)
            if verdict == _RETURN:
                return None
            if verdict in (_JUMP, _GOTO):
                end = self.chain(ChainKey(key.family, key.table, target), depth + 1)
                if end or verdict == _GOTO:
                    return end
            elif isinstance(verdict, str):
                return End(verdict, rule)
        return None

    def _run(self, rule: Rule) -> tuple[str | int, str]:
        self._rule = rule
        self._words.clear()
        self._strange.clear()
        try:
            for name, values in rule.expressions:
                self._evaluate(rule, name, values)
        except _BreakError:
            pass
        except _EndError as end:
            return end.verdict, end.chain
        return _CONTINUE, ""

    def _evaluate(self, rule: Rule, name: str, values: dict[int, bytes]) -> None:
        known = _EXPRESSIONS.get(name)
        if known:
            known(self, values)
        elif name in ENDING:
            raise _EndError(ENDING[name])
        elif name == "match":
            self._match(text(values[1]), _number(values.get(2)), values.get(3, b""))
        elif name == "target":
            self._target(rule, text(values[1]), _number(values.get(2)), values.get(3, b""))
        elif name == "verdict":
            self._verdict(values)
        elif name == "ip":
            self._hold(xt.header(values[3], self.packet))
        elif name == "notrack":
            self._untracked(rule)
        elif name not in PASSING and not self.choices.guess(name):
            raise _BreakError

    def _hold(self, holds: bool) -> None:
        if not holds:
            raise _BreakError

    # -- iptables

    def _match(self, name: str, revision: int, data: bytes) -> None:
        answer = xt.matches(name, revision, data, self.packet, self.host)
        if answer is None:
            answer = bool(self.choices.take(2))
        elif isinstance(answer, str):
            answer = self.choices.guess(answer)
        self._hold(answer)

    def _target(self, rule: Rule, name: str, revision: int, data: bytes) -> None:
        if name in ENDING_TARGETS:
            raise _EndError(ENDING_TARGETS[name])
        if name in PASSING_TARGETS or name in REWRITING_TARGETS:
            return
        mark = xt.marked(name, revision, data, self.packet.mark)
        if mark is not None:
            self.packet.mark = mark
        elif name == "CONNMARK":
            xt.saved(revision, data, self.packet)
        elif name == "NOTRACK" or (name == "CT" and data[:1] != b"\0" and data[0] & 1):
            self._untracked(rule)
        elif name != "CT":
            try:
                translation = xt.nat(name, revision, data, self.packet)
            except struct.error:
                translation = None
            if translation:
                raise _EndError(self._translated(rule, translation))
            self.choices.guess(f"target {name}")

    # -- registers: 32-bit words, four of which the older numbers 1 to 4 name at a time

    def _load(self, register: bytes | None, data: bytes) -> None:
        at = _word(register)
        for number in range(0, max(len(data), 1), 4):
            self._words[at + number // 4] = data[number : number + 4].ljust(4, b"\0")
            self._strange.pop(at + number // 4, None)

    def _load_strange(self, register: bytes | None, name: str, words: int = 4) -> None:
        for number in range(words):
            self._strange[_word(register) + number] = name

    def _read(self, register: bytes | None, length: int) -> bytes | str:
        """The register's bytes, or the name of what can't be told."""
        at, words = _word(register), (length + 3) // 4
        strange = next((self._strange[at + number] for number in range(words) if at + number in self._strange), "")
        return strange or b"".join(self._words.get(at + number, bytes(4)) for number in range(words))[:length]

    # -- nftables' expressions

    def _verdict(self, values: dict[int, bytes]) -> None:
        code = int.from_bytes(values.get(1, b"\xff\xff\xff\xff"), "big", signed=True)
        if code == _CONTINUE:
            return
        raise _EndError(code if code < 0 else CODES.get(code & 0xFF, QUEUE), text(values.get(2, b"")))

    def _immediate(self, values: dict[int, bytes]) -> None:
        data = parse(values.get(2, b""))
        if 2 in data:
            self._verdict(parse(data[2]))
        else:
            self._load(values.get(1), data.get(1, b""))

    def _cmp(self, values: dict[int, bytes]) -> None:
        wanted = parse(values[3])[1]
        actual = self._read(values.get(1), len(wanted))
        if isinstance(actual, str):
            self._hold(self.choices.guess(actual))
            return
        operator = _number(values.get(2))
        compared = (actual > wanted) - (actual < wanted)
        self._hold((compared == 0, compared != 0, compared < 0, compared <= 0, compared > 0, compared >= 0)[operator])

    def _range(self, values: dict[int, bytes]) -> None:
        first, last = parse(values[3])[1], parse(values[4])[1]
        actual = self._read(values.get(1), len(first))
        if isinstance(actual, str):
            self._hold(self.choices.guess(actual))
        else:
            self._hold((first <= actual <= last) != bool(_number(values.get(2))))

    def _bitwise(self, values: dict[int, bytes]) -> None:
        length, operation = _number(values.get(3)), _number(values.get(6))
        actual = self._read(values.get(1), length)
        if isinstance(actual, str):
            self._load_strange(values.get(2), actual, (length + 3) // 4)
            return
        if operation == BOOL:
            mask, flip = parse(values[4]).get(1, b""), parse(values[5]).get(1, b"")
            self._load(values.get(2), bytes(a & m ^ f for a, m, f in zip(actual, mask, flip)))
        elif operation in (LSHIFT, RSHIFT) and length == 4:
            shift = int.from_bytes(parse(values[7]).get(1, b""), byteorder)
            found = int.from_bytes(actual, byteorder)
            found = (found << shift if operation == LSHIFT else found >> shift) & 0xFFFFFFFF
            self._load(values.get(2), found.to_bytes(4, byteorder))
        else:
            self._load_strange(values.get(2), "bitwise", (length + 3) // 4)

    def _byteorder(self, values: dict[int, bytes]) -> None:
        length, size = _number(values.get(4)), _number(values.get(5))
        actual = self._read(values.get(1), length)
        if isinstance(actual, str):
            self._load_strange(values.get(2), actual, (length + 3) // 4)
            return
        parts = [actual[at : at + size] for at in range(0, length, size)]
        swapped = parts if byteorder == "big" else [part[::-1] for part in parts]
        self._load(values.get(2), b"".join(swapped))

    def _payload(self, values: dict[int, bytes]) -> None:
        base, offset, length = (_number(values.get(number)) for number in (2, 3, 4))
        headers = {1: self.packet.network, 2: self.packet.transport}
        if 5 in values:  # it writes
            written = self._read(values[5], length)
            if base in headers and not isinstance(written, str) and offset + length <= len(headers[base]):
                headers[base][offset : offset + length] = written
            return
        whole = headers.get(base)
        if whole is None or offset + length > len(whole):
            name = {0: "link-layer header", 3: "payload"}.get(base, "header")
            self._load_strange(values.get(1), name, (length + 3) // 4)
        elif base == 1 and _volatile(self.packet.family, offset, length):
            self._load_strange(values.get(1), "header", (length + 3) // 4)
        else:
            self._load(values.get(1), bytes(whole[offset : offset + length]))

    def _meta(self, values: dict[int, bytes]) -> None:
        key, packet = _number(values.get(2)), self.packet
        if 3 in values:  # it writes
            if key == Meta.MARK:
                mark = self._read(values[3], 4)
                if isinstance(mark, str):
                    self.choices.guess(mark)
                else:
                    packet.mark = int.from_bytes(mark, byteorder)
            return
        found: bytes | None = None
        device = packet.iif if key in _OF_IIF else packet.oif
        if key == Meta.PROTOCOL:
            found = b"\x08\x00" if packet.family == 4 else b"\x86\xdd"
        elif key == Meta.MARK:
            found = _host32(packet.mark)
        elif key in (Meta.IIF, Meta.OIF):
            found = _host32(self.host.index_of(device))
        elif key in (Meta.IIFNAME, Meta.OIFNAME):
            found = device.encode().ljust(16, b"\0")
        elif key in (Meta.IIFTYPE, Meta.OIFTYPE):
            self._hold(bool(device))
            found = struct.pack("=H", ARPHRD_LOOPBACK if device == "lo" else ARPHRD_ETHER)
        elif key in (Meta.IIFKIND, Meta.OIFKIND):
            kind = self.host.link_kind(device)
            self._hold(bool(kind))
            found = kind.encode().ljust(16, b"\0")
        elif key == Meta.NFPROTO:
            found = b"\x02" if packet.family == 4 else b"\x0a"
        elif key == Meta.L4PROTO:
            found = bytes([packet.protocol])
        elif key == Meta.PKTTYPE:
            found = b"\0"  # PACKET_HOST
        if found is None:
            self._load_strange(values.get(1), f"meta {word(Meta, key)}")
        else:
            self._load(values.get(1), found)

    def _ct(self, values: dict[int, bytes]) -> None:
        key, packet = _number(values.get(2)), self.packet
        if 4 in values:  # it writes
            if key == Ct.MARK:
                mark = self._read(values[4], 4)
                packet.ct_mark = packet.ct_mark if isinstance(mark, str) else int.from_bytes(mark, byteorder)
            return
        if key == Ct.STATE:
            self._load(values.get(1), _host32(packet.state))
            return
        self._hold(packet.state in (NEW, ESTABLISHED, RELATED))  # without a connection there is nothing to load
        original = _number(values.get(3)) == 0 and 3 in values
        if key == Ct.STATUS:
            self._load(values.get(1), _host32(packet.status))
        elif key == Ct.MARK:
            self._load(values.get(1), _host32(packet.ct_mark))
        elif key == Ct.DIRECTION:
            self._load(values.get(1), bytes([int(packet.state == ESTABLISHED)]))
        elif key == Ct.PROTOCOL:
            self._load(values.get(1), bytes([packet.protocol]))
        elif original and packet.state == NEW and key == Ct.PROTO_DST:
            self._load(values.get(1), struct.pack(">H", packet.original[1]))
        else:
            self._load_strange(values.get(1), f"ct {word(Ct, key)}")

    def _fib(self, values: dict[int, bytes]) -> None:
        result, flags = _number(values.get(2)), _number(values.get(3))
        address = self.packet.saddr if flags & FIB_SADDR else self.packet.daddr
        if result == FIB_ADDRTYPE:
            self._load(values.get(1), _host32(self.host.kind_of(address)))
            return
        name = self.host.interface_to(address)
        if flags & FIB_IIF and name != self.packet.iif:
            name = ""
        if flags & FIB_PRESENT:
            self._load(values.get(1), _host32(int(bool(name))) if result == FIB_OIF else bytes([int(bool(name))]))
        elif result == FIB_OIF:
            self._load(values.get(1), _host32(self.host.index_of(name)))
        else:
            self._load(values.get(1), name.encode().ljust(16, b"\0"))

    def _lookup(self, values: dict[int, bytes]) -> None:
        rule = self._rule
        name = text(values[1])
        length = self._key_length(name)
        key = self._read(values.get(2), length)
        inverted = bool(_number(values.get(5)) & 1)
        if rule is None or isinstance(key, str):
            self._hold(self.choices.guess(str(key)))
            if 3 in values:
                self._load_strange(values[3], str(key))
            return
        found = self.ruleset.elements(rule.key.family, rule.key.table, name).find(key)
        self._hold((found is not None) != inverted)
        if found is not None and 3 in values:
            if _number(values[3]) == 0:
                self._verdict(parse(found.data.get(2, b"")))
            else:
                self._load(values[3], found.data.get(1, b""))

    def _key_length(self, name: str) -> int:
        rule = self._rule
        return self.ruleset.key_length(rule.key.family, rule.key.table, name) if rule else 0

    def _generator(self, values: dict[int, bytes]) -> None:
        """numgen: DREG, MODULUS, TYPE, OFFSET."""
        number = self.choices.take(max(_number(values.get(2)), 1)) + _number(values.get(4))
        self._load(values.get(1), _host32(number))

    def _hash(self, values: dict[int, bytes]) -> None:
        """jhash and symhash: which of the modulus' values only the kernel knows."""
        number = self.choices.take(max(_number(values.get(4)), 1)) + _number(values.get(6))
        self._load(values.get(2), _host32(number))

    def _by_chance(self, _values: dict[int, bytes]) -> None:
        self._hold(bool(self.choices.take(2)))

    def _object(self, values: dict[int, bytes]) -> None:
        if _number(values.get(1)) in (2, 4, 5):  # NFT_OBJECT_QUOTA, _LIMIT, _CONNLIMIT
            self._by_chance(values)

    def _dynset(self, values: dict[int, bytes]) -> None:
        if 7 in values or 10 in values:  # with a limit or a count for each element
            self._by_chance(values)

    def _exthdr(self, values: dict[int, bytes]) -> None:
        if 1 in values:
            self._load_strange(values[1], "header option")

    def _strange_value(self, values: dict[int, bytes]) -> None:
        if 1 in values:
            self._load_strange(values[1], "value")

    def _nat(self, values: dict[int, bytes]) -> None:
        source = _number(values.get(1)) == 0
        length = 4 if _number(values.get(2)) == 2 else 16
        registers = [values.get(number) for number in (3, 4, 5, 6)]
        self._translate("snat" if source else "dnat", length, *registers)

    def _masq(self, _values: dict[int, bytes]) -> None:
        self._translate("masquerade", 0)

    def _redir(self, values: dict[int, bytes]) -> None:
        self._translate("redirect", 0, port=values.get(1), last_port=values.get(2))

    def _translate(
        self,
        kind: str,
        length: int,
        first: bytes | None = None,
        last: bytes | None = None,
        port: bytes | None = None,
        last_port: bytes | None = None,
    ) -> None:
        address = self._read(first, length) if first else b""
        end = self._read(last, length) if last else address
        number = self._read(port, 2) if port else b"\0\0"
        high = self._read(last_port, 2) if last_port else number
        if self._rule is None or isinstance(address, str) or isinstance(number, str):
            self.choices.guess(kind)
            raise _EndError(ACCEPT)
        ends = end if isinstance(end, bytes) else address, high if isinstance(high, bytes) else number
        found = Nat(kind, address, ends[0], int.from_bytes(number, "big"), int.from_bytes(ends[1], "big"))
        raise _EndError(self._translated(self._rule, found))


_OF_IIF = (Meta.IIF, Meta.IIFNAME, Meta.IIFTYPE, Meta.IIFKIND)
_EXPRESSIONS: dict[str, Callable[[Machine, dict[int, bytes]], None]] = {
    "immediate": Machine._immediate, "cmp": Machine._cmp, "range": Machine._range, "bitwise": Machine._bitwise,
    "byteorder": Machine._byteorder, "payload": Machine._payload, "meta": Machine._meta, "ct": Machine._ct,
    "fib": Machine._fib, "lookup": Machine._lookup, "numgen": Machine._generator, "hash": Machine._hash,
    "limit": Machine._by_chance, "quota": Machine._by_chance, "connlimit": Machine._by_chance,
    "dynset": Machine._dynset, "exthdr": Machine._exthdr, "rt": Machine._strange_value,
    "socket": Machine._strange_value, "nat": Machine._nat, "masq": Machine._masq, "redir": Machine._redir,
    "objref": Machine._object,
}  # fmt: skip


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, "big") if value else 0


def _host32(value: int) -> bytes:
    return value.to_bytes(4, byteorder)


def _word(register: bytes | None) -> int:
    """The first of a register's words: NFT_REG_1 to 4 are four words each, NFT_REG32_00 the same as NFT_REG_1."""
    number = _number(register)
    return number * 4 if number <= 4 else number - 4


def _volatile(family: int, offset: int, length: int) -> bool:
    """Whether bytes of the IP header are asked for that another packet of the connection may have otherwise: TOS,
    length, identification, TTL, checksum; IPv6's class, label, length, hop limit."""
    fixed = {9, *range(12, 20)} | {0} if family == 4 else {6, *range(8, 40)}
    return not fixed.issuperset(range(offset, offset + length))


#: Bits of a connection's status after its source or destination was translated.
STATUS = {"dnat": IPS_DNAT, "redirect": IPS_DNAT, "snat": IPS_SNAT, "masquerade": IPS_SNAT}
