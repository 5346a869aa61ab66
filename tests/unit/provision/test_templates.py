# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations as rendered: kubeadm's, containerd's for each version of its file, CRI-O's, Docker's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
NODE = {
    "kubelet": None, "containerd": "1.7.24", "crio": "1.34.0", "docker": "26.1.5", "cri_dockerd": "0.4.0",
    "distribution": {"family": "debian"}, "packages": {}, "cgroup": 2,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def plugins():
    """Ansible's own way to find the collection's filters, which other tests may have imported in Python's way."""
    imported = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "ansible_collections"}
    for name in imported:
        del sys.modules[name]
    init_plugin_loader([str(ROOT / "build/collections")])
    yield
    sys.modules.update(imported)


def trusted(value):
    """What Ansible reads from a role's files it takes for templates; so is this."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {name: trusted(each) for name, each in value.items()}
    return [trusted(each) for each in value] if isinstance(value, list) else value


def render(role, template, **variables):
    """A role's template with its defaults, its own variables, and these."""
    path = str(ROLES / role / "templates" / template)
    return evaluate(role, "{{ lookup('ansible.builtin.template', '" + path + "') }}", **variables)


def dependencies(role):
    """The roles whose variables ``role`` has, by its meta/main.yml."""
    meta = yaml.safe_load((ROLES / role / "meta/main.yml").read_text())
    return [each["role"].removeprefix("podnet.cluster.") for each in meta["dependencies"]]


def evaluate(role, expression, containerd="1.7.24", **variables):
    """What a role makes of an expression."""
    known = {}
    for name in (*dependencies(role), role):
        for kind in ("defaults", "vars"):
            known.update(trusted(yaml.safe_load((ROLES / name / kind / "main.yml").read_text())))
    known.update(
        ansible_facts={"podnet_node": {**NODE, "containerd": containerd}},
        ansible_search_path=[str(ROLES / role)],
        role_path=str(ROLES / role),
        node_name="node1",
        node_address="10.77.0.11",
        groups={"cluster": ["node1", "node2"], "control_plane": ["node1"]},
        hostvars={"node1": {"node_address": "10.77.0.11"}, "node2": {"node_address": "10.77.0.12"}},
        inventory_hostname="node1",
        ansible_play_hosts_all=["node1", "node2"],
    )
    known.update(variables)
    return Templar(loader=DataLoader(), variables=known).template(trust_as_template(expression))


def documents(release, **variables):
    """kubeadm's configuration by kind."""
    text = render("control_plane", "kubeadm.yaml.j2", kubernetes_release=release, **variables)
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_kubeadm():
    found = documents("1.37.2")
    assert sorted(found) == [
        "ClusterConfiguration",
        "InitConfiguration",
        "KubeProxyConfiguration",
        "KubeletConfiguration",
    ]
    init, cluster = found["InitConfiguration"], found["ClusterConfiguration"]
    assert init["apiVersion"] == cluster["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.77.0.11", "bindPort": 6443}
    assert init["nodeRegistration"]["name"] == "node1"
    assert init["nodeRegistration"]["criSocket"].endswith("/run/containerd/containerd.sock")
    assert cluster["kubernetesVersion"] == "v1.37.2"
    assert cluster["controlPlaneEndpoint"] == "api.podnet.internal:6444"
    assert cluster["networking"] == {
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.96.0.0/12",
        "dnsDomain": "cluster.local",
    }
    assert found["KubeletConfiguration"]["cgroupDriver"] == "systemd"
    assert found["KubeletConfiguration"]["protectKernelDefaults"] is True
    assert found["KubeProxyConfiguration"]["mode"] == "iptables"


def test_kube_proxy_in_nftables_mode():
    found = documents("1.37.2", control_plane_kube_proxy_mode="nftables", control_plane_kube_proxy={"logging": {}})
    assert (found["KubeProxyConfiguration"]["mode"], found["KubeProxyConfiguration"]["logging"]) == ("nftables", {})


def test_audit_and_encryption():
    """The API server gets files that it can read, and flags that name them; no secret is in kubeadm's configuration."""
    resources = [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "a", "secret": "S3"}]}}]}]
    more = {"control_plane_audit_policy": {"rules": [{"level": "Metadata"}]}, "control_plane_encryption": resources}
    server = documents("1.37.2", **more)["ClusterConfiguration"]["apiServer"]
    flags = {each["name"]: each["value"] for each in server["extraArgs"]}
    mounted = {each["mountPath"]: each.get("readOnly", False) for each in server["extraVolumes"]}
    assert mounted == {"/etc/kubernetes/podnet": True, "/var/log/kubernetes": False}
    assert (flags["audit-log-maxage"], flags["audit-log-maxbackup"], flags["audit-log-maxsize"]) == ("30", "10", "100")
    assert flags["encryption-provider-config-automatic-reload"] == "true"
    assert "S3" not in json.dumps(server)
    audit, encryption = evaluate("control_plane", "{{ _control_plane_settings_files }}", **more)
    assert {audit["path"]: "0600", encryption["path"]: "0600"} == {
        flags["audit-policy-file"]: audit["mode"],
        flags["encryption-provider-config"]: encryption["mode"],
    }
    assert yaml.safe_load(audit["content"])["rules"] == [{"level": "Metadata"}]
    assert yaml.safe_load(encryption["secret_content"])["resources"] == resources and "content" not in encryption
    assert evaluate("control_plane", "{{ _control_plane_settings_files }}") == []
    assert documents("1.37.2")["ClusterConfiguration"]["apiServer"]["extraVolumes"] == []


