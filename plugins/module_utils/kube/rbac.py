# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identities and rights of the agents in the Kubernetes API: the administrator's side.

Every agent has a client certificate of its own, ``podnet:node:NAME`` in the group ``podnet:nodes``. The group may get,
list and watch nodes. Each node has a role of its own by which it may patch the status of that one node; the status
resource takes annotations and conditions, and leaves the specification alone. So a node that is taken over can lie
about itself, as its kubelet could, and about no other. Where the agents enforce NetworkPolicies, the group may also
get, list and watch pods, namespaces and policies. (The kubelet's own certificate would not do: since Kubernetes
1.32 the node authorizer lets a node read itself alone.)
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ..converge.failure import failure
from ..converge.plan import Change, Diff, Line, StateError
from ..findings.finding import Finding
from ..overlay.config import ConfigError
from . import admission
from .client import ApiError, Client, Credentials, parse_credentials

GROUP = "podnet:nodes"
#: The role by which agents read what policies depend on.
POLICIES = "podnet:policies"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"
LABEL = "app.kubernetes.io/managed-by"
MANAGER = "podnet.cluster"
KINDS = {"validatingadmissionpolicies": "validatingadmissionpolicy"}
_API = "rbac.authorization.k8s.io"
#: Seconds between two queries for a signed certificate.
PAUSE = 0.2


def user(node: str) -> str:
    """The name of the node's agent."""
    return f"podnet:node:{node}"


def administrator(path: str, kubectl: Sequence[str]) -> Credentials:
    """The credentials of the kubeconfig ``path``; the command ``kubectl`` reads what is YAML. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not text.lstrip().startswith("{"):
            command = [*kubectl, "config", "view", "--kubeconfig", path, "--raw", "--flatten", "--output", "json"]
            result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            if result.returncode:
                raise ConfigError(f"{' '.join(command)}: {result.stderr.strip()}")
            text = result.stdout
        return parse_credentials(json.loads(text))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not a kubeconfig: {error}") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{kubectl[0]}: no answer within 30 s") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None


def authority(credentials: Credentials) -> str:
    """The PEM text of the cluster's CA. Raises OSError."""
    if isinstance(credentials.ca, bytes):
        return credentials.ca.decode("ascii", "replace")
    with open(credentials.ca, encoding="ascii", errors="replace") as file:
        return file.read()


