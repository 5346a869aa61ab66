# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A probe, which proves that packets get from here to there, and one attempt at it."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
import time
from dataclasses import field
from typing import NamedTuple

from ...findings.codes import Code
from ...findings.finding import Finding, Value
from ...netlink.netns import Netns
from ...packets import icmp
from ..model.evidence import SMALL
from ..model.record import record
from .loop import WRITE, Task, ready

KINDS = ("icmp", "tcp", "udp")

# linux/in.h and linux/in6.h; Python's socket module has none of them.
IP_MTU_DISCOVER, IP_RECVERR, IP_MTU = 10, 11, 14
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR = 23, 24, 25
PMTUDISC_DO = 2
MSG_ERRQUEUE = 0x2000
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the control message bears the same number
TIMESPEC = struct.Struct("ll")
EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err, linux/errqueue.h; the offender's address follows

ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3  # SO_EE_ORIGIN_*, linux/errqueue.h
READ_LIMIT = 65536  # bytes of a TCP answer that are looked at

_identifiers = itertools.count(os.getpid())


@record
class Probe:
    """One probe and what should come of it.

    kind      icmp (echo, don't fragment), tcp (connect and, with ``send`` or ``expect``, an exchange) or udp (a
              datagram)
    address   where to, without prefix length; ``port`` for tcp and udp
    netns     path of the network namespace to start from, None for this one
    size      icmp: bytes of the whole IP packet, 0 for as large as the path's MTU
    send      tcp, udp: what to say; icmp: what the echo's data begins with
    expect    tcp, udp: texts of which one must be in the answer; none: any answer will do
    closed    tcp: a port where nothing listens will do: its refusal proves the path
    timeout   seconds for one attempt
    attempts  how often to try before the probe counts as failed
    source, target, scope   names for the report; ``node`` is where it starts
    """

    kind: str
    address: str
    port: int | None = None
    netns: str | None = None
    size: int = SMALL
    send: str = ""
    expect: list[str] = field(default_factory=list)
    closed: bool = False
    timeout: float = 1.0
    attempts: int = 3
    source: str = ""
    target: str = ""
    scope: str = ""
    node: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r}: a probe is one of {', '.join(KINDS)}")
        if self.kind != "icmp" and not (self.port and 0 < self.port < 65536):
            raise ValueError(f"port {self.port!r}: a {self.kind} probe needs one from 1 to 65535")
        if not 0 <= self.size <= 65535:
            raise ValueError(f"size {self.size!r}: an IP packet has 0 (the path's MTU) to 65535 bytes")
        if self.timeout <= 0 or self.attempts < 1:
            raise ValueError("timeout must be above 0 seconds, attempts at least 1")
        try:
            socket.inet_pton(self.family, self.address)
        except OSError:
            raise ValueError(f"address {self.address!r} is not an IP address") from None

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @property
    def place(self) -> str:
        """The target as text: address, and port where there is one."""
        if self.kind == "icmp":
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Answer(NamedTuple):
    """What an attempt measured: bytes of the IP packet, and the round trip in milliseconds."""

    size: int | None = None
    ms: float | None = None


class Unreached(Exception):
    """A probe's attempt failed, by ``failure``. ``final``: another attempt would end alike."""

    def __init__(self, failure: Finding, final: bool = False):
        super().__init__(failure.code)
        self.failure = failure
        self.final = final


def failure(probe: Probe, code: Code, **parameters: Value) -> Finding:
    """Why a probe failed: its subject is where the probe goes."""
    given: dict[str, Value] = {"source": probe.source, "address": probe.address}
    return Finding(code, probe.node, probe.place, {**given, **parameters})


def attempt(probe: Probe, number: int) -> Task[Answer]:
    """One attempt. Raises OSError, Unreached, or Expired where nothing has come within the probe's timeout."""
    until = time.monotonic() + probe.timeout
    if probe.kind == "tcp":
        return (yield from _tcp(probe, until))
    if probe.kind == "udp":
        return (yield from _udp(probe, until))
    return (yield from echo(probe, number, until))


