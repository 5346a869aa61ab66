# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the Kubernetes API server: real HTTPS, real list, watch and patch, and faults on demand.

What it does as kube-apiserver does: client certificates say who asks (401, 403), paged lists from a snapshot (limit,
continue, 410 for a page of a forgotten one), ``resourceVersion=0`` from the cache, which has no pages, gzip for long
answers, watches in chunks with bookmarks, 410 in an ERROR event for a version that is forgotten, merge patches (RFC
7396) and strategic ones, certificates for approved requests. Other resources than nodes are kept and given back as they
were.

What it does on demand, for ``admin``: ``POST /standin/populate {"count": N}``, ``/standin/compact`` (forgets all
versions), ``/standin/drop`` (cuts all connections), ``/standin/save`` and ``/standin/restore {"bump": N}`` (as etcdutl
does), ``/standin/fail {"status": 503, "for": SECONDS}``, ``GET /standin/stats``.

    python apiserver.py DIRECTORY [--address A] [--port P] [--bookmarks SECONDS]

DIRECTORY gets a CA and certificates (see ``identity``). It prints one line when it serves.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import http.server
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

GZIP_FROM = 128 * 1024
NODES = "/api/v1/nodes"
ITEM = re.compile(r"(/api/v1|/apis/[^/]+/v1)/([a-z]+)(?:/([^/]+))?(?:/(status|approval))?")
KINDS = {
    "nodes": "Node",
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "certificatesigningrequests": "CertificateSigningRequest",
}


