# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pod CIDRs and addresses that the nodes have already, from the Kubernetes API or from leases of an earlier run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

PAUSE = 0.5  # seconds between two requests to the API


class Known(NamedTuple):
    """A node's pod CIDRs and its underlay address, None if unknown."""

    pod_cidrs: list[str]
    address: str | None
    public_key: str | None = None


class ApiError(Exception):
    """The nodes' pod CIDRs cannot be read from the Kubernetes API; the text has the reason and the fix."""


def from_api(
    kubectl: Sequence[str], names: Sequence[str], timeout: float, *, partial: bool = False
) -> dict[str, Known]:
    """The nodes that have pod CIDRs in the API, by name.

    ``kubectl`` is the command with its options. Retries until all of ``names`` have some, for ``timeout`` seconds at
    most. Raises ApiError if kubectl fails, or if some have none and not ``partial``.
    """
    deadline = time.monotonic() + timeout
    while True:
        missing: list[str] = []
        try:
            found = _ask(kubectl)
            missing = [name for name in names if name not in found]
            if not missing or partial:
                return found
        except ApiError:
            if time.monotonic() >= deadline:
                raise
        if missing and time.monotonic() >= deadline:
            raise ApiError(
                f"after {timeout:.0f} s these nodes have no .spec.podCIDRs: {', '.join(missing)}. "
                "Have they joined the cluster, "
                "and is kube-controller-manager run with --allocate-node-cidrs and a --cluster-cidr large enough?"
            )
        time.sleep(PAUSE)


def from_leases(path: str) -> dict[str, Known]:
    """The nodes of the lease file ``path``, by name; none if the file is missing or invalid."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["leases"]
        return {
            entry["name"]: Known(list(entry["pod_cidrs"]), entry.get("address"), entry.get("public_key"))
            for entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _ask(kubectl: Sequence[str]) -> dict[str, Known]:
    command = [*kubectl, "get", "nodes", "--output", "json", "--request-timeout", "10s"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if result.returncode:
            raise ApiError(f"{' '.join(command)}: {result.stderr.strip() or f'exit status {result.returncode}'}")
        items = json.loads(result.stdout)["items"]
    except OSError as error:
        raise ApiError(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ApiError(f"{' '.join(command)}: no answer within 30 s") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(f"{' '.join(command)}: its answer is not a list of nodes ({error})") from None
    return {item["metadata"]["name"]: node for item in items if (node := _known(item)).pod_cidrs}


def _known(item: dict[str, Any]) -> Known:
    """Of a Node object; ``podCIDR`` alone is what releases before dual-stack wrote."""
    spec = item.get("spec", {})
    cidrs = list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))
    addresses = item.get("status", {}).get("addresses") or []
    return Known(cidrs, next((each["address"] for each in addresses if each.get("type") == "InternalIP"), None))
