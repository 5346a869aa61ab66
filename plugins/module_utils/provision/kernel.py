# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules, sysctls, swap and the host name: what a node's running kernel is to have."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from ..converge import files
from .change import Change, StateError

FSTAB = "/etc/fstab"
#: A line of fstab(5) that brings swap: the third field is the type.
_SWAP = re.compile(r"\s*[^#\s]\S*\s+\S+\s+swap(\s.*)?")


def modules(names: Sequence[str], proofs: Mapping[str, str]) -> Iterator[Change]:
    """Loads what is missing of ``names``. A module counts as there when it is loaded, built in, or its proof exists: a
    path under /proc or /sys, or ``filesystem:NAME``."""
    builtin: str | None = None
    for name in names:
        plain = name.replace("-", "_")
        if os.path.isdir(f"/sys/module/{plain}") or _proven(proofs.get(name, "")):
            continue
        if builtin is None:
            builtin = files.read(f"/lib/modules/{os.uname().release}/modules.builtin") or ""
        if re.search(rf"/{plain.replace('_', '[-_]')}\.ko", builtin):
            continue
        if not os.path.exists("/proc/modules"):
            if name in proofs:
                raise StateError(
                    f"kernel_modules: {name}: this kernel loads no modules and has it not built in "
                    f"({proofs[name]} is missing)"
                )
            continue  # nothing can be loaded, and nothing shows whether it is built in: its first use will
        yield Change(f"load module {name}", "kernel modules", "", f"{name}\n", partial(_run, ["modprobe", "--", name]))


def _proven(proof: str) -> bool:
    kind, _colon, name = proof.partition(":")
    if kind == "filesystem":
        return re.search(rf"\t{re.escape(name)}$", files.read("/proc/filesystems") or "", re.MULTILINE) is not None
    return bool(proof) and os.path.exists(proof)


def sysctls(wanted: Mapping[str, object], root: str = "/proc/sys", pending_modules: bool = False) -> Iterator[Change]:
    """Sets what differs; a name that starts with "-" is left alone where the kernel has no such setting, as in
    sysctl.d(5). With ``pending_modules`` a missing setting may still come with a module that is loaded before."""
    for key, value in wanted.items():
        name = key.lstrip("-")
        path = f"{root}/{_slashed(name)}"
        text = " ".join(str(value).split())
        try:
            with open(path) as file:
                before = " ".join(file.read().split())
        except OSError:
            if key.startswith("-"):
                continue
            if not pending_modules:
                raise StateError(
                    f"sysctls: {name}: this kernel has no such setting ({path}): a module may be missing, or the "
                    "name is wrong"
                ) from None
            before = ""
        if before != text:
            yield Change(
                f"set {name} to {text}",
                "sysctls",
                f"{name} = {before}\n" if before else "",
                f"{name} = {text}\n",
                _writer(path, name, text),
            )


def _slashed(name: str) -> str:
    """sysctl(8)'s two spellings: the first separator decides, the other one stands for itself."""
    if "/" in name and ("." not in name or name.index("/") < name.index(".")):
        return name
    return name.translate(str.maketrans("./", "/."))


def _writer(path: str, name: str, text: str) -> Callable[[], None]:
    def write() -> None:
        try:
            with open(path, "w") as file:
                file.write(text)
        except OSError as error:
            raise StateError(f"sysctls: {name}: the kernel does not take {text!r}: {error.strerror}") from None

    return write


def no_swap(swaps: str = "/proc/swaps", fstab: str = FSTAB) -> Iterator[Change]:
    """Swaps off what is on, and comments out what /etc/fstab would bring back."""
    devices = [line.split()[0] for line in (files.read(swaps) or "").splitlines()[1:]]
    if devices:
        yield Change(
            "swap off", "swap", "".join(f"{name}\n" for name in devices), "", lambda: _run(["swapoff", "--all"])
        )
    before = files.read(fstab) or ""
    after = "".join(
        f"# no swap on a Kubernetes node: {line}" if _SWAP.fullmatch(line.rstrip("\n")) else line
        for line in before.splitlines(True)
    )
    if before != after:
        mode = os.stat(fstab).st_mode & 0o7777
        yield Change(f"take swap out of {fstab}", fstab, before, after, lambda: files.write(fstab, after, mode), fstab)


def hostname(wanted: str) -> Iterator[Change]:
    """Sets the host name, now and for the next boot."""
    before = socket.gethostname()
    if before != wanted or (files.read("/etc/hostname") or "").strip() != wanted:

        def rename() -> None:
            files.write("/etc/hostname", f"{wanted}\n")
            socket.sethostname(wanted)

        yield Change(f"name the host {wanted}", "host name", f"{before}\n", f"{wanted}\n", rename)


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise StateError(f"{command[0]}: there is no such command on the node") from None
    except subprocess.CalledProcessError as error:
        raise StateError(f"{' '.join(command)}: {error.stderr.strip() or f'exit status {error.returncode}'}") from None
