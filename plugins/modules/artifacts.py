#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Install executables and container images that come as files
version_added: "0.1.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - Installs executables, and imports images into the container runtime, from files on the controller or on the node.
    Every file's checksum is verified on the node before anything is installed.
  - Only what the node lacks is copied to it. An executable is compared by its content, an image by its name.
extends_documentation_fragment:
  - podnet.cluster.attributes
  - podnet.cluster.attributes.desired_state
author:
  - podnet.cluster contributors (@podnet)
options:
  archive:
    description:
      - A Kubernetes archive; a directory with C(SHA256SUMS), C(manifest.json), C(bin/) and C(images/). Everything in
        it is installed.
    type: path
  keyring:
    description: A file of public keys beside the archive, one of which must have signed its checksums; empty for none.
    type: path
    default: ''
  bin_dir:
    description: Where the executables of O(archive) go.
    type: path
    default: /usr/bin
  components:
    description: Those of the archive's executables that are installed; crictl is with kubelet where the archive has it.
    type: list
    elements: str
    default: [kubelet, kubeadm, kubectl]
  import_images:
    description: Whether the archive's images are imported, too.
    type: bool
    default: true
  skip_images:
    description: Those of the archive's images that are not imported, by the last part of their names without tag.
    type: list
    elements: str
    default: []
  images:
    description: Further images.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The image's name, with registry and tag.
        type: str
        required: true
      file:
        description: The docker-archive or OCI archive that holds it.
        type: path
        required: true
      sha256:
        description: The file's SHA-256; of a file on the controller it is made without this.
        type: str
  executables:
    description: Further executables.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it goes.
        type: path
        required: true
      file:
        description: The file.
        type: path
        required: true
      sha256:
        description: The file's SHA-256.
        type: str
        required: true
  runtime:
    description: The container runtime that gets the images. CRI-O takes docker-archives only.
    type: str
    choices: [containerd, crio, docker]
    default: containerd
  remote_src:
    description: Whether the files are on the node.
    type: bool
    default: false
  facts:
    description: What M(podnet.cluster.node_facts) found with its option
      O(podnet.cluster.node_facts#module:artifacts). A node that lacks nothing by them is not asked.
    type: dict
  plan:
    description: Whether to only return what is missing, by which the action plugin of the same name knows what to copy.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Install Kubernetes from an archive on the controller
  podnet.cluster.artifacts:
    archive: /srv/kubernetes-1.37.2
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one line each.
  returned: always
  type: list
  elements: str
images:
  description: Names of all the images that were asked for, those of the archive included.
  returned: always
  type: list
  elements: str
files:
  description: The files that this takes.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.module import run
from ..module_utils.converge.plan import Plan, StateError
from ..module_utils.provision import archive, artifacts
from ..module_utils.verify.model.runtimes import DEFAULT, RUNTIMES

EXECUTABLE = {
    "path": {"type": "path", "required": True},
    "file": {"type": "path", "required": True},
    "sha256": {"type": "str", "required": True},
}
IMAGE = {
    "name": {"type": "str", "required": True},
    "file": {"type": "path", "required": True},
    "sha256": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path"},
            "keyring": {"type": "path", "default": ""},
            "bin_dir": {"type": "path", "default": "/usr/bin"},
            "components": {"type": "list", "elements": "str", "default": list(archive.BINARIES)},
            "import_images": {"type": "bool", "default": True},
            "skip_images": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "dict", "default": [], "options": IMAGE},
            "executables": {"type": "list", "elements": "dict", "default": [], "options": EXECUTABLE},
            "runtime": {"type": "str", "choices": list(RUNTIMES), "default": DEFAULT},
            "remote_src": {"type": "bool", "default": False},
            "facts": {"type": "dict"},
            "plan": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        executables = [artifacts.Executable(**each) for each in given["executables"]]
        images = [artifacts.Image(each["name"], each["file"], each["sha256"] or "") for each in given["images"]]
        if given["archive"]:
            content = archive.read(given["archive"], given["keyring"])
            more = artifacts.of_archive(content, given["bin_dir"], given["components"], given["skip_images"])
            executables, images = executables + more[0], images + (more[1] if given["import_images"] else [])
        named = [each.name for each in images]
        wanted = executables
        executables, images = artifacts.lacking(wanted, images, module.check_mode, given["runtime"])
        if not module.check_mode:
            artifacts.note([each for each in wanted if each not in executables])
    except StateError as error:
        module.fail_json(msg=str(error))
    except (archive.ArchiveError, OSError) as error:
        module.fail_json(msg=f"archive: {error}")
    module.check_mode = module.check_mode or given["plan"]
    run(
        module,
        Plan(then=artifacts.plan(executables, images, module.check_mode, given["runtime"])),
        images=named,
        files=list(dict.fromkeys(each.file for each in [*executables, *images])),
    )


if __name__ == "__main__":
    main()
