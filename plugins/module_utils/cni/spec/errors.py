# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The error object of a plugin (CNI specification 1.1.0, section 5 "Error")."""

from __future__ import annotations

INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
ENVIRONMENT = 4
IO = 5
DECODE = 6
CONFIG = 7
NETNS = 8
TRY_AGAIN = 11
NOT_AVAILABLE = 50
LIMITED_CONNECTIVITY = 51
INTERNAL = 999


class CniError(Exception):
    """A failure with its CNI code, which the runtime reads on standard output."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details

    def __str__(self) -> str:
        return f"{self.msg} ({self.details})" if self.details else self.msg

    def as_dict(self, version: str) -> dict:
        """The error object, in the version that the configuration asked for."""
        answer: dict = {"cniVersion": version, "code": self.code, "msg": self.msg}
        if self.details:
            answer["details"] = self.details
        return answer


def config_error(msg: str) -> CniError:
    """The error for an invalid configuration (code 7)."""
    return CniError(CONFIG, msg)
