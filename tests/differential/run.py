# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same configurations for our plugins and for the standard Go plugins: result and kernel state must be the same.

Each case has a host and pods of its own on both sides (network namespaces). ADD of every pod, CHECK, DEL, DEL again and
DEL of a pod whose namespace is gone; after each of them the answers are compared, and what ip, bridge, tc, nft and
iptables tell. Exit status 1 if anything differs that differences.py does not explain; what explains nothing is told.

    python tests/differential/run.py [-k WORD] [-v] [--jobs 4] [--write | --print]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/differential.md"
sys.path[:0] = [str(ROOT / "build/collections"), str(ROOT / "tests/standard_plugins")]

import standard_plugins  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils import install  # noqa: E402
from cases import CASES, Case  # noqa: E402
from differences import ABSENT, DIFFERENCES, NOT_COMPARED  # noqa: E402
from exceptions import EXCEPTIONS  # noqa: E402
from side import Side  # noqa: E402
from witness import State  # noqa: E402

#: How the kernel is asked for what a case needs, where the words differ from ``type KIND``.
PROBES = {
    "VLAN filtering": "name x type bridge vlan_filtering 1",
    "vlan": "link pr0 name x type vlan id 5",
    "vrf": "name x type vrf table 5",
}


class Outcome:
    """What came of a case: ``skipped`` (why), ``explained`` (difference → how often), ``unexplained`` (lines)."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.skipped = ""
        self.compared = 0
        self.explained: dict[int, int] = {}
        self.unexplained: list[str] = []

    def compare(self, step: str, go: dict[str, Any], ours: dict[str, Any]) -> None:
        """Holds two flat states against each other."""
        for path in sorted(go.keys() | ours.keys()):
            self.compared += 1
            left, right = go.get(path, ABSENT), ours.get(path, ABSENT)
            if left == right:
                continue
            full = f"{step}/{path}"
            for number, difference in enumerate(DIFFERENCES):
                if difference.covers(self.case.name, full, left, right):
                    self.explained[number] = self.explained.get(number, 0) + 1
                    break
            else:
                self.unexplained.append(f"{full}: Go {left!r}, ours {right!r}")


def examine(case: Case, go_dir: str, bin_dir: str, directory: Path) -> Outcome:
    """Runs a case on both sides."""
    outcome = Outcome(case)
    outcome.skipped = reason_to_skip(case, bin_dir)
    if outcome.skipped:
        return outcome
    with Side("go", go_dir, case, directory) as go, Side("ours", bin_dir, case, directory) as ours:
        both = (go, ours)
        pods = list(range(1, case.pods + 1))
        for number in pods:
            step = f"ADD {number}"
            answers = [side.run("ADD", number) for side in both]
            for side, answer in zip(both, answers):
                side.results[number] = answer.get("result")
            hold(outcome, step, both, answers, pods, case.error if number == 1 else None)
            if "result" not in answers[0] or "result" not in answers[1]:
                if number == 1:
                    return outcome
                continue
            if case.version in ("0.4.0", "1.0.0", "1.1.0"):
                step = f"CHECK {number}"
                hold(outcome, step, both, [side.run("CHECK", number, side.results[number]) for side in both], pods)
        for step, gone in (("DEL 1", False), ("DEL 1 again", False)):
            hold(outcome, step, both, [side.run("DEL", 1, side.results[1], gone) for side in both], pods)
        if case.pods > 1:
            for side in both:
                subprocess.run(["ip", "netns", "delete", side.pods[1]], check=True)
            told = [side.run("DEL", 2, side.results[2], True) for side in both]
            settle(both)
            hold(outcome, "DEL of a pod that is gone", both, told, pods[:1])
    return outcome


def hold(
    outcome: Outcome, step: str, both: tuple, answers: list[dict], pods: list[int], error: str | None = None
) -> None:
    """Compares what a verb answered, and the state after it."""
    states = [State(side, pods) for side in both]
    if error is not None:
        step = "failed ADD"
        for side, answer in zip(both, answers):
            if error not in answer.get("msg", ""):
                outcome.unexplained.append(f"{step}: {side.name} doesn't say {error!r}: {answer}")
    else:
        flat = [flatten(state.named(answer.get("result") or {})) for state, answer in zip(states, answers)]
        for answer, part in zip(answers, flat):
            part["answer"] = "an error" if "msg" in answer else "a result"
            if "msg" in answer and not all("msg" in one for one in answers):
                part["error"] = f"{answer['code']} {answer['msg']}"
        outcome.compare(f"{step}/answer", *flat)
    outcome.compare(step, *[state.flat for state in states])


def settle(both: tuple) -> None:
    """Waits until the kernel has taken away the links of a namespace that was deleted; it does so at its leisure."""
    for side in both:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            links = json.loads(
                subprocess.run(["ip", "-n", side.netns, "-j", "link"], capture_output=True, check=True).stdout
            )
            left = [link for link in links if link.get("link_index") and link["ifname"] not in side.initial]
            if len(left) <= 0:
                break
            time.sleep(0.05)


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """A JSON value as {path: scalar}."""
    if isinstance(value, dict) and value:
        parts = value.items()
    elif isinstance(value, list) and value:
        parts = enumerate(value)
    else:
        return {path or "value": value}
    return {key: item for name, part in parts for key, item in flatten(part, f"{path}/{name}".strip("/")).items()}


def reason_to_skip(case: Case, bin_dir: str) -> str:
    """Why a case can't run here; empty if it can."""
    for plugin in case.chain:
        for name in (plugin["type"], plugin.get("ipam", {}).get("type")):
            if name and name != "nothing" and not os.access(f"{bin_dir}/{name}", os.X_OK):
                return f"we have no plugin {name}"
    if case.kind:
        made = f"ip link add {PROBES.get(case.kind, f'link pr0 name x type {case.kind}')}"
        probe = subprocess.run(
            ["unshare", "-n", "sh", "-c", f"ip link add pr0 type veth peer name pr1; {made}"],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if probe.returncode:
            return f"this kernel has no {case.kind}"
    return ""


def report(outcomes: list[Outcome], whole: bool, verbose: bool) -> int:
    """Prints everything; returns the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    table = Table("case", "result", "values", "explained", title=f"Ours beside Go's {standard_plugins.version()}")
    for item in outcomes:
        failed = bool(item.unexplained)
        word = (
            f"skipped: {item.skipped}" if item.skipped else f"{len(item.unexplained)} DIFFERENT" if failed else "same"
        )
        if failed or item.skipped or verbose:
            table.add_row(
                item.case.name,
                word,
                str(item.compared),
                str(sum(item.explained.values())),
                style="red" if failed else "",
            )
    ran = [item for item in outcomes if not item.skipped]
    console.print(table)
    for item in outcomes:
        for line in item.unexplained:
            console.print(f"[red]{item.case.name}[/]: ", end="")
            console.print(line, markup=False)
    console.print("\nWhat differs on purpose:")
    unused = []
    for number, difference in enumerate(DIFFERENCES):
        times = sum(item.explained.get(number, 0) for item in outcomes)
        if not times:
            unused.append(difference)
        if times or whole:
            console.print(f" • {difference.reason} [{times} times]", markup=False)
    console.print("\nNot compared:")
    for reason in NOT_COMPARED:
        console.print(f" • {reason}", markup=False)
    bad = [item for item in ran if item.unexplained]
    if unused and whole:
        console.print(f"\nExplanations of nothing: {[item.reason for item in unused]}", markup=False)
    console.print(
        f"\n{len(ran)} cases, {sum(item.compared for item in ran)} values compared, "
        f"{len(outcomes) - len(ran)} skipped, {len(bad)} with differences that nothing explains"
    )
    return 1 if bad else 0


def document() -> str:
    """docs/differential.md: what was compared, and every difference that there is a reason for."""
    kinds = sorted({case.kind for case in CASES if case.kind})
    lines = [
        "# Ours beside Go's",
        "",
        "Made by `make differential`: each configuration goes to our plugins and to the standard Go plugins",
        f"{standard_plugins.version()}, which are built from their Go module. Each side has a host and pods of its own "
        "(network",
        "namespaces). ADD of every pod, CHECK, DEL, DEL again and DEL of a pod whose namespace is gone. After each of",
        "them the answers are compared, and the output of `ip`, `bridge`, `tc`, `nft` and `iptables`. The page is",
        "written if nothing differs but what is listed here.",
        "",
        f"There are {len(CASES)} configurations. Those that need kernel modules ({', '.join(kinds)})",
        "are in `make guest`, too.",
        "",
        "## Differences, and their reasons",
        "",
        *[_item(difference.reason) for difference in DIFFERENCES],
        "",
        "## Not compared",
        "",
        *[_item(reason) for reason in NOT_COMPARED],
        "",
        "## Go's own specs",
        "",
        "`make suites` runs the test suites of Go's plugins on our executables (tests/standard_plugins/suites.py).",
        "Specs that ours fail on purpose:",
        "",
        *[_item(f"{plugin}: {part}: {why}") for plugin, parts in EXCEPTIONS.items() for part, why in parts.items()],
    ]
    return "\n".join(lines) + "\n"


def _item(text: str) -> str:
    return textwrap.fill(text, 118, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", metavar="WORD", default="", help="only cases with this in their names")
    parser.add_argument("-v", action="store_true", help="list the cases that are the same, too")
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time (default %(default)s)")
    parser.add_argument("--go", metavar="DIRECTORY", default="", help="with other Go plugins than the newest ones")
    parser.add_argument(
        "--write", action="store_true", help="write docs/differential.md if all is the same or explained"
    )
    parser.add_argument("--print", action="store_true", help="only print what the page would be; call nothing")
    options = parser.parse_args()
    if options.print:
        print(document(), end="")
        return 0
    if os.geteuid():
        print("needs root", file=sys.stderr)
        return 2
    go_dir = options.go or str(standard_plugins.build())
    chosen = [case for case in CASES if options.k in case.name]
    with tempfile.TemporaryDirectory(prefix="podnet-diff-") as place:
        install.install(install.read_tree(os.path.dirname(install.__file__)), f"{place}/root")
        bin_dir = f"{place}/root/current/bin"
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            work = [
                pool.submit(examine, case, go_dir, bin_dir, Path(place) / f"pd{os.getpid()}-{number}")
                for number, case in enumerate(chosen)
            ]
            outcomes = [item.result() for item in work]
    status = report(outcomes, whole=not options.k, verbose=options.v)
    if options.write and not options.k and not status:
        DOCUMENT.write_text(document())
    return status


if __name__ == "__main__":
    sys.exit(main())