#: Strings that one or the other reader of YAML takes for something else, unless they are quoted.
STRINGS = ["12e34", "123e456", "0o17", "+_1", ".5", "1.5e3", "y", "=", "<<", "12:30", "null", "", "a: #", "\U0001f600"]


def plain(text):
    """A JSON document as it is, its strings as YAML's readers of every version have them: no escape that one lacks."""
    assert not re.search(r"\\u[dD][89a-fA-F]", text)  # half a character of UTF-16
    return json.loads(text)


def test_a_string_that_looks_like_a_number_stays_a_string():
    """What a user gives for Kubernetes is quoted, keys as well: its YAML library knows more numbers than Ansible's."""
    odd = {"strings": STRINGS, **{string: string for string in STRINGS}}
    given = {"control_plane_kubelet": odd, "control_plane_kube_proxy": odd, "control_plane_apiserver_args": odd}
    text = render("control_plane", "kubeadm.yaml.j2", kubernetes_release="1.37.2", **given)
    cluster, kubelet, proxy = text.split("\n---\n")[-3:]
    assert odd.items() <= plain(kubelet).items() and odd.items() <= plain(proxy).items()
    for string in STRINGS:
        assert f"- name: {json.dumps(string, ensure_ascii=False)}\n" in cluster
        assert f"  value: {json.dumps(string, ensure_ascii=False)}\n" in cluster
    audit, encryption = evaluate(
        "control_plane",
        "{{ _control_plane_settings_files }}",
        control_plane_audit_policy=odd,
        control_plane_encryption=[odd],
    )
    assert odd.items() <= plain(audit["content"]).items()
    assert plain(encryption["secret_content"])["resources"] == [odd]
    workload = render("verify", "workload.yml.j2", verify_image="12e34", verify_namespace="0o17")
    assert workload.count('image: "12e34"\n') == 2
    assert re.findall("name(?:space)?: (.*17.*)", workload) == ['"0o17"'] * 4


def test_a_key_out_of_the_vault(ansible, tmp_path):
    """A string that alone is vaulted is written as what it means, not as the vault has it."""
    (tmp_path / "password").write_text("word")
    vault = ["--vault-password-file", "password"]
    where = {"cwd": tmp_path, "env": {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}}
    given = ansible("ansible-vault", "encrypt_string", *vault, "--name", "vaulted", "c2VjcmV0", **where).stdout
    (tmp_path / "given.yml").write_text(
        given + "\ncontrol_plane_audit_policy: {}\n"
        'control_plane_encryption: [{resources: [secrets], providers: [{aesgcm: {secret: "{{ vaulted }}"}}]}]\n'
    )
    files = ["-e", f"@{ROLES}/control_plane/vars/main.yml", "-e", "@given.yml"]
    done = ansible(
        "ansible", "localhost", "-m", "debug", "-a", "var=_control_plane_settings_files", *vault, *files, **where
    )
    assert not done.returncode, done.stderr
    (file,) = json.loads(done.stdout.partition("=>")[2])["_control_plane_settings_files"]
    assert json.loads(file["secret_content"])["resources"][0]["providers"] == [{"aesgcm": {"secret": "c2VjcmV0"}}]


def test_the_kubelet_s_files_are_root_s_alone():
    """The CIS benchmark's 4.1.1."""
    files = evaluate("kubernetes", "{{ _kubernetes_all_files }}", kubernetes_source="archive")
    own = {each["path"]: each["mode"] for each in files if "kubelet" in each["path"]}
    assert set(own.values()) == {"0600"} and len(own) == 4


def test_serving_certificates_of_kubelets():
    """The API server verifies those that the cluster signs, and no others."""
    found = documents("1.37.2")
    assert found["KubeletConfiguration"]["serverTLSBootstrap"] is True
    own = documents("1.37.2", control_plane_kubelet={"serverTLSBootstrap": False})
    assert own["KubeletConfiguration"]["serverTLSBootstrap"] is False
    flags = [each["name"] for each in own["ClusterConfiguration"]["apiServer"]["extraArgs"]]
    assert "kubelet-certificate-authority" not in flags


PROXY = {"https_proxy": "http://ops:p%40ss@proxy.example.org:3128", "no_proxy": "mirror.example.org, .example.net"}


def test_the_package_managers_proxy():
    (apt,) = evaluate("node", "{{ _node_proxy_files.debian }}", cluster_proxy=PROXY)
    assert (apt["state"], apt["mode"]) == ("file", "0600") and "content" not in apt
    assert apt["secret_content"].splitlines()[1:] == [
        'Acquire::https::Proxy "http://ops:p%40ss@proxy.example.org:3128";',
        'Acquire::http::Proxy::mirror.example.org "DIRECT";',
        'Acquire::https::Proxy::mirror.example.org "DIRECT";',
        'Acquire::http::Proxy::example.net "DIRECT";',
        'Acquire::https::Proxy::example.net "DIRECT";',
    ]
    (dnf,) = evaluate("node", "{{ _node_proxy_files.redhat }}", cluster_proxy=PROXY)
    assert dnf["secret_content"].splitlines() == [
        "proxy=http://proxy.example.org:3128", "proxy_username=ops", "proxy_password=p@ss",
    ]  # fmt: skip
    assert evaluate("node", "{{ _node_proxy_files.debian[0].state }}") == "absent"
    assert evaluate("containerd", "{{ containerd_proxy }}", cluster_proxy=PROXY) == PROXY


FACTS = {**NODE, "firewalls": ["firewalld", "ufw"], "interfaces": {}, "held": [], "packages": {}}


