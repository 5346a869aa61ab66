# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as most people run them: an ordinary user of the controller, ansible-core 2.21 on Python 3.13, the
collection from its archive, and nodes that are reached over ssh by a user with a password and sudo with a password.

The controller is a machine of the lab, too: node4, with Debian 13. Nothing of this checkout is on it but the archive.
node5 is a bastion.
The tests are the steps of one life and run in this order; build/ssh/ has what the playbooks print.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build/ssh"
NAME, NETWORK = "ssh", "10.88.0.0/24"
NODES, CONTROLLER, BASTION = ("node1", "node2", "node3"), "node4", "node5"
USER, PASSWORD, PROXY_PASSWORD = "ops", "corr%ct h0rse", "batt3ry%40staple"
ANSIBLE = "ansible-core==2.21.*"
PROXY_FILES = ["/etc/apt/apt.conf.d/90podnet-proxy", "/etc/systemd/system/containerd.service.d/podnet-proxy.conf"]
#: A login's proxy that nobody answers at: nothing that asks the cluster's API goes by it.
LOGIN_PROXY = "http://192.0.2.1:3128"
#: The variables by which the lab's inventory reaches nodes without ssh.
NOT_SSH = ("ansible_connection", "ansible_nspawn_lab", "ansible_python_interpreter", "lab_name", "lab_network")
ADD_USER = f"useradd --create-home --shell /bin/bash {USER} && echo '{USER}:{PASSWORD}' | chpasswd"
INSTALL = "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qqy install --no-install-recommends"


class World:
    """The lab: commands in its machines, and the controller's playbooks."""

    def __init__(self) -> None:
        self.environment = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "PODNET_LAB": NAME}

    def lab(self, book: str, **variables: object) -> None:
        """Runs one of playbooks/lab/."""
        extra = json.dumps({"lab_name": NAME, "lab_network": NETWORK, **variables})
        command = ["ansible-playbook", f"playbooks/lab/{book}.yml", "-e", extra]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stdout[-4000:] + done.stderr

    def run(self, name: str, script: str, stdin: bytes = b"", user: str = "root") -> str:
        """What a shell script prints in a machine."""
        words = [ROOT / "inventories/lab/nodes.py", "--exec", name, "--", "runuser", "-l", user, "-c", script]
        done = subprocess.run(words, env=self.environment, input=stdin, capture_output=True, check=False)
        if done.returncode:
            pytest.fail(f"{name}: {script}: exit {done.returncode}\n{(done.stdout + done.stderr).decode()[-4000:]}")
        return done.stdout.decode()

    def play(self, book: str, arguments: str = "", inventory: str = "inventory.yml") -> str:
        """Runs podnet.cluster.BOOK as the controller's user; what it prints."""
        shown = self.run(
            CONTROLLER, f"ansible-playbook -i {inventory} podnet.cluster.{book} {arguments} 2>&1", user=USER
        )
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / f"{book}.log").write_text(shown)
        return shown

    def listed(self) -> dict:
        """The lab's own inventory."""
        command = [ROOT / "inventories/lab/nodes.py", "--list"]
        return json.loads(subprocess.run(command, env=self.environment, capture_output=True, check=True).stdout)

    def addresses(self) -> dict[str, str]:
        return {name: self.listed()["_meta"]["hostvars"][name]["node_address"] for name in (*NODES, BASTION)}

    def inventory(self, *workers: str) -> None:
        """Writes the controller's inventory: as README and inventories/cloud have it."""
        variables = {k: v for k, v in self.listed()["cluster"]["vars"].items() if k not in NOT_SSH}
        variables |= {"ansible_user": USER, "ansible_password": PASSWORD, "ansible_become": True}
        variables |= {"ansible_become_password": PASSWORD}
        variables |= {"ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new"}
        hosts = {name: {"ansible_host": address} for name, address in self.addresses().items()}
        children = {
            "control_plane": {"hosts": {NODES[0]: hosts[NODES[0]]}},
            "workers": {"hosts": {name: hosts[name] for name in workers}},
        }
        text = yaml.safe_dump({"cluster": {"children": children, "vars": variables}})
        self.run(CONTROLLER, "cat > inventory.yml", text.encode(), user=USER)


