# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb of every plugin in every version of the specification, as a runtime calls it; writes docs/conformance.md.

For each plugin and version: VERSION, STATUS, ADD, CHECK, GC (which must leave what is valid), DEL, DEL again. What a
version doesn't have must be refused with code 1. The page's first table is what came of these calls; plugins whose kind
of link this kernel lacks are called in the guest (tests/guest). The second table lists the defects of the field's
plugins and the tests that show ours to be without them: those marked ``@pytest.mark.defect(words)``.

    python tests/conformance/run.py [--write | --json] [--service] [--versions 0.3.1,1.1.0] [PLUGIN ...]
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/conformance.md"
sys.path.insert(0, str(ROOT / "build/collections"))

from ansible_collections.podnet.cluster.plugins.module_utils import install  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate  # noqa: E402

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
VERBS = ("VERSION", "ADD", "CHECK", "DEL", "STATUS", "GC")
SINCE = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
WORKS, REFUSED = "●", "1"
RANGE = {"type": "host-local", "dataDir": "{place}/data", "ranges": [[{"subnet": "10.9.0.0/24"}]]}
#: What each plugin needs besides name, version and type.
KEYS = {
    "bridge": {"bridge": "br0", "isGateway": True, "ipMasq": True, "ipam": RANGE},
    "dhcp": {"ipam": {"type": "dhcp", "daemonSocketPath": "{place}/dhcp.sock"}},
    "dummy": {"ipam": RANGE},
    "flannel": {"subnetFile": "{place}/subnet.env", "dataDir": "{place}/flannel", "ipam": {"dataDir": "{place}/data"}},
    "host-device": {"device": "hd0", "ipam": RANGE},
    "host-local": {"ipam": RANGE},
    "ipvlan": {"master": "up0", "ipam": RANGE},
    "macvlan": {"master": "up0", "ipam": RANGE},
    "ptp": {"ipMasq": True, "ipam": RANGE},
    "static": {"ipam": {"type": "static", "addresses": [{"address": "10.9.0.5/24"}]}},
    "tap": {"ipam": RANGE},
    "vlan": {"master": "up0", "vlanId": 5, "ipam": RANGE},
    # The chained ones.
    "bandwidth": {"ingressRate": 8000000, "ingressBurst": 80000},
    "portmap": {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}},
    "tuning": {"dataDir": "{place}/tuning", "sysctl": {"net.core.somaxconn": "500"}},
    "vrf": {"vrfname": "red"},
    "sample": {"anotherAwesomeArg": "x"},
}
#: These change what a plugin before them made.
CHAINED = ("bandwidth", "firewall", "portmap", "sample", "sbr", "tuning", "vrf")
#: Kinds of links that not every kernel has: the tests of `make guest` are their witnesses where this one lacks them.
NOT_EVERYWHERE = {"dummy": "", "ipvlan": "link up0", "vlan": "link up0", "vrf": ""}
ARGUMENTS = {"vlan": "id 5", "vrf": "table 5"}
SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"


class Failure(Exception):
    """What a plugin did that the specification doesn't want."""


