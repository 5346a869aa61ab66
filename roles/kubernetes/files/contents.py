# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the container images of an archive: programs that were built, and files of Debian packages."""

from __future__ import annotations

import pathlib
import shutil
from typing import NamedTuple

from host import debian_mirror, run

HERE = pathlib.Path(__file__).resolve().parent
SUITE = "bookworm"
#: The name of the image that is no part of Kubernetes: busybox, for pods that probe the network.
TOOLBOX = "podnet.local/toolbox:1"


class Content(NamedTuple):
    """An image's content; ``links`` are symbolic links as {path: target}."""

    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    links: dict[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


#: By the last part of the image's name. Commands and entry points as in the images of registry.k8s.io, since kubeadm's
#: manifests and Kubernetes' tests count on them.
IMAGES = {
    **{name: Content((name,)) for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    "kube-proxy": Content(
        ("kube-proxy",),
        ("iptables", "nftables"),
        # what update-alternatives would have linked
        links={
            f"usr/sbin/{link}{suffix}": "xtables-nft-multi"
            for link in ("iptables", "ip6tables")
            for suffix in ("", "-save", "-restore")
        },
    ),
    "etcd": Content(("etcd", "etcdctl", "etcdutl")),
    "coredns": Content(("coredns",), entrypoint=("coredns",)),
    "pause": Content(entrypoint=("/pause",)),
    "toolbox": Content(command=("sleep", "2147483647")),
}

# What comes with Debian packages, and no program in an image reads: documentation, and the Perl of maintainer scripts
SUPERFLUOUS = (
    "usr/share/doc usr/share/man usr/share/locale usr/share/info usr/lib/*/gconv "
    "usr/share/perl* usr/lib/*/perl* usr/lib/*/libperl* usr/bin/perl* var/cache var/lib/apt var/lib/dpkg var/log dev"
).split()


def fill(name: str, content: Content, tree: pathlib.Path, binaries: dict[str, pathlib.Path]) -> None:
    """Makes the content of image ``name`` in the empty directory ``tree``; ``binaries`` are the programs by name."""
    if content.packages:
        _unpack(content.packages, tree)
    places = tree / "usr/local/bin"
    places.mkdir(parents=True, exist_ok=True)
    for directory in ("tmp", "etc"):
        (tree / directory).mkdir(exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    for program in content.programs:
        shutil.copy2(binaries[program], places)
    for path, target in content.links.items():
        (tree / path).symlink_to(target)
    if name == "pause":
        run("gcc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", tree / "pause", HERE / "pause.c")
    if name == "toolbox":
        (tree / "bin").symlink_to("usr/local/bin")
        (tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        shutil.copy2("/bin/busybox", places)
        for applet in run("/bin/busybox", "--list").split():
            if not (places / applet).exists():
                (places / applet).symlink_to("busybox")


def _unpack(packages: tuple[str, ...], tree: pathlib.Path) -> None:
    """Unpacks ``packages`` and what they depend on into ``tree``: nothing is installed, neither there nor on the
    host."""
    included = f"--include={','.join(packages)}"
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", included, SUITE, tree, debian_mirror())
    for path in [path for pattern in SUPERFLUOUS for path in tree.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
