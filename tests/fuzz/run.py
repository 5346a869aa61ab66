# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzed input for every plugin: configuration, environment, prevResult, and what lies in the store.

Whatever comes in, the answer is a result or a CNI error of the code that the specification wants, worded by somebody
and no accident; an ADD that failed, or that DEL undid, leaves no link and no reservation; and no name leads out of the
data directory: every path that is opened for writing, made, renamed or removed is looked at. The plugins are called in
this process, in namespaces of its own; one call in a hundred goes to the installed executable, which nobody looks into.

    python tests/fuzz/run.py [--cases 5000] [--seed 1] [--plugin NAME]
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path

from hypothesis import HealthCheck, Phase, errors, given, seed, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
BATCH = 500
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
COMMANDS = ("ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION")
NEEDED = {"ADD": {"CONTAINERID", "NETNS", "IFNAME", "PATH"}, "DEL": {"CONTAINERID", "IFNAME", "PATH"}, "VERSION": set()}
NEEDED.update(CHECK=NEEDED["ADD"], GC={"PATH"}, STATUS={"PATH"})
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
#: The specification's; a plugin's own would be 100 and more.
CODES = {1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 999}
IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*\Z")
HOSTILE = [
    "../../victim/keep",
    "..",
    ".",
    "a/b",
    "/victim",
    "a\0b",
    "-x",
    "",
    "é" * 9,
    "a b",
    "a:b",
    "x" * 300,
    "\ud800",
]
WORDS = [
    "x",
    "10.1.0.0/24",
    "10.1.0.5",
    "10.1.0.5/24",
    "10.1.0.1",
    "fd00::/64",
    "fd00::5/64",
    "0.0.0.0/0",
    "host-local",
]
WORDS += [
    "static",
    "bridge",
    "flannel",
    "nothing",
    "../x",
    "tcp",
    "up0",
    "hd0",
    "br0",
    "eth0",
    "lo",
    "open",
    "vepa",
    "l3",
]
WORDS += ["02:00:00:00:00:01", "net.core.somaxconn", "red", "999999999999999999999"]
KEYS = """
    bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode
    vlan vlanTrunk ipam dns args runtimeConfig prevResult delegate portMappings hostPort
    containerPort protocol hostIP ranges subnet rangeStart rangeEnd gateway routes dst gw scope
    table type ips interfaces address interface name mac sandbox cni ipRanges resolvConf snat
    masqAll conditionsV4 markMasqBit cni.dev/valid-attachments containerID ifname cniVersion
    enabledad portIsolation disableContainerInterface macspoofchk preserveDefaultVlan master mode
    vlanId linkInContainer bcqueuelen device hwaddr kernelpath pciBusID sysctl promisc allmulti
    txQLen ingressRate ingressBurst egressRate egressBurst bandwidth addresses vrfname multiQueue
    owner group selinuxContext addSourceHints ingressPolicy backend id minID maxID anotherAwesomeArg
    priority advmss
""".split()
#: What each plugin needs to do its work.
OWN = {
    "ptp": {},
    "macvlan": {"master": "up0"},
    "ipvlan": {"master": "up0"},
    "vlan": {"master": "up0", "vlanId": 5},
    "host-device": {"device": "hd0"},
    "bridge": {"bridge": "br0", "isGateway": True},
    "bandwidth": {"ingressRate": 8000000, "ingressBurst": 80000},
    "tuning": {"sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1"}},
    "vrf": {"vrfname": "red"},
    "sample": {"anotherAwesomeArg": "x"},
}


def values():
    """Any JSON value, mostly of a kind that means something to some key."""
    scalar = st.one_of(
        st.sampled_from([None, True, False, 0, 1, -1, 80, 1500, 4095, 65536, 1 << 70, 1.5]),
        st.sampled_from(WORDS + HOSTILE),
        st.text(max_size=8).filter(lambda text: not text.startswith("/")),
    )
    return st.recursive(
        scalar,
        lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.sampled_from(KEYS), part, max_size=4)),
        max_leaves=6,
    )


