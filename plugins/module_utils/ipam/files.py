# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a CNI call: read whole, written whole, and never through a symbolic link."""

from __future__ import annotations

import posix
from errno import EEXIST, ELOOP, ENOENT

#: How much is read at once: enough for the bitmap of a /16.
PAGE = 1 << 14


def read(path: str) -> bytes:
    """A file's content; empty where there is none."""
    try:
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while True:
            part = posix.read(file, PAGE)
            data += part
            if len(part) < PAGE:
                return data
    finally:
        posix.close(file)


def open_for_writing(path: str, flags: int, mode: int = 0) -> int:
    """Opens a file for writing. A symbolic link in its place is removed, not followed."""
    flags |= posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(path, flags, mode)
    except OSError as error:
        if error.errno != ELOOP:
            raise
        posix.unlink(path)
        return posix.open(path, flags, mode)


def write(file: int, data: bytes) -> None:
    """Writes all of `data`; OSError when the file system has no room."""
    while data:
        data = data[posix.write(file, data) :]


def replace(path: str, fresh: str, data: bytes) -> None:
    """Writes a file for root alone that is there whole or not at all, by way of ``fresh``, in the same directory, which
    is made where it is missing. Raises OSError."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC
    try:
        file = open_for_writing(fresh, flags, 0o600)
    except FileNotFoundError:
        make_directory(path.rpartition("/")[0])
        file = open_for_writing(fresh, flags, 0o600)
    try:
        write(file, data)
    finally:
        posix.close(file)
    posix.rename(fresh, path)


def exists(path: str) -> bool:
    """Whether the name exists, even as a dangling symbolic link."""
    try:
        posix.lstat(path)
    except FileNotFoundError:
        return False
    return True


def unlink(path: str) -> None:
    """Removes a name; a missing one is no error."""
    try:
        posix.unlink(path)
    except FileNotFoundError:
        pass


def writable(path: str) -> bool:
    """Whether a directory, or the nearest existing one above it, takes new files (not on a read-only file system)."""
    while path.strip("/"):
        try:
            posix.stat(path)
            break
        except FileNotFoundError:
            path = path.rstrip("/").rpartition("/")[0]
        except OSError:
            return False
    return posix.access(f"{path}/.", posix.W_OK | posix.X_OK)


def make_directory(path: str, mode: int = 0o755) -> None:
    """Makes a directory, and with mode 0755 those above it, whatever the umask; an existing one is no error.

    (``os.makedirs`` leaves those above to the umask, which may let everybody write there.)
    """
    try:
        posix.mkdir(path, mode)
    except OSError as error:
        if error.errno == ENOENT and "/" in path.rstrip("/"):
            make_directory(path.rstrip("/").rpartition("/")[0])
            make_directory(path, mode)
        elif error.errno != EEXIST:
            raise
