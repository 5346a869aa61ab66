#!/usr/bin/env python3
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the root file system of a lab node: build_root.py [--cached] SUITE VARIANT

SUITE is a Debian code name (bookworm, trixie). VARIANT is `bare` (systemd, Python, iproute2, a working apt) or
`prepared` (bare, plus the packages that the roles would install). The last line printed is the overlayfs `lowerdir` of
the result: its layers, uppermost first. Layers lie in ${PODNET_CACHE:-/var/cache/podnet}/root, named by a hash of
everything they are made from, so a second run only prints. With --cached nothing is built: nothing is printed then
unless all layers are there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

CACHE = pathlib.Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet")) / "root"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RECIPE = 1  # raise it when the steps below change what comes out

BARE = (
    "systemd-sysv dbus udev python3 python3-apt iproute2 iputils-ping procps kmod ca-certificates sudo less "
    "debian-archive-keyring"
).split()
# No containernetworking-plugins: a lab node has no CNI executables but those that the cni role installs.
PREPARED = (
    "iptables nftables ebtables conntrack ethtool socat ipset openssl util-linux mount tcpdump netcat-openbsd haproxy"
).split()
# Documentation and translations are half of the files of a small system, and nobody reads them in a lab.
SLIM = [f"path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "info", "locale", "lintian")]
APT = [
    'APT::Install-Recommends "false"',
    'Acquire::Languages "none"',
    'Acquire::GzipIndexes "true"',
    'Acquire::Retries "3"',
]


def say(text: str) -> None:
    """Prints a progress line to stderr: stdout carries the result alone."""
    print(f"{time.strftime('%H:%M:%S')} root: {text}", file=sys.stderr, flush=True)


def mirrors() -> tuple[str, str]:
    """The archive and the security archive (URIs) that this host's own apt uses, else Debian's."""
    files = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(f.read_text() for f in files if f.is_file() and f.suffix in (".list", ".sources"))
    uris = [u.rstrip("/") for u in re.findall(r"(?m)^(?!\s*#).*?\b(https?://\S+/debian(?:-security)?/?)(?=\s|$)", text)]
    return (
        next((u for u in uris if u.endswith("/debian")), "http://deb.debian.org/debian"),
        next((u for u in uris if u.endswith("/debian-security")), "http://deb.debian.org/debian-security"),
    )


def sources(suite: str) -> str:
    """The node's /etc/apt/sources.list.d/debian.sources."""
    archive, security = mirrors()
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: " + KEYRING + "\n"
    return stanza.format(archive, f"{suite} {suite}-updates") + "\n" + stanza.format(security, f"{suite}-security")


def host_files() -> dict[str, str]:
    """What a node needs of this host to reach the registries as the host does, as {path in the node: text}: apt's
    transport settings, pip's configuration, and certificate authorities added by the administrator."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    transport = [line for line in dump.splitlines() if re.match(r"Acquire::(https?|Check)[-:]", line, re.I)]
    for scheme in ("http", "https"):
        if os.environ.get(f"{scheme}_proxy"):
            transport.append(f'Acquire::{scheme}::Proxy "{os.environ[f"{scheme}_proxy"]}";')
    files = {"etc/apt/apt.conf.d/90host": "\n".join(transport) + "\n"}
    if os.path.exists("/etc/pip.conf"):
        files["etc/pip.conf"] = pathlib.Path("/etc/pip.conf").read_text()
    for path in sorted(pathlib.Path("/usr/local/share/ca-certificates").rglob("*.crt")):
        files[str(path).lstrip("/")] = path.read_text()
    return files


def run(*command: str | pathlib.Path) -> None:
    """Runs a command; what it prints is shown only when it fails, and then the build ends."""
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"build_root.py: {command[0]}: exit status {done.returncode}\n{done.stdout[-3000:]}")


def build_bare(suite: str, target: pathlib.Path) -> None:
    """Makes the directory `target` with mmdebstrap."""
    list_file = target.with_suffix(".sources")
    list_file.write_text(sources(suite))
    options = [f"--aptopt={option}" for option in APT] + [f"--dpkgopt={option}" for option in SLIM]
    options += ["--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(BARE)}", "--skip=cleanup/apt"]
    run("mmdebstrap", *options, suite, target, list_file)
    list_file.unlink()
    for path in (target / "etc/apt/sources.list.d").iterdir():
        path.unlink()
    for name, text in {**host_files(), "etc/apt/sources.list.d/debian.sources": sources(suite)}.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    run("chroot", target, "update-ca-certificates")
    for path in (target / "var/cache/apt/archives").glob("*.deb"):
        path.unlink()
    # The lab gives each node its own.
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf"):
        (target / name).unlink(missing_ok=True)


def build_prepared(base: pathlib.Path, target: pathlib.Path) -> None:
    """Makes the directory `target`, the overlayfs layer that the installation of PREPARED leaves above `base`."""
    work, root = target.with_suffix(".work"), target.with_suffix(".mnt")
    for directory in (target, work, root):
        directory.mkdir()
    # In a mount namespace of its own: an interrupted build leaves no mount on the host. policy-rc.d keeps the packages'
    # services from starting in the chroot.
    script = """
        mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
        cp --dereference /etc/resolv.conf "$4/etc/resolv.conf"
        mount -t proc proc "$4/proc"; mount --rbind /dev "$4/dev"; mount -t sysfs -o ro sysfs "$4/sys"
        printf '#!/bin/sh\\nexit 101\\n' > "$4/usr/sbin/policy-rc.d"; chmod 755 "$4/usr/sbin/policy-rc.d"
        shift 3; root=$1; shift
        DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq install --yes "$@"
        rm "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root"/var/cache/apt/archives/*.deb
    """
    isolated = ["unshare", "--mount", "--propagation=private", "sh", "-euc", script, "sh"]
    run(*isolated, base, target, work, root, *PREPARED)
    shutil.rmtree(work)
    root.rmdir()


def layer(name: str, recipe: list) -> pathlib.Path:
    """Where the layer `name` made from `recipe` (JSON-able) lies in the cache, or will."""
    return CACHE / f"{name}-{hashlib.sha256(json.dumps([RECIPE, recipe], sort_keys=True).encode()).hexdigest()[:12]}"


def make(path: pathlib.Path, build: Callable[[pathlib.Path], None]) -> None:
    """Makes a layer by `build(directory)`, unless it is there; moves it into place when it is complete."""
    if path.is_dir():
        return
    started = time.monotonic()
    say(f"{path.name}: installing, about a minute")
    for stale in CACHE.glob(f"{path.name}.*"):
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    part = path.with_suffix(".part")
    build(part)
    part.rename(path)
    say(f"{path.name}: ready after {time.monotonic() - started:.0f} s")


def main(arguments: list[str]) -> str:
    """Makes what is missing, unless --cached is given, and returns the lowerdir; empty when it is not there."""
    cached, (suite, variant) = parse(arguments)
    bare = layer(f"{suite}-bare", [suite, BARE, SLIM, APT, sources(suite), host_files()])
    prepared = layer(f"{suite}-prepared", [bare.name, PREPARED])
    layers = [bare] if variant == "bare" else [prepared, bare]
    there = all(path.is_dir() for path in layers)
    if cached or there:
        return ":".join(map(str, layers)) if there else ""
    for program in ("mmdebstrap", "unshare"):
        if not shutil.which(program):
            raise SystemExit(f"build_root.py: {program} is not installed; apt-get install mmdebstrap util-linux")
    if os.geteuid() != 0:
        raise SystemExit("build_root.py: a root file system is made as root")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make(bare, lambda directory: build_bare(suite, directory))
        if variant == "prepared":
            make(prepared, lambda directory: build_prepared(bare, directory))
    return ":".join(map(str, layers))


def parse(arguments: list[str]) -> tuple[bool, list[str]]:
    """--cached or not, and [suite, variant]."""
    cached = arguments[:1] == ["--cached"]
    words = arguments[1:] if cached else arguments
    if len(words) != 2 or not re.fullmatch("[a-z]+", words[0]) or words[1] not in ("bare", "prepared"):
        raise SystemExit("usage: build_root.py [--cached] SUITE bare|prepared")
    return cached, words


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit("build_root.py: interrupted; the next run rebuilds this layer") from None