#: What an error of the kernel means to a probe.
ERRORS = {
    errno.ECONNREFUSED: Code.PROBE_REFUSED,
    errno.ENETUNREACH: Code.PROBE_NO_ROUTE,
    errno.EHOSTUNREACH: Code.PROBE_UNREACHABLE,
    errno.ECONNRESET: Code.PROBE_CLOSED,
    errno.EPERM: Code.PROBE_FILTERED,
}


def explain(probe: Probe, error: OSError) -> Finding:
    """An error of the kernel as the failure of the probe."""
    if error.errno == errno.ENOENT:
        return failure(probe, Code.PROBE_NETNS_GONE, netns=probe.netns or "")
    if error.errno in ERRORS:
        return failure(probe, ERRORS[error.errno])
    return failure(probe, Code.PROBE_ERROR, error=error.strerror or str(error))


def _socket(probe: Probe, kind: int, protocol: int = 0) -> socket.socket:
    """A non-blocking socket in the probe's namespace. Raises OSError where that is gone."""
    if probe.netns:
        namespace = Netns(probe.netns)
        try:
            with namespace:
                made = socket.socket(probe.family, kind, protocol)
        finally:
            namespace.close()
    else:
        made = socket.socket(probe.family, kind, protocol)
    made.setblocking(False)
    return made


def echo(probe: Probe, sequence: int, until: float, size: int | None = None) -> Task[Answer]:
    """One echo with "don't fragment"; returns the packet's size and the round trip's time, as the kernel took it.

    Size 0 follows the path MTU down, as any sender does: a hop that reports "too big" (RFC 1191) is not a fault, a
    silent one is.
    """
    family, size = probe.family, probe.size if size is None else size
    with _socket(probe, socket.SOCK_RAW, icmp.PROTOCOL[family]) as raw:
        _report_errors(raw)
        raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if family == socket.AF_INET:
            raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
        else:
            raw.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
        raw.connect((probe.address, 0))
        sending = size or _mtu(raw)
        while True:
            try:
                return Answer(sending, (yield from _echo(raw, sequence, sending, probe.send, until)))
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise Unreached(_reported(probe, raw, error)) from None
            known = _mtu(raw)
            if size or known >= sending:
                raise Unreached(failure(probe, Code.PROBE_TOO_LARGE, size=sending, mtu=known), final=True) from None
            sending = known


def _echo(raw: socket.socket, sequence: int, size: int, mark: str, until: float) -> Task[float]:
    """Send one echo request and wait for its reply; returns milliseconds. Raises OSError for what ICMP reports."""
    identifier = next(_identifiers) & 0xFFFF
    sent = time.time()
    raw.send(icmp.request(raw.family, identifier, sequence, size, mark.encode()))
    while True:
        yield from ready(raw, until)
        packet, ancillary, _flags, _address = raw.recvmsg(READ_LIMIT, 64)
        if icmp.is_reply(raw.family, packet, identifier, sequence):
            return round((_arrival(ancillary) - sent) * 1000, 3)


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """When the kernel received a packet, seconds since the epoch: it may be read much later."""
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(payload) >= TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack_from(payload)
            return seconds + nanoseconds / 1e9
    return time.time()


def path_mtu(probe: Probe) -> int:
    """The MTU in bytes of the path to the probe's address, as far as the kernel knows it. Raises OSError."""
    with _socket(probe, socket.SOCK_DGRAM) as datagram:
        datagram.connect((probe.address, 9))
        return _mtu(datagram)


def _mtu(connected: socket.socket) -> int:
    """The path MTU in bytes that the kernel knows for a connected socket."""
    if connected.family == socket.AF_INET:
        return connected.getsockopt(socket.IPPROTO_IP, IP_MTU)
    return connected.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)


