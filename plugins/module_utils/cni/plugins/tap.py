# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tap: an interface for a program that opens /dev/net/tun, such as a virtual machine."""

from __future__ import annotations

import posix
import sys

from ...netlink import link, tuntap
from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError
from ..attach import interface, pod
from ..spec import config
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.names import mac

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.netns import Netns
    from ..attach.undo import Undo
    from ..spec.call import Call

KIND = "tun"
ID_MAX = (1 << 31) - 1
EXEC_LABEL = "/proc/thread-self/attr/exec"
#: The program that runs with another SELinux label; it loads this library from the given directory.
LABELLED = """
import sys
library, name, owner, group, queues = sys.argv[1:]
package = type(sys)("podnet")
package.__path__ = [library]
sys.modules["podnet"] = package
from podnet.netlink.tuntap import add_tap
add_tap(name, int(owner) if owner else None, int(group) if group else None, queues == "1")
"""


class Settings(interface.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        conf = call.conf
        self.multi_queue = config.boolean(conf, "multiQueue")
        self.owner = _id(conf, "owner")
        self.group = _id(conf, "group")
        self.selinux = config.string(conf, "selinuxContext")
        self.bridge = config.string(conf, "bridge")
        self.mac = interface.requested_mac(call)


def _id(conf: dict, key: str) -> int | None:
    return None if config.value(conf, key) is None else config.integer(conf, key, None, 0, ID_MAX)


def add(call: Call) -> dict:
    """Makes the interface and adds its addresses; it is the result's only interface."""
    settings = Settings(call)
    name = call.env.ifname
    address = settings.mac or mac("pod", call.network, *call.owner)

    def make(netns: Netns, undo: Undo) -> None:
        with netns, Channel() as inside:
            master = None
            if settings.bridge:
                bridge = link.get(inside, settings.bridge)
                if bridge is None or bridge.kind != "bridge":
                    raise CniError(INTERNAL, f"failed to get bridge {settings.bridge}: it is missing in the pod")
                master = bridge.index
            try:
                _make_tap(settings, name)
            except NetlinkError as error:
                raise CniError(INTERNAL, f"failed to create tap: {error}") from None
            undo.append(lambda: interface.remove(call, KIND, name))
            request = link.change(0, name=name, mac=address, mtu=settings.mtu, master=master)
            interface.request(inside, request, "failed to create tap")

    return interface.attach(call, settings, make)


def _make_tap(settings: Settings, name: str) -> None:
    if not settings.selinux:
        tuntap.add_tap(name, settings.owner, settings.group, settings.multi_queue)
        return
    # The link has the label of the process that makes it (security_tun_dev_create), which a process may only choose
    # for the program that it executes next.
    try:
        label = posix.open(EXEC_LABEL, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(label, settings.selinux.encode() + b"\0")
        finally:
            posix.close(label)
    except OSError as error:
        reason = f"failed to set the SELinux label {settings.selinux!r}: {error.strerror}"
        raise config_error(f"{reason}; selinuxContext needs a host with SELinux") from None
    library = sys.modules[__package__.rsplit(".", 2)[0]].__path__[0]
    numbers = ["" if item is None else str(item) for item in (settings.owner, settings.group)]
    command = [sys.executable, "-IS", "-c", LABELLED, library, name, *numbers, str(int(settings.multi_queue))]
    child = posix.posix_spawn(sys.executable, command, posix.environ)
    _pid, status = posix.waitpid(child, 0)
    if status:
        raise CniError(INTERNAL, f"failed to create tap {name} with the SELinux label {settings.selinux!r}")


def delete(call: Call) -> None:
    """Releases the address and deletes the interface."""
    interface.detach(call, Settings(call), KIND)


def check(call: Call) -> None:
    """The interface is as ADD left it, its owner, group and bridge included."""
    settings = Settings(call)
    made = interface.check(call, settings, KIND)
    wanted = {"multi_queue": settings.multi_queue, "owner": settings.owner, "group": settings.group}
    for key, value in wanted.items():
        if made.data.get(key) != value:
            raise CniError(INTERNAL, f"interface {made.name} has the {key} {made.data.get(key)}, not {value}")
    if settings.bridge:
        with pod.enter(call.env), Channel() as inside:
            bridge = link.get(inside, settings.bridge)
        if bridge is None or made.master != str(bridge.index):
            raise CniError(INTERNAL, f"interface {made.name} is not a port of {settings.bridge}")


def status(call: Call) -> None:
    """As ready as the IPAM plugin."""
    interface.status(call, Settings(call))


def gc(call: Call) -> None:
    """Releases the addresses of attachments that are gone; their interfaces went with their namespaces."""
    interface.collect(call, Settings(call))
