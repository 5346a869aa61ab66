# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talking to the Kubernetes API with a node's own credentials.

The credentials are a kubeconfig in JSON (so kubectl reads the file as well):

{"apiVersion": "v1", "kind": "Config", "current-context": "podnet",
 "clusters": [{"name": "podnet", "cluster": {"server": "https://10.77.0.11:6443",
               "certificate-authority": "/etc/podnet/kube/ca.crt"}}],
 "users": [{"name": "podnet", "user": {"client-certificate": "/etc/podnet/kube/node.crt",
            "client-key": "/etc/podnet/kube/node.key"}}],
 "contexts": [{"name": "podnet", "context": {"cluster": "podnet", "user": "podnet"}}]}
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..overlay.config import ConfigError
from ..overlay.json_file import read_json
from .http import Connection, Response
from .list_reader import ListReader

#: Seconds without data in an answer that is not a watch's, and seconds for all of a list.
ANSWER, LIST = 30.0, 300.0
#: The most bytes of an answer that is decoded as one object, and the most of one event of a watch.
LARGEST = 8 << 20
#: The most bytes that are read of an answer that says no.
REFUSAL = 64 << 10
#: Seconds that the server may ask to wait at most (Retry-After).
LONGEST_PAUSE = 120.0
_URL = re.compile(r"https://(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?(?P<path>(/[^?#]*)?)")


class ApiError(Exception):
    """The API refused. ``code`` is the HTTP status, ``reason`` the API's word for it ("Forbidden", "Expired"),
    ``retry_after`` the seconds that it asks to wait, 0 for none."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float = 0) -> None:
        super().__init__(f"{code} {reason}: {message}" if message else f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.retry_after = retry_after

    def stale(self) -> bool:
        """Whether the place in the history that was asked for is not to be had: forgotten (410, "Expired"), of a time
        before the server's data were put back ("Too large resource version"), or of another server's kind (400)."""
        known = self.code in (400, 410) or self.reason in ("Expired", "Gone")
        return known or "too large resource version" in str(self).lower()


class Credentials(NamedTuple):
    """Where the API server is and who we are to it. ``ca``, ``certificate`` and ``key`` are paths, or PEM text as
    bytes; ``token`` a path or the token itself as bytes."""

    host: str
    port: int
    prefix: str
    server_name: str
    ca: str | bytes
    certificate: str | bytes | None
    key: str | bytes | None
    token: str | bytes | None

    @property
    def server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{self.prefix}"


def load_credentials(path: str) -> Credentials:
    """The credentials in the file ``path``. Raises ConfigError, which names the file."""
    try:
        data = read_json(path)
    except ConfigError as error:
        hint = "; `kubectl config view --raw --output=json` converts a kubeconfig"
        raise ConfigError(f"{error}{hint if isinstance(error.__cause__, ValueError) else ''}") from None
    try:
        return parse_credentials(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_credentials(data: object) -> Credentials:
    """``data`` (a decoded kubeconfig) as Credentials. Raises ConfigError for what is missing, or of a kind that needs
    other programs (exec, auth-provider)."""
    context = _named(data, "contexts", _get(data, "current-context", "the kubeconfig"), "context")
    cluster = _named(data, "clusters", _get(context, "cluster", "context"), "cluster")
    user = _named(data, "users", _get(context, "user", "context"), "user")
    if cluster.get("insecure-skip-tls-verify"):
        raise ConfigError("insecure-skip-tls-verify: is not supported: give certificate-authority")
    url = _URL.fullmatch(_get(cluster, "server", "cluster"))
    if not url or int(url["port"] or 443) > 65535:
        raise ConfigError(f'server: {cluster["server"]!r} is not a URL such as "https://10.77.0.11:6443"')
    host = url["host"].strip("[]")
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    token = user["token"].encode() if isinstance(user.get("token"), str) else user.get("tokenFile")
    if (certificate is None) != (key is None) or (certificate is None and not token):
        raise ConfigError("user: give client-certificate and client-key, or token, or tokenFile")
    authority = _material(cluster, "certificate-authority")
    if authority is None:
        raise ConfigError("cluster: certificate-authority is missing: the API server could not be authenticated")
    name = cluster.get("tls-server-name") or host
    return Credentials(
        host, int(url["port"] or 443), url["path"].rstrip("/"), str(name), authority, certificate, key, token
    )


class Client:
    """The API server, over one connection that is made when it is needed and again when it was lost.

    What all calls raise: ApiError, OSError (ssl.SSLError, HttpError, TimeoutError …), ValueError for an answer that is
    not what the API answers.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.received = 0
        self._connection: Connection | None = None

    def items(self, path: str, query: dict[str, str]) -> ListReader:
        """One page of a list; its items are read one by one, while they come."""
        answer = self._send("GET", path, query, {"Accept-Encoding": "gzip"})
        return ListReader(answer.pieces(ANSWER, LIST))

    def watch(self, path: str, query: dict[str, str], seconds: int) -> Iterator[dict[str, Any]]:
        """The events after ``query["resourceVersion"]`` for ``seconds`` at most; returns when the server has agreed.
        The iterator ends when the server ends the watch."""
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **query}
        return _events(self._send("GET", path, query).pieces(seconds + ANSWER))

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:
        """Any other request, ``body`` as JSON of the content type ``kind``; the answer, decoded."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = self._send(method, path, {}, {"Content-Type": kind} if data else {}, data)
        return json.loads(answer.read(ANSWER, LARGEST) or b"null")

    def interrupt(self) -> None:
        """From another thread: ends what waits for the server."""
        connection = self._connection
        if connection:
            connection.interrupt()

    def close(self) -> None:
        if self._connection:
            self.received += self._connection.received
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, query: dict[str, str], more: dict[str, str] | None = None, body: bytes = b""
    ) -> Response:
        headers = {"Accept": "application/json", "User-Agent": "podnetd", **(more or {})}
        token = self.credentials.token
        if token:
            headers["Authorization"] = f"Bearer {_text(token)}"
        words = "&".join(f"{key}={_quoted(value)}" for key, value in query.items())
        target = f"{self.credentials.prefix}{path}" + (f"?{words}" if words else "")
        if self._connection is None or not self._connection.reusable:
            self.close()
            self._connection = _connect(self.credentials)
        answer = self._connection.request(method, target, headers, body, ANSWER)
        if answer.status >= 300:
            raise _refusal(answer)
        return answer


def _events(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The events of a watch, a line each. Raises ValueError."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if len(rest) > LARGEST:
            raise ValueError(f"an event of the watch has more than {LARGEST} bytes")
        if b"\n" not in piece:
            continue
        *lines, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in lines:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(f"{line[:80]!r} is not an event of a watch")
            yield event


def _connect(credentials: Credentials) -> Connection:
    """Files are read each time: certificates and tokens are renewed under a running agent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if isinstance(credentials.ca, bytes):
        context.load_verify_locations(cadata=credentials.ca.decode("ascii", "replace"))
    else:
        context.load_verify_locations(credentials.ca)
    if credentials.certificate and credentials.key:
        with _Path(credentials.certificate) as certificate, _Path(credentials.key) as key:
            context.load_cert_chain(certificate, key)
    return Connection(credentials.host, credentials.port, context, credentials.server_name)


