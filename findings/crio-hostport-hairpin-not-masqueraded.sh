#!/usr/bin/env bash
# CRI-O 1.34's nftables rule for pods that ask their own host port never matches, so those pods get no answer.
#
# Seen with: github.com/cri-o/cri-o v1.34.0, nftables 1.0.6 (Debian 12) and 1.1.3 (Debian 13), Linux 6.18 (x86_64).
# Behaviour: CRI-O makes host ports itself. A pod's packets to its own host port are translated back to the pod, with the
#   pod's own address as source, which the pod drops. CRI-O means to masquerade them: "ct status & dnat|snat == dnat".
#   nft lists the rule as "ct status & (snat | dnat) | snat == dnat" (or its like): the left side always has the bit
#   snat, and never equals dnat. No other client of the host port is concerned.
# Output: the rule in CRI-O's source; then, by that rule and by the same one with parentheses, whether a pod's
#   connection to its own host port is answered.
# Cause: in nft's grammar "&" binds tighter than "|" (parser_bison.y: and_expr is part of inclusive_or_expr);
#   ensureHostPortsTable() of internal/hostport/hostport_nftables.go has no parentheses.
# Instead: "ct status & (dnat | snat) == dnat", in a chain of its own beside CRI-O's, which fills the set.
#
# Needs root, go with a module proxy, nft, python3, unshare and nsenter (util-linux), ip (iproute2).
# Works in network namespaces of its own.
# Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOFLAGS="-mod=mod -modcacherw" GOWORK=off
(cd "$folder" && go mod download github.com/cri-o/cri-o@v1.34.0) || exit 2
grep --only-matching '"ct", "status",.*"dnat",' \
    "$folder/mod/github.com/cri-o/cri-o@v1.34.0/internal/hostport/hostport_nftables.go" >"$folder/seen"

cat >"$folder/pod.py" <<'PY'
import socket, threading
server = socket.create_server(("10.0.0.2", 80))
threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
try:
    with socket.create_connection(("10.0.0.1", 8080), 2) as client:
        print("answered:", client.recv(5).decode())
except OSError:
    print("not answered")
PY

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
ip link set lo up
unshare --net sleep 60 &
trap 'kill $!' EXIT
until [ "$(readlink "/proc/$!/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add pod type veth peer name eth0 netns "$!"
ip addr add 10.0.0.1/24 dev pod
ip link set pod up
sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.pod.send_redirects=0
in_pod() { nsenter --net="/proc/$pid/ns/net" "$@"; }
pid=$!
in_pod ip link set lo up
in_pod ip addr add 10.0.0.2/24 dev eth0
in_pod ip link set eth0 up
for status in 'dnat|snat' '(dnat|snat)'; do
    nft -f - <<NFT
table ip t {
    set hairpins {
        type ipv4_addr . ipv4_addr
        elements = { 10.0.0.2 . 10.0.0.2 }
    }
    chain prerouting {
        type nat hook prerouting priority dstnat
        ip daddr 10.0.0.1 tcp dport 8080 dnat to 10.0.0.2:80
    }
    chain masquerading {
        type nat hook postrouting priority srcnat
        ct status & $status == dnat ip saddr . ip daddr @hairpins masquerade
    }
}
NFT
    echo "ct status & $status == dnat: $(in_pod python3 "$folder/pod.py")"
    nft delete table ip t
done
TRY

cat >"$folder/expected" <<'TEXT'
"ct", "status", "&", "dnat|snat", "==", "dnat",
ct status & dnat|snat == dnat: not answered
ct status & (dnat|snat) == dnat: answered: hello
TEXT
timeout 60 unshare --net bash "$folder/try.sh" >>"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
