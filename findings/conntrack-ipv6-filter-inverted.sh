#!/usr/bin/env bash
# The kernel's filter of conntrack entries by an IPv6 address is inverted: it selects the entries with another address.
#
# Seen with: Linux 6.18 (x86_64), pyroute2 0.9.7 from PyPI.
# Behaviour: ctnetlink lists, and deletes, only the entries that CTA_FILTER selects: those whose tuple has the wanted
#   address. With an IPv4 address it does. With an IPv6 address, source or destination, first packet or reply, it
#   selects the entries that have another address: who deletes the connections of one IPv6 address deletes all others
#   and keeps these. The filter by port is right for both.
# Output: for each IP version three entries, from addresses 1, 2 and 3 to 9, and which of them a filter selects; the
#   text below is what was seen.
# Cause: ctnetlink_filter_match_tuple() in net/netfilter/nf_conntrack_netlink.c refuses an entry if !ipv6_addr_cmp(),
#   but ipv6_addr_cmp() returns 0, like memcmp(), for equal addresses. The patch that brought the filter (5.8) has it.
# Instead: list without an address, compare in user space, and delete one by one. conntrack(8) 1.4.7 is right with IPv6.
#
# Needs root, python3 with pip, unshare (util-linux), and a kernel with nf_conntrack and nf_conntrack_netlink. Works in
# a network namespace of its own, in which no packet is sent.
# Exits with 0 if the kernel still does this, with 1 if it has changed (other kernels may be fixed), with 2 if it could
# not be tried.
set -euo pipefail

pyroute2=0.9.7
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
    --target "$folder/packages" "pyroute2==$pyroute2" || exit 2
echo "Linux $(uname -r | cut -d. -f1,2), pyroute2 $pyroute2"

cat >"$folder/try.py" <<'PYTHON'
from socket import AF_INET, AF_INET6, IPPROTO_UDP

from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

for name, family, prefix in ("IPv4", AF_INET, "192.0.2."), ("IPv6", AF_INET6, "2001:db8::"):
    socket = NFCTSocket(nfgen_family=family)

    def some(**values):
        return NFCTAttrTuple(family=family, **values)

    def show(what, **wanted):
        tuples = (entry.get_attr("CTA_TUPLE_ORIG").get_attr("CTA_TUPLE_IP") for entry in socket.dump(**wanted))
        sources = (addresses.get_attr(f"CTA_IP_{name[2:].upper()}_SRC") for addresses in tuples)
        print(f"{name} {what}:", *sorted(sources) or ["none"])

    one, server = prefix + "1", prefix + "9"
    for last in "123":
        first = some(saddr=prefix + last, daddr=server, proto=IPPROTO_UDP, sport=1000, dport=53)
        socket.entry("add", timeout=600, tuple_orig=first, tuple_reply=first.reverse())

    show("all")
    show("to port 53", tuple_orig=some(proto=IPPROTO_UDP, dport=53))
    show("to port 54", tuple_orig=some(proto=IPPROTO_UDP, dport=54))
    show(f"from {one}", tuple_orig=some(saddr=one))
    show(f"to {server}", tuple_orig=some(daddr=server))
    show(f"with replies to {one}", tuple_reply=some(daddr=one))

    wanted = some(saddr=one)
    wanted.attrs()  # sets wanted.flags
    flags = {"attrs": [["CTA_FILTER_ORIG_FLAGS", wanted.flags]]}
    socket.entry("del", tuple_orig=wanted, cta_filter=flags)
    show(f"left after those from {one} were deleted")
    socket.close()
PYTHON

cat >"$folder/expected" <<'TEXT'
IPv4 all: 192.0.2.1 192.0.2.2 192.0.2.3
IPv4 to port 53: 192.0.2.1 192.0.2.2 192.0.2.3
IPv4 to port 54: none
IPv4 from 192.0.2.1: 192.0.2.1
IPv4 to 192.0.2.9: 192.0.2.1 192.0.2.2 192.0.2.3
IPv4 with replies to 192.0.2.1: 192.0.2.1
IPv4 left after those from 192.0.2.1 were deleted: 192.0.2.2 192.0.2.3
IPv6 all: 2001:db8::1 2001:db8::2 2001:db8::3
IPv6 to port 53: 2001:db8::1 2001:db8::2 2001:db8::3
IPv6 to port 54: none
IPv6 from 2001:db8::1: 2001:db8::2 2001:db8::3
IPv6 to 2001:db8::9: none
IPv6 with replies to 2001:db8::1: 2001:db8::2 2001:db8::3
IPv6 left after those from 2001:db8::1 were deleted: 2001:db8::1
TEXT

PYTHONPATH=$folder/packages PYTHONDONTWRITEBYTECODE=1 timeout 60 unshare --net python3 "$folder/try.py" \
    >"$folder/seen" || exit 2
cat "$folder/seen"
if diff -u "$folder/expected" "$folder/seen" >"$folder/difference"; then
    echo "as expected: by an IPv6 address the kernel selects the entries with another one"
else
    echo "changed: the kernel does not do what was seen with Linux 6.18:"
    cat "$folder/difference"
    exit 1
fi
