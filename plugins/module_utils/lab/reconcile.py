# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab: what is wanted compared with what runs, as the step of a plan that makes the difference."""

from __future__ import annotations

import contextlib
import json
import os
import shutil

from ..converge.failure import failure
from ..converge.plan import Diff, Line
from . import host, machine, network, state


class Whole:
    """What bringing the lab `name` to `wanted` (a Lab; None: no lab) takes. One step, since nodes start side by side.

    create, remove and start are lists of nodes; underlay is what of the network between them is yet to be made."""

    def __init__(self, name, wanted):
        self.wanted, self.found = wanted, state.load(name)
        have = {node.name: node for node in self.found.nodes} if self.found else {}
        want = {node.name: node for node in wanted.nodes} if wanted else {}
        if self.found and wanted:
            for field in ("network", "network6", "mtu", "directory"):
                now, wished = getattr(self.found, field), getattr(wanted, field)
                if now != wished:
                    raise state.LabError(f"lab {name} is up with {field} {now}, not {wished}; take it down first")
        if wanted and not self.found and wanted.namespace() in network.namespaces():
            raise state.LabError(f"network namespace {name} exists and is not a lab's: choose another lab_name")
        same = {key for key in have if key in want and have[key].as_dict() == want[key].as_dict()}
        self.underlay = network.missing(wanted) if wanted else set()
        if self.found and wanted and self.found.unrouted != wanted.unrouted:
            self.underlay = self.underlay | {"table"}
        self.create = [node for key, node in want.items() if key not in have]
        self.remove = [node for key, node in have.items() if key not in same]
        self.create += [want[node.name] for node in self.remove if node.name in want]
        # A node that runs beside a bridge that is gone has lost its network, and is restarted.
        self.start = [
            node
            for key, node in want.items()
            if key in same and ("bridge" in self.underlay or not machine.supervisor(wanted, node))
        ]

        self.changes = list(self._describe())

    def _describe(self):
        if self.found and not self.wanted:
            yield Line("lab", f"take down lab {self.found.name}")
            return
        replaced = {node.name for node in self.remove} & {node.name for node in self.create}
        for part in sorted(self.underlay):
            yield Line("network", f"create the network's {part}")
        for verb, nodes in (("remove", self.remove), ("create", self.create), ("start", self.start)):
            for node in nodes:
                if node.name not in replaced:
                    yield Line("node", f"{verb} {node.name}")
        for name in sorted(replaced):
            yield Line("node", f"recreate {name}")
        if self.found and self.wanted and self.found.variables != self.wanted.variables:
            yield Line("lab", "record the variables")

    def diffs(self):
        """The lab as it is and as it will be, as JSON."""
        stopped = {node.name for node in self.start}
        texts = []
        for lab, off in ((self.found, stopped), (self.wanted, ())):
            running = {node.name: node.name not in off for node in lab.nodes} if lab else {}
            texts.append(json.dumps({**lab.as_dict(), "running": running}, indent=1) + "\n" if lab else "")
        return [Diff(f"lab {(self.wanted or self.found).name}", *texts)]

    def apply(self):
        """Does it; returns what went wrong. A lab whose making fails stays recorded, so that `down` finds what there
        is."""
        try:
            self._apply()
        except state.LabError as error:
            return [failure(f"change lab {(self.wanted or self.found).name}", error)]
        return []

    def _apply(self):
        if not self.wanted:
            take_down(self.found)
            return
        lab = self.wanted
        for node in self.remove:
            machine.kill(self.found, node)
            machine.erase(self.found, node)
        with state.locked():
            host.record()
            lab.save()
        if "bridge" in self.underlay:
            for node in self.start:
                machine.kill(lab, node)
            network.remove_bridge(lab)  # half of one, from a lab whose making was interrupted
            network.make_bridge(lab)
        if "table" in self.underlay:
            network.make_table(lab)
        for node in self.create:
            machine.erase(lab, node)  # what an interrupted lab may have left: a new node begins empty
        for node in self.create + self.start:
            machine.start(lab, node)
        for node in self.create + self.start:
            machine.wait_ready(lab, node)


def take_down(lab):
    """Removes the lab: nodes, disks, network, state file; with the last lab goes what labs changed on the host."""
    for node in lab.nodes:
        machine.kill(lab, node)
        machine.erase(lab, node)
    network.remove_underlay(lab)
    host.remove_cgroups(lab.name)
    shutil.rmtree(os.path.join(lab.directory, lab.name), ignore_errors=True)
    shutil.rmtree(f"{state.RUN}/{lab.name}", ignore_errors=True)
    with state.locked():
        os.unlink(lab.state_file)
        if not state.names():
            host.restore()
            with contextlib.suppress(OSError):  # only when it is empty: it need not have been ours
                os.rmdir(lab.directory)
