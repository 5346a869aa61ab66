#!/usr/bin/env python3
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds Kubernetes from Go modules: build_modules.py [--cached] [RELEASE [RUNTIME...]]

For hosts that reach neither Kubernetes' packages nor its images, but Go's module proxy (GOPROXY) and a Debian mirror.
RELEASE is a minor release, 1.36 or 1.37 (the default); RUNTIME is crio or docker, to be had beside containerd. Runs as
root on Debian 12 or newer. The last line printed (on stdout; progress goes to stderr) is the archive, a directory that
the kubernetes role takes as `kubernetes_archive`:

    bin/{kubelet,kubeadm,kubectl,crictl,containerd,containerd-shim-runc-v2,ctr,runc[,crio,pinns,cri-dockerd]}
    images/*.tar (docker-archive)    manifest.json (release, images, programs)    SHA256SUMS

Everything lies in ${PODNET_CACHE:-/var/cache/podnet}: archives and programs in kubernetes/, named by a hash of what
they are made from, and Go's own caches in go/, which a second release shares. An interrupted build goes on where it
was; a build removes what has not been used for a month. With --cached nothing is built, and nothing is printed unless
the archive is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import sys
import time
from collections.abc import Sequence

sys.dont_write_bytecode = True
import cache  # noqa: E402
import contents  # noqa: E402
import image  # noqa: E402
import projects  # noqa: E402
from golang import Go  # noqa: E402
from host import install_packages, run, say  # noqa: E402

CACHE = pathlib.Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet"))
RECIPE = 1  # raise it when the steps below, or those in golang.py, change what comes out

PACKAGES = "dpkg-dev gcc libc6-dev libseccomp-dev pkg-config mmdebstrap busybox-static".split()
NODE_PROGRAMS = "kubelet kubeadm kubectl crictl containerd containerd-shim-runc-v2 ctr runc".split()
NICENESS = 10  # half an hour of every processor: the host's own work goes first


def digest(*recipe: object) -> str:
    """A name for what is made from ``recipe``."""
    return hashlib.sha256(json.dumps([RECIPE, platform.machine(), *recipe]).encode()).hexdigest()[:12]


def folders_of(release: str, runtimes: Sequence[str]) -> list[str]:
    """The folders below modules/ that an archive is built from."""
    return [*projects.RELEASES[release], *(projects.RUNTIMES[name] for name in runtimes)]


def programs_directory(folder: str) -> pathlib.Path:
    """Where the programs of a folder below modules/ lie, or will."""
    texts = [
        (projects.MODULES / path).read_text() for path in (f"{folder}/go.mod", f"{folder}/go.sum", "toolchain/go.sum")
    ]
    recipe = digest(texts, projects.project(folder), *filter(None, [projects.sources(folder)]))
    return CACHE / f"kubernetes/programs-{folder}-{recipe}"


def archive_directory(release: str, runtimes: Sequence[str] = ()) -> pathlib.Path:
    """Where the archive of a minor release lies, or will."""
    folders = folders_of(release, runtimes)
    programs = [programs_directory(folder).name for folder in folders]
    content = [programs, contents.IMAGES, contents.SUPERFLUOUS, contents.SUITE, contents.TOOLBOX, NODE_PROGRAMS]
    recipe = digest(content, (contents.HERE / "pause.c").read_text())
    return CACHE / f"kubernetes/{projects.version(folders[0])}-{recipe}"


def image_names(kubeadm: pathlib.Path) -> dict[str, str]:
    """The release's images as its kubeadm names them, and the toolbox, by the last part of their names."""
    release = run(kubeadm, "version", "--output=short").strip()
    listed = run(kubeadm, "config", "images", "list", f"--kubernetes-version={release}").split()
    return {name.rpartition("/")[2].partition(":")[0]: name for name in [*listed, contents.TOOLBOX]}


def assemble(archive: pathlib.Path, folders: Sequence[str]) -> None:
    """Makes the directory ``archive`` from the programs of ``folders``."""
    origins = {name: folder for folder in folders for name in projects.programs(folder)}
    binaries = {name: programs_directory(folder) / name for name, folder in origins.items()}
    for directory in ("bin", "images"):
        (archive / directory).mkdir(parents=True)
    others = [name for folder in folders if folder in projects.RUNTIMES.values() for name in projects.programs(folder)]
    for name in NODE_PROGRAMS + others:
        shutil.copy2(binaries[name], archive / "bin")
    architecture = run("dpkg", "--print-architecture").strip()
    images = []
    for name, full_name in image_names(binaries["kubeadm"]).items():
        say(f"image {full_name}")
        content = contents.IMAGES[name]
        if name in origins and (held := other_version(full_name, projects.version(origins[name]))):
            say(f"image {full_name}: holds {name} {held}, which modules/{origins[name]} pins")
        tree = archive / "tree"
        tree.mkdir()
        contents.fill(name, content, tree, binaries)
        path = archive / f"images/{name}.tar"
        image.write(path, [full_name], tree, architecture, content.command, content.entrypoint)
        shutil.rmtree(tree)
        images.append({"name": full_name, "file": f"images/{name}.tar"})
    manifest = {
        "release": projects.version(folders[0]),
        "architecture": architecture,
        "source": "Go modules",
        "modules": {projects.project(folder).module: f"v{projects.version(folder)}" for folder in folders},
        "images": images,
        "toolbox": contents.TOOLBOX,
    }
    (archive / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    sums = []
    for path in sorted(path for path in archive.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            sums.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(archive)}\n")
    (archive / "SHA256SUMS").write_text("".join(sums))


def other_version(image_name: str, version: str) -> str:
    """``version`` where the image's tag is of another one, else empty; tags are like v1.14.6 or 3.7.0-0."""
    tag = image_name.rpartition(":")[2]
    if re.fullmatch(rf"v?{re.escape(version)}(-\d+)?", tag):
        return ""
    return version


def build(archive: pathlib.Path, folders: Sequence[str]) -> None:
    """Builds the programs that are missing, and makes ``archive`` from them."""
    started = time.monotonic()
    os.nice(NICENESS)
    version = projects.version(folders[0])
    say(f"building Kubernetes {version} from Go modules: up to half an hour on two processors")
    install_packages(PACKAGES + ([] if shutil.which("go") else ["golang-go"]))
    go = Go(CACHE / "go", run("dpkg", "--print-architecture").strip())
    for folder in folders:
        if not programs_directory(folder).is_dir():
            go.build(folder, programs_directory(folder))
    part = archive.with_name(archive.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    assemble(part, folders)
    part.rename(archive)
    say(f"ready after {time.monotonic() - started:.0f} s")


def main(arguments: list[str]) -> str:
    """Builds what is missing, unless --cached is given, and returns the archive; empty when it is not there."""
    cached = arguments[:1] == ["--cached"]
    release, *runtimes = arguments[cached:] or [projects.CURRENT]
    if release not in projects.RELEASES:
        raise SystemExit(
            f"build_modules.py: Kubernetes {release} is not among the releases that can be built from Go modules: "
            f"give one of {', '.join(projects.RELEASES)}"
        )
    unknown = [name for name in runtimes if name not in projects.RUNTIMES]
    if unknown:
        raise SystemExit(f"build_modules.py: {unknown[0]} is not one of {', '.join(projects.RUNTIMES)}")
    folders = folders_of(release, runtimes)
    archive = archive_directory(release, runtimes)
    if archive.is_dir():
        for path in (archive, *map(programs_directory, folders)):
            if path.is_dir():
                cache.use(path)
        return str(archive)
    if cached:
        return ""
    if os.geteuid() != 0:
        raise SystemExit("build_modules.py: run it as root: it installs packages and unpacks some with their owners")
    if not shutil.which("apt-get"):
        raise SystemExit(
            "build_modules.py: the build needs Debian 12 or newer; elsewhere give an archive that was made there "
            "(kubernetes_archive)"
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with open(archive.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.is_dir():  # another run may have built it meanwhile
            build(archive, folders)
            for path in cache.clean(archive.parent):
                say(f"{path.name}: removed, it has not been used for a month")
    return str(archive)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit("build_modules.py: interrupted; the next run goes on from here") from None
