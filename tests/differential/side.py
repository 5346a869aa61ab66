# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One side of the comparison: a host and its pods as network namespaces, and whose plugins a runtime executes there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from cases import Case


class Side:
    """A host of its own. ``run`` executes a plugin of this side there as a runtime does."""

    def __init__(self, name: str, bin_dir: str, case: Case, directory: Path) -> None:
        self.name = name
        self.bin_dir = bin_dir
        self.case = case
        self.directory = directory / name
        self.netns = f"{directory.name}-{name}"
        self.pods = [f"{self.netns}-pod{number}" for number in range(1, case.pods + 1)]
        self.results: dict[int, dict | None] = {}

    def __enter__(self) -> Side:
        (self.directory / "data").mkdir(parents=True)
        (self.directory / "resolv.conf").write_text(
            "nameserver 10.96.0.10\nsearch a.example b.example\noptions ndots:5\n"
        )
        (self.directory / "subnet.env").write_text(self.case.subnet_env)
        for name in (self.netns, *self.pods):
            _do(["ip", "netns", "add", name])
            # Pods' addresses are usable at once on both sides but where a case is about duplicate address detection.
            _inside(name, "ip link set lo up; echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
            _inside(name, "echo 0 > /proc/sys/net/ipv4/ip_forward")  # else it is what the machine has at this moment
        for command in self.case.setup:
            _inside(self.netns, self.fill(command))
        self.initial = {link["ifname"] for link in json.loads(_inside(self.netns, "ip -j link"))}
        return self

    def __exit__(self, *_failure: object) -> None:
        for name in (self.netns, *self.pods):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.gone)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def gone(self) -> str:
        """The path of a namespace that was there. Go's sbr leaves a file of that name when it looks for it."""
        return f"/run/netns/{self.netns}-gone"

    def fill(self, text: str) -> str:
        """`text` with this side's directory and namespaces."""
        text = text.replace("{dir}", str(self.directory)).replace("{data}", str(self.directory / "data"))
        for number, name in enumerate(self.pods, 1):
            text = text.replace(f"{{pod{number}}}", name)
        return text

    def chain(self) -> list[dict]:
        """The configuration; only what Go has no plugin for (flannel) is spelled otherwise for it."""
        chain = self.case.go_chain if self.name == "go" and self.case.go_chain else self.case.chain
        return json.loads(self.fill(json.dumps(chain)))

    def run(self, command: str, number: int, result: dict | None = None, gone: bool = False) -> dict:
        """One verb for one pod, through the chain: {"result": …} or {"code": …, "msg": …} of the plugin that failed."""
        chain = self.chain()
        answer: dict | None = result
        for plugin in reversed(chain) if command == "DEL" else chain:
            conf = {"cniVersion": self.case.version, "name": "net", **plugin}
            wanted = conf.pop("capabilities", {})
            given = self.case.capabilities[number - 1] if self.case.capabilities else {}
            supplied = {key: value for key, value in given.items() if wanted.get(key)}
            if supplied:
                conf["runtimeConfig"] = supplied
            if answer is not None:
                conf["prevResult"] = answer
            failed, printed = self._plugin(command, number, conf, gone)
            if failed:
                return {"code": printed.get("code"), "msg": printed.get("msg", "")}
            if command == "ADD":
                answer = printed
        return {"result": answer if command == "ADD" else None}

    def _plugin(self, command: str, number: int, conf: dict, gone: bool) -> tuple[bool, dict]:
        env = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": f"c{number}",
            "CNI_NETNS": self.gone if gone else f"/run/netns/{self.pods[number - 1]}",
            "CNI_IFNAME": self.case.ifname,
            "CNI_PATH": self.bin_dir,
            "CNI_ARGS": self.case.args,
        }
        words = ["nsenter", f"--net=/run/netns/{self.netns}", "--", f"{self.bin_dir}/{conf['type']}"]
        done = subprocess.run(
            words, input=json.dumps(conf), env=env, capture_output=True, text=True, timeout=60, check=False
        )
        try:
            printed = json.loads(done.stdout) if done.stdout.strip() else {}
        except ValueError:
            printed = {"code": None, "msg": f"no JSON: {done.stdout} {done.stderr}"}
        return done.returncode != 0, printed


def _do(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _inside(netns: str, script: str) -> str:
    return _do(["nsenter", f"--net=/run/netns/{netns}", "--", "sh", "-ec", script])
