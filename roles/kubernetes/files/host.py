# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that the build runs on the host, and its messages."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Sequence


def say(text: str) -> None:
    """Prints a progress line to stderr: stdout carries the result alone."""
    print(f"{time.strftime('%H:%M:%S')} kubernetes: {text}", file=sys.stderr, flush=True)


def run(*command: str | pathlib.Path, **options) -> str:
    """Runs a command; returns its stdout. Its output is shown only when it fails, and then the build ends."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        words = " ".join(map(str, command))[:200]
        raise SystemExit(f"{words}: exit status {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def install_packages(names: Sequence[str]) -> None:
    """Installs those of the Debian packages ``names`` that the host lacks."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names]
    have = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    missing = [name for name in names if f"{name} installed" not in have]
    if missing:
        say(f"installing {' '.join(missing)}")
        run("apt-get", "-qq", "update")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing, env=environment)


def debian_mirror() -> str:
    """The Debian archive (URI) that the host's apt uses."""
    found = re.findall(r"https?://\S+/debian/?(?=[\s\n])", run("apt-get", "indextargets", "--format", "$(SITE) "))
    return (found or ["http://deb.debian.org/debian"])[0]
