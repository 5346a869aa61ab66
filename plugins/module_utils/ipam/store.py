# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reservations of pod addresses on one node: host-local's directory, kept exact.

``<directory>/<address>`` holds ``containerID\r\nifname``, ``last_reserved_ip.<set>`` the cursor of next-fit, and
``lock`` is the file that every process locks. This is host-local's layout, so its other implementations may work on the
same directory. Ours adds two things, so that no operation's time grows with the number of reservations:

``.attachments/<containerID>,<ifname>``
    an attachment's addresses (records.py);
``.index``
    a bitmap of what is taken (index.py).

Both are rebuilt from the reservations after another process changed them. Without room to write them, the next call
rebuilds them: a release needs no room. ``open(write=False)`` changes nothing.

A reservation appears by link(2), complete or not at all. No fsync is needed: what a power cut can damage belongs to an
earlier boot, and an earlier boot's reservations are void, because its containers are gone.
"""

from __future__ import annotations

import fcntl
import posix
from errno import ELOOP, ENOENT, ENXIO

from .files import exists, make_directory, open_for_writing, read, unlink, write
from .index import Index
from .ip import parse_address, to_text
from .ranges import Range, RangeSet
from .records import Owner, Records

FRESH = ".new"
#: How many addresses of a range too large for a bitmap are tried one by one before the directory is listed.
PROBES = 64


class Exhausted(Exception):
    """A range set has no free address; the text is host-local's."""


class Refused(Exception):
    """A requested address is not available, or the attachment has one already."""


#: The owner of a reservation that names no attachment: a foreign file in an address's place.
OTHERS = ("", "")


def boot_identity() -> str:
    """The kernel's boot ID, which identifies this boot of this node; empty if it cannot be read.

    Nothing that a namespace of the caller's hides or changes, as process 1: its start would be another, and void what
    pods have. (LXC and systemd-nspawn give each boot of a container an ID of its own.)
    """
    return read("/proc/sys/kernel/random/boot_id").strip().decode("ascii", "replace")