@pytest.mark.parametrize(
    ("backend", "port"),
    [({"type": "vxlan", "port": 8472}, ("udp", "8472")), ({"type": "wireguard"}, ("udp", "51820-51821"))],
)
def test_firewalld_lets_the_nodes_ports_pass(backend, port):
    files = {
        each["path"].rpartition("/")[2]: each
        for each in evaluate(
            "node", "{{ _node_firewall_files }}", ansible_facts={"podnet_node": FACTS}, overlay_backend=backend
        )
    }
    assert [files[name]["state"] for name in ("podnet-nodes4.xml", "podnet-nodes6.xml")] == ["file", "absent"]
    entries = ElementTree.fromstring(files["podnet-nodes4.xml"]["content"]).findall("entry")
    assert [each.text for each in entries] == ["10.77.0.11", "10.77.0.12"]
    rules = ElementTree.fromstring(files["podnet-to-node.xml"]["content"]).findall("rule")
    ports = [(each.find("port").get("protocol"), each.find("port").get("port")) for each in rules]
    assert ports == [("tcp", "10250"), ("tcp", "6443"), port]
    assert files["before.rules"]["content"] == ""  # not asked for
    zone = ElementTree.fromstring(files["podnet-pods.xml"]["content"])
    assert [each.get("address") for each in zone.findall("source")] == ["10.244.0.0/16"]


def test_a_firewall_that_is_closed_again():
    files = evaluate(
        "node", "{{ _node_firewall_files }}", ansible_facts={"podnet_node": FACTS}, node_firewalls=[]
    )  # fmt: skip
    absent = evaluate("node", "{{ _node_firewall_absent }}", ansible_facts={"podnet_node": FACTS})
    assert [each["path"] for each in files] == [each["path"] for each in absent]
    assert all(each["content"] == "" if "block" in each else each["state"] == "absent" for each in files)


def test_ufw_lets_pods_pass():
    files = evaluate(
        "node", "{{ _node_firewall_files }}", ansible_facts={"podnet_node": FACTS}, node_firewalls=["ufw"]
    )  # fmt: skip
    lines = next(each for each in files if each["path"].endswith("before.rules"))["content"].splitlines()
    assert "-A ufw-before-forward -s 10.244.0.0/16 -j ACCEPT" in lines
    assert "-A ufw-before-input -s 10.77.0.12 -p udp --dport 8472 -j ACCEPT" in lines
    assert (lines[1], lines[-1]) == ("*filter", "COMMIT")


def test_how_long_is_waited():
    init = documents("1.37.2", control_plane_timeout=900)["InitConfiguration"]
    assert init["timeouts"] == {"controlPlaneComponentHealthCheck": "900s", "kubeletHealthCheck": "900s"}


def test_extra_arguments_may_hold_anything():
    more = {
        "control_plane_apiserver_args": {"v": 2, "profiling": "false"},
        "control_plane_etcd_args": {"quota": 'a "b"'},
    }
    cluster = documents("1.37.2", **more, overlay_node_prefix=25)["ClusterConfiguration"]
    parts = {
        "apiServer": {"profiling": "false", "kubelet-certificate-authority": "/etc/kubernetes/pki/ca.crt", "v": "2"},
        "controllerManager": {"profiling": "false", "node-cidr-mask-size": "25"},
        "scheduler": {"profiling": "false"},
    }
    wanted = {
        part: [{"name": name, "value": value} for name, value in values.items()] for part, values in parts.items()
    }
    assert {part: cluster[part]["extraArgs"] for part in parts} == wanted
    assert cluster["etcd"]["local"]["extraArgs"] == [{"name": "quota", "value": 'a "b"'}]


@pytest.mark.parametrize(
    ("network", "flags"),
    [
        ("10.244.0.0/16", {"node-cidr-mask-size": "24"}),
        ("fd00:244::/56", {"node-cidr-mask-size": "64"}),
        ("10.244.0.0/16,fd00:244::/56", {"node-cidr-mask-size-ipv4": "24", "node-cidr-mask-size-ipv6": "64"}),
    ],
)
def test_the_nodes_parts_of_the_pod_network(network, flags):
    cluster = documents("1.37.0", overlay_network=network)["ClusterConfiguration"]
    assert cluster["networking"]["podSubnet"] == network
    assert cluster["controllerManager"]["extraArgs"] == [
        {"name": "profiling", "value": "false"}, *({"name": name, "value": flags[name]} for name in flags)
    ]  # fmt: skip


def test_settings_of_kubelet_and_kube_proxy():
    found = documents(
        "1.36.0",
        control_plane_kube_proxy={"conntrack": {"maxPerCore": 0}},
        control_plane_kubelet={"protectKernelDefaults": False, "maxPods": 50},
        containerd_cgroup_driver="cgroupfs",
    )
    assert found["KubeProxyConfiguration"]["conntrack"] == {"maxPerCore": 0}
    kubelet = found["KubeletConfiguration"]
    assert (kubelet["protectKernelDefaults"], kubelet["maxPods"], kubelet["cgroupDriver"]) == (False, 50, "cgroupfs")


def test_a_release_without_patch_is_that_of_the_installed_kubelet():
    assert documents("1.36")["ClusterConfiguration"]["kubernetesVersion"] == "v1.36.0"


@pytest.mark.parametrize(
    ("archive", "skipped"),
    [
        (None, []),
        (["registry.k8s.io/coredns/coredns:v1.12.1"], []),
        (["registry.k8s.io/pause:3.10.1"], ["addon/coredns"]),
    ],
)
def test_phases_that_are_skipped(archive, skipped):
    """CoreDNS where its image is not to be had."""
    known = {} if archive is None else {"__kubernetes_archive": {"images": archive}}
    assert evaluate("control_plane", "{{ _control_plane_skipped_phases }}", **known) == skipped