def objects(nodes: Iterable[str], policies: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """The roles and their bindings for the agents of ``nodes``, each with its collection's path; ``policies``: whether
    they enforce NetworkPolicies."""
    everyone = {"apiGroup": _API, "kind": "Group", "name": GROUP}
    found = _role(GROUP, everyone, _reading("", "nodes"))
    if policies:
        found += _role(
            POLICIES,
            everyone,
            _reading("", "pods", "namespaces"),
            _reading("networking.k8s.io", "networkpolicies"),
            _reading("policy.networking.k8s.io", "clusternetworkpolicies"),
        )
    for node in nodes:
        rule = {"apiGroups": [""], "resources": ["nodes/status"], "resourceNames": [node], "verbs": ["patch"]}
        found += _role(user(node), {"apiGroup": _API, "kind": "User", "name": user(node)}, rule)
    return found


def plan(client: Client, nodes: Sequence[str], policies: bool = False) -> list[Change]:
    """What differs in the API from what agents of ``nodes`` need. Objects of ours for nodes that are neither named nor
    in the cluster go, and those for ``policies`` where agents enforce none. Raises what ``Client`` does."""
    found = {}
    for kind in ("clusterroles", "clusterrolebindings"):
        path = f"{RBAC}/{kind}"
        for each in client.items(path, {"labelSelector": f"{LABEL}={MANAGER}"}).items():
            found[path, str(each["metadata"]["name"])] = each
    changes = []
    guarded = admission.objects(GROUP, user(""), {"labels": {LABEL: MANAGER}}) if _serves_policies(client) else []
    for path, wanted in [*objects(nodes, policies), *guarded]:
        name = wanted["metadata"]["name"]
        actual = found.pop((path, name), None) or _get(client, path, name)
        if actual is None or {**actual, **_essence(wanted)} != actual or not _ours(actual):
            changes.append(_change(client, path, name, actual, wanted))
    prefix = user("")
    for (path, name), actual in found.items():
        if name == POLICIES or (name.startswith(prefix) and _get(client, "/api/v1/nodes", name[len(prefix) :]) is None):
            changes.append(_change(client, path, name, actual, None))
    return changes


def _change(
    client: Client, path: str, name: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> Change:
    """Takes the object ``name`` of the collection ``path`` from ``before`` to ``after`` (None: it is not there)."""
    verb = "create" if before is None else "delete" if after is None else "change"
    plural = path.rpartition("/")[2]
    kind = KINDS.get(plural, plural[:-1])
    do = partial(_put, client, path, name, before, after)
    return Change(kind, f"{path}/{name}", f"{verb} {kind} {name}", _shown(before), _shown(after), do)


def _put(client: Client, path: str, name: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    item = f"{path}/{name}"
    try:
        # what a binding binds cannot be changed
        if before is not None and (after is None or "roleRef" in after):
            client.call("DELETE", item)
            before = None
        if before is not None and after is not None:
            metadata = {**after["metadata"], "resourceVersion": before["metadata"].get("resourceVersion")}
            client.call("PUT", item, {**after, "metadata": metadata})
        elif after is not None:
            client.call("POST", path, after)
    except (ApiError, ValueError) as error:
        raise StateError(f"{item}: {error}") from None


class Signatures:
    """The step that has the cluster sign ``requests`` (PEM by node) within ``timeout`` seconds, all at once. Then
    ``certificates`` are there (PEM by node)."""

    def __init__(self, client: Client, requests: dict[str, str], timeout: float) -> None:
        self.client = client
        self.requests = requests
        self.timeout = timeout
        self.certificates: dict[str, str] = {}
        self.changes = [Line("certificate", f"sign the certificate of {user(node)}") for node in requests]

    def diffs(self) -> list[Diff]:
        return []

    def apply(self) -> list[Finding]:
        try:
            self.certificates.update(sign(self.client, self.requests, self.timeout))
        except (ApiError, OSError, ValueError) as error:
            return [failure(f"sign the certificates of {', '.join(self.requests)}", error)]
        return []


def sign(client: Client, requests: dict[str, str], timeout: float) -> dict[str, str]:
    """Has the cluster sign ``requests`` (PEM by node) and returns the certificates (PEM by node).

    Raises what ``Client`` does, and TimeoutError with the nodes whose certificates did not come within ``timeout``
    seconds.
    """
    names = {node: _request_name(node, pem) for node, pem in requests.items()}
    certificates: dict[str, str] = {}
    try:
        for node, pem in requests.items():
            _approve(client, node, names[node], pem)
        deadline = time.monotonic() + timeout
        while True:
            for node, name in names.items():
                text = client.call("GET", f"{REQUESTS}/{name}").get("status", {}).get("certificate")
                if node not in certificates and text:
                    certificates[node] = base64.b64decode(text).decode("ascii")
            if len(certificates) == len(names):
                return certificates
            if time.monotonic() > deadline:
                missing = ", ".join(node for node in names if node not in certificates)
                raise TimeoutError(
                    f"the certificates for {missing} were approved and not signed within {timeout:.0f} s: check "
                    f"that kube-controller-manager runs, with --cluster-signing-cert-file and -key-file"
                )
            time.sleep(PAUSE)
    finally:
        for name in names.values():
            _delete(client, f"{REQUESTS}/{name}")


def _approve(client: Client, node: str, name: str, pem: str) -> None:
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": {LABEL: MANAGER}},
        "spec": {
            "request": base64.b64encode(pem.encode()).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }
    _delete(client, f"{REQUESTS}/{name}")
    approve(client, client.call("POST", REQUESTS, body), "PodnetAgent", f"the agent of node {node}")


def approve(client: Client, request: dict[str, Any], reason: str, message: str) -> None:
    """Approves a CertificateSigningRequest, which cannot be changed; the resource version says that it still is the one
    that was judged. Raises what ``Client`` does."""
    approval = {"type": "Approved", "status": "True", "reason": reason, "message": message}
    status = {**request.get("status", {}), "conditions": [approval]}
    client.call("PUT", f"{REQUESTS}/{request['metadata']['name']}/approval", {**request, "status": status})


def _request_name(node: str, pem: str) -> str:
    return f"podnet-{hashlib.sha256(f'{node} {pem}'.encode()).hexdigest()[:20]}"


def _serves_policies(client: Client) -> bool:
    """Whether the API has ValidatingAdmissionPolicies: since Kubernetes 1.30."""
    try:
        client.call("GET", f"{admission.POLICIES}?limit=1")
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def _get(client: Client, path: str, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.call("GET", f"{path}/{name}")
        return found
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def _delete(client: Client, item: str) -> None:
    try:
        client.call("DELETE", item)
    except ApiError as error:
        if error.code != 404:
            raise


def _essence(thing: dict[str, Any]) -> dict[str, Any]:
    """What of an object says what it does."""
    return {key: thing[key] for key in ("rules", "subjects", "roleRef", "spec") if key in thing}


def _shown(thing: dict[str, Any] | None) -> str:
    return "" if thing is None else json.dumps(_essence(thing), indent=1, sort_keys=True) + "\n"


def _ours(thing: dict[str, Any]) -> bool:
    return bool((thing["metadata"].get("labels") or {}).get(LABEL) == MANAGER)


def _reading(group: str, *resources: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["get", "list", "watch"]}


def _role(name: str, subject: dict[str, str], *rules: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    metadata = {"name": name, "labels": {LABEL: MANAGER}}
    kind = {"apiVersion": f"{_API}/v1", "metadata": metadata}
    role = {"apiGroup": _API, "kind": "ClusterRole", "name": name}
    return [
        (f"{RBAC}/clusterroles", {**kind, "kind": "ClusterRole", "rules": list(rules)}),
        (f"{RBAC}/clusterrolebindings", {**kind, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": role}),
    ]
