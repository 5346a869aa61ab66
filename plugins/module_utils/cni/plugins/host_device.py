# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host-device: moves a device of this host into the pod, and back to its own name.

The device's alias keeps its name on the host, followed by its former alias, so that DEL, GC or the next ADD can restore
both.
"""

from __future__ import annotations

import posix

from ...netlink import link
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ..attach import interface, pod
from ..attach.undo import Undo, each
from ..exec import delegate
from ..spec import config
from ..spec.environment import interface_name
from ..spec.errors import INTERNAL, CniError, config_error

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.wire import Request
    from ..spec.call import Call

#: The buses in which a device's ID is looked up: PCI's "0000:3b:02.1", and the auxiliary bus's "mlx5_core.sf.4".
BUSES = ("/sys/bus/pci/devices", "/sys/bus/auxiliary/devices")
#: Drivers that give a device to a program: the kernel has no interface for it, and the pod opens it itself.
USER_DRIVERS = ("vfio-pci", "uio_pci_generic", "igb_uio")
KEYS = ("device", "hwaddr", "kernelpath", "pciBusID")


class Settings(interface.Settings):
    """The configuration's keys, checked."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.device, self.hwaddr, self.kernelpath, self.bus_id = [config.string(call.conf, key) for key in KEYS]
        self.bus_id = config.string(call.runtime(), "deviceID") or self.bus_id
        if not (self.device or self.hwaddr or self.kernelpath or self.bus_id):
            raise config_error('specify either "device", "hwaddr", "kernelpath" or "pciBusID"')
        if self.device and not interface_name(self.device):
            raise config_error(f"device: {self.device!r} is not a valid interface name")
        if self.hwaddr:
            try:
                self.hwaddr = link.unpack_mac(link.pack_mac(self.hwaddr))
            except ValueError as error:
                raise config_error(f"hwaddr: {error}") from None
        if self.kernelpath and not (self.kernelpath.startswith("/sys/devices/") and ".." not in self.kernelpath):
            raise config_error(f"kernelpath {self.kernelpath!r} must be absolute and begin with /sys/devices/")
        if "/" in self.bus_id or self.bus_id.startswith("."):
            raise config_error(f"{self.bus_id!r} is not a valid device ID")


def add(call: Call) -> dict:
    """Moves the device and adds its addresses; it is the result's only interface."""
    settings = Settings(call)
    if settings.bus_id and driver(settings.bus_id) in USER_DRIVERS:
        return _of_a_program(call, settings)

    def make(netns: Netns, undo: Undo) -> None:
        with Channel() as host:
            _restore(host, settings)
            device = find(host, settings)
            if device.loopback:
                raise CniError(INTERNAL, f"{device.name} is the host's loopback, which cannot be moved")
            undo.append(lambda: _take_back(call, settings))
            before = device.alias or ""
            alias = before if before.partition(" ")[0] == device.name else f"{device.name} {before}".strip()
            request = move(device.index, netns.fd, call.env.ifname, alias)
            interface.request(host, request, f"failed to move {device.name} into {call.env.netns}")

    result = interface.attach(call, settings, make)
    if settings.bus_id:
        result["interfaces"][0]["pciID"] = settings.bus_id
    return result


def _of_a_program(call: Call, settings: Settings) -> dict:
    """ADD for a device without an interface: nothing is moved, but it may have addresses."""
    with Undo() as undo:
        result = interface.reserve(call, settings.ipam, undo)
    for item in result["ips"]:
        item["interface"] = 0
    result["interfaces"] = [{"name": call.env.ifname, "sandbox": call.env.netns, "pciID": settings.bus_id}]
    return result


def move(index: int, netns_fd: int, name: str, alias: str) -> Request:
    """Moves a link to another namespace and renames it, in one message: a killed call has done all or nothing.

    Its old name may be taken there: the kernel uses the new one at once (dev_change_net_namespace).
    """
    return link.change(index, netns=netns_fd, rename=name, alias=alias, what=name)


