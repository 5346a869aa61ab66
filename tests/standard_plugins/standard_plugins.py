# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the standard CNI plugins from their Go module, and prints the directory with them: standard_plugins.py

go.mod names the version: the newest one, where Debian's package containernetworking-plugins is of 2022. Built once for
each content of go.mod and go.sum, into ${PODNET_CACHE:-/var/cache/podnet}/standard-plugins.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import re
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "roles/kubernetes/files"))

import build_modules  # noqa: E402
from golang import Go  # noqa: E402
from host import install_packages, run  # noqa: E402

MODULE = "github.com/containernetworking/plugins"


def version(folder: pathlib.Path = HERE, module: str = MODULE) -> str:
    """The version of the programs, without the ``v``."""
    match = re.search(rf"{re.escape(module)} v(\S+)", (folder / "go.mod").read_text())
    if not match:
        raise ValueError(f"go.mod does not require {module}")
    return match[1]


def directory(folder: pathlib.Path = HERE, module: str = MODULE) -> pathlib.Path:
    """Where the programs lie, or will."""
    texts = [(folder / name).read_text() for name in ("go.mod", "go.sum")]
    name = folder.name.replace("_", "-")
    return build_modules.CACHE / f"{name}/{version(folder, module)}-{build_modules.digest(texts)}"


def toolchain() -> Go:
    """The Go toolchain that Kubernetes is built with, too."""
    install_packages([] if shutil.which("go") else ["golang-go"])
    return Go(build_modules.CACHE / "go", run("dpkg", "--print-architecture").strip())


def build(folder: pathlib.Path = HERE, module: str = MODULE, cgo: bool = False) -> pathlib.Path:
    """The directory with the tools of ``folder``'s go.mod; built unless it is there, with what is in C if ``cgo``.
    SystemExit if the module cannot be had."""
    target = directory(folder, module)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            go = toolchain()
            part = target.with_name(target.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            flags = f"-s -w -X {module}/pkg/utils/buildversion.BuildVersion=v{version(folder, module)}"
            flags += " -linkmode external -extldflags -static" if cgo else ""
            options = ["-trimpath", "-tags", "netgo,osusergo", "-ldflags", flags]
            command = [*go.command, "build", *options, "-o", f"{part}/", "tool"]
            environment = {**go.environment, "CGO_ENABLED": str(int(cgo))}
            run(*command, cwd=folder, env=environment, preexec_fn=lambda: os.nice(10))
            part.rename(target)
    return target


if __name__ == "__main__":
    print(build())
