#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cni_attachment
short_description: Connect a network namespace to a CNI network
version_added: "0.2.0"
description:
  - Invokes the plugins of a configuration list as a container runtime does, with libcni's cache of results, so that
    C(podnet-cni), C(cnitool) and this module may take turns.
  - An attachment is a container ID and an interface name on a network. It counts as present where the cache has its
    result and the plugins' CHECK (specification 0.4.0 and later) finds it as it was made.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
options:
  state:
    description:
      - V(present) connects (ADD); an attachment that CHECK finds damaged is recreated.
      - V(absent) disconnects (DEL).
      - V(checked) changes nothing, and fails unless the attachment is there and as it was made.
    type: str
    choices: [present, absent, checked]
    default: present
  conflist:
    description: The configuration list's file, or that of a single plugin.
    type: path
    required: true
  container_id:
    description: The container's ID. Letters, digits, C(_), C(.) and C(-), the first one a letter or digit.
    type: str
    required: true
  netns:
    description:
      - Path of the network namespace, C(/run/netns/NAME) for one of C(ip netns).
      - Required for O(state=present) and O(state=checked). DEL does without where the namespace is gone.
    type: path
  interface:
    description: The interface's name in the namespace.
    type: str
    default: eth0
  capabilities:
    description:
      - What the runtime supplies for capabilities, such as C(portMappings); each plugin gets what it declares.
      - An attachment with others is recreated; where none are given it stays as it is.
    type: dict
    default: {}
  args:
    description: CNI_ARGS, keys and values; others than it has recreate it, as with O(capabilities).
    type: dict
    default: {}
  bin_dirs:
    description: Where the plugins are.
    type: list
    elements: path
    default: [/opt/podnet/current/bin]
  cache_dir:
    description: Where results are kept, in its subdirectory C(results).
    type: path
    default: /var/lib/cni
attributes:
  check_mode:
    support: full
    description: What ADD would give (addresses, names of links) is the plugins' choice and not known before.
  diff_mode:
    support: partial
    description: Before is the result in the cache; after is it, or none. What ADD returns is shown once it is done.
  idempotent:
    support: full
seealso:
  - module: podnet.cluster.conflist
"""

EXAMPLES = r"""
- name: Connect a namespace to the pod network, with a port of the host
  podnet.cluster.cni_attachment:
    conflist: /etc/cni/net.d/10-podnet.conflist
    container_id: probe
    netns: /run/netns/probe
    capabilities:
      portMappings:
        - hostPort: 8080
          containerPort: 80
          protocol: tcp
  register: attachment

- name: Show its address
  ansible.builtin.debug:
    msg: "{{ attachment.result.ips[0].address }}"

- name: Is it still as it was made?
  podnet.cluster.cni_attachment:
    state: checked
    conflist: /etc/cni/net.d/10-podnet.conflist
    container_id: probe
    netns: /run/netns/probe

- name: Disconnect it
  podnet.cluster.cni_attachment:
    state: absent
    conflist: /etc/cni/net.d/10-podnet.conflist
    container_id: probe
    netns: /run/netns/probe
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
  sample: ["connect probe eth0 to podnet"]
result:
  description: The chain's result, as the last plugin printed it or as the cache has it; empty for an absent attachment.
  returned: success
  type: dict
  sample:
    cniVersion: 1.0.0
    ips: [{address: 10.244.1.2/24, gateway: 10.244.1.1, interface: 2}]
damaged:
  description: What CHECK found otherwise than ADD had made it; empty if nothing.
  returned: success
  type: str
  sample: "interface eth0 lacks the address 10.244.1.2/24"
