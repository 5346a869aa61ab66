# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vlan: an interface for one VLAN (IEEE 802.1Q) of an interface of this host."""

from __future__ import annotations

from ..attach import interface, parent_link
from ..spec import config
from ..spec.errors import config_error

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

KIND = "vlan"
VLAN_MAX = 4094


class Settings(parent_link.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        if not self.master:
            raise config_error('"master" field is required: the interface to create the VLAN for')
        self.values = {"id": config.integer(call.conf, "vlanId", 0, 0, VLAN_MAX)}


def add(call: Call) -> dict:
    """Makes the interface and adds its addresses; it is the result's only interface."""
    settings = Settings(call)
    return interface.attach(
        call, settings, lambda netns, undo: parent_link.make(call, settings, netns, undo, KIND, settings.values)
    )


delete, check, status, gc = parent_link.verbs(KIND, Settings)
