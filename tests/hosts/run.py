# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab on ordinary hosts: run.py [--suite SUITE ...] [COMMAND WORD ...]

Boots Debian 12 and 13 in QEMU as they are installed: their own kernel, systemd, cgroup version 2 alone, and swap. There
COMMAND runs in a copy of this checkout (default: the lab's own tests, tests/lab); what it prints appears as it comes.
Ends with the first exit status that is not 0. A guest is ended after PODNET_GUEST_TIMEOUT seconds (7200).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import disk

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("bookworm", "trixie")
#: What takes seconds takes minutes under emulation.
COMMAND = ["pytest", "-p", "no:cacheprovider", "-o", "timeout=3600", "-v", "tests/lab"]
MEMORY, SWAP = "4G", "1G"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=SUITES, action="append", help="a Debian release; default: all of them")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    status = 0
    for suite in given.suite or SUITES:
        image = disk.image(suite)
        print(f"==== {suite}: {shlex.join(given.command or COMMAND)} ====", flush=True)
        started = time.monotonic()
        told = boot(image, given.command or COMMAND)
        print(f"==== {suite}: exit status {told} after {time.monotonic() - started:.0f} s ====", flush=True)
        status = status or told
    return status


def boot(image: disk.Image, command: list[str]) -> int:
    """Runs the host to its end; returns the exit status of ``command``, 124 after the time-out. The image stays as it
    is."""
    accel = os.environ.get("PODNET_GUEST_ACCEL", "tcg")
    with tempfile.TemporaryDirectory(prefix="podnet-host-") as name:
        directory = Path(name)
        shared = directory / "shared"
        shared.mkdir()
        copy_checkout(shared / "checkout")
        (shared / "command").write_text(script(command))
        swap = directory / "swap"
        subprocess.run(["truncate", "--size", SWAP, swap], check=True)
        subprocess.run(["mkswap", "--label", "swap", swap], check=True, capture_output=True)
        words = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            # one processor, and an old one: see tests/guest/run.py
            "-machine", "q35", "-accel", accel, "-smp", "1", "-m", MEMORY,
            "-cpu", "host" if accel == "kvm" else "Nehalem",
            "-kernel", image.kernel, "-initrd", image.initrd,
            "-append", "root=/dev/vda rw console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off init_on_alloc=0",
            "-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on",
            "-drive", f"file={swap},format=raw,if=virtio",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
            "-virtfs", f"local,path={shared},mount_tag=shared,security_model=none,readonly=on",
            "-serial", "stdio", "-serial", f"file:{directory / 'status'}",
        ]  # fmt: skip
        seconds = int(os.environ.get("PODNET_GUEST_TIMEOUT", "7200"))
        try:
            subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, check=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            print(f"\nThe host was ended after {seconds} s (PODNET_GUEST_TIMEOUT)", file=sys.stderr)
            return 124
        told = (directory / "status").read_text().strip()
    if told.isdigit():
        return int(told)
    print("\nThe host ended early", file=sys.stderr)
    return 125


def copy_checkout(target: Path) -> None:
    """What git would commit of the working tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for path in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / path).exists():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target / path, follow_symlinks=False)


def script(command: list[str]) -> str:
    """What the host's unit podnet-test.service runs."""
    return f"""#!/bin/bash
cp -a /shared/checkout {disk.CHECKOUT} && cd {disk.CHECKOUT} && make -s venv && {{
. /etc/os-release; echo "$PRETTY_NAME, kernel $(uname -r), cgroups $(stat -fc %T /sys/fs/cgroup)"
swapon --show --noheadings
PODNET_EMULATED=1 PATH=$PWD/.venv/bin:$PATH {shlex.join(command)}
}}
echo $? > /dev/ttyS1
"""


if __name__ == "__main__":
    sys.exit(main())
