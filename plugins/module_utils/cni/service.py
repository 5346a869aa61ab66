# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service: has Python and all plugins loaded, and a process of its own waiting for each call to come.

An executable's launcher (launcher.py) connects and sends one message: the version that it is of, and its standard
input, output and error. One byte answers that the call has begun; from then on it is done here or not at all. A second
byte is the exit status. Whatever is wrong before the first byte ends in a closed connection, and the launcher does the
call by itself.

One process waits at a time, forked when everything was loaded. It takes one call, works as the executable would (the
same environment, directory, descriptors and network namespace, the same ``main``), and ends; by then the next one
waits. So calls share nothing, and what kills one of them kills no other. When the launcher dies, the process at work
for it dies, too, as it would have if the launcher had been it.
"""

from __future__ import annotations

import fcntl
import gc
import posix
import select
import sys
from _socket import SO_PEERCRED, SOL_SOCKET
from _socket import socket as Socket
from struct import calcsize, unpack
from time import sleep

from ..netlink.netns import CLONE_NEWNET, setns
from . import delegate
from .main import run

#: Where it listens, and where the executables' launcher looks for it (install.py has it, too).
SOCKET = "/run/podnet/cni.sock"

AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC = 1, 5, 0o2000000
MSG_PEEK, MSG_DONTWAIT = 2, 0x40
#: From the first byte on there is an answer.
BEGUN = b"\1"
#: How many calls may wait to be taken.
BACKLOG = 4096
#: How long after a process that died without a call the next one is made, in seconds.
PAUSE = 0.2


def main(version: str) -> None:
    """The service of that version, at the path that is this process's first argument; ends with it."""
    try:
        serve(sys.argv[1] if len(sys.argv) > 1 else SOCKET, version)
    except OSError as error:
        print(f"podnet-cni serve: {error}", file=sys.stderr)
        posix._exit(1)


class Refused(Exception):
    """The launcher must do it by itself."""


def serve(path: str, version: str) -> None:
    """Serves calls of executables of that version, for ever. Raises OSError when it can't listen at `path`."""
    listener = listen(path)
    load()
    gc.collect()
    gc.freeze()
    while True:
        ready, taken = posix.pipe2(posix.O_CLOEXEC)
        if not posix.fork():
            posix.close(ready)
            _attend(listener, taken, version)
        posix.close(taken)
        # One byte: it has taken a call. None: it has died.
        if not posix.read(ready, 1):
            sleep(PAUSE)
        posix.close(ready)
        _bury()


def listen(path: str) -> Socket:
    """A socket at `path`, for root alone; it takes the place of another one there in one step."""
    directory = path.rpartition("/")[0]
    try:
        posix.mkdir(directory, 0o755)
    except FileExistsError:
        pass
    fresh = f"{path}.{posix.getpid()}"
    listener = Socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    mask = posix.umask(0o177)
    try:
        listener.bind(fresh)
    finally:
        posix.umask(mask)
    listener.listen(BACKLOG)
    posix.rename(fresh, path)
    return listener


def load() -> None:
    """Imports all that a call may need, so that no call has to."""
    modules = getattr(sys.meta_path[0], "modules", None)  # the executables' bundle
    for name in modules or [f"{__package__}.{module}" for module in delegate.OWN.values()]:
        try:
            __import__(name)
        except Exception as error:  # the call that needs it will tell its runtime
            print(f"podnet: {name} can't be loaded: {error}", file=sys.stderr)


def _bury() -> None:
    """Takes note of the processes that have ended."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


# -- the process that waits for a call ------------------------------------------------------------------------------


def _attend(listener: Socket, taken: int, version: str) -> None:
    """Waits for one call, does it and ends. Ends without one when the service does."""
    status = 1
    try:
        posix.setpgid(0, 0)  # what interrupts the service at a terminal is not for the calls
        connection = _accept(listener, taken)
        listener.close()
        posix.write(taken, b"\1")
        posix.close(taken)
        plugin = _begin(connection, version)
        status = run(plugin)
        connection.send(bytes([status]))
    except Refused:
        status = 0
    except BaseException as error:
        print(f"podnet: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        posix._exit(status)


def _accept(listener: Socket, taken: int) -> Socket:
    poll = select.poll()
    poll.register(listener.fileno(), select.POLLIN)
    poll.register(taken, 0)  # nobody reads it any more: the service is gone
    for file, _event in poll.poll():
        if file == taken:
            raise Refused
    descriptor, _address = listener._accept()  # type: ignore[attr-defined]
    return Socket(fileno=descriptor)


def _begin(connection: Socket, version: str) -> str:
    """Takes the place of the process that asks; returns the plugin's type. Raises Refused."""
    message, control, _flags, _address = connection.recvmsg(256, 64, 0)
    if message.decode("ascii", "replace") != version or not control:
        raise Refused
    size = calcsize("3i")
    pid, uid, _gid = unpack("3i", connection.getsockopt(SOL_SOCKET, SO_PEERCRED, size))
    files = unpack("3i", control[0][2])
    if uid != posix.getuid() or not pid:
        raise Refused
    _die_with(connection)
    process = f"/proc/{pid}"
    for kind in ("mnt", "user", "pid"):
        if posix.readlink(f"{process}/ns/{kind}") != posix.readlink(f"/proc/self/ns/{kind}"):
            raise Refused
    words = _read(f"{process}/cmdline").split(b"\0")
    plugin = words[1].rpartition(b"/")[2].decode("ascii", "replace") if len(words) > 2 else ""
    if plugin not in delegate.OWN:
        raise Refused
    posix.environ.clear()
    for entry in _read(f"{process}/environ").split(b"\0"):
        key, equals, value = entry.partition(b"=")
        if equals:
            posix.environ.setdefault(key, value)
    posix.chdir(f"{process}/cwd")
    if posix.readlink(f"{process}/ns/net") != posix.readlink("/proc/self/ns/net"):
        netns = posix.open(f"{process}/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
        setns(netns, CLONE_NEWNET)
        posix.close(netns)
    try:
        connection.recv(1, MSG_PEEK | MSG_DONTWAIT)
        raise Refused  # it is gone: all that was read may be another process's by now
    except BlockingIOError:
        pass
    for number, file in enumerate(files):
        posix.dup2(file, number)
        posix.close(file)
    connection.send(BEGUN)
    return plugin


def _die_with(connection: Socket) -> None:
    """Has the kernel end this process (SIGIO) when the other side closes, as it does when it dies."""
    file = connection.fileno()
    fcntl.fcntl(file, fcntl.F_SETOWN, posix.getpid())
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | fcntl.FASYNC)


def _read(path: str) -> bytes:
    file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = b""
        while True:
            part = posix.read(file, 1 << 16)
            if not part:
                return data
            data += part
    finally:
        posix.close(file)
