# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sysctls: values of the running kernel below /proc/sys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Callable

from .plan import Change, StateError

ROOT = "/proc/sys"
#: What changes places between a path below ROOT and the dotted name: a link's own dots are slashes there.
_DOTS_AND_SLASHES = str.maketrans("./", "/.")


def dotted_name(path: str) -> str:
    """A sysctl as sysctl(8) prints it, from its path below /proc/sys: net.ipv4.conf.eth0/7.rp_filter."""
    return path.translate(_DOTS_AND_SLASHES)


def read(name: str) -> str | None:
    """The value, None where the kernel has no such sysctl. Names are as for sysctl(8): net.ipv4.ip_forward, or with
    slashes where a link's name has dots: net/ipv4/conf/eth0.7/rp_filter."""
    try:
        with open(_path(name), encoding="ascii") as file:
            return " ".join(file.read().split())
    except OSError:
        return None


def need(name: str) -> str:
    """The value. Raises StateError where the kernel has no such sysctl."""
    value = read(name)
    if value is None:
        raise StateError(
            f"sysctl {name}: this kernel does not have it ({_path(name)}): load the module that brings it, or correct "
            "the name"
        )
    return value


def plan(wanted: Mapping[str, object], current: Callable[[str], str | None] = need) -> Iterator[Change]:
    """Sets what differs from ``wanted``, values by name; one whose name starts with "-" is left alone where the kernel
    does not have it, as in sysctl.d(5). ``current`` gives a value by name, None for one that is yet to come, with a
    link or a module that is made before."""
    for key, value in wanted.items():
        name = key.lstrip("-")
        before = read(name) if key != name else current(name)
        after = " ".join(str(value).split())
        if before == after or (before is None and key != name):
            continue
        yield Change(
            "sysctl",
            f"sysctl {name}",
            f"set {name} to {after}",
            "" if before is None else f"{name} = {before}\n",
            f"{name} = {after}\n",
            partial(_write, name, after),
        )


def _write(name: str, value: str) -> None:
    try:
        with open(_path(name), "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise StateError(f"sysctl {name}: the kernel refuses {value!r}: {error.strerror}") from None


def _path(name: str) -> str:
    """sysctl(8)'s two spellings: the first separator decides, the other one stands for itself."""
    if "/" in name and ("." not in name or name.index("/") < name.index(".")):
        return f"{ROOT}/{name}"
    return f"{ROOT}/{name.translate(_DOTS_AND_SLASHES)}"
