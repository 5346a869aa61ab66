# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from functools import partial

from ..ipam.files import make_directory
from .plan import Change

#: What diff mode shows of a secret.
SECRET = "(not shown)\n"


def plan(wanted: Mapping[str, str | None], mode: int | None = None, secret: bool = False) -> Iterator[Change]:
    """Writes what differs from ``wanted``: text by path, None for a file that should not exist. ``mode``: of all of
    them; a new file's is 0644 without it, and that of an existing one does not matter. Of ``secret`` ones diff mode
    does not show the text. Raises OSError for a file that cannot be read."""
    for path, after in wanted.items():
        before = read(path)
        if before != after:
            verb = "write" if before is None else "remove" if after is None else "change"
            do = partial(remove, path) if after is None else partial(write, path, after, mode or 0o644)
            yield Change("file", path, f"{verb} file {path}", _shown(before, secret), _shown(after, secret), do)
        elif after is not None and mode is not None and (found := stat.S_IMODE(os.stat(path).st_mode)) != mode:
            shown = f"mode {found:04o}\n", f"mode {mode:04o}\n"
            yield Change("file", path, f"set mode {mode:04o} of {path}", *shown, partial(os.chmod, path, mode))


def read(path: str) -> str | None:
    """The file's text, None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: str, text: str, mode: int = 0o644) -> None:
    """Replaces ``path`` by ``text`` in one step (temporary file in the same directory, fsync, rename), creating the
    directory where it is missing. Raises OSError; then the old file is as it was."""
    directory = os.path.dirname(path) or "."
    make_directory(directory)
    _sweep(path)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except OSError:
        _unlink(temporary)
        raise


def remove(path: str) -> None:
    """Removes ``path``, and its directory when that leaves it empty; nothing to do where it is not there."""
    _unlink(path)
    _sweep(path)
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass


def _sweep(path: str) -> None:
    """Removes the temporary files of writers that were killed."""
    directory, name = os.path.split(path)
    try:
        there = os.listdir(directory or ".")
    except OSError:
        return
    for left in there:
        writer = left[len(name) + 1 : -4]
        if left == f"{name}.{writer}.tmp" and not os.path.exists(f"/proc/{writer}"):
            _unlink(os.path.join(directory, left))


def _shown(text: str | None, secret: bool) -> str:
    if text and secret:
        return SECRET
    return text + "\n" if text and not text.endswith("\n") else text or ""


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
