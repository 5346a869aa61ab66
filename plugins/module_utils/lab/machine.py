# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node: start, stop, kill, enter."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid

from . import host, network
from .state import RUN, LabError

# Directories that must not lie on the node's overlayfs: runtimes mount overlays of their own, etcd and kubelet want a
# file system that reports its true size and syncs.
DISK = ("/var/lib/containerd", "/var/lib/crio", "/var/lib/docker", "/var/lib/kubelet", "/var/lib/etcd")

# Cgroup version 1 comes read-only from systemd-nspawn, and kubelet and runc write to it; kubelet wants its mounts to
# propagate.
NODE_UNIT = """[Unit]
Description=What a cluster's node expects of its mounts
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount --make-rshared /
ExecStart=-/bin/sh -c 'for d in /sys/fs/cgroup/*; do mountpoint -q $d && mount -o remount,rw,bind $d; done'

[Install]
WantedBy=sysinit.target
"""

# Where apt keeps the packages that it has fetched
ARCHIVES = "var/cache/apt/archives"

# What would write to the host's kernel, manage the network that the lab made, or hold apt's lock behind a user's back
MASKED = (
    "systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-sysctl.service "
    "systemd-networkd.service systemd-resolved.service console-getty.service apt-daily.timer apt-daily-upgrade.timer"
).split()

# The launching shell is in the node's cgroups before anything of the node is, and the overlay is mounted where only the
# node sees it.
LAUNCH = """
    echo $$ > "$1"; root=$2 overlay=$3 space=$4; shift 4
    while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift
    mount -t overlay overlay -o "$overlay" "$root" && exec nsenter --net="$space" "$@"
"""

# As LAUNCH: the command belongs to the node in its cgroups too, so it is accounted there and dies with the node.
ENTER = """
    while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift
    exec nsenter --target "$@"
"""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
}


def pid_file(lab, node):
    return f"{RUN}/{lab.name}/{node.name}.pid"


def supervisor(lab, node):
    """The host's process number of the node's systemd-nspawn, or None when the node is not running."""
    try:
        pid = int(host.read(pid_file(lab, node)))
        with open(f"/proc/{pid}/cgroup") as file:  # the number may have passed on to another process since
            alive = f"/podnet-lab/{lab.name}/{node.name}" in file.read()
    except (OSError, ValueError):
        return None
    return pid if alive else None


def leader(lab, node):
    """The host's process number of the node's PID 1, or None when the node is not running."""
    pid = supervisor(lab, node)
    with contextlib.suppress(OSError):
        for child in host.read(f"/proc/{pid}/task/{pid}/children").split():
            with open(f"/proc/{child}/status") as file:
                if any(line.split()[-2:] == [child, "1"] for line in file if line.startswith("NSpid:")):
                    return int(child)
    return None


def running(lab, node):
    """As `leader`. Raises LabError when the node is not running."""
    pid = leader(lab, node)
    if pid is None:
        raise LabError(
            f"{node.name} of lab {lab.name} is not running; "
            f"playbooks/lab/node.yml starts it (-e node={node.name} -e state=started)"
        )
    return pid


def command(pid, argv):
    """What to execute on the host so that `argv` runs in the node with that PID 1, in all of its namespaces and in its
    cgroups."""
    files = []
    with open(f"/proc/{pid}/cgroup") as file:
        paths = {names: path for _id, names, path in (line.strip().split(":", 2) for line in file)}
    for mount, kind in host.hierarchies().items():
        for names, path in paths.items():
            controllers = names.replace("name=", "").split(",")
            if (kind == "cgroup2" and not names) or (
                kind == "cgroup" and os.path.basename(mount).split(",")[0] in controllers
            ):
                files.append(f"{mount}{path}/cgroup.procs")
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
    return ["/bin/sh", "-c", ENTER, "sh", *files, "--", str(pid), *spaces, "--", *argv]


def execute(lab, node, *argv, timeout=60):
    """Runs `argv` in the node; returns the subprocess.CompletedProcess with text output. Raises LabError when the node
    is not running."""
    inside = command(running(lab, node), argv)
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": timeout}
    return subprocess.run(inside, env=ENVIRONMENT, check=False, **options)


def prepare(lab, node):
    """Makes the node's files on the host: the overlay's upper layer with what is this node's own. A node that
    has booted keeps what it has."""
    etc = lab.path(node, "upper", "etc")
    if os.path.exists(f"{etc}/machine-id"):
        return
    mask = os.umask(0o022)  # these directories are the node's own /, /etc and so on
    try:
        for name in ["upper", "work", "root", *map(os.path.basename, DISK)]:
            os.makedirs(lab.path(node, name), exist_ok=True)
        share_packages(lab, lab.packages, lab.path(node, "upper", ARCHIVES))
        wants = f"{etc}/systemd/system/sysinit.target.wants"
        os.makedirs(wants, exist_ok=True)
        links = {f"{etc}/systemd/system/{unit}": "/dev/null" for unit in MASKED}
        links[f"{wants}/podnet-lab-node.service"] = "../podnet-lab-node.service"
        for path, target in links.items():
            with contextlib.suppress(FileExistsError):
                os.symlink(target, path)
        for name, text in {
            "hostname": node.name + "\n",
            "hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{node.address} {node.name}\n",
            "resolv.conf": resolvers(),
            "systemd/system/podnet-lab-node.service": NODE_UNIT,
            "machine-id": uuid.uuid4().hex + "\n",  # last: it says that all the others are there
        }.items():
            with open(f"{etc}/{name}", "w") as file:
                file.write(text)
    finally:
        os.umask(mask)


