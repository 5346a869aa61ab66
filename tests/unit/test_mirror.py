# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests mirror the tree: overlay/vxlan.py has tests/unit/overlay/test_vxlan.py, or the same below tests/integration.

ELSEWHERE has the files that are tested by another's tests, and which: through what uses them. It may only shrink.
"""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LIBRARY = TESTS.parent / "plugins/module_utils"
#: A library file, or all files of a directory that ends with "/" → the tests that exercise it.
ELSEWHERE = {
    "agent/memory.py": "integration/agent/test_agent.py",
    "agent/policies/cluster.py": "integration/agent/policies/test_enforcer.py",
    "agent/policies/report.py": "integration/agent/policies/test_enforcer.py",
    "agent/policies/restore.py": "integration/agent/policies/test_enforcer.py",
    "agent/policies/service.py": "integration/cni/exec/test_gate.py",
    "agent/state.py": "unit/agent/test_health.py",
    "cli/policy.py": "integration/agent/policies/test_answers.py",
    "cli/render_checks.py": "unit/verify/checks/test_node.py",
    "cli/render_report.py": "unit/verify/test_outputs.py",
    "cli/render_trace.py": "unit/verify/trace/test_render_trace.py",
    "cni/attach/chained.py": "integration/cni/test_chain.py",
    "cni/attach/leftovers.py": "integration/cni/exec/test_crash.py",
    "cni/attach/parent_link.py": "integration/cni/attach/test_interface.py",
    "cni/attach/pod.py": "integration/cni/attach/test_interface.py",
    "cni/attach/veth.py": "integration/cni/plugins/test_ptp.py",
    "cni/exec/attachment_lock.py": "integration/cni/exec/test_crash.py",
    "cni/exec/main.py": "unit/cni/exec/test_contract.py",
    "cni/plugins/bridge/macspoof.py": "integration/cni/plugins/bridge/test_bridge_keys.py",
    "cni/plugins/dhcp/": "integration/cni/plugins/dhcp/test_dhcp.py",
    "cni/plugins/host_local.py": "unit/cni/exec/test_contract.py",
    "cni/plugins/loopback.py": "integration/cni/test_chain.py",
    "cni/plugins/portmap_nft.py": "integration/cni/plugins/test_portmap.py",
    "cni/plugins/sample.py": "unit/cni/exec/test_contract.py",
    "cni/runtime/tool.py": "integration/cni/runtime/test_runtime.py",
    "cni/spec/call.py": "unit/cni/exec/test_contract.py",
    "cni/spec/errors.py": "unit/cni/exec/test_contract.py",
    "findings/": "unit/findings/test_table.py",
    "ipam/index.py": "unit/ipam/test_store.py",
    "ipam/records.py": "unit/ipam/test_store.py",
    "kube/http.py": "integration/agent/sources/test_wire.py",
    "kube/openssl.py": "unit/plugin_utils/test_identities.py",
    "lab/machine.py": "unit/lab/test_state.py",
    "lab/network.py": "unit/lab/test_state.py",
    "nat/cluster.py": "integration/cni/test_nft_listing.py",
    "nat/guard.py": "integration/cni/test_nft_listing.py",
    "nat/standard.py": "integration/cni/test_standard_plugins.py",
    "nat/table.py": "integration/cni/test_nft_listing.py",
    "netlink/address.py": "integration/netlink/test_netlink.py",
    "netlink/bridge_vlan.py": "integration/cni/plugins/bridge/test_bridge_keys.py",
    "netlink/checksum.py": "unit/cni/spec/test_names.py",
    "netlink/conntrack_marks.py": "integration/agent/policies/test_enforcer.py",
    "netlink/ethtool.py": "integration/overlay/test_reconcile.py",
    "netlink/genl.py": "unit/overlay/test_wireguard.py",
    "netlink/neighbour.py": "integration/netlink/test_netlink.py",
    "netlink/nft_expr.py": "unit/netlink/ruleset/test_machine.py",
    "netlink/nft_rules.py": "integration/cni/test_standard_plugins.py",
    "netlink/objects.py": "integration/modules/test_objects.py",
    "netlink/ruleset/host.py": "integration/netlink/ruleset/test_real_kube_proxy.py",
    "netlink/ruleset/legacy.py": "integration/netlink/ruleset/test_generated_iptables.py",
    "netlink/ruleset/packet.py": "unit/netlink/ruleset/test_recorded.py",
    "netlink/ruleset/verdicts.py": "unit/verify/observe/test_netfilter.py",
    "netlink/traffic.py": "integration/cni/plugins/test_bandwidth.py",
    "netlink/tuntap.py": "integration/cni/plugins/test_tap.py",
    "netlink/xtables.py": "integration/netlink/test_xtables_rules.py",
    "overlay/kernel.py": "integration/overlay/test_reconcile.py",
    "overlay/masquerade.py": "integration/overlay/test_reconcile.py",
    "overlay/observed.py": "integration/overlay/test_reconcile.py",
    "overlay/overhead.py": "unit/overlay/test_vxlan.py",
    "overlay/own.py": "integration/overlay/test_reconcile.py",
    "policy/lines.py": "unit/policy/test_compile.py",
    "policy/members.py": "unit/policy/test_compile.py",
    "policy/model.py": "unit/policy/test_read.py",
    "policy/program.py": "unit/policy/test_compile.py",
    "policy/explanation.py": "unit/policy/test_explain.py",
    "policy/rules.py": "integration/policy/test_traps.py",
    "provision/archive.py": "unit/provision/test_artifacts.py",
    "provision/conflist_state.py": "integration/modules/test_cni.py",
    "provision/overlay_state.py": "integration/modules/test_overlay.py",
    "provision/variable.py": "unit/provision/test_checks.py",
    "verify/checks/cluster.py": "unit/verify/checks/test_report.py",
    "verify/cluster/api.py": "unit/verify/cluster/test_matrix.py",
    "verify/model/": "unit/verify/model/test_state.py",
    "verify/observe/attachments.py": "integration/verify/probe/test_probe.py",
    "verify/observe/fib.py": "integration/verify/trace/test_faults.py",
    "verify/observe/grpc.py": "unit/verify/observe/test_cri_status.py",
    "verify/observe/judged.py": "integration/verify/trace/test_services.py",
    "verify/observe/kernel.py": "integration/verify/checks/test_node.py",
    "verify/observe/policy.py": "integration/verify/trace/test_policy_faults.py",
    "verify/observe/vtep.py": "integration/verify/probe/test_probe.py",
    "verify/probe/arping.py": "integration/verify/trace/test_faults.py",
    "verify/probe/packet_socket.py": "integration/verify/probe/test_probe.py",
    "verify/probe/runner.py": "integration/verify/probe/test_probe.py",
    "verify/probe/session.py": "integration/verify/trace/test_trace.py",
    "verify/trace/hops/node_view.py": "unit/verify/trace/hops/test_service.py",
    "verify/trace/hops/policy.py": "integration/verify/trace/test_policies.py",
    "verify/trace/resolve.py": "unit/verify/cluster/test_resolve.py",
    "verify/trace/round_trip.py": "unit/verify/trace/test_one_way.py",
    "verify/trace/run.py": "integration/verify/trace/test_trace.py",
}
#: What this list was at its last look: what is new has its test in its place.
MOST = 88


def library() -> list[Path]:
    return sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def mirrored(file: Path) -> bool:
    places = (TESTS / kind / file.parent / f"test_{file.name}" for kind in ("unit", "integration"))
    return any(place.exists() for place in places)


def of(entry: str, file: Path) -> bool:
    return f"{file}".startswith(entry) if entry.endswith("/") else f"{file}" == entry


def test_each_file_of_the_library_has_its_test_in_its_place():
    lost = [str(file) for file in library() if not mirrored(file) and not any(of(entry, file) for entry in ELSEWHERE)]
    assert lost == [], "their tests belong to tests/unit/<directory>/test_<name>.py"


def test_the_exceptions_are_few_and_needed():
    outside = [file for file in library() if not mirrored(file)]
    assert [entry for entry in ELSEWHERE if not any(of(entry, file) for file in outside)] == []
    assert [test for test in ELSEWHERE.values() if not (TESTS / test).exists()] == []
    assert len(ELSEWHERE) <= MOST


def test_the_directories_of_unit_tests_are_those_of_the_library():
    plugins = {"action", "connection", "filter", "modules", "plugin_utils"}
    found = {path.parent.relative_to(TESTS / "unit") for path in (TESTS / "unit").rglob("test_*.py")}
    assert [
        str(path)
        for path in found
        if path.parts[:1] not in {(name,) for name in plugins} and not (LIBRARY / path).is_dir()
    ] == []