class Store:
    """One network's reservations, locked from ``with`` to its end."""

    def __init__(self, directory: str, sets: list[RangeSet], boot: str | None = None) -> None:
        """`directory` is ``<dataDir>/<network>``; `sets` are the configured range sets."""
        self.directory = directory
        self.sets = sets
        self.boot = boot or boot_identity()
        self.index = Index(directory, sets, self.boot)
        self.records = Records(directory)
        self.lock = -1
        #: The attachments' addresses that the records lack.
        self.held: dict[Owner, list[str]] | None = None

    # -- the lock -----------------------------------------------------------------------------------------------

    def open(self, create: bool = False, write: bool = True) -> bool:
        """Takes the lock and makes sure that the index is right; False when there is no such directory.

        Without `write` neither a file nor the directory changes, and nothing but reading may follow.
        """
        try:
            if not (self._take_lock(create) if write else self._share_lock()):
                return False
            self._load(write)
        except BaseException:
            self.close()
            raise
        return True

    def _take_lock(self, create: bool) -> bool:
        try:
            self.lock = self._open_lock()
        except FileNotFoundError:
            if not create:
                return False
            make_directory(self.directory)
            self.lock = self._open_lock()
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return True

    def _open_lock(self) -> int:
        return open_for_writing(f"{self.directory}/lock", posix.O_RDWR | posix.O_CREAT, 0o600)

    def _share_lock(self) -> bool:
        if not exists(self.directory):
            return False
        try:
            self.lock = posix.open(f"{self.directory}/lock", posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (ENOENT, ELOOP):
                raise
        else:  # if it is missing, the next call that changes something makes it
            fcntl.flock(self.lock, fcntl.LOCK_SH)
        return True

    def close(self) -> None:
        self.index.close()
        if self.lock >= 0:
            posix.close(self.lock)
        self.lock = -1

    def __enter__(self) -> Store:
        self.open(create=True)
        return self

    def __exit__(self, *_failure) -> None:
        self.close()

    # -- requests of plugins -----------------------------------------------------------------------------------

    def reserve(self, owner: Owner, wanted: dict[int, int]) -> list[tuple[int, Range]]:
        """One address from each set for `owner`: (address, its range) in the order of the sets.

        `wanted` maps a set's number to the requested address. Either all are reserved or none.
        Raises Exhausted or Refused, and OSError when the directory cannot be written.
        """
        taken = self.addresses(owner)
        if taken:
            raise Refused(f"{','.join(taken)} has been allocated to {owner[0]}, duplicate allocation is not allowed")
        self.index.wipe()
        self._write_fresh(owner)
        got: list[tuple[int, Range]] = []
        try:
            for number, ranges in enumerate(self.sets):
                try:
                    if number in wanted:
                        position = self._take_wanted(ranges, wanted[number])
                    else:
                        position = self._take_next(number, ranges)
                except (Exhausted, Refused) as error:
                    raise type(error)(f"failed to allocate for range {number}: {error}") from None
                got.append(ranges.at(position))
            names = [to_text(ranges.family, address) for ranges, (address, _range) in zip(self.sets, got)]
            self.records.write(owner, names)
        except BaseException:
            for ranges, (address, _range) in zip(self.sets, got):
                unlink(self._path(ranges.family, address))
            self._drop_fresh()
            self.index.seal()
            raise
        if self.held is not None:
            self.held[owner] = names
        self._drop_fresh()
        for number, (ranges, (address, _range)) in enumerate(zip(self.sets, got)):
            self.index.mark(number, ranges.position((ranges.family, address)), True)
            self._move_cursor(number, to_text(ranges.family, address))
        self.index.seal()
        return got

    def addresses(self, owner: Owner) -> list[str]:
        """The addresses that `owner` has reserved."""
        return self.records.read(owner) if self.held is None else self.held.get(owner, [])

    def release(self, owner: Owner) -> list[str]:
        """Releases all addresses of `owner`, if it has any."""
        # Reservations of host-local before 0.7.0 name no interface: they go with the container's first DEL.
        for one in (owner, (owner[0], "")):
            names = self.addresses(one)
            if names:
                self._free(one, names)
                return names
        return []

    def release_all_but(self, valid: set[Owner]) -> list[str]:
        """Releases the addresses of all but the `valid` attachments; returns those that were released.

        It reads the reservations themselves, and repairs records and index.
        """
        held = self._survey(write=True)
        self._settle(held)
        freed = []
        for owner, names in list(held.items()):
            if owner in valid or (not owner[1] and any(owner[0] == one[0] for one in valid)):
                continue
            self._free(owner, names)
            freed += names
        return freed

    def owners(self) -> dict[Owner, list[str]]:
        """Every attachment with its addresses."""
        if self.held is not None:
            return dict(self.held)
        return {owner: self.records.read(owner) for owner in self.records.owners()}

    # -- reservations -------------------------------------------------------------------------------------------

    def _path(self, family: int, address: int) -> str:
        return f"{self.directory}/{to_text(family, address)}"

    def _write_fresh(self, owner: Owner) -> None:
        """The file that becomes the reservation: complete before it gets its name."""
        path = f"{self.directory}/{FRESH}"
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        try:
            file = posix.open(path, flags, 0o600)
        except FileExistsError:  # of a process that was killed; it may be another name of a valid reservation
            posix.unlink(path)
            file = posix.open(path, flags, 0o600)
        try:
            write(file, f"{owner[0]}\r\n{owner[1]}".encode())
        finally:
            posix.close(file)

    def _drop_fresh(self) -> None:
        unlink(f"{self.directory}/{FRESH}")

    def _claim(self, family: int, address: int) -> bool:
        try:
            posix.link(f"{self.directory}/{FRESH}", self._path(family, address))
        except FileExistsError:
            return False
        return True

    def _take_wanted(self, ranges: RangeSet, address: int) -> int:
        position = ranges.position((ranges.family, address))
        text = to_text(ranges.family, address)
        refused = f"requested IP address {text} is not available in range set {ranges}"
        if position is None:
            raise Refused(f"{refused}: it is outside")
        whose = ranges.kept().get(position)
        if whose:
            raise Refused(f"requested ip {text} is {whose}")
        if not self._claim(ranges.family, address):
            raise Refused(f"{refused}: {' '.join(self._owner_of(text) or ['another'])} has it")
        return position

    def _take_next(self, number: int, ranges: RangeSet) -> int:
        """Next-fit: the first free position after the last one that was given."""
        start = self._cursor(number, ranges)
        while True:
            position = self._next(number, ranges, start)
            if position is None:
                raise Exhausted(f"no IP addresses available in range set: {ranges}")
            if self._claim(ranges.family, ranges.at(position)[0]):
                return position
            self.index.mark(number, position, True)  # the index was wrong here: repair it and continue

    def _next(self, number: int, ranges: RangeSet, start: int) -> int | None:
        """The first free position from `start` on, around the end; None if there is none."""
        if self.index.bitmaps[number] is None:
            return self._probe(ranges, start)
        return self.index.next(number, start)

    def _probe(self, ranges: RangeSet, start: int) -> int | None:
        """The same for a range too large for a bitmap: the next positions first, then by the directory's listing."""
        size = ranges.size
        kept = ranges.kept()
        for step in range(min(PROBES, size)):
            position = (start + step) % size
            if position not in kept and not exists(self._path(ranges.family, ranges.at(position)[0])):
                return position
        taken = {ranges.position(address) for _name, address in self._names()} | set(kept)
        for step in range(min(size, len(taken) + 1)):
            if (start + step) % size not in taken:
                return (start + step) % size
        return None

    def _cursor(self, number: int, ranges: RangeSet) -> int:
        try:
            last = parse_address(read(f"{self.directory}/last_reserved_ip.{number}").decode().strip())
        except ValueError:
            return 0
        position = ranges.position(last)
        return 0 if position is None else (position + 1) % ranges.size

    def _move_cursor(self, number: int, text: str) -> None:
        # Not truncated first: ext4 flushes a file that was cut to nothing and written again when it is closed.
        file = open_for_writing(f"{self.directory}/last_reserved_ip.{number}", posix.O_WRONLY | posix.O_CREAT, 0o600)
        try:
            write(file, text.encode())
            posix.ftruncate(file, len(text))
        finally:
            posix.close(file)

    def _free(self, owner: Owner, names: list[str]) -> None:
        # also in the form that names no interface: the file may have been written anew
        mine = [name for name in names if self._owner_of(name) in (owner, (owner[0], ""))]
        self.index.wipe()
        for name in mine:
            unlink(f"{self.directory}/{name}")
            address = parse_address(name)
            for number, ranges in enumerate(self.sets):
                position = ranges.position(address)
                if position is not None:
                    self.index.mark(number, position, False)
        self.records.remove(owner)
        if self.held is not None:
            self.held.pop(owner, None)
        self.index.seal()

    def _owner_of(self, name: str) -> Owner | None:
        """The attachment that reserved the address; None for a free one, OTHERS for a file that names no attachment.

        Raises OSError if the file cannot be read (no descriptor is left, the disk fails): an unreadable reservation is
        still a reservation.
        """
        flags = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
        try:
            file = posix.open(f"{self.directory}/{name}", flags)
        except OSError as error:
            if error.errno == ENOENT:
                return None
            if error.errno in (ELOOP, ENXIO):  # a symbolic link, a socket
                return OTHERS
            raise
        try:
            data = posix.read(file, 4096)
        except IsADirectoryError:
            return OTHERS
        finally:
            posix.close(file)
        if not data.strip():
            return None
        container, _separator, ifname = data.decode("utf-8", "replace").strip().partition("\r\n")
        if "/" in container or "," in container or "/" in ifname or "\0" in container + ifname:
            return OTHERS
        return container, ifname

    def _names(self) -> list[tuple[str, tuple[int, int]]]:
        """The addresses that have a reservation: (file name, (family, number))."""
        found = []
        for name in posix.listdir(self.directory):
            try:
                address = parse_address(name)
            except ValueError:
                continue
            if to_text(*address) == name:
                found.append((name, address))
        return found

    # -- consistency ----------------------------------------------------------------------------------------------

    def _load(self, write: bool) -> None:
        """Reads the index, or rebuilds it if it does not match the directory, the ranges or the boot."""
        fits, earlier = self.index.load()
        if fits:
            if write:
                self.index.open()
            return
        void = bool(earlier and self.boot) and earlier != self.boot.encode()
        if void and write:
            self._forget_everything()
        if void and not write:
            self.index.clear()
            self.held = {}
        else:
            self.held = self._survey(write)
        if write:
            self._settle(self.held)

    def _forget_everything(self) -> None:
        """Removes another boot's reservations: their containers are gone."""
        for name, _address in self._names():
            unlink(f"{self.directory}/{name}")
        for owner in self.records.owners():
            self.records.remove(owner)

    def _survey(self, write: bool) -> dict[Owner, list[str]]:
        """The reservations, read one by one: every attachment's addresses. In memory the index says the same."""
        held: dict[Owner, list[str]] = {}
        self.index.clear()
        for name, address in self._names():
            owner = self._owner_of(name)
            if owner is None:  # reserved by a process that died before it wrote the owner
                if write:
                    unlink(f"{self.directory}/{name}")
                continue
            if owner != OTHERS:
                held.setdefault(owner, []).append(name)
            for number, ranges in enumerate(self.sets):
                position = ranges.position(address)
                if position is not None:
                    self.index.set(number, position, True)
        return held

    def _settle(self, held: dict[Owner, list[str]]) -> None:
        """Writes records and index from `held`; without room for them the next call does."""
        self._drop_fresh()
        try:
            self.records.make_room()
            for owner in self.records.owners():
                if owner not in held:
                    self.records.remove(owner)
            for owner, names in held.items():
                if sorted(self.records.read(owner)) != sorted(names):
                    self.records.write(owner, names)
            self.index.save()
            self.index.seal()
            self.held = None
        except OSError:
            self.index.drop()
            self.held = held
