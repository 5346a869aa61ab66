# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that Kubernetes' own tests run, made of programs that were built and files of Debian packages.

Names and tags are those that ``e2e.test --list-images`` prints; what runs in them is as in the Dockerfiles of
``test/images``.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterable
from typing import NamedTuple

import cache
import contents
import image
from contents import Content
from host import say

REGISTRY = "registry.k8s.io/e2e-test-images/"
_SHELL = tuple("bash bind9-dnsutils coreutils dash grep hostname libc-bin mawk procps sed util-linux".split())
#: What update-alternatives would have linked.
_LINKS = {"usr/bin/awk": "mawk"}
_USERS = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nuser-defined-in-image:x:1000:1000::/:/bin/sh\n",
    "etc/group": "root:x:0:\nwww-data:x:33:\ngroup-defined-in-image:x:50000:user-defined-in-image\n",
}
_AGNHOST = Content(
    ("agnhost", "coredns"),
    (*_SHELL, "curl", "iproute2", "iperf", "netcat-openbsd", "socat"),
    links={
        **dict.fromkeys(("agnhost", "agnhost-2"), "usr/local/bin/agnhost"),
        "coredns": "usr/local/bin/coredns",
        "bin/nc": "nc.openbsd",
        **_LINKS,
    },
    entrypoint=("/agnhost",),
    command=("pause",),
)
#: In the foreground, and nothing outside /tmp is written.
_NGINX = """
daemon off; user www-data; pid /tmp/nginx.pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server { listen 80 default_server; listen [::]:80 default_server; root /usr/share/nginx/html; }
}
"""


class Image(NamedTuple):
    """One image: its content, files out of ``test/images`` and texts, each as {path in the image: …}, and the user."""

    content: Content
    copied: dict[str, str] = {}
    texts: dict[str, str] = {}
    user: str = ""


_PORTER = {name: f"agnhost/porter/{name}" for name in ("localhost.crt", "localhost.key")}
IMAGES = {
    "agnhost": Image(_AGNHOST, _PORTER, _USERS),
    "busybox": Image(contents.IMAGES["toolbox"]),
    "glibc-dns-testing": Image(Content((), _SHELL, links=_LINKS, command=("/bin/bash",))),
    **{
        name: Image(
            _AGNHOST._replace(command=("test-webserver",)),
            {file: f"{name}/html/{file}" for file in (f"{name}.jpg", "data.json")},
            _USERS,
        )
        for name in ("kitten", "nautilus")
    },
    "nginx": Image(
        Content((), (*_SHELL, "curl", "nginx-light"), links=_LINKS, command=("nginx",)),
        texts={**_USERS, "etc/nginx/nginx.conf": _NGINX, "var/log/nginx/error.log": "", "var/lib/nginx/body": ""},
    ),
    "nonroot": Image(Content((), _SHELL, links=_LINKS, command=("/bin/bash",)), user="1234"),
}


def names(listed: Iterable[str]) -> dict[str, list[str]]:
    """Of the images that the tests may run, those that are made here: all full names of each of IMAGES."""
    found: dict[str, list[str]] = {}
    for full_name in sorted(listed):
        name = full_name.removeprefix(REGISTRY).rpartition(":")[0]
        if full_name.startswith(REGISTRY) and name in IMAGES:
            found.setdefault(name, []).append(full_name)
    return found


def write(
    place: pathlib.Path,
    listed: dict[str, list[str]],
    binaries: dict[str, pathlib.Path],
    sources: pathlib.Path,
    architecture: str,
) -> list[pathlib.Path]:
    """A docker-archive for each of ``listed``, in the directory ``place`` by what it is made from, made unless it is
    there. ``binaries`` are the programs by name, ``sources`` is ``test/images``."""
    place.mkdir(parents=True, exist_ok=True)
    cache.clean(place)
    return [_write(place, name, full_names, binaries, sources, architecture) for name, full_names in listed.items()]


def _write(
    place: pathlib.Path,
    name: str,
    full_names: list[str],
    binaries: dict[str, pathlib.Path],
    sources: pathlib.Path,
    architecture: str,
) -> pathlib.Path:
    made = IMAGES[name]
    content = made.content
    # a program's directory is named by what it was built from
    programs = [str(binaries[program]) for program in content.programs]
    recipe = [made, programs, full_names, architecture, contents.SUITE, contents.SUPERFLUOUS]
    path = place / f"{name}-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]}.tar"
    if path.exists():
        cache.use(path)
        return path
    say(f"image {full_names[0]}")
    tree = place / f"{name}.tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    contents.fill("toolbox" if content is contents.IMAGES["toolbox"] else name, content, tree, binaries)
    for target, source in made.copied.items():
        shutil.copy(sources / source, tree / target)
    for target, text in made.texts.items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        (tree / target).write_text(text)
    part = path.with_suffix(".part")
    image.write(part, full_names, tree, architecture, content.command, content.entrypoint, made.user)
    shutil.rmtree(tree)
    return part.rename(path)
