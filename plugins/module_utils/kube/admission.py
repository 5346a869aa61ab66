# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What agents may change of their own Nodes, field by field: a ValidatingAdmissionPolicy.

RBAC lets an agent patch the ``status`` resource of its Node. That resource takes labels, finalizers, addresses and
capacity as well, and the NodeRestriction admission plugin guards Nodes from kubelets alone (users ``system:node:*``).
So a policy refuses all but what agents write: their annotations, and the NetworkUnavailable condition.
(Kubernetes, admissionregistration.k8s.io/v1, since 1.30; CEL's optional fields since 1.29.)
"""

from __future__ import annotations

import json
from typing import Any

from .annotations import WRITTEN

API = "admissionregistration.k8s.io"
PATH = f"/apis/{API}/v1"
NAME = "podnet-agents"
POLICIES, BINDINGS = f"{PATH}/validatingadmissionpolicies", f"{PATH}/validatingadmissionpolicybindings"
#: Fields of a Node that an agent leaves as they are; those that a release does not have are absent before and after.
METADATA = ("labels", "finalizers", "ownerReferences")
STATUS = (
    "capacity", "allocatable", "phase", "addresses", "daemonEndpoints", "nodeInfo", "images", "volumesInUse",
    "volumesAttached", "config", "runtimeHandlers", "features", "declaredFeatures",
)  # fmt: skip
_OTHERS = "?status.?conditions.orValue([]).filter(each, each.type != 'NetworkUnavailable')"
_ANNOTATIONS = "metadata.?annotations.orValue({})"


def objects(group: str, prefix: str, metadata: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The policy for users of ``group``, who are called ``prefix`` and their Node's name, and its binding, each with
    its collection's path; ``metadata`` besides the name."""
    kind = {"apiVersion": f"{API}/v1", "metadata": {**metadata, "name": NAME}}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["nodes", "nodes/status"],
        "scope": "*",
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [rule],
        },
        "matchConditions": [{"name": "agents", "expression": f"{_text(group)} in request.userInfo.groups"}],
        "validations": validations(prefix),
    }
    binding = {"policyName": NAME, "validationActions": ["Deny"]}
    return [
        (POLICIES, {**kind, "kind": "ValidatingAdmissionPolicy", "spec": policy}),
        (BINDINGS, {**kind, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}),
    ]


def validations(prefix: str) -> list[dict[str, str]]:
    """The rules in CEL, with what a refused agent is answered."""
    ours = f"key in {_text(list(WRITTEN))}"
    rules = {
        "may change only the status of their own Node": (
            f"request.operation == 'UPDATE' && request.?subResource.orValue('') == 'status' && "
            f"request.userInfo.username == {_text(prefix)} + object.metadata.name"
        ),
        "may change only annotations that they write": " && ".join(
            f"{each}.{_ANNOTATIONS}.all(key, {ours} || oldObject.{_ANNOTATIONS}[?key] == object.{_ANNOTATIONS}[?key])"
            for each in ("object", "oldObject")
        ),
        "may change only the condition NetworkUnavailable": f"object.{_OTHERS} == oldObject.{_OTHERS}",
    }
    for field in METADATA:
        rules[f"may not change metadata.{field}"] = f"object.metadata.?{field} == oldObject.metadata.?{field}"
    for field in STATUS:
        rules[f"may not change status.{field}"] = f"object.?status.?{field} == oldObject.?status.?{field}"
    return [{"expression": rule, "message": f"podnet agents {what}"} for what, rule in rules.items()]


def _text(value: object) -> str:
    """A text, or a list of texts, as CEL writes it."""
    return json.dumps(value)
