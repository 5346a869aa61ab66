# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NetworkPolicy at ADD: the runtime hears of a pod's address when the pod's policies are in force.

Where podnetd enforces policies, the file GATE exists:

{"socket": "/run/podnet/policy.sock", "records": "/run/podnet/policy", "namespaces": ["payments"]}

An address of this node's pod CIDR that is in no set ``known4|6`` of the table ``inet podnet_policy`` is dropped. ADD
leaves a record of the pod and its addresses, and asks podnetd at the socket, which puts the pod's policies and then its
address into the table. Where podnetd does not answer, a pod of one of ``namespaces`` (those in which a policy may
select a pod; null for all) is refused with "try again later". Another one needs no policy, so ADD makes its address
known without podnetd, which reads the record when it starts.

A record is ``<container ID>:<interface>`` in the directory ``records``:
{"namespace": "default", "name": "web-0", "uid": "…", "addresses": ["10.244.1.7"]}. DEL removes it.
"""

from __future__ import annotations

import posix
from _socket import socket as Socket
from struct import pack

from ...ipam.files import replace
from ...netlink import nftables
from ...netlink.channel import Channel
from ...netlink.wire import NETLINK_NETFILTER, pack_ip
from ..attach.undo import Undo
from ..spec.errors import TRY_AGAIN, CniError
from ..spec.fastjson import dumps, loads
from . import delegate

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

#: The socket's family and type, and the timeouts of its level.
AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC = 1, 5, 0o2000000
SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO = 1, 20, 21
#: Seconds within which podnetd answers. It waits for the API less than that.
PATIENCE = 10
LARGEST = 1 << 16
#: The table, and what of it belongs to one address; ``policy/`` declares it.
TABLE = nftables.Table("inet", "podnet_policy", [], [])
KNOWN, SELF, VERDICTS = "known", "self", ("egress_admin", "egress", "ingress_admin", "ingress")


class Away(Exception):
    """podnetd does not answer; the text has the reason."""


def passed(path: str, plugin: str, call: Call, result: dict | None) -> None:
    """Takes part in an ADD or a DEL whose work ``plugin`` has done. ADD: the pod's policies are in force when this
    returns; else its work is undone and CniError 11 raised. ``path``: the file GATE."""
    if plugin == "loopback":
        return
    if call.env.command == "DEL":
        leave(path, call)
    elif call.previous is None and result and result["ips"]:
        with Undo() as undo:
            undo.append(lambda: leave(path, call))
            undo.append(lambda: delegate.call(plugin, "DEL", call))
            question = QUESTIONS.pop(_name(call), None)
            if question is None or question.addresses != _addresses(result):
                _forget(question)
                question = _enter(path, call, result)
            if question:
                question.wait()


def ask(path: str, call: Call, result: dict) -> None:
    """Asks for a pod whose addresses are reserved: podnetd puts its policies in force while its link is made, and
    ``passed`` waits for the answer."""
    question = _enter(path, call, result)
    if question:
        QUESTIONS[_name(call)] = question


def _read(path: str) -> dict | None:
    """What the file GATE says; None where nothing enforces policies any more. CniError for one that cannot be read: a
    pod whose policies are unknown does not start."""
    try:
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CniError(TRY_AGAIN, f"{path}: {error.strerror}") from None
    try:
        data = b""
        while part := posix.read(file, LARGEST):
            data += part
        found = loads(data)
        if isinstance(found["socket"], str) and isinstance(found["records"], str):
            return found
        raise ValueError(path)
    except (OSError, ValueError, KeyError, TypeError):
        raise CniError(TRY_AGAIN, f"{path} is not readable", "restart podnetd: systemctl restart podnetd") from None
    finally:
        posix.close(file)


class Question:
    """What has been asked of podnetd for a pod of ``namespace`` with these ``addresses``."""

    def __init__(self, gate: dict, namespace: str, addresses: list[str], message: dict) -> None:
        self.gate = gate
        self.namespace = namespace
        self.addresses = addresses
        self.connection: Socket | None = None
        self.away = ""
        try:
            self.connection = _connect(gate["socket"])
            self.connection.send(dumps(message).encode())
        except Away as error:
            self.away = str(error)
        except OSError as error:
            self.away = error.strerror or "no answer"

    def wait(self) -> None:
        """Returns when the pod's policies are in force. Raises CniError 11 where they cannot be."""
        try:
            answer = self._answer()
        except Away as error:
            if _needs_policies(self.gate, self.namespace):
                raise CniError(
                    TRY_AGAIN,
                    f"podnetd does not put the policies of namespace {self.namespace} in force: {error}",
                    "check systemctl status podnetd",
                ) from None
            _make_known(self.addresses)
            return
        if answer.get("error"):
            raise CniError(TRY_AGAIN, str(answer["error"]))

    def _answer(self) -> dict:
        if self.connection is None or self.away:
            raise Away(self.away)
        try:
            answer = self.connection.recv(LARGEST)
        except OSError as error:
            raise Away(error.strerror or "no answer") from None
        finally:
            self.connection.close()
        if not answer:
            raise Away("it closed the connection")
        try:
            found = loads(answer)
        except ValueError:
            raise Away(f"it answered {answer[:80]!r}") from None
        if not isinstance(found, dict) or "away" in found:
            raise Away(str(found["away"]) if isinstance(found, dict) else f"it answered {answer[:80]!r}")
        return found


