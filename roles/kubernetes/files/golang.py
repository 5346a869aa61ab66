# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs from Go modules: the Go toolchain and every module come from the user's GOPROXY, checked against go.sum."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from host import run, say
from projects import MODULES, programs, project, sources, version

PROGRESS_SECONDS = 20
#: A build goes on for minutes: it gets SIGTERM when the process that wants it ends, however that ends (setpriv(1)).
END_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")


class Go:
    """A Go toolchain with its caches below the directory ``cache``; ``architecture`` is amd64 or arm64."""

    def __init__(self, cache: pathlib.Path, architecture: str) -> None:
        """Fetches the toolchain unless the cache has it; the host's own go, of any version from 1.16 on, does that."""
        self.environment = {
            **os.environ,
            "GOMODCACHE": str(cache / "mod"),
            "GOCACHE": str(cache / "build"),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GOFLAGS": "",
        }
        self.command = [*END_WITH_PARENT, str(self._toolchain(architecture))]

    def _toolchain(self, architecture: str) -> pathlib.Path:
        sums = (MODULES / "toolchain/go.sum").read_text()
        match = re.search(rf"^golang\.org/toolchain (v\S+\.linux-{architecture}) h1:", sums, re.MULTILINE)
        if not match:
            raise SystemExit(f"modules/toolchain/go.sum has none for {architecture}: build on amd64 or arm64")
        found = run(
            "go", "mod", "download", "-json", f"golang.org/toolchain@{match[1]}",
            cwd=MODULES / "toolchain", env=self.environment,
        )  # fmt: skip
        root = pathlib.Path(json.loads(found)["Dir"])
        # A module's files are not executable, and none of its directories has a go.mod: the go command puts that right
        # when it changes toolchains by itself (cmd/go/internal/toolchain), which it does from 1.21 on.
        for directory in (root / "bin", *(root / "pkg/tool").iterdir()):
            for path in directory.iterdir():
                path.chmod(0o755)
        if not (root / "src/go.mod").exists():
            (root / "src").chmod(0o755)
            shutil.copy(root / "src/_go.mod", root / "src/go.mod")
        return root / "bin/go"

    def directory(self, folder: str) -> pathlib.Path:
        """The source of a folder's project; fetched if need be."""
        command = [*self.command, "mod", "download", "-json", project(folder).module]
        return pathlib.Path(json.loads(run(*command, cwd=MODULES / folder, env=self.environment))["Dir"])

    def build(self, folder: str, target: pathlib.Path) -> None:
        """Compiles the programs of ``folder`` into the directory ``target``, which appears when all are there."""
        started = time.monotonic()
        found = project(folder)
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self.compile(folder, found.packages, f"{part}/")
        for name, other in found.renamed.items():
            (part / name).rename(part / other)
        for name, source in sources(folder).items():
            files = sorted((self.directory(folder) / source).glob("*.c"))
            run("gcc", "-std=c99", "-Os", "-static", "-s", "-o", part / name, *files)
        missing = [name for name in programs(folder) if not (part / name).exists()]
        if missing:
            raise SystemExit(f"{folder}: go build made no {', '.join(missing)}")
        part.rename(target)
        say(f"{folder}: {', '.join(programs(folder))} compiled in {time.monotonic() - started:.0f} s")

    def compile(self, folder: str, packages: Sequence[str], output: str) -> None:
        """Compiles ``packages`` into the directory ``output``, which ends with a slash, or into /dev/null."""
        found = project(folder)
        environment = {**self.environment, "CGO_ENABLED": "1" if found.cgo else "0"}
        tags = f"-tags={found.tags}"
        say(f"{folder}: fetching the modules of {found.module} v{version(folder)}")
        listed = run(*self.command, "list", "-deps", tags, *packages, cwd=MODULES / folder, env=environment)
        flags = ["-trimpath", tags, "-ldflags", _linker_flags(folder), *(["-buildmode=pie"] if found.cgo else [])]
        command = [*self.command, "build", "-v", *flags, "-o", output, *packages]
        self._show(folder, command, environment, len(listed.splitlines()))

    def compile_test(self, folder: str, package: str, output: str) -> None:
        """Compiles the tests of ``package`` into the program ``output``."""
        # `go test -c` does not say what it compiles; `go build` does.
        imports = '{{join .TestImports "\\n"}}\n{{join .XTestImports "\\n"}}'
        listed = run(*self.command, "list", "-f", imports, package, cwd=MODULES / folder, env=self.environment)
        packages = sorted({name for name in listed.split() if name != package})
        self.compile(folder, packages, os.devnull)
        flags = ["-trimpath", f"-tags={project(folder).tags}", "-ldflags", _linker_flags(folder)]
        environment = {**self.environment, "CGO_ENABLED": "0"}
        run(*self.command, "test", "-c", *flags, "-o", output, package, cwd=MODULES / folder, env=environment)

    @staticmethod
    def _show(folder: str, command: list, environment: dict[str, str], total: int) -> None:
        """Runs `go build -v`, which prints every package that it compiles, and says now and then how far it is."""
        said, count, last = time.monotonic(), 0, []
        with subprocess.Popen(
            [str(word) for word in command], cwd=MODULES / folder, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in process.stderr:
                count, last = count + 1, [*last[-20:], line]
                if time.monotonic() - said > PROGRESS_SECONDS:
                    said = time.monotonic()
                    say(f"{folder}: {count} of at most {total} packages compiled")
        if process.returncode:
            raise SystemExit(f"go build of {folder} failed:\n{''.join(last)}")


def _linker_flags(folder: str) -> str:
    release = version(folder)
    major, minor = release.split(".")[:2]
    flags = ["-s", "-w"]
    for variable in project(folder).variables:
        flags += ["-X", variable.format(version=release, major=major, minor=minor)]
    if project(folder).cgo:
        flags += ["-linkmode", "external", "-extldflags", "-static-pie"]
    return " ".join(flags)
