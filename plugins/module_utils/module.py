# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a movement to an Ansible module's result: check mode stops after the plan, diff mode shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

from .netlink import link as links
from .netlink.channel import Channel
from .netlink.objects import KernelObject
from .netlink.plan import plan
from .netlink.wire import NetlinkError, pack_ip, split_prefix, unpack_ip
from .overlay.movement import Kernel, Movement

#: Reads what the kernel has, one kind of object or a part of it; it is given link names by index.
Reader = Callable[[Channel, "dict[int, str]"], Iterable[KernelObject]]


def finish(module: AnsibleModule, movement: Movement, **result: Any) -> None:
    """Carries the movement out unless in check mode and ends the module with ``result``, what was done and the diff."""
    result.update(changed=bool(movement), changes=movement.describe())
    result["diff"] = [
        {"before_header": what, "after_header": what, "before": before, "after": after}
        for what, before, after in movement.diffs()
    ]
    errors = movement.apply() if movement and not module.check_mode else []
    if errors:
        module.fail_json(msg="; ".join(errors), **result)
    module.exit_json(**result)


def run_object(module: AnsibleModule, make: Callable[[dict[str, Any]], KernelObject], read: Reader) -> None:
    """Runs a module about one kernel object: ``make`` builds it from the module's parameters (ValueError: they are
    wrong), ``read`` finds it or its like; parameter ``state`` says whether it is to be present or absent."""
    try:
        wanted = make(module.params)
        with Channel() as channel:
            names = {link.index: link.name for link in links.dump(channel)}
            actual = [thing for thing in read(channel, names) if thing.key() == wanted.key()]
            desired = [wanted] if module.params["state"] == "present" else []
            finish(module, Movement([Kernel(plan(desired, actual), channel)]))
    except (ValueError, NetlinkError) as error:
        module.fail_json(msg=str(error))


def ip(value: str | None) -> str | None:
    """An address as the kernel's tools print it. Raises ValueError."""
    return None if value is None else unpack_ip(pack_ip(value))


def prefix(value: str) -> str:
    """An address with its prefix length, likewise; a host's where none is given. Raises ValueError."""
    packed, length = split_prefix(value)
    return f"{unpack_ip(packed)}/{length}"
