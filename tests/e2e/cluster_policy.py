# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClusterNetworkPolicy's own conformance tests (sigs.k8s.io/network-policy-api), compiled from cluster_policy/."""

from __future__ import annotations

import json
import pathlib
import socket

import build_modules
from golang import Go
from host import run

HERE = pathlib.Path(__file__).resolve().parent / "cluster_policy"
MODULE = "sigs.k8s.io/network-policy-api"
PROGRAM = "cluster-policy.test"
#: The subtests that speak SCTP as well, or alone.
SCTP = "TestConformance/.*/(SCTP|across different protocols|egress-cidr-peer)"
DEFINITION = "config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml"


def build(go: Go) -> pathlib.Path:
    """The tests' program, compiled unless it is there. SystemExit if the modules cannot be had."""
    texts = [path.read_text() for path in sorted(HERE.iterdir())]
    target = build_modules.CACHE / "cluster-policy" / build_modules.digest(texts) / PROGRAM
    environment = {**go.environment, "CGO_ENABLED": "0"}
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        run(*go.command, "test", "-c", "-trimpath", "-ldflags", "-s -w", "-o", part, ".", cwd=HERE, env=environment)
        part.rename(target)
    return target


def source(go: Go) -> pathlib.Path:
    """The module's files."""
    told = run(*go.command, "mod", "download", "-json", MODULE, cwd=HERE, env=go.environment)
    return pathlib.Path(json.loads(told)["Dir"])


def has_sctp() -> bool:
    """Whether this kernel has SCTP."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def options(sctp: bool) -> list[str]:
    """The program's."""
    return ["-test.v", "-test.timeout=1h", *([] if sctp else ["-sctp=false", f"-test.skip={SCTP}"])]
