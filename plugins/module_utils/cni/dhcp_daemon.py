# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""podnet-dhcp: gets leases for pods, renews them as long as the pods live, and releases them (RFC 2131).

The plugin asks over a Unix socket, one line of JSON for one (dhcp.py). Each lease has a thread, which enters the pod's
namespace when there is something to send and holds nothing of it in between: a namespace that is gone shall be. Leases
are noted in files beside the socket, and go on when the daemon comes back.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import random
import select
import signal
import socket
import struct
import sys
import threading
import time

from ..netlink import link
from ..netlink.channel import Channel
from ..netlink.netns import Netns
from . import dhcp, dhcp_message
from .dhcp_message import (
    ACK,
    ANY,
    BOOTREPLY,
    BOOTREQUEST,
    BROADCAST,
    CLIENT_PORT,
    DISCOVER,
    EVERYBODY,
    INFINITE,
    NAK,
    OFFER,
    RELEASE,
    REQUEST,
    SERVER_PORT,
    Message,
)
from .dhcp_options import MESSAGE, MESSAGE_SIZE, MESSAGE_TYPE, PARAMETERS, REQUESTED_ADDRESS, SERVER_ID
from .errors import INTERNAL, TRY_AGAIN, CniError

log = logging.getLogger("podnet-dhcp")

ETH_P_IP = 0x0800
#: RFC 2131 4.1: the first pause before a message is sent again, doubled each time, each a second more or less.
FIRST_PAUSE = 4.0
#: RFC 2131 4.4.5: between two attempts to renew at least so long, in seconds.
RENEW_PAUSE = 60.0
#: What it means that a namespace or an interface can't be opened: there is none any more.
GONE = (errno.ENOENT, errno.ESRCH, errno.EINVAL, errno.ENODEV, errno.ENXIO)


class Gone(Exception):
    """The pod's namespace or interface is no more."""


class Refused(Exception):
    """The server said no (DHCPNAK)."""


class Silence(Exception):
    """No server answered in time."""


def now() -> float:
    """Seconds since boot, those of a suspended machine included: a lease goes on meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _told(error: OSError, what: str) -> Exception:
    """Gone where that is what the error means, else the error itself."""
    return Gone(f"{what}: {error.strerror}") if error.errno in GONE else error


class Settings:
    """What the command line says."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.prefix: str = arguments.hostprefix
        self.socket: str = self.prefix + arguments.socketpath
        self.broadcast: bool = arguments.broadcast
        self.timeout: float = arguments.timeout
        self.resend_max: float = arguments.resendmax
        self.resend_timeout: float = arguments.resendtimeout


class Exchange:
    """A conversation with servers by a pod's interface: opened inside the namespace, closed after it."""

    def __init__(self, netns: str, ifname: str) -> None:
        """Raises Gone where there is no such namespace or interface, and OSError."""
        try:
            with Netns(netns):
                with Channel() as channel:
                    found = link.get(channel, ifname)
                if found is None:
                    raise Gone(f"there is no interface {ifname} in {netns}")
                self.mac = bytes.fromhex((found.mac or "").replace(":", ""))
                self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                try:
                    self.raw.bind((ifname, ETH_P_IP))
                    self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
                    self.udp.bind(("", CLIENT_PORT))
                except BaseException:
                    self.close()
                    raise
        except OSError as error:
            raise _told(error, f"{netns}, {ifname}") from None
        self.ifname = ifname

    def close(self) -> None:
        self.raw.close()
        self.udp.close()

    def broadcast(self, message: Message) -> None:
        packet = dhcp_message.packet(message.pack(), message.client, EVERYBODY)
        self.raw.sendto(packet, (self.ifname, ETH_P_IP, 0, 0, b"\xff" * 6))

    def hand(self, message: Message, server: str, mac: bytes) -> None:
        """To a server by its (or its router's) MAC address: needs nothing of the interface, not even an address."""
        packet = dhcp_message.packet(message.pack(), message.client, server)
        self.raw.sendto(packet, (self.ifname, ETH_P_IP, 0, 0, mac))

    def unicast(self, message: Message, server: str) -> None:
        self.udp.sendto(message.pack(), (server, SERVER_PORT))

    def receive(self, message: Message, wanted: tuple[int, ...], seconds: float) -> Message | None:
        """The first answer to `message` of a wanted type; None when there is none in time."""
        end = now() + seconds
        while True:
            left = end - now()
            ready = select.select([self.raw, self.udp], [], [], max(left, 0))[0]
            if not ready:
                return None
            for source in ready:
                data, address = source.recvfrom(1 << 16)
                try:
                    found = dhcp_message.unpack(dhcp_message.payload(data) if source is self.raw else data)
                except ValueError:
                    continue  # somebody else's, or broken
                same = (found.op, found.xid, found.mac[:6]) == (BOOTREPLY, message.xid, self.mac)
                if same and found.type in wanted:
                    found.sender = address[4] if source is self.raw else b""
                    return found