def test_another_registry_endpoint_and_names():
    cluster = documents(
        "1.36.0",
        control_plane_image_repository="registry.example.org/k8s",
        control_plane_endpoint="api.example.org:8443",
        control_plane_cert_sans=["api.example.org"],
    )["ClusterConfiguration"]
    assert cluster["imageRepository"] == "registry.example.org/k8s"
    assert cluster["controlPlaneEndpoint"] == "api.example.org:8443"
    assert cluster["apiServer"]["certSANs"] == ["api.example.org"]
    assert "imageRepository" not in documents("1.36.0")["ClusterConfiguration"]


def test_join():
    invitation = {"stdout": "kubeadm join 10.77.0.11:6443 --token ab.cd     --discovery-token-ca-cert-hash sha256:ef "}
    join = yaml.safe_load(
        render(
            "worker",
            "join.yaml.j2",
            kubernetes_ignored_preflight_errors=["NumCPU"],
            worker_timeout=60,
            __worker_invitation=invitation,
        )
    )
    assert join["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert join["kind"] == "JoinConfiguration"
    assert join["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "10.77.0.11:6443",
        "token": "ab.cd",
        "caCertHashes": ["sha256:ef"],
    }
    assert join["nodeRegistration"]["ignorePreflightErrors"] == ["NumCPU"]
    assert join["timeouts"]["discovery"] == "60s"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
@pytest.mark.parametrize("driver", ["systemd", "cgroupfs"])
@pytest.mark.parametrize(
    ("containerd", "version", "bin_dir"),
    [
        ("1.6.20", 2, {"bin_dir": "/opt/podnet/current/bin"}),
        ("2.0.9", 3, {"bin_dir": "/opt/podnet/current/bin"}),
        ("2.1.9", 3, {"bin_dirs": ["/opt/podnet/current/bin"]}),
        ("2.3.7", 4, {"bin_dirs": ["/opt/podnet/current/bin"]}),
    ],
)
def test_containerd(containerd, version, bin_dir, driver):
    import tomllib

    files = evaluate(
        "containerd",
        "{{ _containerd_files }}",
        containerd=containerd,
        role_path=str(ROLES / "containerd"),
        ansible_search_path=[str(ROLES / "containerd")],
        kubernetes_release="1.37.0",
        containerd_cgroup_driver=driver,
        containerd_restrict_oom_score_adj=True,
    )
    config = tomllib.loads(files[0]["content"])
    assert config["version"] == version
    assert config["imports"] == ["/etc/containerd/conf.d/*.toml"]
    plugins = config["plugins"]
    cri = plugins["io.containerd.grpc.v1.cri" if version == 2 else "io.containerd.cri.v1.runtime"]
    assert cri["cni"] == {**bin_dir, "conf_dir": "/etc/cni/net.d", "max_conf_num": 1}
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is (driver == "systemd")
    images = cri if version == 2 else plugins["io.containerd.cri.v1.images"]
    assert images["registry"]["config_path"] == "/etc/containerd/certs.d"
    sandbox = images["sandbox_image"] if version == 2 else images["pinned_images"]["sandbox"]
    assert sandbox == "registry.k8s.io/pause:3.10.2"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
@pytest.mark.parametrize("containerd", ["1.7.24", "2.3.7"])
@pytest.mark.parametrize(
    ("source", "packages", "path"),
    [
        ("archive", {}, None),  # by PATH, as everywhere
        ("archive", {"runc": "1.1.15"}, "/usr/bin/runc"),  # CRI-O's, say: PATH has it first
        ("packages", {"runc": "1.1.15"}, None),
    ],
)
def test_an_archive_s_runc_beside_a_package_s(containerd, source, packages, path):
    import tomllib

    facts = {"podnet_node": {**NODE, "containerd": containerd, "packages": packages}}
    variables = {"ansible_facts": facts, "containerd_source": source, "role_path": str(ROLES / "containerd")}
    search = [str(ROLES / "containerd")]
    files = evaluate("containerd", "{{ _containerd_files }}", ansible_search_path=search, **variables)
    plugins = tomllib.loads(files[0]["content"])["plugins"]
    cri = plugins.get("io.containerd.grpc.v1.cri") or plugins["io.containerd.cri.v1.runtime"]
    assert cri["containerd"]["runtimes"]["runc"]["options"].get("BinaryName") == path


@pytest.mark.parametrize(("family", "conflicts"), [("debian", ["containerd"]), ("redhat", ["containerd", "runc"])])
def test_packages_whose_files_an_archive_would_replace(family, conflicts):
    packages = {"containerd": "1.7.24", "runc": "1.1.15", "crun": "1.21"}
    facts = {"podnet_node": {**NODE, "distribution": {"family": family}, "packages": packages}}
    assert evaluate("containerd", "{{ _containerd_conflicts }}", ansible_facts=facts) == conflicts


@pytest.mark.parametrize(("source", "state"), [("packages", "restored"), ("archive", "file"), ("modules", "file")])
def test_a_unit_for_containerd_where_no_package_brings_one(source, state):
    files = evaluate(
        "containerd",
        "{{ _containerd_files }}",
        containerd="2.3.7",
        ansible_search_path=[str(ROLES / "containerd")],
        containerd_source=source,
    )
    (unit,) = [file for file in files if file["path"] == "/etc/systemd/system/containerd.service"]
    assert unit["state"] == state
    assert ("containerd 2.3.7" in unit["content"]) is (state == "file")


def files_of(role, **variables):
    """A runtime's files by path, as configured with one mirror of its own authority and without CAP_SYS_RESOURCE."""
    mirrors = {"docker.io": ["http://plain.example:5000", {"url": "https://own.example/a", "ca": "/etc/ssl/own.crt"}]}
    names = {
        "crio": "_crio_files + _crio_authorities",
        "docker": "_docker_engine_files + _docker_cri_files + _docker_authorities",
    }
    found = evaluate(
        role, "{{ " + names[role] + " }}", kubernetes_release="1.37.0", container_runtime=role,
        containerd_registry_mirrors=mirrors, containerd_restrict_oom_score_adj=True, **variables,
    )  # fmt: skip
    return {each["path"]: each for each in found}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
@pytest.mark.parametrize(
    ("driver", "conmon", "cgroup", "oci"), [("systemd", "system.slice", 2, "crun"), ("cgroupfs", "pod", 1, "runc")]
)
def test_crio(driver, conmon, cgroup, oci):
    import tomllib

    facts = {"podnet_node": {**NODE, "cgroup": cgroup}}
    files = files_of("crio", containerd_cgroup_driver=driver, kubernetes_source="archive", ansible_facts=facts)
    crio = tomllib.loads(files["/etc/crio/crio.conf.d/10-podnet.conf"]["content"])["crio"]
    assert crio["network"] == {"network_dir": "/etc/cni/net.d", "plugin_dirs": ["/opt/podnet/current/bin"]}
    assert crio["image"]["pause_image"] == "registry.k8s.io/pause:3.10.2"
    assert (crio["runtime"]["cgroup_manager"], crio["runtime"]["conmon_cgroup"]) == (driver, conmon)
    assert crio["runtime"]["default_runtime"] == oci
    assert crio["runtime"]["runtimes"][oci]["runtime_path"] == "/usr/local/sbin/podnet-oci-runtime"
    assert "CRI-O 1.34.0" in files["/etc/systemd/system/crio.service"]["content"]
    assert files["/etc/containers/certs.d/own.example/podnet.crt"]["target"] == "/etc/ssl/own.crt"
    assert f'\nRUNTIME = "{oci}"\n' in files["/usr/local/sbin/podnet-oci-runtime"]["content"]
    (registries,) = evaluate(
        "crio", "{{ _crio_files }}", containerd_registry_mirrors={"docker.io": ["http://plain.example:5000/"]},
        kubernetes_release="1.37.0", container_runtime="crio",
    )[2:3]  # fmt: skip
    (registry,) = tomllib.loads(registries["content"])["registry"]
    assert registry == {"location": "docker.io", "mirror": [{"location": "plain.example:5000", "insecure": True}]}


@pytest.mark.skipif(os.geteuid() or not shutil.which("nft"), reason="needs root and nft")
@pytest.mark.parametrize(("family", "pod"), [("ip", "10.244.1.2"), ("ip6", "fd00:244::2")])
def test_a_pod_of_crio_s_reaches_its_own_host_port(family, pod):
    """nft takes the file again and again, and before and after the table that CRI-O 1.34 makes."""
    files = files_of("crio", kubernetes_source="archive")
    address = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}[family]
    theirs = f"""
        add table {family} crio-hostports {{ comment "HostPort rules created by CRI-O"; }}
        add set {family} crio-hostports hairpins {{ type {address} . {address}; comment "hostport"; }}
        add element {family} crio-hostports hairpins {{ {pod} . {pod} comment "A" }}
    """
    ours = files[f"/etc/crio/hostports-{family}.nft"]["content"]
    for order in ([ours, theirs, ours], [theirs, ours, ours]):
        command = [
            "unshare",
            "--net",
            "sh",
            "-ec",
            'for each; do echo "$each" | nft -f -; done; nft list ruleset',
            "sh",
        ]
        ran = subprocess.run([*command, *order], text=True, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr
        rule = f"{family} saddr . {family} daddr @hairpins masquerade"
        assert ran.stdout.count(rule) == 1 and pod in ran.stdout
    unit = files["/etc/systemd/system/crio.service.d/podnet-hostports.conf"]["content"]
    assert f"nft --file /etc/crio/hostports-{family}.nft\n" in unit


def test_the_stand_in_for_an_oci_runtime_changes_only_what_the_node_cannot_give():
    stand_in: dict = {"__name__": "stand_in"}
    exec((ROLES / "cluster/files/oci_runtime.py").read_text(), stand_in)
    plain = {"process": {"oomScoreAdj": 0, "capabilities": {"bounding": ["CAP_CHOWN"]}}}
    assert not stand_in["adapt"](plain, -100) and not stand_in["adapt"]({}, 0)
    asking = {"process": {"oomScoreAdj": -998, "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"]}}}
    assert stand_in["adapt"](asking, 0)
    assert asking == plain


