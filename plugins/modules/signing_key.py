#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_key
short_description: Install the key that a package repository signs with, if it is the expected one
version_added: "0.2.0"
description:
  - Used by the role C(kubernetes). Its options may change with any release.
  - Fetches the key at each run, so that one that was renewed replaces one that expires, and installs it unless its
    fingerprint is another than expected.
  - Where the repository does not answer, a key of a former run that is expected and has not expired is kept, with a
    warning.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  url:
    description: Where the key is, with or without armor.
    type: str
    required: true
  path:
    description: The file for it.
    type: path
    required: true
  fingerprints:
    description: The fingerprints of keys that are trusted; every key in the file must have one of them. Empty for any.
    type: list
    elements: str
    default: []
  proxy:
    description: The proxy to go through, as a URL. By default that of the environment.
    type: str
  no_proxy:
    description: What O(proxy) is not for, with commas between; host names stand for those below them as well.
    type: str
    default: ''
  timeout:
    description: Seconds that the repository may take.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Trust the key of a site's repository
  podnet.cluster.signing_key:
    url: https://packages.example.org/Release.key
    path: /etc/apt/keyrings/site.asc
    fingerprints: [DE15B14486CD377B9E876E1A234654DA9A296436]
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ..module_utils.converge import files
from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan, StateError
from ..module_utils.provision import signing_key


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "fingerprints": {"type": "list", "elements": "str", "default": []},
            "proxy": {"type": "str", "no_log": True},
            "no_proxy": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["proxy"]:
        for scheme in ("http", "https"):
            os.environ[f"{scheme}_proxy"] = given["proxy"]
        os.environ["no_proxy"] = given["no_proxy"]
    try:
        data = open_url(given["url"], timeout=given["timeout"], http_agent="podnet.cluster").read()
    except Exception as error:  # what urllib, ssl and http.client raise
        kept = (files.read(given["path"]) or "").encode()
        if not module.check_mode and not signing_key.is_usable(kept, given["fingerprints"]):
            module.fail_json(msg=f"{given['url']} cannot be had ({error}), so its packages would not be trusted")
        module.warn(f"{given['url']} cannot be had ({error}); keeping the key of a former run")
        run(module, Plan())
    try:
        signing_key.judge(data, given["fingerprints"], given["url"])
        plan = Plan(signing_key.plan(given["path"], data))
    except (StateError, OSError) as error:
        module.fail_json(msg=str(error))
    run(module, plan)


if __name__ == "__main__":
    main()