class Lease(threading.Thread):
    """An attachment's lease, kept by this thread once ``acquire`` has got it."""

    def __init__(self, settings: Settings, wanted: dict, on_gone) -> None:
        """`wanted`: network, container, ifname, netns, request, provide, as the plugin says them."""
        super().__init__(daemon=True, name="/".join(key_of(wanted)))
        self.settings = settings
        self.wanted = wanted
        self.on_gone = on_gone
        self.ended = threading.Event()
        self.mac = ""
        self.address = ""  # with prefix length
        self.server = self.server_mac = ""
        self.acquired = self.renew_at = self.rebind_at = self.expires_at = 0.0

    # -- getting one ---------------------------------------------------------------------------------------------------

    def acquire(self, address: str = "") -> dict:
        """Gets a lease, that of `address` if the server agrees; returns CNI's result.

        Raises Gone; Silence when nobody answered until the end of patience.
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
        if self.mac != exchange.mac.hex(":"):  # a path may lead to another pod's namespace by now
            exchange.close()
            raise Gone(f"{self.wanted['ifname']} in {self.wanted['netns']} is another one")
        return exchange

    def _bind(self, exchange: Exchange, address: str) -> dict:
        options = {REQUESTED_ADDRESS: socket.inet_aton(address)} if address else {}
        offer = self._converse(exchange, self._message(exchange, DISCOVER, options), (OFFER,))
        server = offer.options.get(SERVER_ID, b"")
        if len(server) != 4 or offer.yours == ANY:
            raise Refused("an offer without a server or an address")
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
        """Sends the message, to `server` or to all, until it is answered or it is too late.

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
        """Keeps what an ACK says, and notes it."""
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

    # -- keeping it ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Renews, rebinds, and begins anew, until it is stopped or the pod is gone."""
        try:
            while not self.ended.is_set():
                # Event.wait's clock stands still while the machine is suspended
                if now() < self.renew_at:
                    self.ended.wait(min(self.renew_at - now(), RENEW_PAUSE))
                elif now() >= self.expires_at:
                    self._lost()
                else:
                    self._renew()
        except Gone as error:
            log.info("%s: %s", self.name, error)
            self.on_gone(self)
        except Exception:
            log.exception("%s", self.name)

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
            self._lost()
            return
        except (Silence, OSError) as error:
            log.warning("%s: %s", self.name, error)
        # half of what is left until the next state, but not less than a minute (RFC 2131 4.4.5)
        left = until - now()
        self.ended.wait(max(0.0, min(left, max(left / 2, RENEW_PAUSE))))

    def _lost(self) -> None:
        """The lease is over. If the server gives the same address again, nothing happened; else the pod has none.

        Raises Gone in that case, after taking the interface down: the address may be somebody else's by now.
        """
        before = self.address
        try:
            exchange = self._exchange()
            try:
                self._bind(exchange, before.partition("/")[0])
            finally:
                exchange.close()
            if self.address == before:
                return
            self._release()
        except (Silence, Refused, OSError) as error:
            log.warning("%s: %s", self.name, error)
        try:
            with Netns(self.settings.prefix + self.wanted["netns"]), Channel() as channel:
                channel.request(link.change(0, name=self.wanted["ifname"], up=False))
        except OSError as error:
            log.error("%s: %s", self.name, error)
        raise Gone(f"the lease of {before} is lost; {self.wanted['ifname']} is down")

    # -- giving it back ------------------------------------------------------------------------------------------------

    def stop(self, release: bool) -> None:
        """Ends the thread; with `release` the server learns of it, where there still is a way to it."""
        self.ended.set()
        if self.is_alive():
            self.join(self.settings.timeout + 1)
        if release:
            if self.address:
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

    # -- its note ------------------------------------------------------------------------------------------------------

    def _path(self) -> str:
        return dhcp.note(self.settings.socket, *key_of(self.wanted))

    def _write(self) -> None:
        path = self._path()
        times = (self.acquired, self.renew_at, self.rebind_at, self.expires_at)
        content = {
            "wanted": self.wanted,
            "mac": self.mac,
            "address": self.address,
            "server": self.server,
            "times": times,
        }
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
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
        """Goes on with what a note tells."""
        self.mac, self.address, self.server = content["mac"], content["address"], content["server"]
        self.server_mac = content["server_mac"]
        self.acquired, self.renew_at, self.rebind_at, self.expires_at = content["times"]


def key_of(wanted: dict) -> tuple[str, str, str]:
    """What tells an attachment from others: network, container ID, interface."""
    return wanted["network"], wanted["container"], wanted["ifname"]


