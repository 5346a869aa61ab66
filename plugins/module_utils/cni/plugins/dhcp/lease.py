# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod's lease: requested, renewed while the pod lives, stored, and released (RFC 2131, 4.4)."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import random
import socket
import struct
import threading
from typing import TYPE_CHECKING

from ....ipam.files import make_directory
from ....netlink import address, link, route
from ....netlink.channel import Channel
from ....netlink.netns import Netns
from . import message as dhcp_message
from . import plugin
from .message import ACK, ANY, BOOTREQUEST, BROADCAST, DISCOVER, INFINITE, NAK, OFFER, RELEASE, REQUEST, Message
from .options import MESSAGE, MESSAGE_SIZE, MESSAGE_TYPE, PARAMETERS, REQUESTED_ADDRESS, SERVER_ID
from .socket import Exchange, Gone, as_gone, now

if TYPE_CHECKING:
    from ....netlink.link import Link

log = logging.getLogger("podnet-dhcp")

#: RFC 2131 4.1: the first pause before a message is sent again, doubled each time, each a second more or less.
FIRST_PAUSE = 4.0
#: RFC 2131 4.4.5: the least time between two attempts to renew, in seconds.
RENEW_PAUSE = 60.0
#: What is noted of a route that goes with a lost address.
KEPT = ("dst", "gateway", "table", "metric", "scope", "src", "protocol", "onlink", "mtu", "advmss")


class Refused(Exception):
    """The server refused (DHCPNAK)."""


class Silence(Exception):
    """No server answered in time."""


