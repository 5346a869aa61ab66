# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubelets' requests for serving certificates: found in the API, and approved as they were judged.

A kubelet with ``serverTLSBootstrap`` asks the signer kubernetes.io/kubelet-serving, at its first start and before its
certificate expires. kube-controller-manager signs what is approved, and approves none itself (Kubernetes, certificate
signing requests, "Kubernetes signers").
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import time
from typing import Any

from ..converge.failure import failure
from ..converge.plan import Diff, Line, StateError
from ..findings.finding import Finding
from .client import ApiError, Client
from .rbac import PAUSE, REQUESTS, approve, authority

SIGNER = "kubernetes.io/kubelet-serving"
GROUP = "system:nodes"
#: The kubelet's port, and how many seconds it has to accept a connection.
PORT, CONNECT = 10250, 2.0
#: kubeadm's configuration for the kubelets of nodes that join.
CONFIGURATION = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"


def user(node: str) -> str:
    """The name of the node's kubelet."""
    return f"system:node:{node}"


def undecided(client: Client) -> dict[str, list[dict[str, Any]]]:
    """The requests (CertificateSigningRequests) that nobody has approved or denied, by user: a kubelet that starts
    again makes another one. Raises what ``Client`` does."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in client.items(REQUESTS, {"fieldSelector": f"spec.signerName={SIGNER}"}).items():
        if not each.get("status", {}).get("conditions"):
            found.setdefault(each["spec"]["username"], []).append(each)
    return found


def wait(client: Client, awaited: dict[str, str], timeout: float) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """``undecided``, once each node of ``awaited`` (addresses by node) has made a request or has its certificate; and
    those of ``awaited`` that have neither within ``timeout`` seconds. None is awaited where kubelets sign their
    certificates themselves. Raises what ``Client`` does."""
    if awaited and not _bootstraps(client):
        awaited = {}
    context = _context(client) if awaited else None
    deadline = time.monotonic() + timeout
    while True:
        found = undecided(client)
        missing = [
            node
            for node, address in awaited.items()
            if user(node) not in found and context and not _serves(address, context)
        ]
        if not missing or time.monotonic() >= deadline:
            return found, missing
        time.sleep(PAUSE)


def essence(request: dict[str, Any]) -> dict[str, Any]:
    """What of a request is judged: uid, groups and usages as the API has them, and request (PEM)."""
    spec = request["spec"]
    pem = base64.b64decode(spec["request"]).decode("ascii", "replace")
    lists = {key: list(spec.get(key) or []) for key in ("groups", "usages")}
    return {"uid": request["metadata"]["uid"], "request": pem, **lists}


class Approvals:
    """The step that approves ``requests`` and waits until they are signed, ``timeout`` seconds at most."""

    def __init__(self, client: Client, requests: list[dict[str, Any]], timeout: float) -> None:
        self.client = client
        self.requests = requests
        self.timeout = timeout
        self.users = sorted({each["spec"]["username"] for each in requests})
        self.changes = [Line("certificate", f"sign the serving certificate of {name}") for name in self.users]

    def diffs(self) -> list[Diff]:
        return []

    def apply(self) -> list[Finding]:
        try:
            for request in self.requests:
                approve(
                    self.client, request, "PodnetKubelet", "the node's kubelet, under the node's name and addresses"
                )
            self._await()
        except (ApiError, OSError, ValueError, StateError) as error:
            return [failure(f"sign the serving certificates of {', '.join(self.users)}", error)]
        return []

    def _await(self) -> None:
        deadline = time.monotonic() + self.timeout
        names = {each["metadata"]["name"] for each in self.requests}
        while names := {name for name in names if not self._signed(name)}:
            if time.monotonic() >= deadline:
                raise StateError(
                    f"approved and not signed within {self.timeout:.0f} s: check that kube-controller-manager runs, "
                    "with --cluster-signing-cert-file and -key-file"
                )
            time.sleep(PAUSE)

    def _signed(self, name: str) -> bool:
        return bool(self.client.call("GET", f"{REQUESTS}/{name}").get("status", {}).get("certificate"))


def _bootstraps(client: Client) -> bool:
    """Whether kubelets that join request serving certificates. (YAML; the standard library has no reader for it.)"""
    try:
        text = client.call("GET", CONFIGURATION)["data"]["kubelet"]
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return re.search(r"^serverTLSBootstrap: *true *$", text, re.MULTILINE) is not None


def _context(client: Client) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority(client.credentials))


def _serves(address: str, context: ssl.SSLContext) -> bool:
    """Whether the kubelet there has a certificate that the cluster's CA signed for this address."""
    try:
        connection = socket.create_connection((address, PORT), CONNECT)
        with connection, context.wrap_socket(connection, server_hostname=address):
            return True
    except OSError:  # ssl.SSLError is one
        return False
