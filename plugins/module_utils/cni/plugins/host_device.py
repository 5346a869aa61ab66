# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host-device: moves a device of this host into the pod, and back to its own name.

The device's alias notes its name on the host, the alternative names that it cannot have in the pod, and its former
alias ("podnet:hd0/net1 uplink to rack 7"), so that DEL, GC or the next ADD can restore them, whatever its name is by
then. Of a device that the configuration names it is the name alone if there is no more to note, as in Go's plugin.
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
from ..spec.errors import INTERNAL, UNSUPPORTED_FIELD, CniError, config_error
from ..spec.names import host_name

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
#: The beginning of a note. An alias without it may be the administrator's.
MARK = "podnet:"
ALTNAME_MAX = 127  # linux/if.h, ALTIFNAMSIZ without its zero byte


class Settings(interface.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.device, self.hwaddr, self.kernelpath, self.bus_id = [config.string(call.conf, key) for key in KEYS]
        self.bus_id = config.string(call.runtime(), "deviceID") or self.bus_id
        if not (self.device or self.hwaddr or self.kernelpath or self.bus_id):
            raise config_error('specify either "device", "hwaddr", "kernelpath" or "pciBusID"')
        if self.device and not _altname(self.device):
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


def _altname(text: str) -> bool:
    """Whether an interface's name or alternative name can be that."""
    return interface_name(text[:1] + text[-14:]) and len(text.encode()) <= ALTNAME_MAX and not _ILLEGAL & set(text)


_ILLEGAL = set("/:% \t\n")


class Note:
    """What a device's alias notes: ``name`` on the host, ``altnames`` that were taken from it, its former ``alias``."""

    def __init__(self, name: str, altnames: list[str], alias: str) -> None:
        self.name = name
        self.altnames = altnames
        self.alias = alias

    def text(self, settings: Settings) -> str:
        """The note as an alias."""
        if settings.device and not self.altnames and not self.alias:
            return self.name
        return f"{MARK}{'/'.join([self.name, *self.altnames])} {self.alias}".strip()


def note_of(device: Link) -> Note | None:
    """The note in a device's alias, None if it has none."""
    names, _space, alias = (device.alias or "").partition(" ")
    name, *altnames = names.removeprefix(MARK).split("/")
    return Note(name, altnames, alias) if interface_name(name) and all(map(_altname, altnames)) else None


def add(call: Call) -> dict:
    """Moves the device and adds its addresses; it is the result's only interface."""
    settings = Settings(call)
    if config.boolean(call.conf, "useInterfaceNetwork"):  # the pod would lack what it says
        raise CniError(UNSUPPORTED_FIELD, "useInterfaceNetwork is not supported: configure the addresses by ipam")
    if settings.bus_id and driver(settings.bus_id) in USER_DRIVERS:
        return _of_a_program(call, settings)

    def make(netns: Netns, undo: Undo) -> None:
        with Channel() as host:
            _restore(host, settings, True)
            device = find(host, settings)
            if device.loopback:
                raise CniError(INTERNAL, f"{device.name} is the host's loopback, which cannot be moved")
            with netns, Channel() as inside:
                taken = [each for each in device.altnames if each == call.env.ifname or link.get(inside, each)]
            note = Note(device.name, taken, "" if device.alias == device.name else device.alias or "")
            what = f"failed to move {device.name} into {call.env.netns}"
            undo.append(lambda: _restore_on_host(settings))
            undo.append(lambda: _take_back(call, settings))
            if taken:  # noted before they go
                interface.request(host, link.change(device.index, alias=note.text(settings), what=device.name), what)
            for each in taken:
                interface.request(host, link.delete_altname(device.index, each), what)
            interface.request(host, move(device.index, netns.fd, call.env.ifname, note.text(settings)), what)

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
    """Moves the device out of the pod, and restores its names and its alias.

    It comes back whatever happened to names: one that the host has given to another link meanwhile is restored by a
    later DEL, GC or ADD, when it is free.
    """
    outside = Netns()
    try:
        with pod.enter_if_there(call.env) as there:
            if not there:
                return
            with Channel() as inside:
                found, note = _in_pod(inside, call, settings)
                if found is None or note is None:
                    return  # the device is not one that ADD moved
                with outside, Channel() as host:
                    taken = [each for each in found.altnames if link.get(host, each)]
                    name = host_name(call, "dev") if link.get(host, note.name) else note.name
                what = f"failed to move {found.name} back to the host as {name}"
                for each in taken:  # the pod's, or the host's by now
                    interface.request(inside, link.delete_altname(found.index, each), what)
                whole = name == note.name and not note.altnames
                alias = note.alias if whole else note.text(settings)
                interface.request(inside, move(found.index, outside.fd, name, alias), what)
        _restore_on_host(settings)
    finally:
        outside.close()


def _in_pod(inside: Channel, call: Call, settings: Settings) -> tuple[Link | None, Note | None]:
    """The device in the pod, whatever it is called there by now, and its note; None if it is not there."""
    for item in sorted(link.dump(inside), key=lambda one: one.name != call.env.ifname):
        note = note_of(item)
        named = item.name == call.env.ifname and item.mac in _macs(call)
        if note is None and named and interface_name(settings.device):
            note = Note(settings.device, [], "")  # the pod has taken the alias away
        if note and (_is_named(item, note, settings) if settings.device else _is_it(item, call, settings)):
            return item, note
    return None, None


def _is_named(item: Link, note: Note, settings: Settings) -> bool:
    return settings.device in (note.name, *note.altnames, *item.altnames)


def _is_it(item: Link, call: Call, settings: Settings) -> bool:
    """Whether a device in the pod is the one of a configuration without its name; sysfs shows only the host's."""
    if item.name == call.env.ifname or settings.hwaddr == item.mac or item.mac in _macs(call):
        return True
    return bool(item.parent) and item.parent in (settings.bus_id, *settings.kernelpath.split("/"))


def _macs(call: Call) -> list[str]:
    """The MAC address of the pod's interface by the result of ADD."""
    interfaces = call.previous["interfaces"] if call.previous else []
    return [item["mac"].lower() for item in interfaces if item.get("name") == call.env.ifname and item.get("mac")]


def _restore_on_host(settings: Settings) -> None:
    with Channel() as host:
        _restore(host, settings)


def _restore(host: Channel, settings: Settings, needed: bool = False) -> None:
    """Restores names and alias of a device that the kernel returned when the pod's namespace ended, or that came back
    while its name was taken. CniError if that fails; where another link has its name, only if it is `needed`."""
    for item in link.dump(host):
        note = note_of(item)
        if note is None or not _is_ours(item, note, settings):
            continue
        if note.name == item.name and not note.altnames:
            continue  # an alias of its own, as far as one can tell
        what = f"failed to restore {item.name} to original name {note.name}"
        holder = link.get(host, note.name)
        if holder and holder.index != item.index:
            if needed:
                raise CniError(INTERNAL, f"{what}: {holder.name} has it")
            continue
        requests = [link.change(item.index, rename=note.name, what=item.name)] if note.name != item.name else []
        if requests:  # only a device that is down can be renamed everywhere
            requests.insert(0, link.change(item.index, up=False, what=item.name))
        requests += [link.add_altname(item.index, each) for each in note.altnames if not link.get(host, each)]
        for request in [*requests, link.change(item.index, alias=note.alias, what=note.name)]:
            interface.request(host, request, what)


def _is_ours(item: Link, note: Note, settings: Settings) -> bool:
    if settings.device:
        return _is_named(item, note, settings)
    if not (item.alias or "").startswith(MARK):
        return False
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
    note = note_of(made)
    if note is None or (settings.device and not _is_named(made, note, settings)):
        raise CniError(INTERNAL, f"interface {made.name} is not the host's {settings.device or 'device'}")


def status(call: Call) -> None:
    """As ready as the IPAM plugin: a device in a pod is not missing."""
    interface.status(call, Settings(call))


def gc(call: Call) -> None:
    """Releases the addresses of attachments that are gone, and restores a device that the kernel returned."""
    settings = Settings(call)
    each(lambda: interface.collect(call, settings), lambda: _restore_on_host(settings))