def test_docker():
    """Docker Engine touches no packet filter; where results of ADD lie is the same as with other runtimes."""
    files = files_of("docker", kubernetes_source="archive", overlay_network="10.244.0.0/16,fd00:244::/56")
    daemon = json.loads(files["/etc/docker/daemon.json"]["content"])
    assert [daemon[key] for key in ("bridge", "iptables", "ip6tables", "live-restore")] == ["none", False, False, True]
    assert daemon["exec-opts"] == ["native.cgroupdriver=systemd"] and daemon["default-runtime"] == "podnet"
    assert daemon["runtimes"]["podnet"]["path"] == "/usr/local/sbin/podnet-oci-runtime"
    assert daemon["registry-mirrors"] == ["http://plain.example:5000", "https://own.example/a"]
    unit = files["/etc/systemd/system/cri-docker.service"]["content"]
    flags = re.findall(r"--\S+", unit.replace("\\\n", ""))
    assert {
        "--container-runtime-endpoint=unix:///run/cri-dockerd.sock", "--cni-bin-dir=/opt/podnet/current/bin",
        "--cni-conf-dir=/etc/cni/net.d", "--cni-cache-dir=/var/lib/cni", "--ipv6-dual-stack",
        "--pod-infra-container-image=registry.k8s.io/pause:3.10.2",
    } <= set(flags)  # fmt: skip
    assert "cri-dockerd 0.4.0: Docker Engine 26.1.5" in unit