class Refusal(Exception):
    """An answer that is a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


class Store:
    """All objects as JSON bytes by collection and name, and the history of the nodes."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        # versions grow from one run to the next, as etcd's do; of those before it a new one knows nothing
        self.version = time.time_ns() // 1_000_000
        self.objects: dict[str, dict[str, bytes]] = {NODES: {}}
        self.history: list[tuple[int, str, bytes]] = []
        self.forgotten = self.version
        self.snapshots: dict[int, list[tuple[str, bytes]]] = {}
        self.saved: tuple[int, dict[str, dict[str, bytes]]] = (self.version, {})
        self.cut = 0

    def put(self, collection: str, name: str, thing: dict, *, new: bool | None = None) -> dict:
        """Keeps an object; ``new``: it must not (must) be there yet."""
        with self.changed:
            here = self.objects.setdefault(collection, {})
            if new is not None and new == (name in here):
                raise Refusal(409 if new else 404, "AlreadyExists" if new else "NotFound", f'"{name}"')
            self.version += 1
            metadata = thing.setdefault("metadata", {})
            if isinstance(metadata, dict):
                metadata["resourceVersion"] = str(self.version)
            data = json.dumps(thing, separators=(",", ":")).encode()
            kind = "MODIFIED" if name in here else "ADDED"
            here[name] = data
            self._note(collection, kind, data)
        return thing

    def get(self, collection: str, name: str) -> dict:
        try:
            return json.loads(self.objects[collection][name])
        except KeyError:
            raise Refusal(404, "NotFound", f'{collection} "{name}" not found') from None

    def delete(self, collection: str, name: str) -> dict:
        with self.changed:
            thing = self.get(collection, name)
            del self.objects[collection][name]
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            self._note(collection, "DELETED", json.dumps(thing, separators=(",", ":")).encode())
            return thing

    def compact(self) -> None:
        """Forgets every version but the present one."""
        with self.changed:
            self.version += 1
            self.forgotten = self.version
            self.history.clear()
            self.snapshots.clear()
            self.changed.notify_all()

    def save(self) -> None:
        """Keeps what there is, for ``restore``."""
        with self.changed:
            self.saved = self.version, {collection: dict(here) for collection, here in self.objects.items()}

    def restore(self, bump: int) -> None:
        """What ``save`` kept, at its version plus ``bump``, before which nothing is known. All watches end."""
        with self.changed:
            version, objects = self.saved
            self.version = version + bump
            self.objects = {collection: dict(here) for collection, here in objects.items()}
            self.forgotten = self.version if bump else 0
            self.history.clear()
            self.snapshots.clear()
            self.cut += 1
            self.changed.notify_all()

    def page(self, collection: str, limit: int, token: str, cached: bool) -> tuple[int, list[bytes], str]:
        """A page of a list: its version, its items, the token of the next."""
        with self.changed:
            if token:
                version, _dot, start = base64.urlsafe_b64decode(token).decode().partition(".")
                snapshot = self.snapshots.get(int(version))
                if snapshot is None:
                    raise Refusal(410, "Expired", "The provided continue parameter is too old")
            else:
                version, start = str(self.version), ""
                snapshot = sorted(self.objects.get(collection, {}).items())
                if limit and not cached:
                    self.snapshots[self.version] = snapshot
        left = [(name, data) for name, data in snapshot if name > start]
        if cached or not limit or len(left) <= limit:
            return int(version), [data for _name, data in left], ""
        page = left[:limit]
        following = base64.urlsafe_b64encode(f"{version}.{page[-1][0]}".encode()).decode()
        return int(version), [data for _name, data in page], following

    def _note(self, collection: str, kind: str, data: bytes) -> None:
        if collection == NODES:
            self.history.append((self.version, kind, data))
            self.changed.notify_all()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            self._fail()
            user = self._user()
            if url.path.startswith("/standin/"):
                self._admin(user)
                self._answer(self.server.command(url.path, json.loads(body or b"{}")))
                return
            found = ITEM.fullmatch(url.path)
            if not found or found[2] not in KINDS:
                raise Refusal(404, "NotFound", "the server could not find the requested resource")
            collection, name, part = f"{found[1]}/{found[2]}", found[3], found[4]
            self._authorize(user, collection, name, part)
            with self.server.counting:
                self.server.stats[
                    f"{self.command} {'watch' if query.get('watch') else 'item' if name else 'list'}"
                ] += 1
            if self.command == "GET" and not name:
                if query.get("watch"):
                    self._watch(query)
                else:
                    self._list(collection, query)
            else:
                thing = json.loads(body) if body else {}
                self._answer(self._one(collection, name, part, thing), 201 if self.command == "POST" else 200)
        except Refusal as refusal:
            self._answer(refusal.body, refusal.code)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            self._answer(Refusal(400, "BadRequest", str(error)).body, 400)

    def _fail(self) -> None:
        status, until = self.server.failing
        if status and time.monotonic() < until and not self.path.startswith("/standin/"):
            raise Refusal(status, "ServiceUnavailable", "told to fail")

    def _user(self) -> str:
        certificate = self.request.getpeercert()
        if not certificate:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return next(value for part in certificate["subject"] for key, value in part if key == "commonName")

    def _admin(self, user: str) -> None:
        if user != "admin":
            raise Refusal(403, "Forbidden", f'User "{user}" is not admin')

    def _authorize(self, user: str, collection: str, name: str | None, part: str | None) -> None:
        """As the role's rules say: read nodes, patch the status of one's own."""
        if user == "admin":
            return
        reads = collection == NODES and self.command == "GET"
        own = collection == NODES and self.command == "PATCH" and part == "status" and user == f"podnet:node:{name}"
        if not (reads or own):
            what = f"{self.command.lower()} {collection}{f'/{name}' if name else ''}"
            raise Refusal(403, "Forbidden", f'User "{user}" cannot {what}')

    def _one(self, collection: str, name: str | None, part: str | None, body: dict) -> dict:
        store = self.server.store
        if self.command == "GET":
            return store.get(collection, str(name))
        if self.command == "DELETE":
            return store.delete(collection, str(name))
        if self.command == "POST":
            body["metadata"].setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            return store.put(collection, body["metadata"]["name"], body, new=True)
        with store.changed:
            old = store.get(collection, str(name))
            if self.command == "PATCH":
                strategic = "strategic" in self.headers["Content-Type"]
                body = merge(old, body, strategic)
                if part == "status":  # the status subresource leaves the specification alone
                    body["spec"] = old.get("spec", {})
            if part == "approval":
                self.server.sign(body)
            return store.put(collection, str(name), body, new=False)

    def _list(self, collection: str, query: dict[str, str]) -> None:
        version, items, token = self.server.store.page(
            collection, int(query.get("limit", 0)), query.get("continue", ""), query.get("resourceVersion") == "0"
        )
        kind = KINDS[collection.rpartition("/")[2]]
        metadata = {"resourceVersion": str(version), **({"continue": token} if token else {})}
        head = json.dumps({"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata})[:-1]
        self._send(head.encode() + b',"items":[' + b",".join(items) + b"]}\n")

    def _answer(self, thing: dict, status: int = 200) -> None:
        self._send(json.dumps(thing).encode() + b"\n", status)

    def _send(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        long = len(data) > GZIP_FROM
        if long and "gzip" in self.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, 4)
            self.send_header("Content-Encoding", "gzip")
        if long:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(data), 32768):
                piece = data[start : start + 32768]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        with self.server.counting:
            self.server.stats["bytes"] += len(data)

    def _watch(self, query: dict[str, str]) -> None:
        store = self.server.store
        at = int(query.get("resourceVersion") or 0)
        end = time.monotonic() + int(query.get("timeoutSeconds", 1800))
        bookmark = time.monotonic() + self.server.bookmarks
        cut = store.cut
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if at < store.forgotten:
            gone = Refusal(410, "Expired", f"too old resource version: {at} ({store.forgotten})").body
            self._event("ERROR", json.dumps(gone).encode())
            self.wfile.write(b"0\r\n\r\n")
            return
        while time.monotonic() < end:
            with store.changed:
                store.changed.wait_for(
                    lambda at=at: store.cut != cut or store.version > at, max(0, min(bookmark, end) - time.monotonic())
                )
                if store.cut != cut:
                    self.close_connection = True
                    return
                first = next((n for n, event in enumerate(store.history) if event[0] > at), len(store.history))
                events, at = store.history[first:], store.version
            for _version, kind, data in events:
                self._event(kind, data)
            if time.monotonic() >= bookmark:
                bookmark += self.server.bookmarks
                metadata = {"resourceVersion": str(at), "creationTimestamp": None}
                self._event("BOOKMARK", json.dumps({"kind": "Node", "apiVersion": "v1", "metadata": metadata}).encode())
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, kind: str, data: bytes) -> None:
        line = b'{"type":"%s","object":%s}\n' % (kind.encode(), data)
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], directory: Path, bookmarks: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)
        self.directory = directory
        self.bookmarks = bookmarks
        self.store = Store()
        self.stats: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.failing = (0, 0.0)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.crt", directory / "server.key")
        context.load_verify_locations(directory / "ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_arguments: object) -> None:
        """Clients come and go."""

    def command(self, path: str, body: dict) -> dict:
        """What only a stand-in does."""
        if path == "/standin/populate":
            for number in range(1, body["count"] + 1):
                self.store.put(NODES, f"node{number}", node(number))
        elif path == "/standin/compact":
            self.store.compact()
        elif path == "/standin/save":
            self.store.save()
        elif path == "/standin/restore":
            self.store.restore(body["bump"])
        elif path == "/standin/drop":
            with self.store.changed:
                self.store.cut += 1
                self.store.changed.notify_all()
        elif path == "/standin/fail":
            self.failing = (body["status"], time.monotonic() + body["for"])
        elif path != "/standin/stats":
            raise Refusal(404, "NotFound", path)
        return {**self.stats, "version": self.store.version}

    def sign(self, request: dict) -> None:
        """Signs an approved CertificateSigningRequest, as kube-controller-manager does."""
        conditions = request.get("status", {}).get("conditions") or []
        if any(each["type"] == "Approved" for each in conditions):
            pem = base64.b64decode(request["spec"]["request"])
            signed = sign(self.directory, pem, "extendedKeyUsage=clientAuth")
            request["status"]["certificate"] = base64.b64encode(signed).decode()


def merge(old: object, patch: object, strategic: bool) -> object:
    """A merge patch (RFC 7396); where ``strategic``, lists of conditions and addresses are merged by their type."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif strategic and key in ("conditions", "addresses") and isinstance(merged.get(key), list):
            by_type = {each["type"]: each for each in merged[key]}
            by_type.update({each["type"]: {**by_type.get(each["type"], {}), **each} for each in value})
            merged[key] = list(by_type.values())
        else:
            merged[key] = merge(merged.get(key), value, strategic)
    return merged


def node(number: int) -> dict:
    """A Node as large and as cluttered as a real one."""
    name = f"node{number}"
    since = f"2026-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "lastHeartbeatTime": since,
            "lastTransitionTime": since,
            "reason": f"KubeletHas{kind}",
            "message": f"kubelet has looked at {kind} and has this to say of it",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    names = [f"registry.example.com/team-{each}/service-{each}" for each in range(30)]
    images = [
        {
            "names": [f"{each}@sha256:{abs(hash((number, each))):064x}"[:140], f"{each}:v1.{number % 40}.0"],
            "sizeBytes": 10_000_000 + number,
        }
        for each in names
    ]
    fields = {
        "f:status": {
            "f:conditions": {f'k:{{"type":"{each["type"]}"}}': {f"f:{key}": {} for key in each} for each in conditions}
        }
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": f"00000000-0000-4000-8000-{number:012x}",
            "creationTimestamp": since,
            "labels": {f"kubernetes.io/{key}": name for key in ("hostname", "os", "arch", "zone", "pool")},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/attach-detach": "true"},
            "managedFields": [
                {"manager": each, "operation": "Update", "apiVersion": "v1", "time": since, "fieldsV1": fields}
                for each in ("kubelet", "kube-controller-manager")
            ],
        },
        "spec": {"podCIDR": cidr(number), "podCIDRs": [cidr(number)], "providerID": f"stand://in/{name}"},
        "status": {
            "capacity": {"cpu": "16", "memory": "65806004Ki", "pods": "110", "ephemeral-storage": "203056560Ki"},
            "allocatable": {"cpu": "16", "memory": "65703604Ki", "pods": "110", "ephemeral-storage": "187136925Ki"},
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": address(number)},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": f"{number:032x}",
                "systemUUID": f"{number:032x}",
                "bootID": f"{number:032x}",
                "kernelVersion": "6.1.0-9-amd64",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://1.6.20",
                "kubeletVersion": "v1.34.1",
                "kubeProxyVersion": "v1.34.1",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            "images": images,
        },
    }


def address(number: int) -> str:
    """The underlay address of node NUMBER."""
    return f"10.77.{number >> 8}.{number & 255}"


def cidr(number: int) -> str:
    """The pod CIDR of node NUMBER."""
    return f"100.{number >> 8}.{number & 255}.0/24"


def openssl(*words: object, data: bytes = b"") -> bytes:
    """What openssl prints. Raises CalledProcessError."""
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=True).stdout


def authority(directory: Path, address: str) -> None:
    """A CA, the server's certificate, and the administrator's."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-subj", "/CN=stand-in", "-out", directory / "ca.crt", "-keyout", directory / "ca.key")
    openssl("req", "-x509", *curve, "-days", 3000, *ca)
    identity(directory, "server", "/CN=kube-apiserver", f"subjectAltName=IP:{address},DNS:kubernetes")
    identity(directory, "admin", "/O=system:masters/CN=admin")