def find(host: Channel, settings: Settings) -> Link:
    """The device that the configuration names. CniError if there is none."""
    if settings.device:
        what, names = f"device {settings.device}", [settings.device]
    elif settings.hwaddr:
        what = f"MAC address {settings.hwaddr}"
        found = [item for item in link.dump(host) if item.mac == settings.hwaddr]
        # a link on top of a device may have the device's address
        names = [item.name for item in sorted(found, key=lambda item: (item.kind != "", item.index))]
    elif settings.kernelpath:
        what, names = f"kernel path {settings.kernelpath}", interfaces_below(settings.kernelpath)
    else:
        what, names = f"device ID {settings.bus_id}", interfaces_below(bus_path(settings.bus_id))
        what += f" (driver {driver(settings.bus_id) or 'none'})"
    for name in names:
        device = link.get(host, name)
        if device:
            return device
    raise CniError(INTERNAL, f"failed to find host device: the host has no interface of {what}")


def bus_path(device_id: str) -> str:
    """The sysfs directory of the device with that ID. CniError if there is none."""
    for bus in BUSES:
        path = f"{bus}/{device_id}"
        if posix.access(path, posix.F_OK):
            return path
    raise CniError(INTERNAL, f"failed to find host device: {device_id} is not in {' or '.join(BUSES)}")


def driver(device_id: str) -> str:
    """The name of the device's driver, "" for none. CniError if there is no such device."""
    try:
        return posix.readlink(bus_path(device_id) + "/driver").rpartition("/")[2]
    except OSError:
        return ""


def interfaces_below(path: str) -> list[str]:
    """The names of a device's interfaces in sysfs, with those of a virtio device below it."""
    path = path.rstrip("/")
    if posix.access(f"{path}/ifindex", posix.F_OK):
        return [path.rpartition("/")[2]]
    names = _entries(f"{path}/net")
    for entry in _entries(path):
        if entry.startswith("virtio"):
            names += _entries(f"{path}/{entry}/net")
    return names


def _entries(directory: str) -> list[str]:
    try:
        return sorted(posix.listdir(directory))
    except OSError:
        return []


def delete(call: Call) -> None:
    """Returns the device, and releases the address even if that fails."""
    settings = Settings(call)
    interface.disconnect(call, settings.ipam, lambda: _take_back(call, settings), lambda: _restore_on_host(settings))


def _take_back(call: Call, settings: Settings) -> None:
    """Moves the device out of the pod, and restores its name and alias."""
    host = Netns()
    with pod.enter_if_there(call.env) as there:
        if not there:
            return
        with Channel() as inside:
            found = link.get(inside, call.env.ifname)
            name, _space, alias = (found.alias or "").partition(" ") if found else ("", "", "")
            if found is None or not interface_name(name) or name != (settings.device or name):
                return  # the device is not one that ADD moved
            request = move(found.index, host.fd, name, alias)
            interface.request(inside, request, f"failed to move {found.name} back to the host as {name}")


def _restore_on_host(settings: Settings) -> None:
    with Channel() as host:
        _restore(host, settings)


def _restore(host: Channel, settings: Settings) -> None:
    """Restores the name of a device that the kernel returned when the pod's namespace ended."""
    for item in link.dump(host):
        name, _space, alias = (item.alias or "").partition(" ")
        if name != item.name and interface_name(name) and _is_ours(item, name, settings):
            down = link.change(item.index, up=False, what=item.name)  # only such a device can be renamed everywhere
            for request in (down, link.change(item.index, rename=name, alias=alias, what=item.name)):
                interface.request(host, request, f"failed to restore {item.name} to original name {name}")


def _is_ours(item: Link, name: str, settings: Settings) -> bool:
    if settings.device:
        return name == settings.device
    if settings.hwaddr:
        return item.mac == settings.hwaddr
    try:
        return item.name in interfaces_below(settings.kernelpath or bus_path(settings.bus_id))
    except CniError:
        return False  # it was unplugged


def check(call: Call) -> None:
    """The device is in the pod, as ADD left it."""
    settings = Settings(call)
    if settings.bus_id and driver(settings.bus_id) in USER_DRIVERS:
        if settings.ipam:
            delegate.call(settings.ipam, "CHECK", call)
        return
    made = interface.check(call, settings, "")
    name = (made.alias or "").partition(" ")[0]
    if name != (settings.device or name) or not name:
        raise CniError(INTERNAL, f"interface {made.name} is not the host's {settings.device or 'device'}")


def status(call: Call) -> None:
    """As ready as the IPAM plugin: a device in a pod is not missing."""
    interface.status(call, Settings(call))


def gc(call: Call) -> None:
    """Releases the addresses of attachments that are gone, and restores a device that the kernel returned."""
    settings = Settings(call)
    each(lambda: interface.collect(call, settings), lambda: _restore_on_host(settings))
