# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's WireGuard key: made on the node, in a file that only root reads, never sent or shown."""

from __future__ import annotations

import os

from ..netlink.wireguard import pack_key, unpack_key
from . import files
from .config import ConfigError
from .movement import Diff
from .x25519 import clamp, x25519

PATH = "/var/lib/podnet/wireguard.key"


class Key:
    """The key in the file ``path``, or, where there is none, a new one that ``save`` would write there. As a part of a
    movement it is done when the file is there.

    Raises ConfigError for a file that holds no key, and OSError for one that cannot be read.
    """

    what = "file"

    def __init__(self, path: str = PATH) -> None:
        self.path = path
        text = files.read(path)
        try:
            self.private = clamp(os.urandom(32)) if text is None else unpack_key(text.strip())
        except ValueError:
            # without the file's text: it may be most of a key
            raise ConfigError(
                f"{path}: is not a WireGuard key (32 bytes in base64): put it back, or remove it for a new one"
            ) from None
        self.public = pack_key(x25519(self.private))

    def __bool__(self) -> bool:
        return not os.path.exists(self.path)

    def describe(self) -> list[str]:
        """One line where the file is missing."""
        return [f"write file {self.path}"] if self else []

    def diffs(self) -> list[Diff]:
        """The public half: the private one is shown to nobody."""
        return [Diff(self.path, "", f"the private key of {self.public}\n")]

    def apply(self) -> list[str]:
        """Writes the file; returns what went wrong."""
        try:
            files.write(self.path, pack_key(self.private) + "\n", 0o600)
        except OSError as error:
            return [f"file {self.path}: {error.strerror}"]
        return []


def ensured(path: str = PATH) -> str:
    """The public half of the key in ``path``, which is made where there is none. Raises ConfigError and OSError."""
    key = Key(path)
    if key:
        errors = key.apply()
        if errors:
            raise ConfigError(errors[0])
    return key.public


class Gone:
    """The removal of a key's file, as a part of a movement that shows nothing of it."""

    what = "file"

    def __init__(self, path: str) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return os.path.exists(self.path)

    def describe(self) -> list[str]:
        """One line where the file is there."""
        return [f"remove file {self.path}"] if self else []

    def diffs(self) -> list[Diff]:
        """That there was a key."""
        return [Diff(self.path, "a private key\n", "")]

    def apply(self) -> list[str]:
        """Removes the file; returns what went wrong."""
        try:
            files.remove(self.path)
        except OSError as error:
            return [f"file {self.path}: {error.strerror}"]
        return []
