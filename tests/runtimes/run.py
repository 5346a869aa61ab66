# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each container runtime does with CNI, found by running it: run.py [containerd] [docker] [crio]

Each runs as root in mount and network namespaces of its own, with a plugin that notes its calls (recorder.sh). The
answers are printed as JSON, by runtime. Docker, crun, conmon and skopeo are Debian's packages, which are fetched into
${PODNET_CACHE:-/var/cache/podnet}/runtimes and installed nowhere; the others come from the newest archive that
build_modules.py made with them.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet"))
#: By Debian's release: cri-dockerd wants a newer Docker than Debian 12's. All run with Debian 12's C library.
PACKAGES = {"trixie": "docker.io docker-cli containerd", "bookworm": "runc crun conmon skopeo"}
APT = """apt-get -qq -o Dir::Etc::SourceList={0}/sources.list -o Dir::Etc::SourceParts=/dev/null
-o Dir::State::Lists={0}/lists -o Dir::Cache={0}/cache -o Dir::State::status={0}/status -o APT::Sandbox::User=root"""
PAUSE = "registry.k8s.io/pause:3.10.2"
OCI_RUNTIME = ROOT / "roles/cluster/files/oci_runtime.py"
#: Where a runtime keeps what must not be the host's.
PRIVATE = "/var/lib/cni /var/lib/docker /var/lib/containerd /var/lib/crio /var/lib/cri-dockerd /run /etc/cni".split()
IDLE = 20


def fetch(suite: str, names: list[str], target: pathlib.Path) -> None:
    """Unpacks Debian packages into the directory ``target``."""
    with tempfile.TemporaryDirectory(prefix="podnet-debs") as folder:
        for name in ("lists/partial", "cache/archives/partial"):
            pathlib.Path(folder, name).mkdir(parents=True)
        pathlib.Path(folder, "status").touch()
        key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        mirror = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE)", "Label: Debian"],
            capture_output=True,
            text=True,
            check=True,
        )
        pathlib.Path(folder, "sources.list").write_text(f"deb {key} {mirror.stdout.split()[0]} {suite} main\n")
        apt = APT.format(folder).split()
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "download", *names], cwd=folder, check=True)
        for package in pathlib.Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, target], check=True)


def programs() -> str:
    """A PATH with the runtimes' programs."""
    unpacked = CACHE / "runtimes"
    for suite, names in PACKAGES.items():
        if not (unpacked / suite).exists():
            fetch(suite, names.split(), unpacked / suite)
    built = [
        max(found, key=os.path.getmtime).parent
        for name in ("crio", "cri-dockerd", "crictl", "containerd")
        if (found := [*CACHE.glob(f"kubernetes/programs-*/{name}")])
    ]
    directories = [
        unpacked / suite / directory for suite in reversed(PACKAGES) for directory in ("usr/bin", "usr/sbin")
    ]
    return ":".join(map(str, [*built, *directories, os.environ["PATH"]]))


class Runtime:
    """A runtime that runs in ``directory``; a subclass says how. ``calls`` are those of its plugins."""

    endpoint = ""
    pause_import: tuple[str, ...] = ()

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.daemons = directory, []
        self.conf_dir, self.bin_dir = pathlib.Path("/etc/cni/net.d"), directory / "bin"
        self.bin_dir.mkdir()
        self.conf_dir.mkdir(parents=True)
        for name in ("recorder", "loopback"):
            shutil.copy(HERE / "recorder.sh", self.bin_dir / name)
        self.configure()

    def configure(self) -> None:
        """Writes the runtime's configuration."""

    def commands(self) -> list[list[str]]:
        """Its daemons."""
        raise NotImplementedError

    def network(self, file: str, name: str, **more) -> None:
        content = {
            "cniVersion": "1.0.0",
            "name": name,
            "plugins": [{"type": "recorder", "capabilities": {"portMappings": True}}],
        }
        (self.conf_dir / file).write_text(json.dumps({**content, **more}))

    def calls(self) -> list[dict]:
        path = self.directory / "calls"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [each for each in found if (each["config"] or {}).get("name") != "cni-loopback"]

    def forget(self) -> None:
        (self.directory / "calls").unlink(missing_ok=True)

    def start(self) -> None:
        with open(self.directory / "log", "a") as log:
            for command in self.commands():
                self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
                time.sleep(2)
        self.wait(lambda: not self.crictl("version", check=False).returncode, "answers")

    def stop(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(60)
        self.daemons = []

    def wait(self, holds: Callable[[], bool], what: str, patience: float = 90) -> None:
        until = time.monotonic() + patience
        while not holds():
            if time.monotonic() > until:
                log = (self.directory / "log").read_text()[-3000:]
                raise SystemExit(f"{type(self).__name__}: not within {patience} s: {what}\n{log}")
            time.sleep(0.5)

    def crictl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        command = ["crictl", "--timeout=60s", f"--runtime-endpoint=unix://{self.endpoint}", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode and check:
            log = (self.directory / "log").read_text()[-2000:]
            raise SystemExit(f"{type(self).__name__}: crictl {' '.join(words)}: {done.stderr}\n{log}")
        return done

    def ready(self) -> str:
        """The condition NetworkReady's message, "" where it is true."""
        status = json.loads(self.crictl("info", "--output=json").stdout)["status"]
        (found,) = [each for each in status["conditions"] if each["type"] == "NetworkReady"]
        return "" if found["status"] else found.get("message") or found.get("reason") or "?"

    def run_pod(self, name: str, port: int = 0) -> str:
        config = {
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "attempt": 0},
            "linux": {"security_context": {"namespace_options": {"network": 0}}},
            "log_directory": str(self.directory),
            "port_mappings": [{"protocol": 0, "container_port": 80, "host_port": port}] if port else [],
        }
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(config))
        return self.crictl("runp", str(path)).stdout.strip()


