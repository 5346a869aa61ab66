# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a cluster's nodes as systemd-nspawn machines on one host.

state    what a lab is, and the file that records it: /run/podnet-lab/<lab>.json
host     what the lab finds on the host and puts back: preflight, sysctls, the nftables table, cgroups
network  the underlay: a bridge in a network namespace of the lab's own, one veth to the host
machine  one node: start, stop, kill, enter
cluster  the whole: up, down, as a plan that is compared and applied

Unlike the rest of the library this runs on the operator's host and calls iproute2, nft and systemd-nspawn: the lab is
where the library is tried, so it must not be made by it.
"""
