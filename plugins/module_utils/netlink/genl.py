# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generic netlink: sockets of families that get their message type when they register (linux/genetlink.h)."""

from __future__ import annotations

import errno
from struct import Struct

from .channel import Channel
from .wire import NetlinkError, Request, attr_str, number, parse

NETLINK_GENERIC = 16
GENL_ID_CTRL = 0x10
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2

HEADER = Struct("=BBxx")  # struct genlmsghdr: command, version


class GenericChannel(Channel):
    """A socket for the family of that name. Its requests name no message type (0): the family's is filled in.

    Asking for a family has the kernel load its module where it is one. Raises NetlinkError (ENOENT) where the kernel
    has no such family.
    """

    def __init__(self, family: str) -> None:
        super().__init__(NETLINK_GENERIC)
        self.family = GENL_ID_CTRL
        try:
            self.family = self._resolve(family)
        except BaseException:
            self.close()
            raise

    def _resolve(self, name: str) -> int:
        body = HEADER.pack(CTRL_CMD_GETFAMILY, 1) + attr_str(CTRL_ATTR_FAMILY_NAME, name)
        try:
            answer = self.get((GENL_ID_CTRL, 0, body, f"find the generic netlink family {name}"))
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                raise NetlinkError(
                    errno.ENOENT, name, "this kernel has none, neither built in nor as a module"
                ) from None
            raise
        return number(parse(answer, HEADER.size)[CTRL_ATTR_FAMILY_ID])

    def dump(self, request: Request) -> list[bytes]:
        return super().dump(self._typed(request))

    def batch(self, requests: list[Request]) -> list[NetlinkError | None]:
        return super().batch([self._typed(request) for request in requests])

    def _typed(self, request: Request) -> Request:
        _kind, flags, body, what = request
        return self.family, flags, body, what


def has(family: str) -> bool:
    """Whether the kernel has the family. Raises NetlinkError if the request fails."""
    try:
        GenericChannel(family).close()
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True
