#!/usr/bin/env python3
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds Kubernetes from Debian's source package: build_archive.py [--cached]

For hosts that reach neither Kubernetes' packages nor its images. Runs as root on Debian 12. The last line printed (on
stdout; progress goes to stderr) is the archive, a directory that the kubernetes role takes as `kubernetes_archive`:

    bin/{kubelet,kubeadm,kubectl}    images/*.tar (docker-archive)    manifest.json (release, image names)    SHA256SUMS

Everything lies in ${PODNET_CACHE:-/var/cache/podnet}/kubernetes, named by a hash of the recipe. An interrupted build
goes on where it was. With --cached nothing is built, and nothing is printed unless the archive is there.
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
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import image  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet")) / "kubernetes"
RELEASE = "1.20.2"
RECIPE = 1  # raise it when the steps below change what comes out

BUILD_PACKAGES = (
    "golang-go golang-github-modern-go-reflect2-dev rsync jq dpkg-dev gcc libc6-dev make mmdebstrap busybox-static"
).split()
NODE_PROGRAMS = ["kubeadm", "kubectl", "kubelet"]
CONTROL_PLANE = ["kube-controller-manager", "kube-scheduler", "kube-proxy", "kube-apiserver"]
TOOLBOX = "podnet.local/toolbox:1"
# Debian packages whose files, with those of what they depend on, are an image's content
IMAGE_PACKAGES = {"etcd": ["etcd-server"], "kube-proxy": ["iptables", "conntrack", "ipset", "kmod"]}
# What comes with these packages, and no program in an image reads: documentation, and the Perl of maintainer scripts
SUPERFLUOUS = (
    "usr/share/doc usr/share/man usr/share/locale usr/share/info usr/lib/*/gconv "
    "usr/share/perl* usr/lib/*/perl* usr/lib/*/libperl* usr/bin/perl* var/cache var/lib/apt var/lib/dpkg var/log dev"
).split()


def say(text: str) -> None:
    """Prints a progress line."""
    print(f"{time.strftime('%H:%M:%S')} kubernetes: {text}", file=sys.stderr, flush=True)


def run(*command: str | pathlib.Path, **options) -> str:
    """Runs a command; returns its stdout. Its stderr is shown only when it fails, and then the build ends."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        words = " ".join(map(str, command))[:200]
        output = (done.stdout + done.stderr)[-3000:]
        raise SystemExit(f"build_archive.py: {words}: exit status {done.returncode}\n{output}")
    return done.stdout


def install_build_packages() -> None:
    """Installs what is missing of BUILD_PACKAGES with the host's apt."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *BUILD_PACKAGES]
    have = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    missing = [name for name in BUILD_PACKAGES if f"{name} installed" not in have.splitlines()]
    if missing:
        say(f"installing {' '.join(missing)}")
        run("apt-get", "-qq", "update")
        run(
            "apt-get",
            "-qq",
            "install",
            "--yes",
            "--no-install-recommends",
            *missing,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )


def debian_mirror() -> str:
    """The Debian archive (URI) that the host's apt uses."""
    found = re.findall(r"https?://\S+/debian/?(?=[\s\n])", run("apt-get", "indextargets", "--format", "$(SITE) "))
    return (found or ["http://deb.debian.org/debian"])[0]


