# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Traffic control: qdiscs that limit the rate at which packets leave a link, and filters that choose the packets.

Messages of rtnetlink(7), RTM_*QDISC, RTM_*TCLASS and RTM_*TFILTER; numbers of linux/pkt_sched.h and linux/pkt_cls.h.
Rates are in bytes a second, bursts and limits in bytes.
"""

from __future__ import annotations

from errno import EINVAL, ENODEV, ENOENT
from struct import Struct

from .wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    U32,
    U64,
    NetlinkError,
    Request,
    attr,
    attr_str,
    attr_u32,
    attributes,
    nest,
    number,
    parse,
    split_prefix,
    text,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTCLASS, RTM_GETTCLASS = 40, 42
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
NLM_F_ECHO = 8  # before Linux 6.2 the answer to a get is an echo

INFO = Struct("=BxxxiIII")  # struct tcmsg: family, link, handle, parent, info
RATE = Struct("=BBHhHI")  # struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate
ETHERNET = 1
KIND, OPTIONS = 1, 2
ROOT, INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
#: Handles: ours at a link's root, the one that ingress always has.
OURS, INGRESS_HANDLE = 0x10000, 0xFFFF0000
SHAPED = OURS | 1  # the class of the limited packets

TBF_PARMS, TBF_RATE64, TBF_BURST = 1, 4, 6
HTB_PARMS, HTB_INIT, HTB_RATE64, HTB_CEIL64 = 1, 2, 6, 7
HTB_VERSION, HTB_R2Q = 3, 10
HTB_QUANTUM = 20000  # what a class may send in one turn: there is only one
U32_CLASSID, U32_SEL, U32_ACT = 1, 5, 7
U32_TERMINAL = 1
ACT_KIND, ACT_OPTIONS = 1, 2
MIRRED_PARMS = 2
MIRRED = Struct("=IIiiiiI")  # struct tc_mirred: index, capabilities, action, references, bindings, what, to which link
STOLEN, EGRESS_REDIRECT = 4, 1
ALL, IPV4, IPV6 = 0x0003, 0x0800, 0x86DD  # linux/if_ether.h ETH_P_*
TICK = 64  # nanoseconds, include/net/pkt_sched.h PSCHED_SHIFT
MOST = 0xFFFFFFFF


def _message(link: int, handle: int, parent: int, kind: str, options: bytes = b"", info: int = 0) -> bytes:
    body = INFO.pack(0, link, handle, parent, info) + attr_str(KIND, kind)
    return body + nest(OPTIONS, options) if options else body


def _rate(rate: int) -> bytes:
    return RATE.pack(0, ETHERNET, 0, 0, 0, min(rate, MOST))


def bucket(link: int, rate: int, burst: int, limit: int) -> Request:
    """Let the link send `rate`, once `burst` at full speed (tbf); what waits beyond `limit` is dropped."""
    # rate, peak rate, limit, buffer (set by TBF_BURST, in bytes instead of ticks), MTU
    options = attr(TBF_PARMS, _rate(rate) + bytes(RATE.size) + U32.pack(limit) + bytes(8))
    options += attr_u32(TBF_BURST, burst)
    if rate > MOST:
        options += attr(TBF_RATE64, U64.pack(rate))
    body = _message(link, OURS, ROOT, "tbf", options)
    return RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body, f"shape link {link}"


def classes(link: int, rate: int, burst: int, limit: int, all_but: bool) -> list[Request]:
    """Limit some packets only (htb), chosen by filters: those ``to_class``, or all but those `all_but`."""
    default = SHAPED & 0xFFFF if all_but else 0
    init = attr(HTB_INIT, U32.pack(HTB_VERSION) + U32.pack(HTB_R2Q) + U32.pack(default) + bytes(8))
    ticks = min(burst * 1_000_000_000 // rate // TICK, MOST)
    parms = _rate(rate) * 2 + U32.pack(ticks) * 2 + U32.pack(HTB_QUANTUM) + bytes(8)
    options = attr(HTB_PARMS, parms)
    if rate > MOST:
        options += attr(HTB_RATE64, U64.pack(rate)) + attr(HTB_CEIL64, U64.pack(rate))
    flags = NLM_F_CREATE | NLM_F_EXCL
    queue = attr(OPTIONS, U32.pack(limit))  # struct tc_fifo_qopt, not a nest
    what = f"shape link {link}"
    return [
        (RTM_NEWQDISC, flags, _message(link, OURS, ROOT, "htb", init), what),
        (RTM_NEWTCLASS, flags, _message(link, SHAPED, OURS, "htb", options), what),
        (RTM_NEWQDISC, flags, _message(link, 0x20000, SHAPED, "bfifo") + queue, what),
    ]


def to_class(link: int, subnet: str, source: bool, shaped: bool, priority: int) -> Request:
    """Limit packets from (`source`) or to `subnet`, or (not `shaped`) exempt them."""
    packed, length = split_prefix(subnet)
    kind = IPV4 if len(packed) == 4 else IPV6
    offset = {(IPV4, True): 12, (IPV4, False): 16, (IPV6, True): 8, (IPV6, False): 24}[kind, source]
    bits = len(packed) * 8
    mask = ((1 << length) - 1 << (bits - length)).to_bytes(len(packed), "big")
    value = bytes(one & two for one, two in zip(packed, mask))
    words = [slice(at, at + 4) for at in range(0, max(4, (length + 31) // 32 * 4), 4)]
    keys = [mask[word] + value[word] + U32.pack(offset + word.start) + U32.pack(0) for word in words]
    # the missing class x:0: htb sends its packets directly
    options = attr_u32(U32_CLASSID, SHAPED if shaped else OURS) + attr(U32_SEL, _selector(keys))
    return _filter(link, OURS, kind, priority, options)


def _selector(keys: list[bytes]) -> bytes:
    # struct tc_u32_sel: flags, offset shift, number of keys, and offsets that do not vary here
    return bytes([U32_TERMINAL, 0, len(keys), 0]) + bytes(12) + b"".join(keys)


def _filter(link: int, parent: int, protocol: int, priority: int, options: bytes) -> Request:
    info = priority << 16 | (protocol >> 8 | (protocol & 0xFF) << 8)
    body = _message(link, 0, parent, "u32", options, info)
    return RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body, f"add filter to link {link}"


def redirect(link: int, to: int) -> list[Request]:
    """Redirect the link's incoming packets through the qdisc of another link, an ifb."""
    parms = MIRRED.pack(0, 0, STOLEN, 0, 0, EGRESS_REDIRECT, to)
    action = attr_str(ACT_KIND, "mirred") + nest(ACT_OPTIONS, attr(MIRRED_PARMS, parms))
    everything = attr(U32_SEL, _selector([bytes(16)]))
    what = f"redirect what arrives at link {link}"
    body = _message(link, INGRESS_HANDLE, INGRESS, "ingress")
    kind, flags, rule, _what = _filter(link, INGRESS_HANDLE, ALL, 1, everything + nest(U32_ACT, nest(1, action)))
    return [(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body, what), (kind, flags, rule, what)]


