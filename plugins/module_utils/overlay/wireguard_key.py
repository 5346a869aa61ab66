# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's WireGuard key: made on the node, in a file that only root reads, never sent or shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from ..converge import files
from ..converge.plan import Change
from ..netlink.wireguard import pack_key, unpack_key
from .config import ConfigError
from .x25519 import clamp, x25519

PATH = "/var/lib/podnet/wireguard.key"


class Key:
    """The key in the file ``path``, or, where there is none, a new one that ``plan`` would write there.

    Raises ConfigError for a file that holds no key, and OSError for one that cannot be read.
    """

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

    def plan(self) -> Iterator[Change]:
        """Writes the file where it is missing, for root alone, and takes it from others where it is not. Only the
        public half is shown."""
        if os.path.exists(self.path):
            yield from files.plan({self.path: files.read(self.path)}, 0o600, secret=True)
        else:
            write = partial(files.write, self.path, pack_key(self.private) + "\n", 0o600)
            shown = f"the private key of {self.public}\n"
            yield Change("file", self.path, f"write file {self.path}", "", shown, write)


def ensured(path: str = PATH) -> str:
    """The public half of the key in ``path``, which is made where there is none. Raises ConfigError and OSError."""
    key = Key(path)
    for change in key.plan():
        change.do()
    return key.public


def removal(path: str) -> Iterator[Change]:
    """Removes a key's file, and shows nothing of it."""
    if os.path.exists(path):
        yield Change("file", path, f"remove file {path}", "a private key\n", "", partial(files.remove, path))