class Containerd(Runtime):
    def configure(self) -> None:
        self.endpoint = "/run/containerd/containerd.sock"
        (self.directory / "config.toml").write_text(f"""
version = 3
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{self.bin_dir}"]
  conf_dir = "{self.conf_dir}"
  max_conf_num = 1
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"
""")

    def commands(self) -> list[list[str]]:
        return [["containerd", "--config", str(self.directory / "config.toml")]]

    def load(self, image: pathlib.Path) -> None:
        subprocess.run(["ctr", "--namespace", "k8s.io", "images", "import", image], check=True, capture_output=True)


class Docker(Runtime):
    def configure(self) -> None:
        self.endpoint = "/run/cri-dockerd.sock"
        (self.directory / "daemon.json").write_text(json.dumps({
            "bridge": "none", "iptables": False, "ip6tables": False, "live-restore": True, "default-runtime": "podnet",
            "runtimes": {"podnet": {"path": str(self.directory / "oci")}},
        }))  # fmt: skip
        shutil.copy(OCI_RUNTIME, self.directory / "oci")
        (self.directory / "oci").chmod(0o755)

    def commands(self) -> list[list[str]]:
        flags = [f"--cni-conf-dir={self.conf_dir}", f"--cni-bin-dir={self.bin_dir}", "--cni-cache-dir=/var/lib/cni"]
        return [
            ["dockerd", f"--config-file={self.directory / 'daemon.json'}"],
            ["cri-dockerd", f"--container-runtime-endpoint=unix://{self.endpoint}", "--network-plugin=cni", *flags,
             f"--pod-infra-container-image={PAUSE}", "--streaming-bind-addr=127.0.0.1:0"],
        ]  # fmt: skip

    def load(self, image: pathlib.Path) -> None:
        subprocess.run(["docker", "load", "--input", image], check=True, capture_output=True)


