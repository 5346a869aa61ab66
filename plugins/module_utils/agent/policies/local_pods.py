# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This node's pods as policies see them: labels and ports from the API, addresses from ADD where it left a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...policy.model import Pod
from .attachments import Attachment, Attachments


class LocalPods:
    """``records``: what the API says, by key; ``uids``: theirs; ``may_select``: whether there is any policy that could
    select a pod of the namespace."""

    def __init__(
        self, node: str, attachments: Attachments, uids: Mapping[str, str], may_select: Callable[[str], bool]
    ) -> None:
        self.node = node
        self.attachments = attachments
        self.uids = uids
        self.may_select = may_select
        self.records: dict[str, Pod] = {}

    def pod(self, key: str) -> Pod | None:
        """The pod as it is to be enforced; None while that cannot be said, so that its addresses are unknown and
        dropped: its labels are not known and a policy may select it."""
        record = self.records.get(key)
        attachments = list(self.attachments.of(key))
        if not attachments:
            return self._without_others(record) if record else None
        uid = self.uids.get(key, "") if record else ""
        same = [each for each in attachments if not uid or each.uid in ("", uid)]
        if record and same:
            return record._replace(addresses=_addresses(same))
        namespace, _slash, name = key.partition("/")
        if namespace and self.may_select(namespace):
            return None
        return Pod(namespace, name, (), _addresses(attachments), (), self.node)

    def admits(self, attachment: Attachment) -> bool:
        """Whether the addresses of this very attachment are among the pod's."""
        pod = self.pod(attachment.pod)
        return pod is not None and set(attachment.addresses) <= set(pod.addresses)

    def _without_others(self, record: Pod) -> Pod:
        """An address that the API still shows here may be another's already."""
        holders = self.attachments.holders
        mine = tuple(address for address in record.addresses if holders.get(address, record.key) == record.key)
        return record if len(mine) == len(record.addresses) else record._replace(addresses=mine)


def _addresses(attachments: Iterable[Attachment]) -> tuple[bytes, ...]:
    return tuple(address for each in attachments for address in each.addresses)
