# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run pytest in a QEMU guest under Debian's kernel, which has the kinds of links that the host's may lack.

``run.py [PYTEST ARGUMENT ...]``: what pytest prints appears as it comes, its exit status is this command's; or
``run.py --command WORD ...``: likewise with that command. The guest sees the host's files and changes none of them, has
no network, and ends by itself or after PODNET_GUEST_TIMEOUT seconds (3600). PODNET_GUEST_ACCEL chooses how QEMU runs
it: tcg (default: works everywhere) or kvm.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet"))
PACKAGE = "linux-image-amd64"
#: Kinds of links that tests ask for.
KINDS = ("bridge", "dummy", "ifb", "ipvlan", "macvlan", "tun", "veth", "vlan", "vrf", "vxlan", "wireguard")
#: What the initramfs needs to reach the host's root; all else is loaded from there as it is asked for.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


def main(arguments: list[str]) -> int:
    """Run pytest with ARGUMENTS in the guest; returns the exit status."""
    kernel = fetch_kernel()
    (release,) = (path.name for path in (kernel / "lib/modules").iterdir())
    with tempfile.TemporaryDirectory(prefix="podnet-guest-") as name:
        directory = Path(name)
        make_initramfs(directory, kernel, release, arguments or ["-m", "needs", *asking()])
        return boot(directory, kernel, release)


def asking() -> list[str]:
    """The test files that ask for more than this kernel has. To collect the others, to skip it all, takes minutes."""
    here, found = host_kinds(), []
    for path in sorted((ROOT / "tests/integration").rglob("test_*.py")):
        kinds = re.findall(r"""\bneeds(?:"\))?\(([^)]+)\)""", path.read_text())
        if not {kind.strip('"') for kind in kinds} <= set(here):
            found.append(str(path.relative_to(ROOT)))
    return found


def fetch_kernel() -> Path:
    """The directory with Debian's kernel package unpacked and its modules' dependencies listed, in the cache under the
    package's checksum."""
    depends = output("apt-cache", "depends", "--important", PACKAGE)
    name = re.search(r"Depends: (linux-image-\S+)", depends)
    if not name:
        sys.exit(f"{PACKAGE} depends on no kernel:\n{depends}run apt-get update?")
    checksum = re.search(r"^SHA256: (\w+)", output("apt-cache", "show", "--no-all-versions", name[1]), re.MULTILINE)
    assert checksum, name[1]
    kernel = CACHE / "guest" / checksum[1][:12]
    if kernel.is_dir():
        return kernel
    print(f"Fetching {name[1]}", flush=True)
    kernel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kernel.parent) as directory:
        subprocess.run(["apt-get", "download", "-qq", name[1]], cwd=directory, check=True, stderr=subprocess.DEVNULL)
        (package,) = Path(directory).glob("*.deb")
        root = Path(directory) / "root"
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        (release,) = (path.name for path in (root / "lib/modules").iterdir())
        subprocess.run(["depmod", "-b", root, release], check=True)
        root.rename(kernel)
    return kernel


def make_initramfs(directory: Path, kernel: Path, release: str, arguments: list[str]) -> None:
    """Pack ``init``, busybox, the modules and the command into DIRECTORY/initramfs."""
    root = directory / "root"
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    shutil.copy(ROOT / "tests/guest/init", root / "init")
    (root / "init").chmod(0o755)
    order: list[str] = []
    for module in MODULES:
        told = output("modprobe", "-d", str(kernel), "-S", release, "--show-depends", module)
        for line in told.splitlines():
            kind, _space, path = line.strip().partition(" ")
            if kind == "insmod" and path not in order:
                order.append(path)
    for path in order:
        shutil.copy(path, root / "modules")
    (root / "modules/order").write_text("".join(f"/modules/{Path(path).name}\n" for path in order))
    (root / "command").write_text(command(arguments))
    files = "\n".join(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=files.encode(), check=True, capture_output=True
    ).stdout
    (directory / "initramfs").write_bytes(gzip.compress(archive, 1))


def command(arguments: list[str]) -> str:
    """The script for pytest with ARGUMENTS, or for another command."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/root",
        "PODNET_GUEST": "1",
        "PODNET_HOST_KINDS": " ".join(host_kinds()),
        "COLUMNS": str(shutil.get_terminal_size().columns),
    }
    if arguments[0] == "--command":
        return script(environment, arguments[1:])
    # what is not asked for is not imported: under TCG that takes half a minute
    unused = ["no:cacheprovider", "no:hypothesispytest", "no:testinfra", "no:xdist"]
    options = [f"-p{plugin}" for plugin in unused] + [f"--color={'yes' if sys.stdout.isatty() else 'no'}"]
    options += ["-o", "timeout=1500"]  # what takes seconds takes minutes here
    return script(environment, ["pytest", *options, *arguments])


def script(environment: dict[str, str], command: list[str]) -> str:
    """The script that ends the boot, runs COMMAND, tells its exit status and ends the guest."""
    words = ["env", "-i", *(f"{key}={value}" for key, value in environment.items()), *command]
    return f"""
exec </dev/null >/dev/ttyS0 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
cd {shlex.quote(str(ROOT))}
{shlex.join(words)}
echo $? >/dev/ttyS1
busybox poweroff -f
"""


def host_kinds() -> list[str]:
    """Those of KINDS that this kernel has."""
    probes = (["unshare", "-n", "ip", "link", "add", "name", "probe", "type", kind] for kind in KINDS)
    answers = [subprocess.run(probe, text=True, capture_output=True, check=False).stderr for probe in probes]
    return [kind for kind, answer in zip(KINDS, answers) if "Unknown device type" not in answer]


def boot(directory: Path, kernel: Path, release: str) -> int:
    """Run the guest to its end; returns the exit status of its command, 124 after the time-out."""
    status = directory / "status"
    accel = os.environ.get("PODNET_GUEST_ACCEL", "tcg")
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        # One processor, and an old one: two share no time stamp counter under TCG, so that each look at the clock is
        # a trap; and what newer ones do a byte at a time in one instruction (rep movsb) is a loop here.
        "-machine", "q35", "-accel", accel, "-smp", "1", "-m", "2G", "-cpu", "host" if accel == "kvm" else "Nehalem",
        "-kernel", str(kernel / f"boot/vmlinuz-{release}"), "-initrd", str(directory / "initramfs"),
        "-append", f"console=ttyS0 quiet panic=-1 mitigations=off init_on_alloc=0 podnet.modules={kernel}/lib/modules",
        "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        "-serial", "stdio", "-serial", f"file:{status}",
    ]  # fmt: skip
    seconds = int(os.environ.get("PODNET_GUEST_TIMEOUT", "3600"))
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"\nThe guest was ended after {seconds} s (PODNET_GUEST_TIMEOUT)", file=sys.stderr)
        return 124
    told = status.read_text().strip()
    if told.isdigit():
        return int(told)
    print(f"\nThe guest ended early: {told or 'its kernel panicked?'}", file=sys.stderr)
    return 125


def output(*command: str) -> str:
    """What COMMAND prints."""
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