@pytest.mark.parametrize(("runtime", "socket"), [("crio", "/run/crio/crio.sock"), ("docker", "/run/cri-dockerd.sock")])
def test_kubeadm_and_crictl_ask_the_runtime_of_the_node(runtime, socket):
    init = documents("1.37.2", container_runtime=runtime)["InitConfiguration"]
    assert init["nodeRegistration"]["criSocket"] == f"unix://{socket}"
    crictl = render("kubernetes", "crictl.yaml.j2", container_runtime=runtime)
    # not above: other tests load this file where only Ansible finds the collection
    from ansible_collections.podnet.cluster.plugins.module_utils.verify.model import runtimes

    assert runtimes.of_crictl(crictl) is runtimes.RUNTIMES[runtime]
    # a build serves all nodes
    more = {"node2": {"container_runtime": runtime}, "node1": {}}
    assert evaluate("kubernetes", "{{ _kubernetes_runtimes }}", hostvars=more) == [runtime]


def test_mirrors():
    mirrors = {
        "docker.io": ["https://one.example", "https://two.example"],
        "registry.k8s.io": ["http://three.example:5000"],
    }
    found = yaml.safe_load(render("containerd", "mirrors.j2", containerd_registry_mirrors=mirrors))
    assert [each["path"] for each in found] == [f"/etc/containerd/certs.d/{name}/hosts.toml" for name in mirrors]
    assert 'server = "https://registry-1.docker.io"' in found[0]["content"]
    assert found[0]["content"].index("https://one.example") < found[0]["content"].index("https://two.example")
    assert [each["secret"] for each in found] == [False, False]
    assert yaml.safe_load(render("containerd", "mirrors.j2")) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_mirrors_with_more_than_a_url():
    """As containerd reads them (docs/hosts.md): hosts in order, header a table of its own, no server for _default."""
    import tomllib

    url = "https://one.example"
    more = {"ca": "/ca.pem", "client": ["/c.pem", "/c.key"], "skip_verify": False, "override_path": True}
    mirrors = {"_default": [{"url": url, **more, "header": {"authorization": 'a "b"'}}, "https://two.example"]}
    (found,) = yaml.safe_load(render("containerd", "mirrors.j2", containerd_registry_mirrors=mirrors))
    assert (found["path"], found["mode"]) == ("/etc/containerd/certs.d/_default/hosts.toml", "0600")
    assert found["secret"] is True
    assert "content" not in found, "what is secret is an argument of the module that no log has"
    content = tomllib.loads(found["secret_content"])
    assert "server" not in content
    assert list(content["host"]) == [url, "https://two.example"]
    assert content["host"][url] == {
        "capabilities": ["pull", "resolve"], **more, "client": [more["client"]], "header": {"authorization": 'a "b"'},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("", "registry.k8s.io/pause:3.10.1"),
        ("registry.example.org/k8s", "registry.example.org/k8s/pause:3.10.1"),
    ],
)
def test_the_sandbox_image_is_of_the_same_registry(repository, image):
    variables = {"kubernetes_release": "1.34", "control_plane_image_repository": repository}
    assert evaluate("containerd", "{{ containerd_sandbox_image }}", **variables) == image


def test_proxy():
    text = render(
        "cluster", "proxy.conf.j2", containerd_proxy={"https_proxy": "http://proxy:3128", "no_proxy": "a.example"}
    )
    assert 'Environment="HTTPS_PROXY=http://proxy:3128"' in text
    assert "HTTP_PROXY=" not in text.replace("HTTPS_PROXY=", "")
    for part in ("a.example", "10.77.0.11", "10.77.0.12", "10.244.0.0/16", "10.96.0.0/12"):
        assert part in text
    text = render("cluster", "proxy.conf.j2", containerd_proxy={"http_proxy": "http://proxy:3128"})
    assert 'Environment="HTTPS_PROXY=http://proxy:3128"' in text  # as the package manager takes it


def test_mirrors_are_reached_without_the_proxy():
    mirrors = {"docker.io": ["https://depot.example:5000"], "_default": [{"url": "https://[fd00::9]:5000/v2"}]}
    variables = {"containerd_proxy": {"a": "b"}, "containerd_registry_mirrors": mirrors}
    text = render("cluster", "proxy.conf.j2", **variables)
    (hosts,) = re.findall('NO_PROXY=(.*)"', text)
    # in the order of the variables, whatever the hash of a string is in this process
    own = "localhost,127.0.0.1,10.244.0.0/16,10.96.0.0/12,.svc,.cluster.local,api.podnet.internal,10.77.0.11,10.77.0.12"
    assert hosts.startswith(own)
    assert {"depot.example", "fd00::9"} <= set(hosts.split(","))


