# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's certificates renewed before they expire, and taken by what uses them.

kubeadm renews files; the control plane's components read some of them at their start only. Which of them are to be
restarted is recorded until it is done. The kubelet renews its client certificate, but not the serving one that it
signed itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial

from ..converge import files
from ..converge.plan import Change, StateError
from ..converge.units import PENDING, systemctl
from ..kube import expiry

ADMIN_CONF = "/etc/kubernetes/admin.conf"
MANIFESTS = "/etc/kubernetes/manifests"
KUBELET = "/var/lib/kubelet/pki/kubelet"
#: In the order of their restarts: each waits for the one before.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: What kubeadm does not renew: certificates of authorities live ten years.
_AUTHORITIES = ("/ca.crt", "/front-proxy-ca.crt")


def plan(node: str, days: int, force: bool, timeout: int) -> Iterator[Change]:
    """Renews the certificates of ``node`` if one of them has fewer than ``days`` left, or with ``force``. Each
    component is restarted when the one before is Ready again, which may take ``timeout`` seconds."""
    limit = time.time() + days * 86400
    kubeadm = _due(expiry.KUBEADM, limit, force)
    if kubeadm:
        before, after = _shown(kubeadm), "valid for another year\n"
        yield Change("certificate", "kubeadm", "renew kubeadm's certificates", before, after, _renew)
    for name in _present():
        if kubeadm or os.path.exists(_pending(name)):
            yield Change("pod", name, f"restart {name}", "", "restarted\n", partial(_restart, name, node, timeout))
    serving = _due((f"{KUBELET[1:]}.crt",), limit, force)
    if serving:
        text = "have the kubelet sign its serving certificate again"
        yield Change("certificate", f"{KUBELET}.crt", text, _shown(serving), "valid for another year\n", _sign_again)


def _due(patterns: Sequence[str], limit: float, force: bool) -> dict[str, int]:
    return {
        path: end
        for path, end in expiry.ends(patterns).items()
        if (force or end < limit) and not path.endswith(_AUTHORITIES)
    }


def _shown(ends: dict[str, int]) -> str:
    return "".join(f"{path} until {time.strftime('%Y-%m-%d', time.gmtime(end))}\n" for path, end in ends.items())


def _present() -> list[str]:
    return [name for name in COMPONENTS if os.path.exists(f"{MANIFESTS}/{name}.yaml")]


def _pending(name: str) -> str:
    return f"{PENDING}/{name}.pod"


def _renew() -> None:
    for name in _present():
        files.write(_pending(name), "")
    _run("kubeadm", "certs", "renew", "all")


def _restart(name: str, node: str, timeout: int) -> None:
    """Stops a static pod's container, which the kubelet starts again at once, and waits until the API has it Ready."""
    old = _run("crictl", "ps", "--name", f"^{name}$", "--state=Running", "--quiet").split()
    if old:
        _run("crictl", "stop", "--timeout=30", *old)
    deadline = time.monotonic() + timeout
    reason = "it was not started"
    while time.monotonic() < deadline:
        try:
            new, ready = _container(f"{name}-{node}")
            if ready and new not in old:
                files.remove(_pending(name))
                return
            reason = "its container is not Ready"
        except StateError as error:
            reason = str(error)
        time.sleep(1)
    raise StateError(f"{name}: {reason} within {timeout} s: crictl ps --all --name {name}; journalctl -u kubelet")


def _container(pod: str) -> tuple[str, bool]:
    """A static pod's container by the API: its ID, and whether it is ready."""
    words = ("kubectl", f"--kubeconfig={ADMIN_CONF}", "--namespace=kube-system", "get", "pod", pod, "--output=json")
    status = json.loads(_run(*words, "--request-timeout=5s")).get("status") or {}
    for each in status.get("containerStatuses") or ():
        return str(each.get("containerID", "")).rpartition("/")[2], bool(each.get("ready"))
    return "", False


def _sign_again() -> None:
    """The kubelet makes key and certificate where there are none."""
    for suffix in ("crt", "key"):
        if os.path.exists(f"{KUBELET}.{suffix}"):
            os.unlink(f"{KUBELET}.{suffix}")
    systemctl("restart", "kubelet.service")


def _run(*command: str) -> str:
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    except FileNotFoundError:
        raise StateError(f"{command[0]} is not installed: run site.yml") from None
    except subprocess.TimeoutExpired:
        raise StateError(f"{command[0]} {command[1]}: no end within 300 s") from None
    if ran.returncode:
        raise StateError(f"{command[0]} {command[1]}: {(ran.stderr.strip() or 'failed').splitlines()[-1]}")
    return ran.stdout
