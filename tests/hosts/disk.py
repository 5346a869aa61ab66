# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of an ordinary Debian host, with what `make lab` would fetch already there: emulated, that takes an hour."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "roles/kubernetes/files"), str(ROOT / "roles/lab/files")]
import build_modules  # noqa: E402
import build_root  # noqa: E402

CACHE = Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet"))
CHECKOUT = "/root/podnet"
SIZE = "12G"
PACKAGES = (
    "linux-image-amd64 systemd-sysv systemd-resolved udev dbus kmod ca-certificates make git e2fsprogs "
    "systemd-container mmdebstrap debian-archive-keyring util-linux python3 python3-venv"
).split()
#: Of the lab, one for each kind of test: bare nodes, and those of a cluster.
LAYERS = (("bookworm", "bare"), ("trixie", "bare"), ("bookworm", "prepared"))
FILES = {
    "etc/fstab": """/dev/vda / ext4 defaults 0 1
LABEL=swap none swap sw,x-systemd.device-timeout=1h 0 0
shared /shared 9p ro,trans=virtio 0 0
""",
    "etc/hostname": "host\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 host\n",
    "etc/systemd/network/host.network": "[Match]\nDriver=virtio_net\n[Network]\nDHCP=yes\n",
    "etc/systemd/system/podnet-test.service": """[Unit]
Wants=network-online.target
After=network-online.target multi-user.target swap.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/bash /shared/command
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=default.target
""",
}


class Image(NamedTuple):
    """A disk, and its kernel and initramfs beside it."""

    disk: Path
    kernel: Path
    initrd: Path


def image(suite: str) -> Image:
    """The disk of a host of a Debian release, made unless the cache has it."""
    requirements = (ROOT / "requirements.txt").read_text() + (ROOT / "bindep.txt").read_text()
    archive = build_modules.main([])
    layers = [getattr(build_root, name) for name in ("BARE", "PREPARED", "RECIPE")]
    recipe = [suite, PACKAGES, FILES, SIZE, LAYERS, layers, requirements, archive, build_root.host_files()]
    directory = CACHE / f"hosts/{suite}-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]}"
    if not directory.is_dir():
        print(f"Making the disk of a host of {suite}: some minutes", flush=True)
        part = directory.with_name(directory.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _make(suite, part, Path(archive))
        part.rename(directory)
    return Image(directory / "disk", directory / "vmlinuz", directory / "initrd.img")


def _make(suite: str, part: Path, archive: Path) -> None:
    tree = part / "tree"
    sources = part / "sources"
    sources.write_text(build_root.sources(suite))
    build_root.run(
        "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join([*PACKAGES, *_wanted()])}",
        *(f"--aptopt={option}" for option in build_root.APT), *(f"--dpkgopt={option}" for option in build_root.SLIM),
        "--skip=cleanup/apt", suite, tree, sources,
    )  # fmt: skip
    files = {**build_root.host_files(), **FILES, "etc/apt/sources.list.d/debian.sources": build_root.sources(suite)}
    for path in (tree / "etc/apt/sources.list.d").iterdir():
        path.unlink()
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "shared").mkdir()
    prepare = f"update-ca-certificates; cd {CHECKOUT}; make -s venv\n"
    prepare += "".join(f"python3 roles/lab/files/build_root.py {each} {variant}\n" for each, variant in LAYERS)
    _in(tree, prepare)
    _in(tree, "systemctl enable systemd-networkd systemd-resolved podnet-test; systemctl mask serial-getty@ttyS0")
    shutil.copytree(archive, tree / str(archive).lstrip("/"))
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(tree / os.readlink(tree / name).lstrip("/"), part / name)
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").symlink_to("/run/systemd/resolve/resolv.conf")
    disk = part / "disk"
    subprocess.run(["truncate", "--size", SIZE, disk], check=True)
    build_root.run("mke2fs", "-q", "-t", "ext4", "-d", tree, disk)
    shutil.rmtree(tree)
    sources.unlink()


def _wanted() -> list[str]:
    """The packages that the Makefile wants on a controller."""
    lines = (ROOT / "bindep.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def _in(tree: Path, script: str) -> None:
    """Runs a script in the tree, with the checkout where the host will have it."""
    outer = """
        mount --bind "$2" "$2"; cd "$2"  # to be able to make mount namespaces of its own, / must be a mount point
        mount --bind "$1" "$2$3"; mount -t proc proc "$2/proc"; mount --rbind /dev "$2/dev"
        cp --dereference --remove-destination /etc/resolv.conf "$2/etc/resolv.conf"
        chroot "$2" sh -euc "$4"
    """
    (tree / CHECKOUT.lstrip("/")).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as checkout:
        shutil.copytree(ROOT, checkout, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".venv", ".*_cache"))
        isolated = ["unshare", "--mount", "--propagation=private", "sh", "-euc", outer, "sh"]
        build_root.run(*isolated, checkout, tree, CHECKOUT, script)
    (tree / CHECKOUT.lstrip("/")).rmdir()