def identity(directory: Path, name: str, subject: str, extension: str = "", days: int = 700) -> None:
    """NAME.crt and NAME.key in DIRECTORY for SUBJECT, signed by the CA for so many days."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    request = openssl("req", *curve, "-subj", subject, "-keyout", directory / f"{name}.key")
    (directory / f"{name}.crt").write_bytes(sign(directory, request, extension, days))


def sign(directory: Path, request: bytes, extension: str = "", days: int = 700) -> bytes:
    """A certificate for a request, both PEM."""
    words: list[object] = ["x509", "-req", "-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-days", days]
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(extension + "\n")
        file.flush()
        words += ["-CAcreateserial"] + (["-extfile", file.name] if extension else [])
        return openssl(*words, data=request)


def kubeconfig(directory: Path, name: str, server: str) -> dict:
    """A kubeconfig for the identity NAME."""
    user = {"client-certificate": str(directory / f"{name}.crt"), "client-key": str(directory / f"{name}.key")}
    cluster = {"server": server, "certificate-authority": str(directory / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


def main() -> int:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--bookmarks", type=float, default=60)
    options = parser.parse_args()
    if not (options.directory / "ca.crt").exists():
        authority(options.directory, options.address)
    server = Server((options.address, options.port), options.directory, options.bookmarks)
    print(f"serving on {options.address}:{options.port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
