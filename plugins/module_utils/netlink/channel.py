# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A netlink socket: requests, dumps, batches.

Every request's outcome is known when the call returns. The kernel handles messages in order, answers each failure,
and acknowledges the last message. A request without a failure before that acknowledgement was carried out.

No variable holds an exception that is raised: with its traceback's frames it would be a circle, and keep all that these
know (the whole plan of a node) until a search for garbage.
"""

from __future__ import annotations

from _socket import socket as Socket
from errno import EBUSY, EINTR, ENOBUFS
from posix import strerror

from .wire import (
    HEADER,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSGERR_ATTR_MSG,
    S32,
    U32,
    NetlinkError,
    Request,
    parse,
    text,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Iterator

AF_NETLINK = 16
SOCK_RAW_CLOEXEC = 3 | 0o2000000
SOL_SOCKET = 1
SO_RCVBUF = 8
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12

#: A reply datagram is at most this long: NLMSG_GOODSIZE is 8 KiB, a dump's grows to 32 KiB for a large buffer.
RECEIVE = 65536
#: Bytes that are sent at once: even if every message is refused, the answers fit the receive buffer.
BATCH_BYTES = 65536
BATCH_MESSAGES = 512
RECEIVE_BUFFER = 4 << 20
#: So many requests, and their answers, fit the buffers that a socket has by itself.
FEW = 16
DUMP_TRIES = 16
#: After so many interrupted dumps a tolerant channel takes the last one.
TOLERATED = 3


class Channel:
    """One netlink socket in the network namespace in which it was opened.

    ``protocol`` is NETLINK_ROUTE or NETLINK_NETFILTER. Use it as a context manager or call ``close``. A ``tolerant``
    channel returns a dump that never came through undisturbed, and sets ``torn``: its caller will look again soon.
    """

    def __init__(self, protocol: int = NETLINK_ROUTE):
        self.socket = Socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol)
        self.sequence = 0
        self.tolerant = self.torn = False
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            self.socket.setsockopt(SOL_NETLINK, option, 1)
        self.socket.bind((0, 0))

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def subscribe(self, group: int) -> None:
        """Receive the events of a multicast group (rtnetlink.h RTNLGRP_*); the socket serves for nothing else then."""
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def wait(self, seconds: float) -> bool:
        """Wait until at least one event arrives; False if none does in time."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(RECEIVE)
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno != ENOBUFS:  # so many that the kernel dropped some: there are events all the same
                raise
        return True

    def events(self, most: int = 256) -> tuple[list[tuple[int, int, bytes]], bool]:
        """The events that have arrived, without waiting for any: (type, the requester's port, body) of each, and
        whether none was lost. At most those of ``most`` datagrams; what is left keeps the socket readable."""
        self.socket.settimeout(0)
        found: list[tuple[int, int, bytes]] = []
        whole = True
        for _datagram in range(most):
            try:
                datagram = self.socket.recv(RECEIVE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != ENOBUFS:
                    raise
                whole = False
                continue
            offset = 0
            while offset + 16 <= len(datagram):
                length, kind, _flags, _sequence, port = HEADER.unpack_from(datagram, offset)
                if length < 16:
                    break
                found.append((kind, port, datagram[offset + 16 : offset + length]))
                offset += (length + 3) & ~3
        return found, whole

    @property
    def port(self) -> int:
        """The number that marks this socket's requests in the events that they cause."""
        return int(self.socket.getsockname()[0])

    def enlarge(self) -> None:
        """Make room for many messages at once; beyond the sysctl limit where we may (CAP_NET_ADMIN)."""
        try:
            self.socket.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
            self.socket.setsockopt(SOL_SOCKET, SO_SNDBUFFORCE, RECEIVE_BUFFER)
        except OSError:
            self.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)

    def request(self, request: Request) -> None:
        """Carry out one request. Raises NetlinkError if the kernel refuses it."""
        refused = [error for error in self.batch([request]) if error]
        if refused:
            raise refused.pop()

    def get(self, request: Request) -> bytes:
        """The body of the one message that answers ``request``. Raises NetlinkError (ENODEV, ENOENT …) if there is
        none."""
        kind, flags, body, what = request
        self._send([HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, self._next(), 0), body])
        while True:
            for reply, _flags, sequence, payload in self.receive():
                if sequence != self.sequence:
                    continue
                if reply == NLMSG_ERROR:
                    if refuses(payload):
                        raise failure(_flags, payload, what)
                    raise NetlinkError(61, what, "acknowledged without an answer")
                return payload

    def dump(self, request: Request) -> list[bytes]:
        """The bodies of all messages that answer ``request``, a consistent list.

        A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR: what it lists changed meanwhile) is made again.
        Raises NetlinkError, EBUSY when it never came through undisturbed, unless the channel is tolerant.
        """
        for attempt in range(1, DUMP_TRIES + 1):
            found, whole = self._dump(request)
            if whole:
                return found
            if self.tolerant and attempt == TOLERATED:
                self.torn = True
                return found
        raise NetlinkError(EBUSY, request[3], f"interrupted by changes {DUMP_TRIES} times")

    def _dump(self, request: Request) -> tuple[list[bytes], bool]:
        """What one attempt listed, and whether nothing of it changed meanwhile."""
        kind, flags, body, what = request
        flags |= NLM_F_REQUEST | NLM_F_DUMP
        self._send([HEADER.pack(16 + len(body), kind, flags, self._next(), 0), body])
        found: list[bytes] = []
        interrupted = False
        while True:
            for reply, reply_flags, sequence, payload in self.receive():
                if sequence != self.sequence:
                    continue
                interrupted = interrupted or bool(reply_flags & NLM_F_DUMP_INTR)
                if reply == NLMSG_DONE:
                    code = -S32.unpack_from(payload)[0] if len(payload) >= 4 else 0
                    if code == EINTR:
                        return found, False
                    if code:
                        raise NetlinkError(code, what, strerror(code))
                    return found, not interrupted
                if reply == NLMSG_ERROR:
                    if refuses(payload):
                        raise failure(reply_flags, payload, what)
                    return found, True
                found.append(payload)

    def stream(self, request: Request) -> Iterator[bytes]:
        """A dump's bodies while they come, for lists that are too long to be held and that need not be consistent. The
        channel serves for nothing else until the end. Raises NetlinkError."""
        kind, flags, body, what = request
        flags |= NLM_F_REQUEST | NLM_F_DUMP
        self._send([HEADER.pack(16 + len(body), kind, flags, self._next(), 0), body])
        while True:
            for reply, reply_flags, sequence, payload in self.receive():
                if sequence != self.sequence:
                    continue
                if reply in (NLMSG_DONE, NLMSG_ERROR):
                    if len(payload) >= 4 and refuses(payload):
                        raise failure(reply_flags, payload, what)
                    return
                yield payload

    def batch(self, requests: list[Request]) -> list[NetlinkError | None]:
        """Carry out the requests in order; a refused one does not stop the others.

        Returns one entry for each request: None where it was done, the NetlinkError where it was refused.
        """
        if len(requests) > FEW:
            self.enlarge()
        outcome: list[NetlinkError | None] = [None] * len(requests)
        start = 0
        while start < len(requests):
            start = self._chunk(requests, start, outcome)
        return outcome

    def _chunk(self, requests: list[Request], start: int, outcome: list[NetlinkError | None]) -> int:
        """Send what fits from ``start`` on, enter the refusals into ``outcome``; returns where to go on."""
        if self.sequence > 0x7FFF0000:  # the numbers of one chunk follow each other
            self.sequence = 0
        first, pack, size, end, head = self.sequence + 1, HEADER.pack, 0, start, 0
        parts: list[bytes] = []
        for kind, flags, body, _what in requests[start : start + BATCH_MESSAGES]:
            length = len(body)
            size += 16 + (length + 3 & ~3)
            if size > BATCH_BYTES and parts:
                break
            head = len(parts)
            parts += pack(16 + length, kind, flags | NLM_F_REQUEST, first + end - start, 0), body
            if length & 3:
                parts.append(b"\0" * (-length & 3))
            end += 1
        last = self.sequence = first + end - start - 1
        kind, flags, body, _what = requests[end - 1]
        parts[head] = pack(16 + len(body), kind, flags | NLM_F_REQUEST | NLM_F_ACK, last, 0)
        self._send(parts)
        while True:
            for reply, flags, sequence, payload in self.receive():
                if reply != NLMSG_ERROR or not first <= sequence <= last:
                    continue
                position = start + sequence - first
                outcome[position] = refusal(flags, payload, requests[position][3])
                if sequence == last:
                    return end

    def transaction(self, begin: Request, requests: list[Request], end: Request) -> None:
        """Carry out the requests as one nfnetlink batch: all of them or none (linux/netfilter/nfnetlink.h).

        Raises the NetlinkError of the first request that was refused, or of the whole if its commit was.
        """
        if len(requests) > FEW:
            self.enlarge()
        first = self.sequence + 1
        messages = [begin, *requests, end]
        parts = []
        for position, (kind, flags, body, _what) in enumerate(messages):
            flags |= NLM_F_REQUEST | (NLM_F_ACK if position == len(requests) else 0)
            parts.append(HEADER.pack(16 + len(body), kind, flags, self._next(), 0))
            parts.append(body + b"\0" * (-len(body) & 3))
        self._send(parts)
        failed: list[tuple[int, NetlinkError]] = []
        waiting = True
        while waiting:
            for reply, flags, sequence, payload in self.receive():
                position = sequence - first
                if reply != NLMSG_ERROR or not 0 <= position <= len(requests):
                    continue
                if refuses(payload):
                    failed.append((position, failure(flags, payload, messages[position][3])))
                # an answer to the batch's begin is for the whole batch, and may be the only one
                waiting = waiting and position not in (0, len(requests))
        if failed:
            failed.sort(key=lambda entry: entry[0] or len(messages), reverse=True)
            raise failed.pop()[1]

    def _next(self) -> int:
        self.sequence = self.sequence % 0x7FFFFFFF + 1
        return self.sequence

    def _send(self, parts: list[bytes]) -> None:
        self.socket.sendto(b"".join(parts), (0, 0))

    def receive(self) -> list[tuple[int, int, int, bytes]]:
        """One datagram's messages as (type, flags, sequence, body). Raises OSError ENOBUFS when the kernel dropped
        some."""
        datagram = self.socket.recv(RECEIVE)
        messages = []
        offset = 0
        while offset + 16 <= len(datagram):
            length, kind, flags, sequence, _port = HEADER.unpack_from(datagram, offset)
            if length < 16:
                break
            messages.append((kind, flags, sequence, datagram[offset + 16 : offset + length]))
            offset += (length + 3) & ~3
        return messages


def refusal(flags: int, payload: bytes, what: str) -> NetlinkError | None:
    """The error that an NLMSG_ERROR carries, None for an acknowledgement."""
    return failure(flags, payload, what) if refuses(payload) else None


def refuses(payload: bytes) -> bool:
    """Whether an NLMSG_ERROR is no acknowledgement."""
    return bool(S32.unpack_from(payload)[0])


def failure(flags: int, payload: bytes, what: str) -> NetlinkError:
    """The error that an NLMSG_ERROR which ``refuses`` carries."""
    code = -S32.unpack_from(payload)[0]
    reason = strerror(code)
    if flags & NLM_F_ACK_TLVS:
        # struct nlmsgerr: the code, the request's header, its payload unless capped, then attributes
        offset = 20
        if not flags & NLM_F_CAPPED:
            offset += (U32.unpack_from(payload, 4)[0] - 16 + 3) & ~3
        message = parse(payload, offset).get(NLMSGERR_ATTR_MSG)
        if message:
            reason = f"{text(message)} ({reason})"
    return NetlinkError(code, what, reason)
