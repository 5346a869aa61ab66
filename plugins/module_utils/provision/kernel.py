# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules, swap and the host name of the running node."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from ..converge import files
from ..converge.plan import Change, StateError

FSTAB = "/etc/fstab"
#: There where the kernel can load modules.
MODULES = "/proc/modules"
#: A line of fstab(5) that brings swap: the third field is the type.
_SWAP = re.compile(r"\s*[^#\s]\S*\s+\S+\s+swap(\s.*)?")


def modules(names: Sequence[str], proofs: Mapping[str, str]) -> Iterator[Change]:
    """Loads what is missing of ``names``. A module counts as there when it is loaded, built in, or its proof exists: a
    path under /proc or /sys, or ``filesystem:NAME``."""
    for name in _missing(names, proofs):
        if not os.path.exists(MODULES):
            if name in proofs:
                raise StateError(
                    f"kernel module {name}: is not built in ({proofs[name]} is missing), and this kernel cannot load "
                    "modules: give the node another kernel"
                )
            continue  # nothing can be loaded, and nothing shows whether it is built in: its first use will
        load = partial(_run, ["modprobe", "--", name])
        yield Change("module", "kernel modules", f"load module {name}", "", f"{name}\n", load)


def lacking(names: Sequence[str], proofs: Mapping[str, str]) -> list[str]:
    """Those of ``names`` that are missing and cannot be loaded: modules.dep does not list them, or the kernel loads no
    modules and there is a proof to go by."""
    missing = list(_missing(names, proofs))
    if not os.path.exists(MODULES):
        return [name for name in missing if name in proofs]
    known = (files.read(f"{directory()}/modules.dep") or "") if missing else ""
    return [name for name in missing if not _is_listed(name, known)]


def directory() -> str:
    """Where the running kernel's modules are."""
    return f"/lib/modules/{os.uname().release}"


def _missing(names: Sequence[str], proofs: Mapping[str, str]) -> Iterator[str]:
    """Those of ``names`` that are neither loaded nor built in nor proven."""
    builtin: str | None = None
    for name in names:
        if os.path.isdir(f"/sys/module/{name.replace('-', '_')}") or _proven(proofs.get(name, "")):
            continue
        if builtin is None:
            builtin = files.read(f"{directory()}/modules.builtin") or ""
        if not _is_listed(name, builtin):
            yield name


def _is_listed(name: str, listing: str) -> bool:
    """Whether modules.builtin or modules.dep has the module: paths at the lines' beginnings, perhaps compressed."""
    pattern = re.sub("[-_]", "[-_]", re.escape(name).replace("\\-", "-"))
    return re.search(rf"^\S*/{pattern}\.ko(\.\w+)?(:|$)", listing, re.MULTILINE) is not None


def _proven(proof: str) -> bool:
    kind, _colon, name = proof.partition(":")
    if kind == "filesystem":
        return re.search(rf"\t{re.escape(name)}$", files.read("/proc/filesystems") or "", re.MULTILINE) is not None
    return bool(proof) and os.path.exists(proof)


def no_swap(swaps: str = "/proc/swaps", fstab: str = FSTAB) -> Iterator[Change]:
    """Swaps off what is on, and comments out what /etc/fstab would bring back."""
    devices = [line.split()[0] for line in (files.read(swaps) or "").splitlines()[1:]]
    if devices:
        shown = "".join(f"{name}\n" for name in devices)
        yield Change("swap", "swap", "swap off", shown, "", partial(_run, ["swapoff", "--all"]))
    before = files.read(fstab) or ""
    after = "".join(
        f"# no swap on a Kubernetes node: {line}" if _SWAP.fullmatch(line.rstrip("\n")) else line
        for line in before.splitlines(True)
    )
    if before != after:
        mode = os.stat(fstab).st_mode & 0o7777
        text = f"comment out swap in {fstab}"
        yield Change("swap", fstab, text, before, after, partial(files.write, fstab, after, mode))


def hostname(wanted: str) -> Iterator[Change]:
    """Sets the host name, now and for the next boot."""
    before = socket.gethostname()
    if before != wanted or (files.read("/etc/hostname") or "").strip() != wanted:

        def rename() -> None:
            files.write("/etc/hostname", f"{wanted}\n")
            socket.sethostname(wanted)

        yield Change("hostname", "host name", f"set the host name to {wanted}", f"{before}\n", f"{wanted}\n", rename)


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise StateError(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise StateError(f"{' '.join(command)}: {error.stderr.strip() or f'exit status {error.returncode}'}") from None
