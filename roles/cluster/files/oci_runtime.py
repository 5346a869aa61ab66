#!/usr/bin/env python3
# Written by podnet.cluster: runc (or crun) for nodes without CAP_SYS_RESOURCE, which cannot lower an OOM score.
"""podnet-oci-runtime: stands before the OCI runtime, raises a new container's oomScoreAdj to this process's own, and
takes CAP_SYS_RESOURCE out of it: CRI-O gives a privileged container every capability, which the node's own are not.

The bundle's config.json is the runtime specification's (opencontainers/runtime-spec, config.md).
"""

import json
import os
import shutil
import sys


def adapt(bundle: str) -> None:
    """Changes the bundle's config.json where it asks for a lower score than this process has, or for the capability."""
    path = os.path.join(bundle, "config.json")
    with open("/proc/self/oom_score_adj") as file:
        least = int(file.read())
    with open(path) as file:
        config = json.load(file)
    process = config.get("process") or {}
    if process.get("oomScoreAdj") is not None and process["oomScoreAdj"] < least:
        process["oomScoreAdj"] = least
    for name, held in (process.get("capabilities") or {}).items():
        process["capabilities"][name] = [each for each in held if each != "CAP_SYS_RESOURCE"]
    with open(path, "w") as file:
        json.dump(config, file)


def main(words: list) -> None:
    if {"create", "run"} & set(words):
        for flag, bundle in zip(words, [*words[1:], "."]):
            if flag in ("--bundle", "-b"):
                adapt(bundle)
            elif flag.startswith("--bundle="):
                adapt(flag.partition("=")[2])
    runtime = shutil.which("runc") or shutil.which("crun") or "/usr/bin/runc"
    os.execv(runtime, [runtime, *words])


if __name__ == "__main__":
    main(sys.argv[1:])