class Host:
    """A host with an uplink and a device to lend, and one pod; the plugins as they are installed."""

    def __init__(self, place: str, bin_dir: str) -> None:
        self.place = place
        self.bin_dir = bin_dir
        self.name = f"podnet-conf-{os.getpid()}"
        self.pod = f"{self.name}-pod"
        self.running: list[subprocess.Popen] = []

    def __enter__(self) -> Host:
        for name in (self.name, self.pod):
            subprocess.run(["ip", "netns", "add", name], check=True)
        for command in ("link add up0 type veth peer name up1", "link add hd0 type veth peer name hd1"):
            subprocess.run(["ip", "-n", self.name, *command.split()], check=True)
        for name in ("lo", "up0", "up1", "hd0", "hd1"):
            subprocess.run(["ip", "-n", self.name, "link", "set", name, "up"], check=True)
        Path(self.place, "subnet.env").write_text(SUBNET_ENV)
        return self

    def serve_dhcp(self) -> None:
        """The pod has a link whose other end is the host's, with a DHCP server there, and the daemon."""
        self.inside("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", self.pod)
        self.inside("ip", "address", "add", "10.6.0.1/24", "dev", "lan0")
        self.inside("ip", "link", "set", "lan0", "up")
        subprocess.run(["ip", "-n", self.pod, "link", "set", "eth0", "up"], check=True)
        server = "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=lan0 --bind-interfaces"
        server += f" --no-ping --pid-file= --user=root --dhcp-leasefile={self.place}/leases"
        server += " --dhcp-range=10.6.0.100,10.6.0.110,255.255.255.0,1h"
        daemon = [f"{self.bin_dir}/podnet-dhcp", f"--socketpath={self.place}/dhcp.sock"]
        for words in (server.split(), daemon):
            command = ["nsenter", f"--net=/run/netns/{self.name}", "--", *words]
            self.running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while not os.path.exists(f"{self.place}/dhcp.sock"):
            if any(process.poll() is not None for process in self.running):
                raise Failure("dnsmasq or podnet-dhcp doesn't start")
            time.sleep(0.05)

    def inside(self, *words: str) -> None:
        """Runs a command on the host."""
        subprocess.run(["nsenter", f"--net=/run/netns/{self.name}", "--", *words], check=True)

    def __exit__(self, *_failure: object) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        for name in (self.name, self.pod):
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def call(self, plugin: str, verb: str, conf: dict) -> tuple[int, dict]:
        """Exit status and answer."""
        ifname = "lo" if plugin == "loopback" else "eth0"
        env = {"PATH": os.environ["PATH"], "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": ifname}
        env.update(CNI_NETNS=f"/run/netns/{self.pod}", CNI_PATH=self.bin_dir)
        words = ["nsenter", f"--net=/run/netns/{self.name}", "--", f"{self.bin_dir}/{plugin}"]
        done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
        try:
            return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}
        except ValueError:
            raise Failure(f"{plugin} {verb}: no JSON: {done.stdout}{done.stderr}") from None

    def wanted(self, plugin: str, verb: str, conf: dict) -> dict:
        """The answer to a call that must succeed."""
        status, answer = self.call(plugin, verb, conf)
        if status:
            raise Failure(f"{plugin} {conf['cniVersion']} {verb}: {answer}")
        return answer

    def lacks(self, kind: str) -> bool:
        """Whether this kernel can't make links of that kind."""
        words = f"{NOT_EVERYWHERE[kind]} name probe type {kind} {ARGUMENTS.get(kind, '')}".split()
        made = subprocess.run(["ip", "-n", self.name, "link", "add", *words], capture_output=True, check=False)
        subprocess.run(["ip", "-n", self.name, "link", "delete", "probe"], capture_output=True, check=False)
        return made.returncode != 0


def form(answer: dict, version: str, chained: bool) -> None:
    """Raises Failure unless a result has the version's form."""
    if answer.get("cniVersion") != version:
        raise Failure(f"the result's version is {answer.get('cniVersion')}, not {version}")
    old = version < "0.3.0"
    wrong = {"ips", "interfaces", "routes"} if old else {"ip4", "ip6"}
    if wrong & set(answer):
        raise Failure(f"{version} has no {sorted(wrong & set(answer))}")
    for item in answer.get("ips", []):
        if ("version" in item) != (version < "1.0.0"):
            raise Failure(f"{version}: ips.version is {'there' if 'version' in item else 'missing'}")
    if version < "1.1.0" and any("mtu" in item for item in answer.get("interfaces", [])):
        raise Failure(f"{version} has no interfaces.mtu")
    if not chained and not (answer.get("ip4") if old else answer.get("ips")):
        raise Failure("no address")


def configuration(host: Host, plugin: str, version: str) -> dict:
    """What a plugin gets."""
    keys = json.loads(json.dumps(KEYS.get(plugin, {})).replace("{place}", host.place))
    return {"cniVersion": version, "name": "net", "type": plugin, **keys}