def test_a_proxy_s_password_is_what_systemd_reads():
    """systemd.exec(5), Environment=: % begins a specifier, quotes and backslashes are escaped."""
    password = 'a%b"c\\d'
    text = render("cluster", "proxy.conf.j2", containerd_proxy={"http_proxy": f"http://u:{password}@proxy:3128"})
    assert r'Environment="HTTP_PROXY=http://u:a%%b\"c\\d@proxy:3128"' in text.splitlines()


def test_a_proxy_s_file_is_secret():
    for proxy in ({}, {"http_proxy": "http://u:p@proxy"}):
        files = evaluate(
            "containerd", "{{ _containerd_files + _containerd_absent_files }}",
            ansible_search_path=[str(ROLES / "containerd")], containerd_proxy=proxy,
        )  # fmt: skip
        for file in files:
            if file["path"].endswith("podnet-proxy.conf"):
                assert file["secret"] is True and "content" not in file


def test_whatever_asks_the_api_asks_it_directly():
    """Not through a proxy of /etc/environment, which sudo and ssh have each command see."""
    for path in [*ROLES.glob("*/tasks/*.yml"), *ROLES.parent.glob("playbooks/*.yml")]:
        if path.parent.parent.name == "lab":
            continue
        for task in tasks(yaml.safe_load(path.read_text())):
            words = json.dumps([task.get(module) for module in COMMANDS] + [task.get("environment")])
            asks = re.search(r"kubectl|_KUBECTL|kubeadm\W+(init|join|token|upgrade)", words)
            if asks or "podnet.cluster.agent_identities" in task or "podnet.cluster.pod_cidrs_info" in task:
                assert "_cluster_direct" in json.dumps(task.get("environment")), f"{path}: {task['name']}"


COMMANDS = ("ansible.builtin.command", "ansible.builtin.shell")


def tasks(items):
    """All tasks of a file of tasks or plays, those in blocks among them."""
    for item in items or []:
        yield item
        for key in ("tasks", "block", "rescue", "always"):
            yield from tasks(item.get(key))


def test_kubelet_flags():
    text = render("kubernetes", "kubelet.env.j2", kubernetes_kubelet_args={"v": 4})
    assert text.splitlines()[1] == "KUBELET_EXTRA_ARGS=--node-ip=10.77.0.11 --v=4"
    text = render("kubernetes", "kubelet.env.j2", node_addresses=["10.77.0.11", "fd00:77::b"])
    assert text.splitlines()[1] == "KUBELET_EXTRA_ARGS=--node-ip=10.77.0.11,fd00:77::b"


@pytest.mark.parametrize(
    ("runtime", "release", "args", "gates"),
    [
        ("docker", "1.36", {}, " --feature-gates=ExtendWebSocketsToKubelet=false"),
        ("docker", "1.37.2", {"feature-gates": "A=true"}, " --feature-gates=ExtendWebSocketsToKubelet=false,A=true"),
        ("docker", "1.35", {}, ""),  # which does not know the gate, and would not start
        ("crio", "1.37", {"feature-gates": "A=true"}, " --feature-gates=A=true"),
    ],
)
def test_exec_and_attach_on_nodes_of_cri_dockerd(runtime, release, args, gates):
    told = {"container_runtime": runtime, "kubernetes_release": release, "kubernetes_kubelet_args": args}
    text = render("kubernetes", "kubelet.env.j2", **told)
    assert text.splitlines()[1] == f"KUBELET_EXTRA_ARGS=--node-ip=10.77.0.11{gates}"


@pytest.mark.parametrize(
    ("network", "versions"),
    [("10.244.0.0/16", [4]), ("fd00:244::/56", [6]), ("10.244.0.0/16, fd00:244::/56", [4, 6])],
)
def test_the_ip_versions_of_a_node_are_those_of_the_pod_network(network, versions):
    assert evaluate("node", "{{ _cluster_ip_versions }}", overlay_network=network) == versions


@pytest.mark.parametrize(
    ("source", "uid", "asked"),
    [("api", "", True), ("api", "1", True), ("allocator", "1", True), ("allocator", "", False)],
)
def test_nodes_without_an_api_have_no_kubelets_to_sign_for(source, uid, asked):
    tasks = yaml.safe_load((ROLES / "overlay/tasks/main.yml").read_text())
    (task,) = [each for each in tasks if each["name"] == "Sign the kubelets' serving certificates"]
    variables = {"_cluster_new_kubelets": ["node1"], "_overlay_waiting_kubelets": [], "_cluster_uid": uid}
    holds = [
        evaluate("overlay", "{{ " + each + " }}", overlay_pod_cidr_source=source, **variables) for each in task["when"]
    ]
    assert all(holds) is asked


@pytest.mark.parametrize("family", ["debian", "redhat"])
def test_packages_of_the_repository(family):
    """crictl is not kubeadm's dependency since 1.32, and certificates, backups and checks of etcd want it."""
    (*_others, task) = [
        each
        for each in yaml.safe_load((ROLES / f"kubernetes/tasks/repository_{family}.yml").read_text())
        if each["name"] == "Install the packages"
    ]
    (given,) = [task[name] for name in task if name.startswith("ansible.builtin")]
    names = {"debian": ["kubelet=1.36.*", "cri-tools"], "redhat": ["kubelet-1.36.*", "cri-tools"]}[family]
    variables = {"kubernetes_release": "1.36", "kubernetes_components": ["kubelet"], "kubernetes_source": "repository"}
    assert evaluate("kubernetes", given["name"], **variables) == names
    packages, held = {"kubelet": "1.36.3-1.1"}, ["kubelet"]
    variables["ansible_facts"] = {
        "podnet_node": {"packages": packages, "held": held, "distribution": {"family": family}}
    }
    assert evaluate("kubernetes", "{{ _kubernetes_outdated }}", **variables) == ["cri-tools"]
    assert evaluate("kubernetes", "{{ _kubernetes_own_packages }}", **variables) == ["kubelet"]


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"),
    [
        (None, False), ("", False), ("pkgs.k8s.io", True), ("a.example, .k8s.io", True), ("*.k8s.io", True),
        ("gs.k8s.io", False), ("pkgsxk8s.io", False), ("pkgs.k8s.io.example", False), ("10.0.0.0/8,,", False),
    ],
)  # fmt: skip
def test_a_repository_that_dnf_reaches_without_the_proxy(no_proxy, is_direct):
    proxy = {"http_proxy": "http://192.0.2.1:3128", **({} if no_proxy is None else {"no_proxy": no_proxy})}
    text = render("kubernetes", "kubernetes.repo.j2", kubernetes_release="1.36", cluster_proxy=proxy)
    assert text.splitlines().count("proxy=_none_") == is_direct


