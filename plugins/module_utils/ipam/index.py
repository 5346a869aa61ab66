# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store's index of taken addresses, so that no operation's time grows with the number of reservations.

The file ``.index`` holds a stamp, the boot it belongs to, the ranges it is of, what of them is kept, and a bitmap
for each of them. The stamp is the directory's modification time, which we set to one in the past when the bitmap is
right: the kernel's clock is coarse, and two changes of one tick get the same time, but never an earlier one. Every
change begins by wiping the stamp and ends by writing the new one, and whatever others do to the directory (an
operator's ``rm``, another implementation's ADD) changes the time: where stamp and time differ, the index is built again
from the reservations. It is never needed: where it cannot be written, it is removed.
"""

from __future__ import annotations

import posix

from .files import open_for_writing, read, unlink, write
from .ranges import RangeSet

INDEX = ".index"
#: The length of a stamp: nanoseconds, in decimal digits.
STAMP = 20
WIPED = b"0" * STAMP
SECOND = 10**9
#: The largest set that has a bitmap, in addresses (128 KiB).
LARGEST_BITMAP = 1 << 20


class Index:
    """The bitmaps of range sets, in memory and in the file; a bit for each position, set where it is taken.

    A set too large for a bitmap has None in ``bitmaps``. Everything here is under the store's lock.
    """

    def __init__(self, directory: str, sets: list[RangeSet], boot: str) -> None:
        """`directory` is the store's; `boot` names this boot."""
        self.directory = directory
        self.path = f"{directory}/{INDEX}"
        self.sets = sets
        whole = [f"{ranges} without {sorted(ranges.kept())}" for ranges in sets]
        self.description = f" {boot} {';'.join(whole)}\n".encode()
        self.sizes = [(ranges.size + 7) // 8 if ranges.size <= LARGEST_BITMAP else 0 for ranges in sets]
        self.offsets: list[int] = []
        self.end = STAMP + len(self.description)
        for size in self.sizes:
            self.offsets.append(self.end)
            self.end += size
        self.bitmaps: list[bytearray | None] = []
        self.file = -1

    def load(self) -> tuple[bool, bytes]:
        """Reads the file: whether it matches directory, ranges and boot; if not, its boot (b"": unknown)."""
        data = read(self.path)
        if len(data) == self.end and data[:STAMP] == self._stamp() and data.startswith(self.description, STAMP):
            parts = zip(self.offsets, self.sizes)
            self.bitmaps = [bytearray(data[at : at + size]) if size else None for at, size in parts]
            return True, b""
        # a dot and a number may follow the boot ID: an earlier form
        boot = data[STAMP:].lstrip().partition(b" ")[0].partition(b".")[0]
        return False, boot if _is_boot(boot) else b""

    def open(self) -> None:
        """Opens the file that ``load`` accepted for changes."""
        self.file = open_for_writing(self.path, posix.O_WRONLY)

    def clear(self) -> None:
        """In memory: nothing is taken but what is never given away."""
        self.bitmaps = [bytearray(size) if size else None for size in self.sizes]
        for number, ranges in enumerate(self.sets):
            for position in ranges.kept():
                self.set(number, position, True)

    def save(self) -> None:
        """Writes the bitmaps to a new file, which is invalid until `seal`. Raises OSError."""
        body = b"".join([bytes(bitmap) for bitmap in self.bitmaps if bitmap is not None])
        fresh = f"{self.path}.new"
        self.close()
        unlink(fresh)
        self.file = posix.open(fresh, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)
        write(self.file, WIPED + self.description + body)
        posix.rename(fresh, self.path)

    def drop(self) -> None:
        """Removes the file, so that the next call builds it."""
        self.close()
        unlink(f"{self.path}.new")
        unlink(self.path)

    def close(self) -> None:
        if self.file >= 0:
            posix.close(self.file)
        self.file = -1

    def next(self, number: int, start: int) -> int | None:
        """A set's first free position from `start` on, around the end; None when there is none. It has a bitmap."""
        bitmap = self.bitmaps[number]
        assert bitmap is not None
        free = ~int.from_bytes(bitmap, "little") & ((1 << self.sets[number].size) - 1)
        if not free:
            return None
        after = free >> start
        if after:
            return start + (after & -after).bit_length() - 1
        return (free & -free).bit_length() - 1

    def set(self, number: int, position: int, taken: bool) -> None:
        """Sets or clears a bit in memory."""
        bitmap = self.bitmaps[number]
        if bitmap is None:
            return
        bit = 1 << (position & 7)
        if taken:
            bitmap[position >> 3] |= bit
        else:
            bitmap[position >> 3] &= ~bit

    def mark(self, number: int, position: int | None, taken: bool) -> None:
        """Sets or clears a bit in memory and in the file; that of one that is never given away stays set."""
        bitmap = self.bitmaps[number]
        if bitmap is None or position is None or (not taken and position in self.sets[number].kept()):
            return
        self.set(number, position, taken)
        index = position >> 3
        self._write(bitmap[index : index + 1], self.offsets[number] + index)

    def wipe(self) -> None:
        """Marks the file invalid: the first step of every change."""
        self._write(WIPED, 0)

    def seal(self) -> None:
        """Marks the file valid for the directory's present state: the last step of every change."""
        if self.file < 0:
            return
        there = posix.stat(self.directory)
        past = there.st_mtime_ns - SECOND - int.from_bytes(posix.urandom(4), "big") % SECOND
        try:
            posix.utime(self.directory, ns=(there.st_atime_ns, past))
        except OSError:
            self.drop()
        self._write(self._stamp(), 0)

    def _write(self, data: bytes | bytearray, at: int) -> None:
        if self.file < 0:
            return
        try:
            posix.pwrite(self.file, data, at)
        except OSError:  # even writing in place needs room on some file systems
            self.drop()

    def _stamp(self) -> bytes:
        return b"%0*d" % (STAMP, posix.stat(self.directory).st_mtime_ns)


def _is_boot(text: bytes) -> bool:
    """Whether this is the kernel's boot ID. A damaged index must not make reservations void."""
    return len(text) == 36 and text.count(b"-") == 4
