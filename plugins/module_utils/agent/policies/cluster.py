# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What policies depend on, from the Kubernetes API: pods, namespaces, NetworkPolicies and ClusterNetworkPolicies.

Of a pod only a record stays (policy/model.py), and what many records have in common, labels above all, is there once:
a node with 110 pods knows the 15,000 of its cluster. The API server leaves out pods of the host's network and those
that have ended, whose addresses may be other pods' by now.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Union

from ...findings.codes import Code
from ...findings.finding import Finding
from ...policy import read
from ...policy.model import ClusterPolicy, Namespace, Pod, Policy
from ..follower import Collection, Follower, News
from ..log import Log
from ..sources.wakeup import Wakeup

#: Its versions from v1alpha2 to v1beta1 have one shape.
CLUSTER = "/apis/policy.networking.k8s.io/{}/clusternetworkpolicies"
SELECTOR = "status.phase!=Succeeded,status.phase!=Failed,spec.hostNetwork=false"
#: In a mirror pod's annotations: the UID of the kubelet's static pod (core/v1 annotation_key_constants.go).
MIRROR = "kubernetes.io/config.mirror"
#: So many things may be kept for sharing though no pod has them.
SHARED = 1000
Record = Union[Pod, Namespace, Policy, ClusterPolicy]
Kind = Union[type[Pod], type[Namespace], type[Policy], type[ClusterPolicy]]


class Change(NamedTuple):
    """``record``: None for an object that is gone."""

    kind: Kind
    key: str
    record: Record | None


class Cluster:
    """Follows the cluster for ``node``. The loop waits for ``fileno``, then ``take``s what changed."""

    def __init__(self, node: str, credentials: str) -> None:
        self.node = node
        #: The UIDs of this node's pods, by key: a pod's name may soon be another pod's.
        self.uids: dict[str, str] = {}
        #: Whether ``take`` has returned the whole cluster, as it was at some time since the start. (Not whether the
        #: followers know it: what they have found may still be in the news.)
        self.synced = False
        self._log = Log()
        self._shared: dict[Any, Any] = {}
        self._lock = threading.Lock()
        self._news: dict[tuple[Kind, str], Record | None] = {}
        self._listed: set[Kind] = set()
        self._arrived = Wakeup()
        collections: dict[Kind, Collection] = {
            Namespace: Collection("/api/v1/namespaces", "", read.namespace),
            Policy: Collection("/apis/networking.k8s.io/v1/networkpolicies", "", read.policy),
            ClusterPolicy: Collection(
                CLUSTER.format("v1beta1"), "", read.cluster_policy, True, (CLUSTER.format("v1alpha2"),)
            ),
            Pod: Collection("/api/v1/pods", SELECTOR, self._pod),
        }
        self._kinds = {collection: kind for kind, collection in collections.items()}
        self.followers = {kind: Follower(each, credentials, self) for kind, each in collections.items()}

    def start(self) -> None:
        for follower in self.followers.values():
            follower.start()

    def fileno(self) -> int:
        """Readable when something has changed."""
        return self._arrived.fileno()

    def take(self) -> list[Change]:
        """What has changed since the last time."""
        self._arrived.clear()
        with self._lock:
            news, self._news = self._news, {}
            self.synced = self._listed == self.followers.keys()
        return [Change(kind, key, record) for (kind, key), record in news.items()]

    def reread(self) -> None:
        """Connects again, with the credentials as they are now."""
        for follower in self.followers.values():
            follower.reread()

    def close(self) -> None:
        for follower in self.followers.values():
            follower.close()

    # -- in the followers' threads ----------------------------------------------------------------------------------

    def connected(self, collection: Collection) -> None:
        """Nothing waits for it."""

    def lost(self, collection: Collection, reason: str) -> None:
        self._log.warning(Finding(Code.POLICY_WATCH_LOST, "", collection.path, {"error": reason}))

    def announce(self, collection: Collection, news: News) -> None:
        """What changed, for ``take``; the first is the whole list."""
        kind = self._kinds[collection]
        if kind is Pod:
            for key in [key for key, record in news.items() if record is None]:
                self.uids.pop(key, None)
            if len(self._shared) > SHARED + 4 * len(self.followers[Pod].records):
                self._shared.clear()  # most of it is of pods that are gone; what is left is shared from now on
        with self._lock:
            self._news.update(((kind, key), record) for key, record in news.items())
            if self.followers[kind].synced:
                self._listed.add(kind)
        self._arrived.set()

    def _pod(self, value: dict[str, Any]) -> Pod | None:
        """The pod's record, which shares what it has in common with others; in the follower's thread."""
        pod = read.pod(value)
        if pod is None:
            return None
        if pod.node == self.node:
            metadata = value["metadata"]
            # of a static pod the API has a mirror, with a UID of its own
            mirrored = (metadata.get("annotations") or {}).get(MIRROR)
            self.uids[pod.key] = str(mirrored or metadata.get("uid") or "")
        shared = self._shared
        return pod._replace(
            namespace=shared.setdefault(pod.namespace, pod.namespace),
            labels=shared.setdefault(pod.labels, pod.labels),
            ports=shared.setdefault(pod.ports, pod.ports),
            node=shared.setdefault(pod.node, pod.node),
        )
