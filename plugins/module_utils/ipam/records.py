# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store's records: the addresses of each attachment, so that DEL need not read all reservations.

A record is a symbolic link ``.attachments/<containerID>,<ifname>`` whose text lists the addresses: one atomic system
call, no file to fill.
"""

from __future__ import annotations

import posix
from errno import EINVAL, ENOENT

from .files import make_directory, unlink
from .ip import parse_address, to_text

RECORDS = ".attachments"

Owner = tuple  # (container ID, interface name)


class Records:
    """The records of a store. Everything here is under the store's lock."""

    def __init__(self, directory: str) -> None:
        """`directory` is the store's."""
        self.directory = f"{directory}/{RECORDS}"

    def owners(self) -> list[Owner]:
        """The attachments that have a record."""
        try:
            names = posix.listdir(self.directory)
        except FileNotFoundError:
            return []
        found = [name.partition(",") for name in names]
        return [(container, ifname) for container, comma, ifname in found if comma]

    def read(self, owner: Owner) -> list[str]:
        """An attachment's addresses; none without a record. Raises OSError if the record cannot be read."""
        try:
            text = posix.readlink(self._path(owner))
        except OSError as error:
            if error.errno not in (ENOENT, EINVAL):  # the latter: a regular file, which is not ours
                raise
            return []
        names = []
        for name in text.split(","):
            try:
                names.append(to_text(*parse_address(name)))
            except ValueError:
                continue  # not ours: names are addresses, never paths
        return names

    def write(self, owner: Owner, names: list[str]) -> None:
        """Stores an attachment's addresses, replacing an earlier record."""
        text, path = ",".join(names), self._path(owner)
        try:
            posix.symlink(text, path)
        except FileExistsError:
            posix.unlink(path)
            posix.symlink(text, path)
        except FileNotFoundError:
            self.make_room()
            posix.symlink(text, path)

    def remove(self, owner: Owner) -> None:
        """Removes an attachment's record; a missing one is no error."""
        unlink(self._path(owner))

    def make_room(self) -> None:
        """Makes the directory; an existing one is no error."""
        make_directory(self.directory)

    def _path(self, owner: Owner) -> str:
        return f"{self.directory}/{owner[0]},{owner[1]}"
