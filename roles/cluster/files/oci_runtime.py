#!/usr/bin/env python3
# Written by podnet.cluster: runc or crun for nodes without CAP_SYS_RESOURCE, which cannot lower an OOM score.
"""podnet-oci-runtime: stands before the OCI runtime, raises a new container's oomScoreAdj to this process's own, and
takes CAP_SYS_RESOURCE out of it: CRI-O gives a privileged container every capability, which the node's own are not.

The bundle's config.json is the runtime specification's (opencontainers/runtime-spec, config.md).
"""

import json
import os
import shutil
import sys

#: The role writes crio_oci_runtime here.
RUNTIME = "runc"
LACKING = "CAP_SYS_RESOURCE"


def adapt(config: dict, least: int) -> bool:
    """Changes a bundle's configuration where it asks for a lower score than ``least``, or for the capability; returns
    whether it did."""
    process = config.get("process") or {}
    changed = False
    if process.get("oomScoreAdj") is not None and process["oomScoreAdj"] < least:
        process["oomScoreAdj"] = least
        changed = True
    for held in (process.get("capabilities") or {}).values():
        if LACKING in held:
            held.remove(LACKING)
            changed = True
    return changed


def adapt_bundle(bundle: str) -> None:
    path = os.path.join(bundle, "config.json")
    with open("/proc/self/oom_score_adj") as file:
        least = int(file.read())
    with open(path) as file:
        config = json.load(file)
    if adapt(config, least):
        with open(path, "w") as file:
            json.dump(config, file)


def main(words: list) -> None:
    if {"create", "run"} & set(words):
        for flag, bundle in zip(words, [*words[1:], "."]):
            if flag in ("--bundle", "-b"):
                adapt_bundle(bundle)
            elif flag.startswith("--bundle="):
                adapt_bundle(flag.partition("=")[2])
    runtime = shutil.which(RUNTIME) or f"/usr/bin/{RUNTIME}"
    os.execv(runtime, [runtime, *words])


if __name__ == "__main__":
    main(sys.argv[1:])