class Crio(Runtime):
    def configure(self) -> None:
        self.endpoint = "/run/crio/crio.sock"
        shutil.copy(OCI_RUNTIME, self.directory / "oci")
        (self.directory / "oci").chmod(0o755)
        (self.directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        which = {name: shutil.which(name) for name in ("conmon", "pinns")}
        (self.directory / "crio.conf").write_text(f"""
[crio]
root = "/var/lib/crio/storage"
runroot = "/run/crio/storage"
storage_driver = "overlay"
[crio.api]
listen = "{self.endpoint}"
[crio.image]
pause_image = "{PAUSE}"
signature_policy = "{self.directory}/policy.json"
[crio.network]
network_dir = "{self.conf_dir}"
plugin_dirs = ["{self.bin_dir}"]
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
default_runtime = "crun"
pinns_path = "{which["pinns"]}"
drop_infra_ctr = false
[crio.runtime.runtimes.crun]
runtime_path = "{self.directory}/oci"
runtime_root = "/run/crun"
monitor_path = "{which["conmon"]}"
""")

    def commands(self) -> list[list[str]]:
        return [["crio", "--config", str(self.directory / "crio.conf"), "--config-dir", ""]]

    def load(self, image: pathlib.Path) -> None:
        storage = f"containers-storage:[overlay@/var/lib/crio/storage+/run/crio/storage]{PAUSE}"
        policy = f"--policy={self.directory}/policy.json"
        subprocess.run(
            ["skopeo", policy, "copy", f"docker-archive:{image}:{PAUSE}", storage], check=True, capture_output=True
        )


def counted(runtime: Runtime) -> dict[str, int]:
    """The calls so far by command."""
    return dict(collections.Counter(each["command"] for each in runtime.calls()))


def explore(runtime: Runtime, image: pathlib.Path) -> dict[str, object]:
    """The answers."""
    found: dict[str, object] = {}
    runtime.start()
    runtime.load(image)
    found["no configuration"] = runtime.ready()
    (runtime.conf_dir / "00-broken.conflist").write_text("{")
    runtime.network("10-first.conflist", "first", cniVersion="1.1.0", cniVersions=["0.4.0", "1.0.0", "1.1.0"])
    runtime.network("20-second.conflist", "second")
    time.sleep(8)
    found["first file invalid"] = runtime.ready() or "ready"
    (runtime.conf_dir / "00-broken.conflist").unlink()
    runtime.wait(lambda: not runtime.ready(), "ready")
    time.sleep(6)
    runtime.forget()
    time.sleep(IDLE)
    found[f"idle for {IDLE} s"] = counted(runtime)
    runtime.forget()
    try:
        pod = runtime.run_pod("a", 8080)
    except SystemExit as error:  # as cri-dockerd, which has a version taken by the plugin that it does not know itself
        found["1.1.0"] = next((line for line in str(error).splitlines() if "failed (add)" in line), str(error))[-120:]
        runtime.network("10-first.conflist", "first", cniVersion="1.0.0")
        time.sleep(8)
        runtime.forget()
        pod = runtime.run_pod("b", 8080)
    (add,) = [each for each in runtime.calls() if each["command"] == "ADD"]
    found["network of several"] = add["config"]["name"]
    found["version in ADD"] = add["config"]["cniVersion"]
    found["namespace"] = add["netns"].replace(pod, "ID")
    found["arguments"] = [each.partition("=")[0] for each in add["args"].split(";")]
    found["runtimeConfig"] = add["config"].get("runtimeConfig")
    found["ID is the sandbox's"] = add["id"] == pod
    found["cache"] = sorted(
        str(path).replace(pod, "ID") for path in pathlib.Path("/var/lib/cni").rglob("*") if path.is_file()
    )
    found["a pod starts"] = counted(runtime)
    runtime.forget()
    runtime.stop()
    runtime.start()
    runtime.wait(lambda: not runtime.ready(), "ready again")
    time.sleep(8)
    found["restart"] = counted(runtime)
    found["pod after the restart"] = json.loads(runtime.crictl("pods", "--output=json").stdout)["items"][0]["state"]
    runtime.forget()
    (runtime.conf_dir / "10-first.conflist").unlink()
    time.sleep(8)
    runtime.crictl("stopp", pod)
    found["a pod stops, its network's file is gone"] = [
        f"{each['command']} {each['config']['name']}"
        for each in runtime.calls()
        if each["command"] not in ("STATUS", "VERSION")
    ]
    runtime.forget()
    runtime.crictl("rmp", pod)
    found["a pod is removed"] = counted(runtime)
    runtime.stop()
    return found


def inside(name: str, image: pathlib.Path) -> None:
    """Explores in this process's own namespaces, below directories of its own."""
    with tempfile.TemporaryDirectory(prefix="podnet-runtime", dir="/var/tmp") as folder:
        directory = pathlib.Path(folder)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for path in PRIVATE:
            own = directory / path.strip("/").replace("/", "-")
            own.mkdir()
            pathlib.Path(path).mkdir(exist_ok=True, parents=True)
            subprocess.run(["mount", "--bind", own, path], check=True)
        runtime = {"containerd": Containerd, "docker": Docker, "crio": Crio}[name](directory)
        try:
            print(json.dumps({name: explore(runtime, image)}, indent=1))
        finally:
            for daemon in runtime.daemons:
                daemon.terminate()


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--inside"]:
        inside(arguments[1], pathlib.Path(arguments[2]))
        return
    image = max(CACHE.glob("kubernetes/*/images/pause.tar"), key=os.path.getmtime)
    environment = {**os.environ, "PATH": programs()}
    for name in arguments or ["containerd", "docker", "crio"]:
        words = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "--propagation=slave",
        ]
        subprocess.run([*words, sys.executable, __file__, "--inside", name, image], env=environment, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