ANYTHING = values()
PORTS = {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}


@st.composite
def calls(draw, plugins, place, pod):
    """(plugin, environment, standard input, what lies in the store).

    Hypothesis makes the values that are put in, and a number by which the rest is chosen: to draw every choice by
    itself takes ten times as long as the plugin's work.
    """
    chance = random.Random(draw(st.integers(0, 1 << 48)))
    strange = [draw(ANYTHING) for _number in range(chance.choice([0, 1, 1, 2]))]
    plugin = chance.choice(plugins)
    command = chance.choice([*COMMANDS, "ADD", "ADD"])
    version = chance.choice([*VERSIONS, "1.1.0", "1.1.0", "1.0.0"])
    # a copy: what is put into it below must not be in the next case, which would no longer be the drawn number's
    conf = {"cniVersion": version, "name": "n", "type": plugin, **copy.deepcopy(OWN.get(plugin, {}))}
    conf["ipam"] = {"type": "host-local", "dataDir": f"{place}/data", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
    if plugin == "flannel":
        conf.update(subnetFile=f"{place}/subnet.env", dataDir=f"{place}/data/flannel", delegate={"bridge": "br0"})
        conf["ipam"] = {"dataDir": f"{place}/data"}
    elif plugin == "static":
        conf["ipam"] = {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}
    elif plugin == "tuning":
        conf["dataDir"] = f"{place}/data/tuning"
    if command == "GC":
        conf["cni.dev/valid-attachments"] = []
    if chance.random() < 0.5:
        conf["runtimeConfig"] = json.loads(json.dumps(PORTS))
    if command == "CHECK" or chance.random() < 0.5:
        conf["prevResult"] = {"cniVersion": version, **result(version)}
    for value in [*strange, *[chance.choice(WORDS + HOSTILE) for _number in range(chance.choice([0, 0, 1]))]]:
        part = conf
        while chance.random() < 0.5:
            inner = [item for item in part.values() if isinstance(item, dict) and item]
            part = chance.choice(inner) if inner else part
        part[chance.choice([*KEYS, *part])] = value
    for section in (conf, conf.get("ipam"), conf.get("delegate")):  # these say where the data directory is
        if isinstance(section, dict):
            for key in ("dataDir", "subnetFile", "resolvConf"):
                if isinstance(section.get(key), str) and not section[key].startswith(place):
                    section[key] = f"{place}/data"
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": chance.choice(["c1", "c2"]), "CNI_NETNS": pod}
    env.update(CNI_IFNAME=chance.choice(["eth0", "eth0", "lo"]), CNI_PATH="/none")
    env["CNI_ARGS"] = chance.choice(["", "", "", "IP=10.1.0.9", "MAC=xx", "K=V", "IgnoreUnknown=1;K=V", "=", ";;"])
    if chance.randrange(6) == 0:
        name = chance.choice(sorted(env))
        env[name] = chance.choice([*HOSTILE, draw(st.text(max_size=20))]) if name != "CNI_PATH" else ""
    # As a process gets it: no zero bytes, and what isn't UTF-8 replaced.
    env = {name: text.replace("\0", "").encode("utf-8", "replace").decode() for name, text in env.items()}
    data = json.dumps(conf).encode()
    if chance.randrange(16) == 0:
        data = chance.choice([draw(st.binary(max_size=20)), data[: len(data) // 2], b"[" * 5000])
    return plugin, env, data, draw(stores()) if chance.randrange(3) == 0 else None


def result(version):
    """A result of the version's form."""
    if version < "0.3.0":
        return {"ip4": {"ip": "10.1.0.5/24", "routes": [{"dst": "0.0.0.0/0"}]}}
    interfaces = [{"name": "br0"}, {"name": "veth0"}, {"name": "eth0", "sandbox": "/x"}]
    return {"interfaces": interfaces, "ips": [{"version": "4", "address": "10.1.0.5/24", "interface": 2}]}


def stores():
    """A file of the store and what it holds: (name, content), a content that is a string being a link's."""
    names = ["10.1.0.2", "10.1.0.5", "last_reserved_ip.0", ".index", ".new", "lock", ".attachments/c1,eth0"]
    names += [".attachments/c2,eth0", ".attachments/c1,", ".attachments/..,x"]
    links = ["../../victim/keep", "10.1.0.2,../../victim/keep", "/victim", "10.1.0.5", "", "\n", "10.1.0.2,10.1.0.3"]
    content = st.one_of(
        st.binary(max_size=40), st.just(b"c1\r\neth0"), st.just(b"../../victim\r\nkeep"), st.sampled_from(links)
    )
    return st.tuples(st.sampled_from(names), content)


class World:
    """This process's host and pod, and what may be touched."""

    def __init__(self, place):
        self.place = place
        self.watching = False
        self.outside: list[str] = []
        self.seen: collections.Counter = collections.Counter()
        (Path(place) / "victim").mkdir()
        (Path(place) / "victim/keep").write_text("10.1.0.2")
        (Path(place) / "cwd").mkdir()
        (Path(place) / "subnet.env").write_text(
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n"
        )
        os.chdir(f"{place}/cwd")
        for pair in ("up0 type veth peer name up1", "hd0 type veth peer name hd1"):
            subprocess.run(f"ip link add {pair}", shell=True, check=True)
        for name in ("lo", "up0", "up1", "hd1"):
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
        # It ends with this process, by the end of its input.
        words = ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec cat"]
        null = subprocess.DEVNULL
        self.holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=null)
        self.holder.stdout.readline()
        self.pod = f"/proc/{self.holder.pid}/ns/net"
        self.before = self.links()
        self.allowed = (f"{place}/data", f"{place}/cwd", "/proc/sys/net/", "/run/", "/var/lib/cni/")
        self.allowed += ("/dev/net/tun/", "memfd:")
        sys.addaudithook(self.audit)

    def audit(self, event, args):
        """Notes every path that is written, made or removed and isn't the plugins'."""
        if not self.watching:
            return
        if event == "open":
            if not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                return
            paths = args[:1]
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown"):
            paths = args[:1]
        elif event in ("os.rename", "os.link"):
            paths = args[:2]
        elif event == "os.symlink":
            paths = args[1:2]
        elif event == "os.posix_spawn":
            paths = args[:1]
        else:
            return
        for path in paths:
            if isinstance(path, int):
                continue
            full = os.path.normpath(os.path.join(f"{self.place}/cwd", os.fsdecode(path)))
            on_the_way = event == "os.mkdir" and self.place.startswith(full)
            if not f"{full}/".startswith(self.allowed) and not on_the_way:
                self.outside.append(f"{event} {full}")

    def links(self):
        """The links' names, of host and pod; bridges stay by design."""
        with open("/proc/thread-self/net/dev") as file:
            host = {line.partition(":")[0].strip() for line in file.readlines()[2:]}
        with open(f"/proc/{self.holder.pid}/net/dev") as file:
            inside = {line.partition(":")[0].strip() for line in file.readlines()[2:]}
        bridges = {name for name in host if os.path.isdir(f"/sys/class/net/{name}/bridge")}
        if len(bridges) > 10:
            for name in bridges:
                subprocess.run(["ip", "link", "delete", name], check=False)
        return sorted(host - bridges), sorted(inside)

    def clean(self):
        """After a failure: everything as in the beginning, for the next try."""
        for name in set(self.links()[0]) - set(self.before[0]):
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
        enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        for name in set(self.links()[1]) - set(self.before[1]):
            if name.startswith(("hd0", "eth0")):
                subprocess.run(
                    [*enter, "ip", "link", "set", name, "name", "hd0", "netns", str(os.getpid())], check=False
                )
            subprocess.run([*enter, "ip", "link", "delete", name], check=False, capture_output=True)
        shutil.rmtree(f"{self.place}/data", ignore_errors=True)

    def put(self, name, content):
        """Puts something into the store."""
        path = Path(self.place) / "data/n" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.exists():
            path.unlink()
        if isinstance(content, str):
            path.symlink_to(content or "x")
        else:
            path.write_bytes(content)


def wanted_code(env, data):
    """The code that the specification fixes for such input; None where it is the plugin's to say."""
    given = {name[4:]: value for name, value in env.items()}
    command = given["COMMAND"]
    if command not in COMMANDS or any(not given.get(name) for name in NEEDED[command]):
        return 4
    if "CONTAINERID" in NEEDED[command]:
        name = given["IFNAME"]
        if (
            not IDENTIFIER.match(given["CONTAINERID"])
            or len(name.encode("utf-8", "replace")) > 15
            or name in (".", "..")
        ):
            return 4
        if any(char in "/:%\0" or char.isspace() for char in name):
            return 4
    if command == "VERSION":
        return 0
    try:
        conf = json.loads(data.decode(), parse_constant=lambda _name: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        return 6
    if not isinstance(conf, dict) or not isinstance(conf.get("cniVersion") or "", str):
        return 6
    version = conf.get("cniVersion") or "0.1.0"
    if version not in VERSIONS or version < SINCE.get(command, "0.1.0"):
        return 1
    name = conf.get("name")
    return None if isinstance(name, str) and IDENTIFIER.match(name) else 7


def examine(world, respond, case):
    """One case. Raises AssertionError with what went wrong."""
    plugin, env, data, stored = case
    if stored:
        world.put(*stored)
    try:
        answer, status = execute(world, respond, plugin, env, data)
        code = wanted_code(env, data)
        if code is not None:
            got = answer["code"] if status else 0
            assert got == code, f"code {got}, not {code}: {answer}"
        if env["CNI_COMMAND"] == "ADD":
            if not status:
                conf = {**json.loads(data), "prevResult": answer}
                alone = not json.loads(data).get("prevResult")  # what that tells of may not be there
                if alone and stored is None and answer["cniVersion"] >= SINCE["CHECK"]:
                    checked = {**env, "CNI_COMMAND": "CHECK"}
                    told, failed = execute(world, respond, plugin, checked, json.dumps(conf).encode())
                    assert not failed, f"CHECK after ADD: {told}"
                undone, failed = execute(
                    world, respond, plugin, {**env, "CNI_COMMAND": "DEL"}, json.dumps(conf).encode()
                )
                assert not failed, f"DEL after ADD: {undone}"
            assert world.links() == world.before, f"left behind: {world.links()}, {answer}"
            if stored is None:
                left = [name for _place, _dirs, names in os.walk(f"{world.place}/data/n") for name in names]
                left = [name for name in left if name[0].isdigit() or "," in name or ":" in name or name == ".new"]
                assert not left, f"still reserved: {left}, {answer}"
        assert Path(world.place, "victim/keep").read_text() == "10.1.0.2"
    finally:
        if stored or env["CNI_COMMAND"] == "ADD":
            shutil.rmtree(f"{world.place}/data", ignore_errors=True)
        if world.links() != world.before:
            world.clean()


def execute(world, respond, plugin, env, data):
    """A call and what is true of every answer."""
    from_us = os.memfd_create("conf")
    os.write(from_us, data)
    os.lseek(from_us, 0, os.SEEK_SET)
    world.watching, world.outside = True, []
    try:
        answer, status = respond(plugin, env, from_us)
    finally:
        world.watching = False
        os.close(from_us)
    assert not world.outside, f"outside of the data directory: {world.outside}"
    text = json.dumps(answer)
    if status:
        assert answer["cniVersion"] in VERSIONS, text
        assert answer["code"] in CODES, text
        assert isinstance(answer["msg"], str), text
        assert answer["msg"], text
        assert not re.search(r"(Error|Exception) in ", answer.get("details", "")), f"an accident: {text}"
        world.seen[f"error {answer['code']}"] += 1
    else:
        assert answer is None or (isinstance(answer, dict) and answer["cniVersion"] in VERSIONS), text
        world.seen[f"{env['CNI_COMMAND']} done"] += 1
    return answer, status


def some_by_executable(respond, bin_dir, seen):
    """Like `respond`, the library's function, but one call in a hundred is the executable's, told by its input."""

    def either(plugin, env, stdin):
        data = os.pread(stdin, 1 << 20, 0)
        if zlib.crc32(data) % 100 or not env["CNI_COMMAND"]:  # without that, an executable tells about itself
            return respond(plugin, env, stdin)
        done = subprocess.run([f"{bin_dir}/{plugin}"], env=env, stdin=stdin, capture_output=True, check=False)
        seen["by executables"] += 1
        assert done.returncode in (0, 1), done
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None, done.returncode

    return either


def fuzz(options):
    """Runs the cases; returns the exit status."""
    sys.path.insert(0, str(ROOT / "build/collections"))
    from ansible_collections.podnet.cluster.plugins.module_utils import install
    from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate
    from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import main as library

    warnings.simplefilter("ignore", errors.NonInteractiveExampleWarning)
    plugins = [options.plugin] if options.plugin else sorted(delegate.OWN)
    started = time.monotonic()
    done = 0
    with tempfile.TemporaryDirectory(prefix="podnet-fuzz-") as place:
        install.install(install.read_tree(os.path.dirname(install.__file__)), f"{place}/root")
        world = World(place)
        respond = some_by_executable(library.respond, f"{place}/root/current/bin", world.seen)
        # The library is loaded before anything is watched.
        for plugin in plugins:
            respond(plugin, {"CNI_COMMAND": "VERSION"}, os.open("/dev/null", os.O_RDONLY))
        try:
            while done < options.cases:
                count = min(BATCH, options.cases - done)

                @seed(options.seed * 1000003 + done)
                @settings(
                    max_examples=count,
                    database=None,
                    print_blob=False,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate, Phase.shrink],
                )
                @given(calls(plugins, place, world.pod))
                def batch(case):
                    nonlocal done
                    done += 1
                    examine(world, respond, case)

                batch()
                if options.progress:
                    print(f"{done} cases, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        except AssertionError:
            print(
                f"failed after {done} cases; again with --seed {options.seed} --cases {options.cases}", file=sys.stderr
            )
            raise
        finally:
            world.holder.kill()
            world.holder.wait()
            os.chdir("/")
    print(", ".join(f"{count} × {word}" for word, count in sorted(world.seen.items())))
    print(
        f"{done} cases of {len(plugins)} plugins in {time.monotonic() - started:.0f} s: "
        "no accident, nothing left, no way out"
    )
    return 0


def side_by_side(options):
    """Runs the cases in several processes, with a seed for each."""
    share = -(-options.cases // options.jobs)
    words = [sys.executable, __file__, "--cases", str(share)]
    words += ["--plugin", options.plugin] if options.plugin else []
    words += ["--progress"] if options.progress else []
    running = [subprocess.Popen([*words, "--seed", str(options.seed * 100 + job)]) for job in range(options.jobs)]
    return max(process.wait() for process in running)


def main():
    """Enters namespaces of its own, then runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plugin", help="only this one")
    parser.add_argument("--progress", action="store_true", help="tell how far it is on standard error")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time, each with its share of the cases")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.jobs > 1:
        return side_by_side(options)
    if not options.inside:
        script = "mount --make-rprivate /; mount -t sysfs sysfs /sys"
        script += "; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib"
        words = ["unshare", "--mount", "--net", "sh", "-ec", f'{script}; exec "$@"', "sh", sys.executable, __file__]
        os.execvp(words[0], [*words, *sys.argv[1:], "--inside"])
    return fuzz(options)


if __name__ == "__main__":
    sys.exit(main())
