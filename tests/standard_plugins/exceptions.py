# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Specs of the standard plugins that ours fail on purpose: plugin → part of the specs' names → the reason."""

from __future__ import annotations

_OLD_RESULT = (
    "a result of 0.1.0 or 0.2.0 may have no address, and of several of one family it has the first; Go's ADD fails"
)

_SMALL_BURST = "the spec's burst is smaller than one packet, with which nothing would pass: it is refused"

EXCEPTIONS: dict[str, dict[str, str]] = {
    "bandwidth": {
        "works with a Veth pair": _SMALL_BURST,
        "gress when disabled": _SMALL_BURST,
        "should work with multiple host veth interfaces": _SMALL_BURST,
        "fails an invalid ingress config": "it is refused, in other words",
        "should apply static config when both": "the runtime's limits win over the configuration's",
    },
    "bridge": {
        "checks ip release in case of error": "the spec makes Go's function fail, which ours does not run",
        "ipMasq rules with ipMasqBackend": "the spec looks for Go's rules; ours are elements of the table inet podnet",
        "configures mac spoof-check": "the spec looks for Go's rules; ours are elements of the table bridge podnet",
        "should set the container veth peer state down": (
            "the spec wants the kernel's link-local address on the bridge, which ours has with the first live port"
        ),
        "[0.1.0] (3) configures": _OLD_RESULT,
        "[0.2.0] (3) configures": _OLD_RESULT,
        "[0.1.0] configures and deconfigures a l2 bridge with vlan": _OLD_RESULT,
        "[0.2.0] configures and deconfigures a l2 bridge with vlan": _OLD_RESULT,
        "configures and deconfigures a l2 bridge and veth": _OLD_RESULT,
        "when port-isolation is": _OLD_RESULT,
    },
    "dummy": {"fails to create dummy link with no ipam": "it is refused, in other words"},
    "host-device": {
        "l3 ": "useInterfaceNetwork is refused: addresses come from ipam",
        "copies and restores host L3 config": "likewise",
        "on a DPDK device": "the spec gives Go's functions another directory than /sys; executables take none",
        "on auxiliary device": "likewise",
        "ensures CmdDel is idempotent": (
            "the device's old name is taken: Go's DEL fails, ours gives it back under another name"
        ),
        "Test idempotence of CmdDel": "likewise",
    },
    "host-local": {
        "ignores whitespace in disk files": "a container ID with white space is invalid; an executable is refused it",
        "releases every reservation when the runtime reports no attachments": (
            "GC without a list of valid attachments is refused: a runtime that forgets it would lose every address"
        ),
        "leaves the store usable for subsequent allocations": "likewise",
    },
    "sbr": {
        "fails with CNI spec versions that don't support": "it is refused, in other words",
        "Rejects multiple IPv4 gateways": "likewise",
    },
    "static": {
        "errors when passed an invalid CIDR": "it is refused, in other words",
        "from RuntimeConfig/ARGS/CNI_ARGS": "GATEWAY of CNI_ARGS is for addresses of every source",
    },
    "tap": {
        "add, check and remove a tap device run correctly": (
            "CHECK is given a configuration without ADD's owner and group, and ours compares them"
        ),
    },
    "tuning": {
        "does not allow duplicated sysctl values": (
            "of two equal keys in JSON the last counts; one sysctl in two spellings is refused"
        ),
        "does not allow ifname with path separator": "it is refused, in other words",
    },
    "vlan": {"with invalid MTU": "it is refused, by an executable's error and in other words"},
    "vrf": {"same vrf with different tableids": "it is refused, in other words"},
}