@pytest.fixture(scope="module")
def world():
    """The lab; each test finds it as the one before left it: pytest -x ends at the first that fails."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    world = World()
    yield world
    world.lab("down")


def test_the_machines(world):
    """Debian as an operator finds it: sshd, sudo, a user with a password, and a proxy for every login."""
    world.lab("up", lab_nodes=5, lab_suites=["bookworm", "bookworm", "trixie", "trixie", "bookworm"])
    for name in (*NODES, BASTION):
        world.run(name, f"{INSTALL} openssh-server sudo && {ADD_USER} && adduser -q {USER} sudo && systemctl start ssh")
    for name in NODES:
        for variable in ("https_proxy", "HTTPS_PROXY"):
            world.run(name, f"echo {variable}={LOGIN_PROXY} >> /etc/environment")
        # as Ubuntu has it: sudo's commands read that file, too
        world.run(name, "echo 'session required pam_env.so readenv=1' >> /etc/pam.d/sudo")
    world.run(CONTROLLER, f"{INSTALL} openssh-client python3-venv && {ADD_USER}")


def test_the_controller(world, tmp_path):
    """ansible-core from PyPI and the collection from its archive, by the ordinary user."""
    galaxy = ROOT / ".venv/bin/ansible-galaxy"
    build = [galaxy, "collection", "build", "--output-path", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("podnet-cluster-*.tar.gz")
    world.run(CONTROLLER, f"cat > {archive.name}", archive.read_bytes(), user=USER)
    world.run(CONTROLLER, f"python3 -m venv venv && venv/bin/pip install -q '{ANSIBLE}'", user=USER)
    # in ~/.profile, which a login reads
    world.run(CONTROLLER, "echo 'PATH=$HOME/venv/bin:$PATH' >> .profile", user=USER)
    world.run(CONTROLLER, f"ansible-galaxy collection install {archive.name}", user=USER)
    # what nodes in containers need (the lab's own group_vars); a cluster's own variables are written like this, too
    variables = yaml.safe_load((ROOT / "inventories/lab/group_vars/all.yml").read_text())
    del variables["reset_confirm"]
    text = yaml.safe_dump(variables).encode()
    world.run(CONTROLLER, "mkdir -p group_vars && cat > group_vars/all.yml", text, user=USER)
    shown = world.run(CONTROLLER, "ansible --version; sudo -n true 2>&1 || echo no sudo", user=USER)
    assert "[core 2.21." in shown and "python version = 3.13." in shown and "no sudo" in shown


def test_site_and_verify(world):
    world.inventory("node2")
    login = "ansible -i inventory.yml cluster -a 'printenv https_proxy HTTPS_PROXY'"
    assert world.run(CONTROLLER, login, user=USER).count(LOGIN_PROXY) == 4
    world.play("site")
    assert "probes arrived" in world.play("verify")  # without rich, which the controller need not have
    for arguments in ("", "--limit node2"):  # a node alone keeps what it knows of the others
        assert changed(world.play("site", arguments)) == []


def changed(shown: str) -> list[str]:
    """The recap's lines of nodes on which something was changed, or failed."""
    lines = [line for line in shown.splitlines() if line.startswith("node") and "ok=" in line]
    assert lines
    return [line for line in lines if "changed=0 " not in line or " failed=0 " not in line]


def test_passwords_are_nowhere(world):
    """The operator's and a proxy's: neither in what the playbooks print, nor in a node's journal, nor in a file that
    others may read."""
    secrets = (PASSWORD, PROXY_PASSWORD.partition("%")[0])  # systemd wants % doubled
    proxy = {"cluster_proxy": {"http_proxy": f"http://ops:{PROXY_PASSWORD}@192.0.2.1:3128"}}
    world.run(CONTROLLER, "cat > group_vars/cluster.yml", yaml.safe_dump(proxy).encode(), user=USER)
    printed = world.play("site", "-vvv --diff")
    world.run(CONTROLLER, "rm group_vars/cluster.yml", user=USER)
    grep = f"grep -lsF -e '{secrets[0]}' -e '{secrets[1]}'"
    for name in NODES[:2]:
        printed += world.run(name, "journalctl --no-pager --output=cat")
        readable = f"find /etc /home /opt /root /run /tmp /var -xdev -type f -perm -o=r -exec {grep} {{}} +"
        assert world.run(name, f"{readable} || true") == ""
        assert world.run(name, f"{grep} {' '.join(PROXY_FILES)} || true").split() == PROXY_FILES
    assert [line for line in printed.splitlines() if any(secret in line for secret in secrets)] == []
    world.play("site")
    for name in NODES[:2]:
        assert world.run(name, f"ls {' '.join(PROXY_FILES)} 2>/dev/null || true") == ""


