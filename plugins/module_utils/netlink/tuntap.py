# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TAP links: made through /dev/net/tun, whose ioctls are those of linux/if_tun.h; rtnetlink cannot make them."""

from __future__ import annotations

import posix
from fcntl import ioctl
from struct import Struct

from .wire import NetlinkError

DEVICE = "/dev/net/tun"
IFREQ = Struct("=16sH22x")  # struct ifreq with its flags

TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
TUNSETOWNER = 0x400454CC
TUNSETGROUP = 0x400454CE

IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_TUN_EXCL = 0x8000


def add_tap(name: str, owner: int | None = None, group: int | None = None, multi_queue: bool = False) -> None:
    """Makes the TAP link ``name`` in this thread's network namespace; it stays when no process has it open.

    ``owner`` and ``group`` are the numeric user and group that may open it without privileges; both None: root only.
    Raises NetlinkError, EEXIST or EBUSY for a name that is taken, ENOENT without the device file.
    """
    try:
        file = posix.open(DEVICE, posix.O_RDWR | posix.O_CLOEXEC)
    except OSError as error:
        raise NetlinkError(error.errno or 0, f"open {DEVICE}", error.strerror or "") from None
    try:
        # until it is persistent it goes with the file: a process that is killed meanwhile leaves nothing
        flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (IFF_MULTI_QUEUE if multi_queue else 0)
        ioctl(file, TUNSETIFF, IFREQ.pack(name.encode(), flags))
        if owner is not None:
            ioctl(file, TUNSETOWNER, owner)
        if group is not None:
            ioctl(file, TUNSETGROUP, group)
        ioctl(file, TUNSETPERSIST, 1)
    except OSError as error:
        raise NetlinkError(error.errno or 0, f"add tap link {name}", error.strerror or "") from None
    finally:
        posix.close(file)