class Settings:
    """The command line's options."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.prefix: str = arguments.hostprefix
        self.socket: str = self.prefix + arguments.socketpath
        self.broadcast: bool = arguments.broadcast
        self.timeout: float = arguments.timeout
        self.resend_max: float = arguments.resendmax
        self.resend_timeout: float = arguments.resendtimeout


class Lease(threading.Thread):
    """An attachment's lease, renewed by this thread after ``acquire``."""

    def __init__(self, settings: Settings, wanted: dict, on_gone) -> None:
        """`wanted`: network, container, ifname, netns, request, provide, as the plugin sends them."""
        super().__init__(daemon=True, name="/".join(key_of(wanted)))
        self.settings = settings
        self.wanted = wanted
        self.on_gone = on_gone
        self.ended = threading.Event()
        self.mac = ""
        self.address = ""  # with prefix length
        self.server = self.server_mac = ""
        self.acquired = self.renew_at = self.rebind_at = self.expires_at = 0.0
        self.withdrawn: list[dict] | None = (
            None  # the routes that went with a lost address; None as long as it is there
        )
        self.pause = FIRST_PAUSE

    # -- acquire ---------------------------------------------------------------------------------------------------

    def acquire(self, address: str = "") -> dict:
        """Requests a lease, for `address` if the server agrees; returns the CNI result.

        Raises Gone; Silence if no server answered within the resend timeout.
        """
        end = now() + self.settings.resend_timeout
        pause = FIRST_PAUSE
        while True:
            try:
                exchange = self._exchange()
                try:
                    return self._bind(exchange, address)
                finally:
                    exchange.close()
            except (Silence, Refused) as error:
                log.warning("%s: %s", self.name, error)
                address = ""
                wait = pause + random.uniform(-1, 1)
                if self.ended.is_set() or now() + wait > end:
                    raise Silence(f"{error}; no more tries") from None
                self.ended.wait(wait)
                pause = min(pause * 2, self.settings.resend_max)

    def _exchange(self) -> Exchange:
        exchange = Exchange(self.settings.prefix + self.wanted["netns"], self.wanted["ifname"])
        self.mac = self.mac or exchange.mac.hex(":")
        if self.mac != exchange.mac.hex(":"):  # by now the path may be another pod's namespace
            exchange.close()
            raise Gone(f"{self.wanted['ifname']} in {self.wanted['netns']} is another one")
        return exchange

    def _bind(self, exchange: Exchange, address: str, alone: bool = False) -> dict:
        """Discovers and requests: `address` if the server offers it, with `alone` no other one."""
        options = {REQUESTED_ADDRESS: socket.inet_aton(address)} if address else {}
        offer = self._converse(exchange, self._message(exchange, DISCOVER, options), (OFFER,))
        server = offer.options.get(SERVER_ID, b"")
        if len(server) != 4 or offer.yours == ANY:
            raise Refused("an offer without a server or an address")
        if alone and offer.yours != address:
            raise Refused(f"the server offers {offer.yours} instead of {address}")
        options = {REQUESTED_ADDRESS: socket.inet_aton(offer.yours), SERVER_ID: server}
        request = self._message(exchange, REQUEST, options)
        request.xid = offer.xid
        return self._take(self._converse(exchange, request, (ACK, NAK)))

    def _message(self, exchange: Exchange, kind: int, options: dict[int, bytes], client: str = ANY) -> Message:
        given = {MESSAGE_TYPE: bytes([kind]), **options}
        if kind in (DISCOVER, REQUEST):
            given[PARAMETERS] = bytes(self.wanted["request"])
            given[MESSAGE_SIZE] = struct.pack("!H", 1500)
        for number, value in self.wanted["provide"].items():
            given.setdefault(int(number), value.encode())
        if not given.get(PARAMETERS, b"-"):
            del given[PARAMETERS]
        message = Message(BOOTREQUEST, random.getrandbits(32), exchange.mac, given)
        message.client = client
        message.flags = BROADCAST if self.settings.broadcast and client == ANY else 0
        return message

    def _converse(
        self,
        exchange: Exchange,
        message: Message,
        wanted: tuple[int, ...],
        server: str = "",
        until: float = float("inf"),
    ) -> Message:
        """Sends the message, to `server` or to all, until it is answered or the time is over.

        Raises Silence, and Refused for a NAK.
        """
        started = now()
        pause = FIRST_PAUSE
        while True:
            left = min(started + self.settings.timeout, until) - now()
            if left <= 0 or self.ended.is_set():
                raise Silence("no answer from a DHCP server")
            message.secs = int(now() - started)
            if server:
                exchange.unicast(message, server)
            else:
                exchange.broadcast(message)
            answer = exchange.receive(message, wanted, min(left, pause + random.uniform(-1, 1)))
            if answer:
                if answer.type == NAK:
                    raise Refused("the server refused: " + answer.options.get(MESSAGE, b"").decode("utf-8", "replace"))
                return answer
            pause = min(pause * 2, self.settings.resend_max)

    def _take(self, ack: Message) -> dict:
        """Takes the values of an ACK, and stores them."""
        result = dhcp_message.result(ack)
        lease, renew, rebind = dhcp_message.seconds(ack)
        self.address = result["ips"][0]["address"]
        server = ack.options.get(SERVER_ID, b"")
        self.server = socket.inet_ntoa(server) if len(server) == 4 else self.server
        self.server_mac = ack.sender.hex() or self.server_mac
        self.acquired = now()
        forever = float("inf")
        self.renew_at = forever if lease == INFINITE else self.acquired + renew
        self.rebind_at = forever if lease == INFINITE else self.acquired + rebind
        self.expires_at = forever if lease == INFINITE else self.acquired + lease
        self._write()
        log.info("%s: %s for %s seconds from %s", self.name, self.address, lease, self.server)
        return result

    # -- renew ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Renews, rebinds, and requests again, until it is stopped or the pod is gone."""
        try:
            while not self.ended.is_set():
                try:
                    self._step()
                except OSError as error:  # no descriptor, a full disk: not for ever
                    log.warning("%s: %s", self.name, error)
                    self.ended.wait(FIRST_PAUSE)
        except Gone as error:
            log.info("%s: %s", self.name, error)
            self.on_gone(self)
        except Exception:
            log.exception("%s", self.name)

    def _step(self) -> None:
        """What is due, or a part of the time until something is. Raises Gone, OSError."""
        if now() >= self.expires_at:
            self._lost()
        elif self.withdrawn is not None:
            self._give_back(self.withdrawn)
        elif now() >= self.renew_at:
            self._renew()
        else:  # Event.wait's clock stands still while the machine is suspended
            self.ended.wait(min(self.renew_at - now(), RENEW_PAUSE))

    def _renew(self) -> None:
        """One attempt: with the server that gave the lease, and beyond the rebinding time with any. Then waits."""
        rebinding = now() >= self.rebind_at
        until = self.expires_at if rebinding else self.rebind_at
        try:
            exchange = self._exchange()
            try:
                request = self._message(exchange, REQUEST, {}, client=self.address.partition("/")[0])
                server = "" if rebinding else self.server
                self._take(self._converse(exchange, request, (ACK, NAK), server, until))
                return
            finally:
                exchange.close()
        except Refused as error:
            log.warning("%s: %s", self.name, error)
            self.renew_at = self.rebind_at = self.expires_at = now()
            return
        except (Silence, OSError, ValueError) as error:  # an answer that is invalid is none
            log.warning("%s: %s", self.name, error)
        # half of the time until the next state, but at least a minute (RFC 2131 4.4.5)
        left = until - now()
        self.ended.wait(max(0.0, min(left, max(left / 2, RENEW_PAUSE))))

    def _lost(self) -> None:
        """The lease has expired: one attempt to get the same address again, and a pause if that fails.

        The address may be another client's by now, so that the pod must not have it meanwhile; its interface stays up,
        since nothing could be requested otherwise. No other address is taken: runtimes know only ADD's.
        """
        try:
            exchange = self._exchange()
            try:
                self._bind(exchange, self.address.partition("/")[0], True)
            finally:
                exchange.close()
        except (Silence, Refused, OSError, ValueError) as error:
            if now() < self.expires_at:  # the server gave it, and it could not be stored
                raise
            log.warning("%s: the lease of %s is lost: %s", self.name, self.address, error)
            self._withdraw()
            self.ended.wait(self.pause + random.uniform(-1, 1))
            self.pause = min(self.pause * 2, self.settings.resend_max)
            return
        self.pause = FIRST_PAUSE

    def _withdraw(self) -> None:
        """Takes the address from the interface, and notes the routes that go with it."""
        with self._inside(), Channel() as channel:
            index = self._interface(channel).index
            if self.withdrawn is None:
                routes = [one for one in route.dump(channel, family=socket.AF_INET, table=0, index=index) if _goes(one)]
                routes.sort(key=lambda one: any(one.gateways()))  # the kernel accepts a gateway only with a route to it
                self.withdrawn = [{key: getattr(one, key) for key in KEPT} for one in routes]
                self._write()
            for failure in channel.batch([address.delete(index, self.address)]):
                if failure and failure.errno != errno.EADDRNOTAVAIL:
                    log.error("%s: %s", self.name, failure)

    def _give_back(self, withdrawn: list[dict]) -> None:
        """Gives a withdrawn address back to the interface, with its routes."""
        with self._inside(), Channel() as channel:
            index = self._interface(channel).index
            routes = [route.Route(**values) for values in withdrawn]
            requests = [address.add(index, self.address, broadcast="+")]
            requests += [route.copy(one, index, one.table, one.src) for one in routes]
            for failure in channel.batch(requests):
                if failure and failure.errno != errno.EEXIST:
                    log.error("%s: %s", self.name, failure)
        log.info("%s: %s is back", self.name, self.address)
        self.withdrawn = None
        self._write()

    def _inside(self) -> Netns:
        """The pod's namespace. Raises Gone, OSError."""
        try:
            return Netns(self.settings.prefix + self.wanted["netns"])
        except OSError as error:
            raise as_gone(error, self.name) from None

    def _interface(self, channel: Channel) -> Link:
        found = link.get(channel, self.wanted["ifname"])
        if found is None:
            raise Gone(f"interface {self.wanted['ifname']} does not exist in {self.wanted['netns']}")
        return found

    # -- release ------------------------------------------------------------------------------------------------

    def stop(self, release: bool) -> None:
        """Ends the thread; with `release` it sends a DHCPRELEASE, if the server is still reachable."""
        self.ended.set()
        if self.is_alive():
            self.join(self.settings.timeout + 1)
        if release:
            if self.address and self.withdrawn is None:
                try:
                    self._release()
                except (Gone, OSError) as error:
                    log.info("%s: not released: %s", self.name, error)
            self._forget()

    def _release(self) -> None:
        exchange = self._exchange()
        try:
            options = {SERVER_ID: socket.inet_aton(self.server)}
            message = self._message(exchange, RELEASE, options, client=self.address.partition("/")[0])
            if self.server_mac:
                exchange.hand(message, self.server, bytes.fromhex(self.server_mac))
            else:
                exchange.unicast(message, self.server)
            log.info("%s: released %s", self.name, self.address)
        finally:
            exchange.close()

    # -- the lease file ------------------------------------------------------------------------------------------------

    def _path(self) -> str:
        return plugin.note(self.settings.socket, *key_of(self.wanted))

    def _write(self) -> None:
        path = self._path()
        times = (self.acquired, self.renew_at, self.rebind_at, self.expires_at)
        content = {
            "wanted": self.wanted,
            "mac": self.mac,
            "address": self.address,
            "server": self.server,
            "times": times,
            "withdrawn": self.withdrawn,
        }
        make_directory(os.path.dirname(path), 0o700)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({**content, "server_mac": self.server_mac, "times": times}, file)
        os.replace(path + ".new", path)

    def _forget(self) -> None:
        for name in (self._path(), self._path() + ".new"):
            try:
                os.unlink(name)
            except FileNotFoundError:
                pass

    def read(self, content: dict) -> None:
        """A lease from its file."""
        self.mac, self.address, self.server = content["mac"], content["address"], content["server"]
        self.server_mac, self.withdrawn = content["server_mac"], content.get("withdrawn")
        self.acquired, self.renew_at, self.rebind_at, self.expires_at = content["times"]


def _goes(one: route.Route) -> bool:
    """Whether a route is one that is to come back with its address; the kernel's own does so by itself."""
    return one.type == "unicast" and one.protocol != route.RTPROT_KERNEL and not one.hops


def key_of(wanted: dict) -> tuple[str, str, str]:
    """An attachment's identity: network, container ID, interface."""
    return wanted["network"], wanted["container"], wanted["ifname"]