def _tcp(probe: Probe, until: float) -> Task[Answer]:
    """Connect; say ``send``; read until one of ``expect`` (or, without any, the first byte) has come."""
    with _socket(probe, socket.SOCK_STREAM) as stream:
        assert probe.port
        try:
            yield from _connect(stream, (probe.address, probe.port), until)
        except ConnectionRefusedError:
            if probe.closed:
                return Answer()
            raise
        if not probe.send and not probe.expect:
            return Answer()
        unsent = probe.send.encode()
        while unsent:
            yield from ready(stream, until, WRITE)
            unsent = unsent[stream.send(unsent) :]
        answer = b""
        while len(answer) < READ_LIMIT:
            yield from ready(stream, until)
            chunk = stream.recv(READ_LIMIT)
            answer += chunk
            if chunk and _expected(probe, answer):
                return Answer()
            if not chunk:
                break
    raise Unreached(_wrong(probe, answer))


def _connect(stream: socket.socket, place: tuple[str, int], until: float) -> Task[None]:
    error = stream.connect_ex(place)
    if error == errno.EINPROGRESS:
        yield from ready(stream, until, WRITE)
        error = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _udp(probe: Probe, until: float) -> Task[Answer]:
    """Send a datagram. An answer proves the round trip; without ``expect`` so does the target's own
    "port unreachable" (RFC 1122, 4.1.3.1), which shows as ECONNREFUSED with the target as offender."""
    with _socket(probe, socket.SOCK_DGRAM) as datagram:
        _report_errors(datagram)
        datagram.connect((probe.address, probe.port))
        datagram.send(probe.send.encode())
        try:
            yield from ready(datagram, until)
            answer = datagram.recv(READ_LIMIT)
        except ConnectionRefusedError:
            offender, _died = _offender(datagram)
            if offender != probe.address:
                raise Unreached(failure(probe, Code.PROBE_REFUSED_BY_ROUTER, reporter=offender or "unknown")) from None
            if probe.expect:
                raise
            return Answer()
    if not _expected(probe, answer):
        raise Unreached(_wrong(probe, answer))
    return Answer()


def _report_errors(made: socket.socket) -> None:
    """Let the kernel report every ICMP error to this socket, with its sender (ip(7), IP_RECVERR)."""
    if made.family == socket.AF_INET:
        made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def _reported(probe: Probe, connected: socket.socket, error: OSError) -> Finding:
    """The error, and the router that reported it by ICMP, where it was one: a hop that an operator should inspect."""
    reporter, expired = _offender(connected)
    if expired:
        return failure(probe, Code.PROBE_EXPIRED, reporter=reporter)
    own = connected.getsockname()[0]
    if reporter in ("", "0.0.0.0", "::", own, probe.address):
        return explain(probe, error)
    return failure(probe, Code.PROBE_REPORTED, reporter=reporter, error=error.strerror or str(error))


def _offender(connected: socket.socket) -> tuple[str, bool]:
    """The sender of the ICMP error that a socket with IP_RECVERR has just reported, "" if unknown (ip(7)), and whether
    it is "time exceeded" (RFC 792, RFC 4443)."""
    try:
        _data, ancillary, _flags, _address = connected.recvmsg(0, 512, MSG_ERRQUEUE)
    except OSError:
        return "", False
    for level, _kind, payload in ancillary:
        # a struct sockaddr_in or sockaddr_in6: family, port, and for IPv6 a flow label come before the address
        address = payload[EXTENDED_ERROR.size :]
        if level == socket.IPPROTO_IP and len(address) >= 8:
            return socket.inet_ntop(socket.AF_INET, address[4:8]), payload[4:6] == bytes((ORIGIN_ICMP, 11))
        if level == socket.IPPROTO_IPV6 and len(address) >= 24:
            return socket.inet_ntop(socket.AF_INET6, address[8:24]), payload[4:6] == bytes((ORIGIN_ICMP6, 3))
    return "", False


def _expected(probe: Probe, answer: bytes) -> bool:
    return not probe.expect or any(text.encode() in answer for text in probe.expect)


def _wrong(probe: Probe, answer: bytes) -> Finding:
    got = repr(answer[-60:].decode("utf-8", "replace")) if answer else "nothing"
    return failure(probe, Code.PROBE_WRONG_ANSWER, answer=got, expected=[repr(text) for text in probe.expect])