def unpack_source(work: pathlib.Path) -> pathlib.Path:
    """Fetches and unpacks the source package into GOPATH `work`; returns the tree. The host's apt configuration and
    lists stay as they are."""
    tree = work / "src/k8s.io/kubernetes"
    if tree.is_dir():
        return tree
    say(f"fetching the source package (kubernetes {RELEASE}, Debian 12)")
    apt = work / "apt"
    (apt / "lists/partial").mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb-src {debian_mirror()} bookworm main\n")
    places = {"State::lists": "lists", "Cache": "cache", "Etc::sourcelist": "sources.list", "Etc::sourceparts": "none"}
    options = [word for key, name in places.items() for word in ("-o", f"Dir::{key}={apt / name}")]
    run("apt-get", *options, "update")
    # apt drops to the user _apt for a download, which may not write here
    run("apt-get", *options, "-o", "APT::Sandbox::User=root", "source", "--download-only", "kubernetes", cwd=apt)
    (description,) = apt.glob("*.dsc")
    if f"really{RELEASE}-" not in description.name and f"_{RELEASE}-" not in description.name:
        raise SystemExit(
            f"build_archive.py: Debian's source package is now {description.name}, not {RELEASE}; RELEASE must follow"
        )
    part = tree.with_name("kubernetes.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    run("dpkg-source", "--extract", description, part)
    # The vendored reflect2 crashes under Go 1.19 when kubeadm writes kubelet's configuration; Debian's own does not.
    vendored = part / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored)
    shutil.copytree("/usr/share/gocode/src/github.com/modern-go/reflect2", vendored)
    part.rename(tree)
    return tree