def clear(link: int) -> list[Request]:
    """Delete the link's root and ingress qdiscs with all below; refused (see ``NOTHING``) if there are none."""
    what = f"clear link {link}"
    return [
        (RTM_DELQDISC, 0, INFO.pack(0, link, 0, ROOT, 0), what),
        (RTM_DELQDISC, 0, INFO.pack(0, link, INGRESS_HANDLE, INGRESS, 0), what),
    ]


#: The kernel's refusals of ``clear`` if there was nothing.
NOTHING = (ENOENT, EINVAL)


def shape(channel: Channel, link: int) -> tuple[str, int]:
    """The link's root qdisc: its kind ("tbf", "htb", or any other) and its rate, 0 if the kind has none."""
    kind, options = _get(channel, RTM_GETQDISC, link, 0, ROOT)
    if kind == "htb":
        _kind, options = _get(channel, RTM_GETTCLASS, link, SHAPED, 0)
        return kind, _rate_of(options, HTB_PARMS, HTB_RATE64)
    return kind, _rate_of(options, TBF_PARMS, TBF_RATE64) if kind == "tbf" else 0


def _get(channel: Channel, message: int, link: int, handle: int, parent: int) -> tuple[str, dict[int, bytes]]:
    body = INFO.pack(0, link, handle, parent, 0)
    try:
        found = parse(channel.get((message, NLM_F_ECHO, body, f"get queue of link {link}")), INFO.size)
    except NetlinkError as error:
        if error.errno in (ENOENT, EINVAL, ENODEV):
            return "", {}
        raise
    return text(found.get(KIND, b"")), parse(found.get(OPTIONS, b""))


def _rate_of(options: dict[int, bytes], parms: int, rate64: int) -> int:
    if rate64 in options:
        return number(options[rate64])
    return int(RATE.unpack_from(options[parms])[5]) if parms in options else 0


def redirected(channel: Channel, link: int) -> int:
    """The index of the link to which incoming packets are redirected; 0 for none."""
    body = INFO.pack(0, link, 0, INGRESS_HANDLE, 0)
    try:
        payloads = channel.dump((RTM_GETTFILTER, 0, body, f"list filters of link {link}"))
    except NetlinkError as error:
        if error.errno in (ENOENT, EINVAL, ENODEV):
            return 0
        raise
    for payload in payloads:
        options = parse(parse(payload, INFO.size).get(OPTIONS, b""))
        for _order, action in attributes(options.get(U32_ACT, b"")):
            parms = parse(parse(action).get(ACT_OPTIONS, b"")).get(MIRRED_PARMS)
            if parms:
                return int(MIRRED.unpack_from(parms)[6])
    return 0
