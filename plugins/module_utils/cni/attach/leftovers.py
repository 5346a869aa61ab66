# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an attachment may have that the present configuration does not name: what the standard Go plugins made for it,
and what plugins made that have left the list since."""

from __future__ import annotations

from ...nat import standard
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER
from ..exec import delegate
from ..spec.errors import INTERNAL, CniError
from .undo import each

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

#: The chained plugins whose work outlives a pod's namespace.
CHAINED = ("portmap", "firewall", "bandwidth", "tuning")


def remove(call: Call) -> None:
    """DEL of an attachment that our plugin did not make, or whose interface is gone."""
    addresses = [item["address"].partition("/")[0] for item in (call.previous or {"ips": []})["ips"]]
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            standard.remove(channel, call.network, *call.owner, addresses)
    except OSError as error:
        raise CniError(INTERNAL, f"failed to remove rules of the standard plugins: {error}") from None


def collect(call: Call, valid: set[tuple[str, str]]) -> None:
    """GC by the plugin that makes the interfaces, for all that may hang on them."""

    def others() -> None:
        with Channel(NETLINK_NETFILTER) as channel:
            standard.collect(channel, call.network, valid)

    each(others, *[lambda name=name: delegate.call(name, "GC", call) for name in CHAINED])
