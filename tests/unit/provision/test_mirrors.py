# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry mirrors: what containerd would misread is found before."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import mirrors

URL = "https://mirror.example"
FULL = {
    "url": URL, "ca": "/etc/ssl/ca.pem", "client": ["/etc/c.pem", "/etc/c.key"], "header": {"x-a": "b", "x-b": ["c"]},
    "skip_verify": False, "override_path": True,
}  # fmt: skip
SECRET = {"url": URL, "header": {"authorization": "Bearer t0ken"}}


def test_right_mirrors():
    assert list(mirrors.check({"docker.io": [URL, FULL], "_default": ["http://mirror.example:5000"]})) == []


@pytest.mark.parametrize(
    ("runtime", "value", "where"),
    [
        ("containerd", {"_default": [FULL]}, []),
        ("crio", {"docker.io": [URL, {"url": URL, "ca": "/a", "skip_verify": True}], "quay.io": [URL]}, []),
        ("crio", {"_default": [URL]}, ["['_default']"]),
        ("crio", {"docker.io": [{"url": URL, "header": {}}]}, ["['docker.io'].header"]),
        ("docker", {"docker.io": [URL, {"url": URL, "ca": "/a"}]}, []),
        ("docker", {"quay.io": [{"url": URL, "skip_verify": True}]}, ["['quay.io']", "['quay.io'].skip_verify"]),
    ],
)
def test_what_a_runtime_cannot_be_told(runtime, value, where):
    found = [(each.code, each.node, each.subject) for each in mirrors.check_runtime(value, runtime, "a")]
    assert found == [(Code.VARIABLE_INVALID, "a", f"containerd_registry_mirrors{each}") for each in where]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([URL], ""),
        ({"docker.io": URL}, "['docker.io']"),
        ({"docker.io": FULL}, "['docker.io']"),
        ({"docker.io": [URL, "mirror.example"]}, "['docker.io'][1]"),
        ({"docker.io": [7]}, "['docker.io'][0]"),
        ({"docker.io": [{"ca": "/a"}]}, "['docker.io'][0]"),
        ({"docker.io": [{**FULL, "skip_verify": "yes"}]}, "['docker.io'][0].skip_verify"),
        ({"docker.io": [{**FULL, "client": ["/a"]}]}, "['docker.io'][0].client"),
        ({"docker.io": [{**FULL, "client": ["/a", 7]}]}, "['docker.io'][0].client"),
        ({"docker.io": [{**FULL, "header": {"x-a": 7}}]}, "['docker.io'][0].header['x-a']"),
        ({"docker.io": [{**FULL, "header": {"x-a": [7]}}]}, "['docker.io'][0].header['x-a']"),
        ({"docker.io": [{**FULL, "skipverify": True}]}, "['docker.io'][0].skipverify"),
    ],
)
def test_wrong_mirrors(value, where):
    (finding,) = mirrors.check(value)
    assert (finding.code, finding.subject) == (Code.VARIABLE_INVALID, f"containerd_registry_mirrors{where}")


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        [SECRET],
        {"docker.io": SECRET},
        {"docker.io": [{**SECRET, "url": 7}]},
        {"docker.io": [{**SECRET, "header": "Bearer t0ken"}]},
        {"docker.io": [{**SECRET, "header": {"authorization": {"a": "t0ken"}}}]},
        {"_default": [SECRET]},
        {"quay.io": [SECRET]},
    ],
)
def test_a_mirror_s_password_is_not_in_the_words(value):
    found = [*mirrors.check(value), *mirrors.check_runtime(value, "docker", "a")]
    assert found and "t0ken" not in repr(found)