def resolvers():
    """The node's /etc/resolv.conf: the host's, or what is behind the host's systemd-resolved, whose 127.0.0.53 a node
    cannot reach."""
    upstream = "/run/systemd/resolve/resolv.conf"
    text = host.read("/etc/resolv.conf") + "\n"
    return host.read(upstream) + "\n" if "127.0.0.53" in text and os.path.exists(upstream) else text


def start(lab, node):
    """Starts the node and returns without waiting for it to boot. A node that runs already is left alone."""
    if supervisor(lab, node):
        return
    clear(lab, node)
    prepare(lab, node)
    network.attach(lab, node)
    cgroups = host.make_cgroups(lab.name, node.name)
    overlay = f"lowerdir={node.layers},upperdir={lab.path(node, 'upper')},workdir={lab.path(node, 'work')}"
    binds = [f"--bind={lab.path(node, os.path.basename(path))}:{path}" for path in DISK]
    binds += [f"--bind-ro={bind[3:]}" if bind.startswith("ro:") else f"--bind={bind}" for bind in node.binds]
    # The kernel is the host's, and so are its modules and its configuration: modprobe looks for the ones, kubeadm's
    # SystemVerification for the other where the kernel has no /proc/config.gz.
    kernel = ("/lib/modules", f"/boot/config-{os.uname().release}")
    binds += [f"--bind-ro={path}" for path in kernel if os.path.exists(path)]
    nspawn = ["systemd-nspawn", f"--directory={lab.path(node, 'root')}", f"--machine={node.name}", "--boot", *binds]
    nspawn += ["--keep-unit", "--register=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"]
    nspawn += ["--console=passive", "--capability=all", "--bind=/dev/kmsg"]
    # systemd from 256 on boots on cgroup version 1 only when configured so, in a container by an argument
    nspawn += ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    os.makedirs(os.path.dirname(pid_file(lab, node)), exist_ok=True)
    # /run/netns/<name> is entered beforehand: with systemd-nspawn's own --network-namespace-path the host's
    # /sys/class/net stays visible.
    space = f"/run/netns/{lab.namespace(node)}"
    launch = [
        "sh",
        "-c",
        LAUNCH,
        "sh",
        pid_file(lab, node),
        lab.path(node, "root"),
        overlay,
        space,
        *cgroups,
        "--",
        *nspawn,
    ]
    environment = {**ENVIRONMENT, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1", "SYSTEMD_SECCOMP": "0"}
    with open(lab.path(node, "console.log"), "wb") as console:
        subprocess.run(
            ["setsid", "--fork", "unshare", "--mount", "--propagation=slave", *launch],
            env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=True, cwd="/",
        )  # fmt: skip


def wait_ready(lab, node):
    """Waits until the node has booted. Raises LabError with the end of its console after the lab's `boot_timeout`."""
    started = time.monotonic()
    while time.monotonic() < started + lab.boot_timeout:
        if not supervisor(lab, node) and time.monotonic() > started + 5:
            break  # it ended as it began
        if leader(lab, node):
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                done = execute(lab, node, "systemctl", "is-active", "multi-user.target", timeout=10)
                if done.stdout.strip() == "active":
                    return
        # on a slow host the questions themselves would keep the node from booting
        time.sleep(min(2, max(0.1, (time.monotonic() - started) / 20)))
    with open(lab.path(node, "console.log"), errors="replace") as console:
        last = "".join(console.readlines()[-15:])
    raise LabError(
        f"{node.name} of lab {lab.name} has not booted ({time.monotonic() - started:.0f} s); its console:\n{last}"
    )


def stop(lab, node, timeout=60):
    """Shuts the node down in order, and kills what is left after `timeout` seconds."""
    pid = supervisor(lab, node)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # systemd-nspawn passes it on as a request to power off
        wait_gone(lab, node, timeout)
    kill(lab, node)


def kill(lab, node):
    """Kills the node like a power cut, without any shutdown. Raises LabError if a process survives."""
    # the network first: the kernel would tell the other ends of the processes' connections that they end
    network.detach(lab, node)
    pid = leader(lab, node)
    for victim in [pid] if pid else []:  # a PID namespace dies with its PID 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    if not wait_gone(lab, node, 10):
        for victim in host.cgroup_processes(lab.name, node.name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if not wait_gone(lab, node, 10):
            raise LabError(
                f"{node.name} of lab {lab.name}: these processes survive SIGKILL: "
                f"{sorted(host.cgroup_processes(lab.name, node.name))}"
            )
    clear(lab, node)


def wait_gone(lab, node, timeout):
    """Waits until no process of the node is left; returns whether that came true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while host.cgroup_processes(lab.name, node.name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def clear(lab, node):
    """Removes what a dead node leaves on the host apart from its disk: namespace, port, cgroups, pid file."""
    network.detach(lab, node)
    for attempt in range(50):
        try:
            host.remove_cgroups(lab.name, node.name)
            break
        except OSError:  # the kernel lets go of a cgroup a moment after its last process
            if attempt == 49:
                raise
            time.sleep(0.05)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pid_file(lab, node))


def share_packages(lab, source, target):
    """Gives the directory `target` every Debian package that `source` has, as links: what one node has fetched no other
    node fetches again."""
    if not lab.packages or not os.path.isdir(source):
        return
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(source):
        if name.endswith(".deb"):
            with contextlib.suppress(FileExistsError):
                os.link(os.path.join(source, name), os.path.join(target, name))


def erase(lab, node):
    share_packages(lab, lab.path(node, "upper", ARCHIVES), lab.packages)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(os.path.join(lab.directory, lab.name, node.name))
