# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CNI service: Python and all plugins loaded, with processes that wait for calls.

An executable's launcher (launcher.py) connects and sends one message: the version that it is of, and its standard
input, output and error. One byte answers that the call has begun; from then on it is done here or not at all. A second
byte is the exit status. Whatever is wrong before the first byte ends in a closed connection, and the launcher does the
call by itself.

The service itself only accepts and hands on. A worker, forked when everything was loaded, does one call at a time as
the executable would: with the caller's environment, directory, descriptors and network namespace, by the same ``run``.
There is always one more waiting, so that no call waits for another. A call that kills its worker harms no other call;
a worker that has seen an error serves no more. When a launcher dies, the worker at its call dies with it, as it would
have if it had been the launcher.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself brings enum along
import fcntl
import gc
import posix
import select
import sys
from _socket import SCM_RIGHTS, SO_PEERCRED, SOL_SOCKET, socketpair
from _socket import socket as Socket
from struct import calcsize, pack, unpack
from time import sleep

from ...netlink import removal
from ...netlink.netns import CLONE_NEWNET, Netns, setns
from . import delegate
from .main import run

#: Where it listens, and where the executables' launcher looks for it (install.py has it, too).
SOCKET = "/run/podnet/cni.sock"

AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC = 1, 5, 0o2000000
MSG_PEEK, MSG_DONTWAIT, MSG_CMSG_CLOEXEC = 2, 0x40, 0x40000000
#: The byte that answers "started".
BEGUN = b"\1"
#: Messages between service and worker: a call to do, and its end.
CALL = b"\1"
#: How many connections may wait to be accepted.
BACKLOG = 4096
#: Calls that a worker serves before it exits, which limits what a call may leave in a process.
CALLS = 500
#: Idle workers after a burst, and how long they wait for the next call in milliseconds; then one is enough: each has
#: some 3 MiB of its own, and twelve are forked again in the time of a few calls.
WAITING, QUIET = 12, 2_000
#: How long to wait after a worker that died before its first call, in seconds.
PAUSE = 0.2


def main(version: str) -> None:
    """The service of that version, at the path that is this process's first argument; ends with it."""
    try:
        serve(sys.argv[1] if len(sys.argv) > 1 else SOCKET, version)
    except OSError as error:
        print(f"podnet-cni serve: {error}", file=sys.stderr)
        posix._exit(1)


class Refused(Exception):
    """The service refuses the call, and the launcher does it alone; the text has the reason."""


def serve(path: str, version: str) -> None:
    """Serves calls of executables of that version, for ever. Raises OSError if it cannot listen at `path`."""
    posix.umask(0o022)
    listener = listen(path)
    load()
    gc.collect()
    gc.freeze()  # what is loaded stays, and stays in memory that the workers share
    Service(listener, version).run()