def test_add_and_remove_a_node(world):
    world.inventory("node2", "node3")
    world.play("add_node", "-e new_nodes=node3")
    world.play("verify")
    world.play("remove_node", "-e node=node3")
    world.inventory("node2")
    kubectl = "NO_PROXY='*' KUBECONFIG=/etc/kubernetes/admin.conf kubectl"
    assert world.run("node1", f"{kubectl} get nodes -o name").split() == ["node/node1", "node/node2"]


def test_upgrade(world):
    """To the release that runs: every step of upgrade.yml, kubeadm's included."""
    world.play("upgrade")
    world.play("verify")


def test_reset(world):
    uid = json.loads(world.run("node1", "cat /var/lib/podnet/cluster.json"))["cluster"]
    world.play("reset", f"-e reset_confirm={uid}")
    for name in NODES:
        assert world.run(name, "ls -d /opt/podnet /var/lib/podnet /etc/kubernetes/pki 2>/dev/null || true") == "", name
    assert "changed=0 " in world.play("reset")


def test_the_cloud_inventory(world):
    """inventories/cloud with names, addresses, bastion and user replaced, as it asks for: an archive on the controller,
    ssh by a key through a bastion, the API by a name."""
    addresses = world.addresses()
    archive = json.loads(world.run(CONTROLLER, "cat /srv/kubernetes/manifest.json"))["release"]
    world.run(CONTROLLER, f"ln -sfn /srv/kubernetes /srv/kubernetes-{archive}")
    keygen = "mkdir -p -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519"
    world.run(CONTROLLER, keygen, user=USER)
    key = world.run(CONTROLLER, "cat .ssh/id_ed25519.pub", user=USER)
    for name in (*NODES, BASTION):
        world.run(name, "mkdir -p .ssh && cat > .ssh/authorized_keys", key.encode(), user=USER)
    for name in NODES:
        world.run(name, f"echo {addresses['node1']} api.example.internal >> /etc/hosts")
    theirs = {"10.20.0.11": addresses["node1"], "10.20.0.21": addresses["node2"], "10.20.1.22": addresses["node3"]}
    theirs |= {"admin@192.0.2.10": f"{USER}@{addresses[BASTION]}", "ansible_user: debian": f"ansible_user: {USER}"}
    theirs |= {"1.37.2": archive}
    for file in ("hosts.yml", "group_vars/all.yml"):
        text = (ROOT / "inventories/cloud" / file).read_text()
        for old, new in theirs.items():
            text = text.replace(old, new)
        world.run(CONTROLLER, f"mkdir -p cloud/group_vars && cat > cloud/{file}", text.encode(), user=USER)
    own = {"ansible_become_password": PASSWORD}
    own |= {"ansible_ssh_extra_args": "-o StrictHostKeyChecking=accept-new"}
    world.run(CONTROLLER, "cat > cloud/own.yml", yaml.safe_dump(own).encode(), user=USER)
    world.run(CONTROLLER, f"ssh-keyscan {' '.join(addresses.values())} > .ssh/known_hosts 2>/dev/null", user=USER)
    extra = "-e @group_vars/all.yml -e @cloud/own.yml"  # what nodes in containers need, and the password
    world.play("site", extra, inventory="cloud")
    assert "probes arrived" in world.play("verify", extra, inventory="cloud")
    uid = json.loads(world.run("node1", "cat /var/lib/podnet/cluster.json"))["cluster"]
    world.play("reset", f"{extra} -e reset_confirm={uid}", inventory="cloud")