def life(host: Host, plugin: str, version: str) -> dict[str, str]:
    """All verbs of one plugin in one version: verb → what came of it. Raises Failure."""
    conf, first = configuration(host, plugin, version), configuration(host, "bridge", version)
    told = host.wanted(plugin, "VERSION", {"cniVersion": version})
    if version not in told["supportedVersions"]:
        raise Failure(f"{plugin} doesn't name {version}")
    seen = {"VERSION": WORKS}
    chained = plugin in CHAINED
    before = host.wanted("bridge", "ADD", first) if chained else None
    if before is not None:
        conf["prevResult"] = before
    seen["STATUS"] = optional(host, plugin, "STATUS", conf, version)
    answer = host.wanted(plugin, "ADD", conf)
    form(answer, version, chained)
    seen["ADD"] = WORKS
    after = {**conf, "prevResult": answer}
    optional(host, plugin, "CHECK", after, version)
    valid = [{"containerID": "c1", "ifname": "lo" if plugin == "loopback" else "eth0"}]
    seen["GC"] = optional(host, plugin, "GC", {**conf, "cni.dev/valid-attachments": valid}, version)
    seen["CHECK"] = optional(host, plugin, "CHECK", after, version)
    for _again in range(2):
        host.wanted(plugin, "DEL", after)
    seen["DEL"] = WORKS
    if chained:
        host.wanted("bridge", "DEL", {**first, "prevResult": before})
    return seen


def optional(host: Host, plugin: str, verb: str, conf: dict, version: str) -> str:
    """A verb that came with a later version: it works since then, and before it is refused with code 1."""
    if version >= SINCE[verb]:
        host.wanted(plugin, verb, conf)
        return WORKS
    status, answer = host.call(plugin, verb, conf)
    if not status or answer.get("code") != 1:
        raise Failure(f"{plugin} {version} {verb}: code 1 is wanted, not {answer}")
    return REFUSED


class Outcome:
    """What came of the calls: ``cells`` plugin → version → verb → sign, ``skipped`` kinds that this kernel lacks,
    ``failed`` plugin → why, ``kernel`` this kernel's version."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, dict[str, str]]] = {}
        self.skipped: list[str] = []
        self.failed: dict[str, str] = {}
        self.kernel = os.uname().release.partition("-")[0]


@contextlib.contextmanager
def installed(place: str, served: bool) -> Iterator[str]:
    """The directory of the executables, installed below `place`; if so wished, with the service."""
    root, socket = f"{place}/root", f"{place}/cni.sock"
    install.install(install.read_tree(os.path.dirname(install.__file__)), root, socket=socket)
    bin_dir = f"{root}/current/bin"
    if not served:
        yield bin_dir
        return
    with subprocess.Popen([f"{bin_dir}/podnet-cni", "serve", "--socket", socket]) as service:
        while not os.path.exists(socket):
            time.sleep(0.05)
        yield bin_dir
        service.kill()


def examine(names: list[str], chosen: tuple[str, ...], served: bool) -> Outcome:
    """Calls these plugins in the versions `chosen`."""
    found = Outcome()
    with tempfile.TemporaryDirectory(prefix="podnet-conf-") as place, installed(place, served) as bin_dir:
        for name in names:
            os.mkdir(f"{place}/{name}")
            with Host(f"{place}/{name}", bin_dir) as host:
                if name in NOT_EVERYWHERE and host.lacks(name):
                    found.skipped.append(name)
                    tell(f"{name:12}  this kernel has no {name}")
                    continue
                try:
                    if name == "dhcp":
                        host.serve_dhcp()
                    found.cells[name] = {version: life(host, name, version) for version in chosen}
                    tell(f"{name:12}  right: {', '.join(VERBS)} in {', '.join(chosen)}")
                except Failure as error:
                    found.failed[name] = str(error)
                    tell(f"{name:12}  {error}")
    return found


def tell(line: str) -> None:
    """For whoever watches."""
    print(line, file=sys.stderr, flush=True)


def examine_in_guest(names: list[str]) -> dict:
    """What --json prints of these plugins under the guest's kernel; tells on standard error what the guest says."""
    words = [
        sys.executable,
        str(ROOT / "tests/guest/run.py"),
        "--command",
        sys.executable,
        __file__,
        "--json",
        "--service",
    ]
    answer: dict = {}
    with subprocess.Popen([*words, *names], stdout=subprocess.PIPE, text=True, errors="replace") as guest:
        for line in guest.stdout or ():
            if line.startswith('{"cells"'):
                answer = json.loads(line)
            else:
                tell(f"guest: {line.rstrip()}")
    if guest.returncode or not answer:
        sys.exit(f"in the guest: exit status {guest.returncode}, {answer.get('failed')}")
    return answer