def build_programs(binaries: pathlib.Path, work: pathlib.Path) -> None:
    """Compiles every program that `binaries` lacks."""
    missing = [name for name in NODE_PROGRAMS + CONTROL_PLANE if not (binaries / name).exists()]
    if not missing:
        return
    say("compiling Debian's source package: about ten minutes on two cores")
    tree = unpack_source(work)
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "GOPATH": str(work),
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": "-trimpath",
        "HOME": str(work),
    }
    # Without these kubeadm takes itself for v0.0.0. Vendored packages go by their full path in GOPATH mode.
    major, minor, _patch = RELEASE.split(".")
    stamp = {"gitVersion": f"v{RELEASE}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
    flags = ["-s", "-w"] + [
        f"-X k8s.io/kubernetes/vendor/{package}.{key}={value}" for package in packages for key, value in stamp.items()
    ]
    binaries.mkdir(parents=True, exist_ok=True)
    if not (tree / "generated").exists():
        # Only the API server needs them, but it rewrites what all import: first, or everything is compiled twice.
        say("generating the API server's OpenAPI definitions")
        run("make", "generated_files", cwd=tree, env=environment)
        (tree / "generated").touch()
    for name in missing:
        started = time.monotonic()
        command = ["go", "build", "-v", "-o", str(work / name), "-ldflags", " ".join(flags), f"./cmd/{name}"]
        build(name, command, tree, environment)
        (work / name).rename(binaries / name)
        say(f"{name} compiled in {time.monotonic() - started:.0f} s")


def build(name: str, command: list[str], tree: pathlib.Path, environment: dict[str, str]) -> None:
    """Runs `go build -v`, which prints every package that it compiles, and says every 20 seconds how far it is."""
    said, count, last = time.monotonic(), 0, []
    with subprocess.Popen(command, cwd=tree, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            count, last = count + 1, [*last[-20:], line]
            if time.monotonic() - said > 20:
                said = time.monotonic()
                say(f"{name}: {count} packages compiled")
    if process.returncode:
        raise SystemExit(f"build_archive.py: go build of {name} failed:\n{''.join(last)}")


def package_tree(packages: list[str], tree: pathlib.Path) -> None:
    """Unpacks `packages` and what they depend on into `tree`: nothing is installed, neither there nor on the host."""
    run(
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=extract",
        f"--include={','.join(packages)}",
        "bookworm",
        tree,
        debian_mirror(),
    )
    for path in [path for pattern in SUPERFLUOUS for path in tree.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def fill_tree(name: str, tree: pathlib.Path, binaries: pathlib.Path) -> list[str]:
    """Makes the content of image `name` in `tree`; returns its default command."""
    if name in IMAGE_PACKAGES:
        package_tree(IMAGE_PACKAGES[name], tree)
    programs = tree / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    for directory in ("tmp", "etc"):
        (tree / directory).mkdir(exist_ok=True)
    if name in CONTROL_PLANE:
        shutil.copy2(binaries / name, programs)
    if name == "kube-proxy":  # what update-alternatives would have linked
        for link in ("iptables", "ip6tables"):
            for suffix in ("", "-save", "-restore"):
                (tree / f"usr/sbin/{link}{suffix}").symlink_to("xtables-nft-multi")
    elif name == "pause":
        run("gcc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", tree / "pause", HERE / "pause.c")
        return ["/pause"]
    elif name == "toolbox":
        shutil.copy2("/bin/busybox", programs)
        (tree / "bin").symlink_to("usr/local/bin")
        for applet in run("/bin/busybox", "--list").split():
            if not (programs / applet).exists():
                (programs / applet).symlink_to("busybox")
        (tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        return ["sleep", "2147483647"]
    return [name]


def image_names(kubeadm: pathlib.Path) -> dict[str, str]:
    """The images of this release as its kubeadm names them, by the last part of their name; CoreDNS is not among
    Debian's packages."""
    listed = run(kubeadm, "config", "images", "list", f"--kubernetes-version=v{RELEASE}").split()
    names = {name.rpartition("/")[2].partition(":")[0]: name for name in listed}
    return {key: name for key, name in names.items() if key != "coredns"} | {"toolbox": TOOLBOX}


def assemble(archive: pathlib.Path, binaries: pathlib.Path) -> None:
    """Makes the directory `archive`."""
    for directory in ("bin", "images"):
        (archive / directory).mkdir(parents=True)
    for name in NODE_PROGRAMS:
        shutil.copy2(binaries / name, archive / "bin")
    architecture = run("dpkg", "--print-architecture").strip()
    images = []
    for name, full_name in image_names(binaries / "kubeadm").items():
        say(f"image {full_name}")
        tree = archive / "tree"
        tree.mkdir()
        command = fill_tree(name, tree, binaries)
        image.write(archive / f"images/{name}.tar", full_name, tree, architecture, command)
        shutil.rmtree(tree)
        images.append({"name": full_name, "file": f"images/{name}.tar"})
    manifest = {
        "release": RELEASE,
        "architecture": architecture,
        "source": "Debian source package kubernetes",
        "images": images,
        "toolbox": TOOLBOX,
    }
    (archive / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    sums = []
    for path in sorted(p for p in archive.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            sums.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(archive)}\n")
    (archive / "SHA256SUMS").write_text("".join(sums))


def main(arguments: list[str]) -> str:
    """Builds what is missing, unless --cached is given, and returns the archive; empty when it is not there."""
    if arguments not in ([], ["--cached"]):
        raise SystemExit("usage: build_archive.py [--cached]")
    recipe = [RECIPE, RELEASE, platform.machine()]
    content = [recipe, IMAGE_PACKAGES, SUPERFLUOUS, TOOLBOX, (HERE / "pause.c").read_text()]
    archive = CACHE / f"{RELEASE}-{digest(content)}"
    if arguments or archive.is_dir():
        return str(archive) if archive.is_dir() else ""
    if os.geteuid() != 0:
        raise SystemExit("build_archive.py: run it as root: it installs packages and unpacks some with their owners")
    if "VERSION_CODENAME=bookworm" not in pathlib.Path("/etc/os-release").read_text():
        raise SystemExit(
            "build_archive.py: Debian 12 (bookworm) is wanted, whose Go compiles this release; "
            "elsewhere give an archive that was made there (kubernetes_archive)"
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.is_dir():  # nobody else has built it meanwhile
            build_all(archive, CACHE / f"programs-{digest(recipe)}", CACHE / f"work-{digest(recipe)}")
    return str(archive)


def digest(recipe: list) -> str:
    """A name for what is made from `recipe`."""
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def build_all(archive: pathlib.Path, binaries: pathlib.Path, work: pathlib.Path) -> None:
    """Makes `archive`, and keeps the programs in `binaries` for when only the images change."""
    started = time.monotonic()
    install_build_packages()
    build_programs(binaries, work)
    part = archive.with_name(archive.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    assemble(part, binaries)
    part.rename(archive)
    shutil.rmtree(work, ignore_errors=True)  # two gigabytes of compiler cache
    say(f"ready after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit("build_archive.py: interrupted; the next run goes on from here") from None