class _Path:
    """A path at which ``material`` can be read; what is only in memory never gets on a disk."""

    def __init__(self, material: str | bytes) -> None:
        self.material = material
        self.descriptor = -1

    def __enter__(self) -> str:
        if isinstance(self.material, str):
            return self.material
        self.descriptor = os.memfd_create("podnet")
        os.write(self.descriptor, self.material)
        return f"/proc/self/fd/{self.descriptor}"

    def __exit__(self, *_error: object) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


def _refusal(answer: Response) -> ApiError:
    """The API's Status object, or the text of a proxy that answered in its place."""
    text = answer.read(ANSWER, REFUSAL)
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    wait = answer.headers.get("retry-after", "")
    seconds = min(float(wait), LONGEST_PAUSE) if wait.isascii() and wait.isdigit() else 0
    if isinstance(status, dict) and status.get("kind") == "Status":
        return status_error(status, answer.status, seconds)
    # a proxy or a load balancer has answered
    place = answer.headers.get("location")
    words = f"redirects to {place}" if place else " ".join(text[:400].decode("utf-8", "replace").split())
    return ApiError(answer.status, "is not an answer of the API", words[:120], seconds)


def status_error(status: object, code: int = 0, retry_after: float = 0) -> ApiError:
    """A Status object of the API (decoded) as ApiError; ``code`` where it has none."""
    given = status if isinstance(status, dict) else {}
    number = given.get("code")
    return ApiError(
        number if isinstance(number, int) else code,
        str(given.get("reason") or "Unknown"),
        str(given.get("message") or ""),
        retry_after,
    )


def _quoted(value: str) -> str:
    """``value`` in a query (RFC 3986 section 2.3); ``urllib.parse`` would cost a node half a megabyte."""
    return re.sub(r"[^A-Za-z0-9._~-]", lambda found: f"%{ord(found[0]):02X}", value)


def _text(token: str | bytes) -> str:
    if isinstance(token, bytes):
        return token.decode("ascii", "replace").strip()
    with open(token, encoding="ascii", errors="replace") as file:
        return file.read().strip()


def _get(data: object, key: str, where: str) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: {key} is missing")
    return value


def _named(data: object, kind: str, name: str, inner: str) -> dict[str, Any]:
    entries = data.get(kind) if isinstance(data, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(inner), dict):
            return dict(entry[inner])
    raise ConfigError(f"{kind}: has no {name!r}")


def _material(data: dict[str, Any], key: str) -> str | bytes | None:
    """A file's path, or its content, which is given as base64 under ``key``-data."""
    inline = data.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except (ValueError, TypeError):
            raise ConfigError(f"{key}-data: is not base64") from None
    path = data.get(key)
    if path is not None and (not isinstance(path, str) or not os.path.isabs(path)):
        raise ConfigError(f"{key}: {path!r} is not an absolute path")
    return path
