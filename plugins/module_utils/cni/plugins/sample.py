# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sample: a chained plugin that changes nothing; copy it to write your own.

A plugin is a module with these five functions. exec/main.py has read environment and configuration and checked them by
the specification. It prints the returned result, or a raised CniError as error object with its code.
"""

from __future__ import annotations

from ..attach import pod
from ..spec import config
from ..spec.errors import CniError, config_error
from ..spec.result import new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call


class Settings:
    """The configuration's keys, checked: read all of it before anything is done."""

    def __init__(self, call: Call) -> None:
        self.awesome = config.string(call.conf, "anotherAwesomeArg")
        #: The runtime's value for the capability "sample".
        self.supplied = config.mapping(call.runtime(), "sample")
        if not self.awesome:
            raise config_error("anotherAwesomeArg must be specified")


def add(call: Call) -> dict:
    """Does its work and returns the result for the next plugin: the previous one, with changes if it made any.

    On failure it must undo what this call did, and nothing else.
    """
    Settings(call)
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    if not call.previous["ips"]:
        raise config_error("got no container IPs")
    return call.previous


def delete(_call: Call) -> None:
    """Undoes ADD. Repeatable; the namespace, ``call.previous`` and half the configuration may be gone."""


def check(call: Call) -> None:
    """Raises CniError for the first difference from what ADD made."""
    Settings(call)
    with pod.enter(call.env), pod.Channel() as inside:
        pod.check_interface(inside, call.env.ifname, call.previous or new(), "", call.env.netns)


def status(call: Call) -> None:
    """Raises CniError 50 if an ADD would fail for a missing resource."""
    try:
        Settings(call)
    except CniError as error:
        raise CniError(50, error.msg) from None


def gc(call: Call) -> None:
    """Removes what belongs to this network and to no valid attachment; continues past errors."""
    call.valid_attachments()