code:
  description: The CNI error's code.
  returned: failure of a plugin
  type: int
  sample: 11
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.cni.runtime.runtime import Attachment, Runtime
from ..module_utils.cni.spec import conflist
from ..module_utils.cni.spec.environment import INTERFACE_NAME, identifier, interface_name
from ..module_utils.cni.spec.errors import CniError
from ..module_utils.cni.spec.result import at_least
from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Change, Plan


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "checked"], "default": "present"},
            "conflist": {"type": "path", "required": True},
            "container_id": {"type": "str", "required": True},
            "netns": {"type": "path"},
            "interface": {"type": "str", "default": "eth0"},
            "capabilities": {"type": "dict", "default": {}},
            "args": {"type": "dict", "default": {}},
            "bin_dirs": {"type": "list", "elements": "path", "default": ["/opt/podnet/current/bin"]},
            "cache_dir": {"type": "path", "default": "/var/lib/cni"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    if not identifier(wanted["container_id"]):
        module.fail_json(msg=f"container_id: letters, digits, '_', '.' and '-', not {wanted['container_id']!r}")
    if not interface_name(wanted["interface"]):
        module.fail_json(msg=f"interface: {INTERFACE_NAME}; not {wanted['interface']!r}")
    if wanted["state"] != "absent" and not wanted["netns"]:
        module.fail_json(msg=f"netns: the network namespace's path is wanted for state {wanted['state']}")
    try:
        _converge(module)
    except CniError as error:
        module.fail_json(msg=str(error), code=error.code)
    except (OSError, conflist.ConflistError) as error:
        module.fail_json(msg=str(error))


def _converge(module: AnsibleModule) -> None:
    wanted = module.params
    network = conflist.load(wanted["conflist"])
    runtime = Runtime(wanted["bin_dirs"], wanted["cache_dir"])
    cached = runtime.cached(network.name, attachment(module))
    before = cached["result"] if cached else {}
    damaged = damage(runtime, network, cached, module) if cached and wanted["state"] != "absent" else ""
    result = dict(before)
    name = f"{wanted['container_id']} {wanted['interface']}"

    def connect() -> None:
        if damaged:
            runtime.delete(network, attachment(module))
        result.clear()
        result.update(add(runtime, network, module))

    def disconnect() -> None:
        runtime.delete(network, attachment(module))

    change = None
    if wanted["state"] == "checked":
        if not cached:
            module.fail_json(msg=f"{name} is not connected to {network.name}")
        if damaged:
            module.fail_json(msg=damaged, code=999)
    elif wanted["state"] == "absent":
        result = {}
        if cached:
            text = f"disconnect {name} from {network.name}"
            change = Change("attachment", name, text, _text(before), "", disconnect)
        elif not module.check_mode:  # DEL is repeatable, and may find what is left of an ADD that was not recorded
            disconnect()
    elif damaged or not cached:
        text = f"{'reconnect' if damaged else 'connect'} {name} to {network.name}"
        change = Change("attachment", name, text, _text(before), lambda: _text(result), connect)
    run(module, Plan(then=[change] if change else []), result=result, damaged=damaged)


def attachment(module: AnsibleModule) -> Attachment:
    """The attachment that the arguments name."""
    wanted = module.params
    args = {str(key): str(value) for key, value in wanted["args"].items()}
    return Attachment(wanted["container_id"], wanted["netns"] or "", wanted["interface"], args, wanted["capabilities"])


def add(runtime: Runtime, network: conflist.Conflist, module: AnsibleModule) -> dict:
    """Connects; where a plugin of the chain fails, what those before it made is taken back, as runtimes do."""
    try:
        return runtime.add(network, attachment(module))
    except CniError:
        try:
            runtime.delete(network, attachment(module))
        except CniError as error:
            module.warn(f"after the failure something may be left, since DEL failed, too: {error}")
        raise


def damage(runtime: Runtime, network: conflist.Conflist, cached: dict, module: AnsibleModule) -> str:
    """What CHECK says against an attachment that is noted, or what it was connected with that is wanted otherwise.

    Empty where all is well, or the version has no CHECK.
    """
    wanted = attachment(module)
    noted = {"capabilities": cached.get("capabilityArgs") or {}, "args": dict(cached.get("cniArgs") or [])}
    for what, value in noted.items():
        if getattr(wanted, what) and getattr(wanted, what) != value:
            return f"it is connected with other {what}: {value}"
    if not at_least(network.version, "0.4.0"):
        return ""
    try:
        runtime.check(network, attachment(module))
    except CniError as error:
        return str(error)
    return ""


def _text(result: dict) -> str:
    return json.dumps(result, indent=2) + "\n" if result else ""


if __name__ == "__main__":
    main()
