# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An agent's credentials on its node: what is on the disk, what is missing, what replaces it.

    /etc/podnet/kube.json          a kubeconfig in JSON that names the others
    /etc/podnet/kube/ca.crt        the cluster's CA
    /etc/podnet/kube/node.pem      certificate and key in one file, so that they are never of two minds
    /etc/podnet/kube/next.key      a key that waits for its certificate

The agent reads them again at each connection: a renewed certificate needs no restart.
"""

from __future__ import annotations

import json
import os
import time
from typing import NamedTuple

from ..converge import files
from ..converge.plan import Plan
from ..overlay.config import ConfigError
from .openssl import OpensslError, make_key, public_key, read_certificate, request
from .rbac import GROUP, user


class Needs(NamedTuple):
    """What a node needs: a plan of the files, a request (PEM) where it needs a certificate, and the end of the one it
    will have then (seconds since the epoch; None without one)."""

    plan: Plan
    request: str | None
    expires: int | None


class Paths(NamedTuple):
    """Where a node's credentials are."""

    kubeconfig: str
    directory: str

    def ca(self) -> str:
        return os.path.join(self.directory, "ca.crt")

    def pem(self) -> str:
        return os.path.join(self.directory, "node.pem")

    def next(self) -> str:
        return os.path.join(self.directory, "next.key")


def present(paths: Paths, node: str, server: str, ca: str, certificate: str | None, renew_before: float) -> Needs:
    """What ``node`` lacks of its credentials for the API at the URL ``server``.

    ``certificate``: the one (PEM) that was signed for the request of before. ``renew_before``: seconds before its end
    from which on a certificate is renewed. Raises ConfigError when the certificate is for another key or node,
    OpensslError, OSError.
    """
    ca = ca.strip() + "\n"
    held = files.read(paths.pem())
    waiting = files.read(paths.next())
    if certificate is not None and (held is None or certificate.strip() not in held):
        if waiting is None:
            raise ConfigError(f"{paths.next()}: no key waits for a certificate: run without `certificate` first")
        _check(certificate, node, waiting)
        held = waiting.strip() + "\n" + certificate.strip() + "\n"
    elif not _good(held, node, renew_before) or files.read(paths.ca()) not in (None, ca):
        key = waiting if waiting and _readable(waiting) else make_key()
        fresh = {} if key == waiting else {paths.next(): key}
        return Needs(Plan(then=files.plan(fresh, 0o600, secret=True)), request(key, user(node), GROUP), None)
    steps = [
        *files.plan({paths.pem(): held}, 0o600, secret=True),
        *files.plan({paths.ca(): ca, paths.kubeconfig: _kubeconfig(paths, server)}, 0o644),
        *files.plan({paths.next(): None}, secret=True),
    ]
    return Needs(Plan(then=steps), None, read_certificate(held or "").expires)


def expiry(path: str, within: float = 0.0) -> str:
    """When the certificate in the file expires or has expired, as text (UTC); "" where that is not within so many
    seconds, or it cannot be read."""
    try:
        end = read_certificate(files.read(path) or "").expires
    except (OSError, OpensslError):
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(end)) if end < time.time() + within else ""


#: Where the role overlay has them.
HERE = Paths("/etc/podnet/kube.json", "/etc/podnet/kube")


class Held(NamedTuple):
    """A node's complete credentials: of which node, for which API, its CA (PEM), and the certificate's end (seconds
    since the epoch)."""

    node: str
    server: str
    ca: str
    expires: int


def held(node: str, paths: Paths = HERE) -> Held | None:
    """What ``node`` holds, None where anything of it is missing or wrong. Raises OSError."""
    ca, text = files.read(paths.ca()), files.read(paths.kubeconfig)
    if ca is None or text is None:
        return None
    try:
        server = json.loads(text)["clusters"][0]["cluster"]["server"]
        needs = present(paths, node, server, ca, None, 0)
    except (ValueError, TypeError, LookupError):
        return None
    return None if needs.request or needs.plan or needs.expires is None else Held(node, server, ca, needs.expires)


def absent(paths: Paths) -> Needs:
    """Removes all of it."""
    every = (paths.kubeconfig, paths.pem(), paths.next(), paths.ca())
    return Needs(Plan(then=files.plan(dict.fromkeys(every), secret=True)), None, None)


def _readable(key: str) -> bool:
    try:
        return bool(public_key(key))
    except OpensslError:
        return False


def _good(pem: str | None, node: str, renew_before: float) -> bool:
    """Whether ``pem`` has a key and a certificate of this node for it, with more than ``renew_before`` seconds left."""
    try:
        return pem is not None and _check(pem, node, pem) - time.time() > renew_before
    except (ConfigError, OpensslError):
        return False


def _check(certificate: str, node: str, key: str) -> int:
    """When the certificate ends. Raises ConfigError where it is not for this node and key, OpensslError."""
    found = read_certificate(certificate)
    expected = f"CN={user(node)},O={GROUP}"
    if found.subject != expected:
        raise ConfigError(f"certificate: subject is {found.subject}, expected {expected}")
    if found.public_key != public_key(key):
        raise ConfigError(f"certificate: does not belong to the key of {node} that asked for it")
    return found.expires


def _kubeconfig(paths: Paths, server: str) -> str:
    name = "podnet"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": paths.ca()}}],
        "users": [{"name": name, "user": {"client-certificate": paths.pem(), "client-key": paths.pem()}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return json.dumps(config, indent=1) + "\n"