def plugins() -> list[str]:
    """Those that the table is about."""
    return sorted(delegate.OWN)


def defects() -> dict[str, list[str]]:
    """What the marker ``defect`` says → the tests that bear it."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.defect":
                    words = ast.literal_eval(mark.args[0])
                    found.setdefault(words, []).append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def document(found: Outcome, guest: dict) -> str:
    """docs/conformance.md, from what came of the calls (here, and in the guest) and the tests' marks."""
    lines = [
        "# Conformance",
        "",
        "Made by `make conformance`, which calls every verb of every plugin in every version of the CNI specification",
        "as a runtime does, and writes this page if every call is right. `make test` does so with some versions.",
        "",
        f"{WORKS} works; {REFUSED}: the version has no such verb, and the call is refused with code 1. Plugins that",
        f"change what another one made ({', '.join(CHAINED)}) are called after bridge.",
        "",
        "| Plugin | Version | " + " | ".join(VERBS) + " |",
        "| --- | --- |" + " --- |" * len(VERBS),
    ]
    cells = {**found.cells, **guest.get("cells", {})}
    for name in sorted(cells):
        for first, last, seen in ranges(cells[name]):
            shown = first if first == last else f"{first} – {last}"
            lines.append(f"| {name} | {shown} | " + " | ".join(seen[verb] for verb in VERBS) + " |")
    lines += ["", f"Called under Linux {found.kernel}"]
    if guest:
        lines[-1] += f"; {', '.join(sorted(guest['cells']))} under Linux {guest['kernel']} (`make guest`)"
    lines[-1] += "."
    return "\n".join([*lines, "", *defects_table()]) + "\n"


def defects_table() -> list[str]:
    """The page's second part."""
    lines = [
        "## Defects of other plugins that ours are proven not to have",
        "",
        "| Defect | Test |",
        "| --- | --- |",
    ]
    for words, tests in sorted(defects().items()):
        lines.append(f"| {words} | {'<br>'.join(f'`{test}`' for test in tests)} |")
    return lines


def ranges(versions: dict[str, dict[str, str]]) -> list[tuple[str, str, dict[str, str]]]:
    """Neighbouring versions of which the same came, as (first, last, verb → sign)."""
    found: list[tuple[str, str, dict[str, str]]] = []
    for version, seen in versions.items():
        if found and found[-1][2] == seen:
            found[-1] = (found[-1][0], version, seen)
        else:
            found.append((version, version, seen))
    return found


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md if everything is right")
    parser.add_argument("--json", action="store_true", help="print what came of the calls as JSON")
    parser.add_argument("--defects", action="store_true", help="only print the table of defects; call nothing")
    parser.add_argument("--service", action="store_true", help="have the service do the calls: quicker")
    parser.add_argument("--versions", default=",".join(VERSIONS), help="only these (default %(default)s)")
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN")
    options = parser.parse_args()
    if options.defects:
        print("\n".join(defects_table()))
        return 0
    found = examine(options.plugins or plugins(), tuple(options.versions.split(",")), options.service)
    if options.json:
        print(json.dumps(vars(found)), flush=True)
    if options.write and not found.failed:
        guest = examine_in_guest(found.skipped) if found.skipped else {}
        DOCUMENT.write_text(document(found, guest))
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