THREE = {f"node{number}": {"node_address": f"10.77.0.1{number}"} for number in (1, 2, 3, 4)}


def balancer(control_planes, **variables):
    groups = {"cluster": list(THREE), "control_plane": control_planes}
    return render("node", "haproxy.cfg.j2", groups=groups, hostvars=THREE, **variables)


def test_the_load_balancer_checks_where_it_has_a_choice():
    from ansible_collections.podnet.cluster.plugins.module_utils.kube import api_servers

    alone = balancer(["node1"])
    assert "server node1 10.77.0.11:6443\n" in alone and "check-ssl" not in alone and "bind 127.0.0.1:6444" in alone
    several = balancer(["node1", "node3"])
    assert re.findall(r"server (\S+) (\S+) tcp-ut 2s check ", several) == [
        ("node1", "10.77.0.11:6443"),
        ("node3", "10.77.0.13:6443"),
    ]
    assert "inter 1s" in several and "node2" not in several
    servers = re.findall(r"^ *server .*$", several, re.MULTILINE)
    assert len(servers) == 4 and all(" tcp-ut 2s " in each and "on-marked-down" not in each for each in servers)
    assert api_servers.listed(several) == [("node1", "10.77.0.11", 6443), ("node3", "10.77.0.13", 6443)]
    assert api_servers.listed(alone) == [("node1", "10.77.0.11", 6443)]
    left = balancer(["node1", "node3"], cluster_hosts=["node2", "node3", "node4"])
    assert "server node3 10.77.0.13:6443\n" in left and "node1" not in left, "what leaves the cluster leaves it first"


def test_a_control_plane_joins():
    invitation = {
        "stdout": "kubeadm join api.podnet.internal:6444 --token ab.cd --discovery-token-ca-cert-hash sha256:ef"
    }
    text = render(
        "control_plane", "join.yaml.j2",
        kubernetes_release="1.37.2", __control_plane_invitation=invitation,
        __control_plane_key={"stdout_lines": ["[upload]", "k3y"]},
    )  # fmt: skip
    joined = yaml.safe_load(text)
    assert joined["controlPlane"] == {
        "certificateKey": "k3y",
        "localAPIEndpoint": {"advertiseAddress": "10.77.0.11", "bindPort": 6443},
    }
    assert joined["discovery"]["bootstrapToken"]["apiServerEndpoint"] == "api.podnet.internal:6444"


HOSTS = "10.77.0.11 node1\n10.77.0.12 node2\n127.0.0.1 api.podnet.internal\n"


def test_hosts():
    assert render("node", "hosts.j2") == HOSTS
    own = render("node", "hosts.j2", control_plane_endpoint="api.example.org:6443")
    assert own + "127.0.0.1 api.podnet.internal\n" == HOSTS


def test_hosts_of_a_run_that_looked_at_one_node():
    """With --limit, or where a node is unreachable, what a former run knew is kept; what left the cluster goes."""
    facts = {"podnet_node": {**NODE, "hosts": {"node1": "10.0.0.1", "node2": "10.77.0.12", "gone": "10.77.0.13"}}}
    alone = {"node1": {"node_address": "10.77.0.11"}, "node2": {}}
    assert render("node", "hosts.j2", ansible_facts=facts, hostvars=alone) == HOSTS
    no_proxy = render("cluster", "proxy.conf.j2", ansible_facts=facts, hostvars=alone, containerd_proxy={"a": "b"})
    assert "10.77.0.12" in no_proxy


INTERFACES = {
    name: {"accept_ra": accept_ra}
    for name, accept_ra in {"lo": 1, "eth0": 1, "eth1": 2, "eth2": 0, "eth3.7": 1, "cni0": 1, "ib0": None}.items()
}


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ("10.244.0.0/16", []),
        (
            "10.244.0.0/16,fd00:244::/56",
            [
                ("-net/ipv6/conf/eth0/accept_ra", 2),
                ("-net/ipv6/conf/eth1/accept_ra", 2),
                ("-net/ipv6/conf/eth3.7/accept_ra", 2),
                ("-net.ipv6.conf.all.forwarding", 1),
            ],
        ),
    ],
)
def test_ipv6_forwarding(network, found):
    """Only with IPv6 pods, and then in an order that leaves no moment in which a router advertisement is ignored."""
    facts = {"podnet_node": {**NODE, "interfaces": INTERFACES}}
    sysctls = evaluate("node", "{{ _node_sysctls }}", ansible_facts=facts, overlay_network=network)
    assert [(name, value) for name, value in sysctls.items() if "ipv6" in name] == found
    assert sysctls["net.ipv4.ip_forward"] == 1