#: Questions that nobody has waited for yet, by attachment.
QUESTIONS: dict[str, Question] = {}


def _enter(path: str, call: Call, result: dict) -> Question | None:
    gate = _read(path)
    if gate is None:
        return None
    args, addresses = call.env.args, _addresses(result)
    namespace = args.get("K8S_POD_NAMESPACE", "")
    record = {
        "namespace": namespace,
        "name": args.get("K8S_POD_NAME", ""),
        "uid": args.get("K8S_POD_UID", ""),
        "addresses": addresses,
    }
    path = f"{gate['records']}/{_name(call)}"
    try:
        replace(path, f"{gate['records']}/.{_name(call)}", dumps(record).encode())
    except OSError as error:
        raise CniError(TRY_AGAIN, f"{path}: {error.strerror}") from None
    return Question(gate, namespace, addresses, {"enter": _name(call), **record})


def _addresses(result: dict) -> list[str]:
    return [item["address"].partition("/")[0] for item in result["ips"]]


def leave(path: str, call: Call) -> None:
    """The attachment's record goes, and podnetd hears of it where it runs. It reads the records when it starts, so that
    nothing of this may make DEL fail."""
    _forget(QUESTIONS.pop(_name(call), None))
    try:
        gate = _read(path)
        if gate:
            posix.unlink(f"{gate['records']}/{_name(call)}")
            connection = _connect(gate["socket"])
            connection.send(dumps({"leave": _name(call)}).encode())
            connection.close()
    except (CniError, Away, OSError):
        pass


def _name(call: Call) -> str:
    return ":".join(call.owner)


def _needs_policies(gate: dict, namespace: str) -> bool:
    namespaces = gate.get("namespaces")
    return bool(namespace) and (namespaces is None or namespace in namespaces)


def _forget(question: Question | None) -> None:
    if question and question.connection:
        question.connection.close()


def _connect(path: str) -> Socket:
    connection = Socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    for timeout in (SO_RCVTIMEO, SO_SNDTIMEO):
        connection.setsockopt(SOL_SOCKET, timeout, pack("ll", PATIENCE, 0))
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise Away(f"{path}: {error.strerror}") from None
    return connection


def _make_known(addresses: list[str]) -> None:
    """Puts a pod's addresses into the table, without what an address' former pod has left there."""
    with Channel(NETLINK_NETFILTER) as channel:
        requests = []
        for address in addresses:
            family, key = 6 if ":" in address else 4, pack_ip(address)
            for name in (f"{each}{family}" for each in VERDICTS):
                if nftables.get_element(channel, TABLE, name, key):
                    requests.append(nftables.delete_elements(TABLE, name, [key]))
            for name, element in ((KNOWN, key), (SELF, key + key)):
                requests.append(nftables.add_elements(TABLE, f"{name}{family}", [(element, None)]))
        nftables.transaction(channel, requests)
