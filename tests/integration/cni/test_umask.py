# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller with umask 000: what is written on its behalf is written by nobody else afterwards."""

from __future__ import annotations

import json
import os


def writable(directory):
    """Everything below that others may write to."""
    return [path for path in directory.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]


def test_of_a_runtime(host, way, bin_dir, tmp_path, request):
    if way == "service":
        bin_dir = request.getfixturevalue("service").bin_dir
    place = tmp_path / "a" / "b"
    conf = host.conf(isDefaultGateway=True, ipMasq=True, macspoofchk=True)
    conf["ipam"]["dataDir"] = f"{place}/networks"
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    tuning = {"type": "tuning", "sysctl": {"net.ipv4.conf.all.log_martians": "1"}, "dataDir": f"{place}/tuning"}
    (tmp_path / "net.d").mkdir(mode=0o755)
    conflist = {"cniVersion": "1.0.0", "name": "net", "plugins": [conf, ports, tuning]}
    (tmp_path / "net.d/10-net.conflist").write_text(json.dumps(conflist))
    pod = host.pod()
    env = {"PATH": os.environ["PATH"], "NETCONFPATH": f"{tmp_path}/net.d", "CNI_PATH": str(bin_dir)}
    env["CAP_ARGS"] = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    command = [f"{bin_dir}/podnet-cni", "--cache", f"{place}/cache", "add", "net", pod.path]
    host.netns.run("sh", "-c", 'umask 000; exec "$@"', "sh", *command, env=env)
    found = {path.name for path in place.iterdir()}
    assert {"networks", "cache"} <= found and list((place / "networks/net").iterdir())
    assert writable(tmp_path / "a") == []
    host.netns.run(*[word.replace("add", "del") if word == "add" else word for word in command], env=env)
