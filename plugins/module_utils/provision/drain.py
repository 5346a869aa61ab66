# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a node could not be drained: the PodDisruptionBudgets that keep pods on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..findings.codes import Code
from ..findings.finding import Finding
from ..policy.selectors import parse

#: Pods of these owners are not evicted (kubectl drain --ignore-daemonsets, and what the kubelet runs by itself).
_STAYING = ("DaemonSet", "Node")
_ENDED = ("Succeeded", "Failed")


def blocked(items: Sequence[Mapping[str, Any]], node: str, timeout: int) -> list[Finding]:
    """``items`` are the API's PodDisruptionBudgets (policy/v1) and pods. One finding for each pod on ``node`` whose
    eviction a budget refuses; where no budget does, that the node was not drained within ``timeout`` seconds."""
    budgets = [each for each in items if each["kind"] == "PodDisruptionBudget" and not _allows(each)]
    pods = [each for each in items if each["kind"] == "Pod" and each["spec"].get("nodeName") == node]
    findings = [
        Finding(Code.DRAIN_BLOCKED, node, f"PodDisruptionBudget {_name(budget)}", {"pod": _name(pod)})
        for pod, budget in _guarded([pod for pod in pods if _to_evict(pod)], budgets)
    ]
    return findings or [Finding(Code.DRAIN_FAILED, node, node, {"timeout": timeout})]


def _guarded(pods: Sequence[Any], budgets: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for pod in pods:
        for budget in budgets:
            if budget["metadata"]["namespace"] == pod["metadata"]["namespace"] and selects(
                budget["spec"].get("selector"), pod["metadata"].get("labels") or {}
            ):
                yield pod, budget


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (meta/v1) selects an object with ``labels``: none selects nothing, an empty one all."""
    return selector is not None and parse(selector).matches(labels)


def _allows(budget: Mapping[str, Any]) -> bool:
    return (budget.get("status") or {}).get("disruptionsAllowed", 0) > 0


def _to_evict(pod: Mapping[str, Any]) -> bool:
    metadata = pod["metadata"]
    owners = {each["kind"] for each in metadata.get("ownerReferences") or ()}
    return not owners & set(_STAYING) and pod.get("status", {}).get("phase") not in _ENDED


def _name(item: Mapping[str, Any]) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