class Service:
    """The listening socket, and a socket to each worker: the idle ones (the last one to serve is next), and all."""

    def __init__(self, listener: Socket, version: str) -> None:
        self.listener = listener
        self.version = version
        self.waiting: list[Socket] = []
        self.workers: dict[int, Socket] = {}
        self.poll = select.poll()
        self.poll.register(listener.fileno(), select.POLLIN)

    def run(self) -> None:
        """Passes connections to workers, for ever."""
        self._hire()
        while True:
            events = self.poll.poll(QUIET if len(self.waiting) > 1 else None)
            if not events:
                for worker in self.waiting[:-1]:
                    self._dismiss(worker)
            for file, _event in events:
                if file in self.workers:
                    self._hear(self.workers[file])
            if any(file == self.listener.fileno() for file, _event in events):
                self._hand_on()
            if not self.waiting:
                self._hire()
            _bury()

    def _hand_on(self) -> None:
        """Passes a call to an idle worker; skips one that died meanwhile."""
        descriptor, _address = self.listener._accept()  # type: ignore[attr-defined]
        while self.waiting:
            worker = self.waiting.pop()
            try:
                worker.sendmsg([CALL], [(SOL_SOCKET, SCM_RIGHTS, pack("i", descriptor))])
                break
            except OSError:
                self._dismiss(worker)
        posix.close(descriptor)

    def _hear(self, worker: Socket) -> None:
        """A worker is ready for another call, or it has ended."""
        try:
            ready = worker.recv(1, MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            ready = b""
        if ready and len(self.waiting) < WAITING:
            self.waiting.append(worker)
        else:
            if worker in self.waiting:  # it never had a call: the next one may fail likewise
                sleep(PAUSE)
            self._dismiss(worker)

    def _hire(self) -> None:
        """One more worker."""
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        if not posix.fork():
            ours.close()
            for other in (self.listener, *self.workers.values()):
                other.close()
            _work(theirs, self.version)
        theirs.close()
        self.workers[ours.fileno()] = ours
        self.waiting.append(ours)
        self.poll.register(ours.fileno(), select.POLLIN)

    def _dismiss(self, worker: Socket) -> None:
        """The worker exits after its present call."""
        self.poll.unregister(worker.fileno())
        del self.workers[worker.fileno()]
        if worker in self.waiting:
            self.waiting.remove(worker)
        worker.close()


def _bury() -> None:
    """Reaps the workers that have exited, and reports those that were killed."""
    try:
        while True:
            worker, status = posix.waitpid(-1, posix.WNOHANG)
            if not worker:
                break
            if status:
                print(f"podnet: worker {worker} was killed (wait status {status})", file=sys.stderr)
    except ChildProcessError:
        pass


def listen(path: str) -> Socket:
    """A socket at `path`, for root alone; it replaces an older one in one step."""
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
    """Imports all modules that a call may need."""
    modules = getattr(sys.meta_path[0], "modules", None)  # the executables' bundle
    for name in modules or [f"{delegate.PLUGINS}.{module}" for module in delegate.OWN.values()]:
        try:
            __import__(name)
        except Exception as error:  # a call that needs it will report it to its runtime
            print(f"podnet: cannot load {name}: {error}", file=sys.stderr)
    with Netns():  # below Python 3.12 this loads something, too
        pass


# -- a worker -------------------------------------------------------------------------------------------------------


def _work(service: Socket, version: str) -> None:
    """Serves calls until one fails, there were enough of them, or the service is gone; then ends."""
    try:
        _signal.signal(_signal.SIGIO, _signal.SIG_IGN)
        posix.setpgid(0, 0)  # a terminal's interrupt of the service must not end a call
        nothing = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        log = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
        open_files = posix.listdir("/proc/self/fd")
        for number in range(1, CALLS + 1):
            _message, control, _flags, _address = service.recvmsg(1, 64, MSG_CMSG_CLOEXEC)
            if not control:
                break
            connection = Socket(fileno=unpack("i", control[0][2])[0])
            try:
                plugin = _begin(connection, version)
            except (Refused, OSError) as error:
                print(f"podnet: refused a call, its executable does it alone: {error}", file=sys.stderr)
                connection.close()
                break
            status = run(plugin)
            # Before the status: a reader of the output waits until every writer is closed.
            for standard, file in enumerate((nothing, nothing, log)):
                posix.dup2(file, standard)
            _die_with(connection, False)
            connection.send(bytes([status]))
            connection.close()
            removal.settle()
            gc.collect()  # reference cycles, which may hold files
            if status or number == CALLS or posix.listdir("/proc/self/fd") != open_files:
                break
            service.send(CALL)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service or the caller is gone; the call is done
    except BaseException as error:
        print(f"podnet: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        posix._exit(0)


def _begin(connection: Socket, version: str) -> str:
    """Becomes the calling process: environment, directory, descriptors, namespace. Returns the plugin's type. Raises
    Refused."""
    message, control, _flags, _address = connection.recvmsg(256, 64, MSG_CMSG_CLOEXEC)
    asked = message.decode("ascii", "replace")
    if asked != version or not control:
        raise Refused(f"it is of version {asked!r}, not {version!r}")
    size = calcsize("3i")
    pid, uid, _gid = unpack("3i", connection.getsockopt(SOL_SOCKET, SO_PEERCRED, size))
    files = unpack("3i", control[0][2])
    if uid != posix.getuid() or not pid:
        raise Refused(f"it is of user {uid}, process {pid}")
    _die_with(connection, True)
    process = f"/proc/{pid}"
    for kind in ("mnt", "user", "pid"):
        if posix.readlink(f"{process}/ns/{kind}") != posix.readlink(f"/proc/self/ns/{kind}"):
            raise Refused(f"process {pid} is in another namespace ({kind})")
    words = _read(f"{process}/cmdline").split(b"\0")
    plugin = words[1].rpartition(b"/")[2].decode("ascii", "replace") if len(words) > 2 else ""
    if len(words) > 3:
        raise Refused(f"process {pid} has arguments, which no plugin's call has")
    if plugin not in delegate.OWN:
        raise Refused(f"process {pid} is {plugin!r}, which is not a plugin")
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
    if not _is_open(connection):
        raise Refused(f"process {pid} is gone")  # by now /proc may be another process's
    for number, file in enumerate(files):
        posix.dup2(file, number)
        posix.close(file)
    connection.send(BEGUN)
    return plugin


def _die_with(connection: Socket, together: bool) -> None:
    """Ends this process when the peer closes the connection, as it does when it dies; or no longer.

    SIGIO reports it, and may also report the launcher's message after it was read: the kernel queues the message
    first, and wakes its reader then (net/unix/af_unix.c, unix_dgram_sendmsg).
    """

    def look(_signal_number: int, _frame: object) -> None:
        if not _is_open(connection):
            posix._exit(0)

    if together:
        _signal.signal(_signal.SIGIO, look)
    file = connection.fileno()
    fcntl.fcntl(file, fcntl.F_SETOWN, posix.getpid())
    fcntl.fcntl(file, fcntl.F_SETFL, posix.O_RDWR | (fcntl.FASYNC if together else 0))
    if not together:
        _signal.signal(_signal.SIGIO, _signal.SIG_IGN)


def _is_open(connection: Socket) -> bool:
    """Whether the peer has closed; it sends no more messages."""
    try:
        return bool(connection.recv(1, MSG_PEEK | MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


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
