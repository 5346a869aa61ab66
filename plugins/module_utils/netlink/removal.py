# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing links and nftables elements without waiting for their memory.

The kernel unlinks a link everywhere, sends RTM_DELLINK, and then blocks the request until no processor uses the link's
memory: 20 ms and more after half a millisecond of work (net/core/dev.c, netdev_run_todo). No process can
see a difference between the two moments. So a thread makes the request, and the caller waits for the event.

What an nftables transaction removed is gone when it is acknowledged, but whoever closes a netfilter socket after it
waits for that memory likewise (net/netfilter/nf_tables_api.c, nft_rcv_nl_event). So the socket stays open for a while.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from errno import ENOBUFS, ENODEV

from . import link
from .channel import Channel, refusal
from .wire import HEADER, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from _thread import LockType

#: How many may be held back at a time.
MOST = 16

#: Channels that are still to be closed, each after the request that a thread makes, if one does.
_held: list[tuple[Channel, LockType]] = []


class Unhurried(Channel):
    """A channel that is closed by ``settle``, or when this process ends."""

    def close(self) -> None:
        _hold(self, allocate_lock())


def remove(channel: Channel, name: str) -> bool:
    """Removes the link; False when there is none. Returns when it cannot be found any more, and its name is free.

    `channel` is of the thread's network namespace. Raises NetlinkError when the kernel refuses.
    """
    found = link.get(channel, name)
    if found is None:
        return False
    own = Channel()
    own.subscribe(link.RTNLGRP_LINK)
    kind, flags, body, what = link.delete(found.index)
    message = HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body
    returned = allocate_lock()
    returned.acquire()

    def send() -> None:
        try:
            own.socket.sendto(message, (0, 0))
        finally:
            returned.release()

    _hold(own, returned)
    start_new_thread(send, ())
    while True:
        try:
            messages = own.receive()
        except OSError as error:
            if error.errno != ENOBUFS:
                raise
            if link.get(channel, index=found.index) is None:  # so many events that the kernel dropped some
                return True
            continue
        for reply, reply_flags, sequence, payload in messages:
            if reply == NLMSG_ERROR and sequence == 1:
                refused = refusal(reply_flags, payload, what)
                if refused is None or refused.errno == ENODEV:
                    return refused is None
                raise refused
            # struct ifinfomsg: the family is AF_UNSPEC; a bridge reports the end of a port with its own family
            if reply == link.RTM_DELLINK and payload[0] == 0 and payload[4:8] == body[4:8]:
                return True


def _hold(channel: Channel, returned: LockType) -> None:
    if len(_held) >= MOST:
        settle()
    _held.append((channel, returned))


def settle() -> None:
    """Waits until the kernel has answered all requests and freed the memory."""
    while _held:
        channel, returned = _held.pop()
        returned.acquire()
        Channel.close(channel)