class Daemon:
    """All leases, and who asks for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.leases: dict[tuple[str, str, str], Lease] = {}
        self.lock = threading.Lock()

    def load(self) -> None:
        """Goes on with the leases that are noted."""
        for directory, _directories, names in os.walk(self.settings.socket + ".leases"):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    with open(path, encoding="utf-8") as file:
                        content = json.load(file)
                    lease = Lease(self.settings, content["wanted"], self.gone)
                    lease.read(content)
                except (OSError, ValueError, KeyError, TypeError) as error:
                    log.warning("%s: %s", path, error)
                    os.unlink(path)
                    continue
                self.leases[key_of(lease.wanted)] = lease
                log.info("%s: goes on with %s", lease.name, lease.address)
                lease.start()

    def gone(self, lease: Lease) -> None:
        """Forgets a lease whose pod is no more."""
        with self.lock:
            if self.leases.get(key_of(lease.wanted)) is lease:
                del self.leases[key_of(lease.wanted)]
                lease._forget()

    def serve(self, listener: socket.socket) -> None:
        """Answers, each caller in a thread of its own, for ever."""
        while True:
            connection, _address = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            try:
                question = json.loads(stream.readline(1 << 20))
                answer = self._do(question)
            except CniError as error:
                answer = {"error": {"code": error.code, "msg": error.msg}}
            except Exception as error:
                log.exception("a question that can't be answered")
                answer = {"error": {"code": INTERNAL, "msg": f"dhcp daemon: {type(error).__name__}: {error}"}}
            try:
                stream.write(json.dumps(answer).encode() + b"\n")
                stream.flush()
            except OSError:
                if "result" in answer:  # who asked is dead: nobody else knows of the lease
                    self._drop(key_of(question))

    def _do(self, question: dict) -> dict:
        command = question["command"]
        if command == "ADD":
            return {"result": self._add(question)}
        if command == "DEL":
            self._drop(key_of(question))
        elif command == "CHECK":
            lease = self.leases.get(key_of(question))
            if lease is None:
                raise CniError(INTERNAL, "lease not found: " + "/".join(key_of(question)))
            return {"address": lease.address}
        elif command == "GC":
            valid = {tuple(owner) for owner in question["valid"]}
            for key in list(self.leases):
                if key[0] == question["network"] and key[1:] not in valid:
                    self._drop(key)
        elif command != "STATUS":
            raise CniError(INTERNAL, f"dhcp daemon: unknown command {command!r}")
        return {}

    def _add(self, wanted: dict) -> dict:
        key = key_of(wanted)
        with self.lock:
            before = self.leases.pop(key, None)
            lease = self.leases[key] = Lease(self.settings, wanted, self.gone)
        if before:
            before.stop(release=False)
        try:
            result = lease.acquire(before.address.partition("/")[0] if before else "")
        except (Silence, Gone, OSError, ValueError) as error:
            self._drop(key)
            code = TRY_AGAIN if isinstance(error, Silence) else INTERNAL
            raise CniError(code, f"dhcp: failed to get a lease: {error}") from None
        if lease.ended.is_set():  # DEL came meanwhile
            lease.stop(release=True)
            raise CniError(INTERNAL, "dhcp: deleted while it was added")
        lease.start()
        return result

    def _drop(self, key: tuple[str, str, str]) -> None:
        with self.lock:
            lease = self.leases.pop(key, None)
        if lease:
            lease.stop(release=True)


def listen(settings: Settings) -> socket.socket:
    """The socket of systemd's activation (sd_listen_fds(3)), or one of our own for root alone. Raises OSError."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=3)
    os.makedirs(os.path.dirname(settings.socket), mode=0o755, exist_ok=True)
    fresh = f"{settings.socket}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(fresh)
    finally:
        os.umask(mask)
    listener.listen(128)
    os.rename(fresh, settings.socket)  # takes the place of what a dead one left
    return listener


def _seconds(text: str) -> float:
    """ "10", "10s" or "1m30s"."""
    total, number = 0.0, ""
    for char in text:
        if char.isdigit() or char == ".":
            number += char
        elif char in "smh" and number:
            total += float(number) * {"s": 1, "m": 60, "h": 3600}[char]
            number = ""
        else:
            raise argparse.ArgumentTypeError(f"{text!r} is no duration, as 90, 90s or 1m30s are")
    return total + float(number or 0)


def main(words: list[str] | None = None) -> int:
    """The command podnet-dhcp; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="podnet-dhcp", description="Gets and keeps DHCP leases for pods (CNI plugin dhcp)."
    )
    parser.add_argument("--socketpath", default=dhcp.SOCKET, help="where the plugin finds it (%(default)s)")
    parser.add_argument("--hostprefix", default="", help="where this host's / is, in a container")
    parser.add_argument("--pidfile", help="a file to write the process ID to")
    parser.add_argument("--broadcast", action="store_true", help="ask servers to answer by broadcast")
    parser.add_argument("--timeout", type=_seconds, default=10.0, help="for a server's answer (10s)")
    parser.add_argument("--resendmax", type=_seconds, default=62.0, help="longest pause between two attempts (62s)")
    parser.add_argument("--resendtimeout", type=_seconds, default=208.0, help="until an ADD gives up (208s)")
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    settings = Settings(arguments)
    daemon = Daemon(settings)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # leases are noted: the next one goes on with them
    try:
        listener = listen(settings)
        if arguments.pidfile:
            with open(arguments.pidfile, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        daemon.load()
        daemon.serve(listener)
    except OSError as error:
        log.error("podnet-dhcp: %s", error)
    except KeyboardInterrupt:
        pass
    return 1
