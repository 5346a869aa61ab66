# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a packet by nftables' expressions and iptables' targets (iptables-extensions(8)), by their names."""

from __future__ import annotations

ACCEPT, DROP, REJECT, QUEUE, STOLEN = "accept", "drop", "reject", "queue", "stolen"
#: NF_*, linux/netfilter.h
CODES = {0: DROP, 1: ACCEPT, 2: STOLEN, 3: QUEUE, 4: ACCEPT}

#: Expressions, and targets, after which a packet does not go on.
ENDING = {"reject": REJECT, "queue": QUEUE, "tproxy": STOLEN, "fwd": STOLEN, "synproxy": STOLEN}
ENDING_TARGETS = {
    "REJECT": REJECT, "NFQUEUE": QUEUE, "QUEUE": QUEUE, "TPROXY": STOLEN, "TARPIT": STOLEN, "SYNPROXY": STOLEN,
}  # fmt: skip
NAT = ("nat", "masq", "redir")
NAT_TARGETS = {"DNAT": "dnat", "SNAT": "snat", "MASQUERADE": "masquerade", "REDIRECT": "redirect"}
STRANGE_NAT_TARGETS = ("NETMAP",)  # translates by a rule that is not evaluated
#: Those that leave alone both the packet and what rules look at.
PASSING = ("counter", "log", "last", "dup", "flow_offload", "exthdr write")
PASSING_TARGETS = (
    "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "SECMARK", "CONNSECMARK", "CLASSIFY", "SET", "RATEEST", "LED",
    "IDLETIMER", "TEE", "CHECKSUM", "HMARK",
)  # fmt: skip
#: Targets that change headers which no rule is about, and those that change only what the node keeps of the packet.
REWRITING_TARGETS = ("TCPMSS", "TCPOPTSTRIP", "DSCP", "TOS", "TTL", "HL", "ECN")
MARKING_TARGETS = ("MARK", "CONNMARK", "CT", "NOTRACK")
