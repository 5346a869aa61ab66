# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses the pods of this node have, from the records that ADD leaves (cni/exec/gate.py).

The API shows a pod's addresses only after it runs, and shows those of before while its sandbox is made again. A record
is there from before ADD's answer until DEL has released the addresses, so it is right where the two differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...netlink.wire import pack_ip


class Attachment(NamedTuple):
    """``pod``: "namespace/name", "/<container>:<interface>" where no pod was named; ``uid``: "" where the runtime tells
    none."""

    pod: str
    uid: str
    addresses: tuple[bytes, ...]


class Attachments:
    """The records in ``directory``, in memory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.by_name: dict[str, Attachment] = {}
        #: From a packed address to the pod that has it.
        self.holders: dict[bytes, str] = {}
        self._of_pod: dict[str, dict[str, Attachment]] = {}

    def load(self) -> None:
        """Reads the records. One that cannot be read is left out: its address is then not known, and dropped."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith("."):
                continue
            try:
                with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                    self.put(name, read(name, json.load(file)))
            except (OSError, ValueError):
                continue

    def put(self, name: str, attachment: Attachment) -> set[str]:
        """An ADD. Returns the pods whose addresses it changes: another's may be this one's now."""
        changed = self.drop(name) | {attachment.pod}
        self.by_name[name] = attachment
        self._of_pod.setdefault(attachment.pod, {})[name] = attachment
        for address in attachment.addresses:
            if address in self.holders:
                changed.add(self.holders[address])
            self.holders[address] = attachment.pod
        return changed

    def drop(self, name: str) -> set[str]:
        """A DEL. Returns the pods whose addresses it changes."""
        attachment = self.by_name.pop(name, None)
        if attachment is None:
            return set()
        others = self._of_pod[attachment.pod]
        del others[name]
        if not others:
            del self._of_pod[attachment.pod]
        for address in attachment.addresses:
            if self.holders.get(address) == attachment.pod:
                del self.holders[address]
        return {attachment.pod}

    def of(self, pod: str) -> Iterable[Attachment]:
        """The pod's attachments."""
        return self._of_pod.get(pod, {}).values()

    def pods(self) -> Iterable[str]:
        """All pods that have one."""
        return self._of_pod.keys()


def read(name: str, record: Any) -> Attachment:
    """The attachment of a decoded record. Raises ValueError."""
    try:
        texts = [record[key] for key in ("namespace", "name", "uid")]
        addresses = tuple(pack_ip(each) for each in record["addresses"])
    except (KeyError, TypeError, OSError, AttributeError) as error:
        raise ValueError(f"record {name}: {error!r}") from None
    if not all(isinstance(each, str) for each in texts):
        raise ValueError(f"record {name}: namespace, name and uid are texts")
    namespace, pod, uid = texts
    return Attachment(f"{namespace}/{pod}" if namespace and pod else f"/{name}", uid, addresses)
