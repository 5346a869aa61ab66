#!/usr/bin/env bash
# A DNAT rule that leads a packet where it goes anyway leaves its connection without the status "dnat".
#
# Seen with: Linux 6.18 (x86_64), nftables 1.0.6-2+deb12u2 and iptables 1.8.9-2 of Debian 12.
# Behaviour: a connection that a rule translates to the address and port that its packets have already is not marked
#   IPS_DST_NAT. "ct status dnat" of nft and "--ctstate DNAT" of iptables, by which firewalls let forwarded ports in,
#   do not match it. So of two forwarded ports with one target, 8080 to 80 passes such a firewall, and 80 to 80 does
#   not, by the same rules. Both programs agree, since the kernel decides.
# Output: for each program how many of the packets to two ports, both translated to one, matched the translation's
#   rule, the status dnat, and no status.
# Cause: nf_nat_setup_info() in net/netfilter/nf_nat_core.c sets IPS_SRC_NAT or IPS_DST_NAT only where the new tuple
#   differs from the old one; IPS_DST_NAT_DONE is set in any case.
# Instead: set a mark in the rule that translates, and let the firewall ask for the mark.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), python3, unshare (util-linux), ip (iproute2), and a
# kernel with nf_tables, nf_nat and xt_conntrack. Works in a network namespace of its own; packets stay on its lo.
# Exits with 0 if the kernel still does this, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT

# Debian's archive, as this machine has it
# shellcheck disable=SC2016 # apt-get's own variable
archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$archive" ] || exit 2
mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial "$folder"/debs
touch "$folder/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive bookworm main" >"$folder/sources.list"
apt=(apt-get -qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "Dir::State::status=$folder/status"
    -o APT::Sandbox::User=root)
"${apt[@]}" update || exit 2
(cd "$folder/debs" && "${apt[@]}" download nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11 \
    iptables=1.8.9-2 libxtables12=1.8.9-2 libip4tc2 libip6tc2 libmnl0 libjansson4 libgmp10 libedit2 libc6 libbsd0 \
    libtinfo6 libmd0) || exit 2
for file in "$folder"/debs/*.deb; do dpkg-deb --extract "$file" "$folder/root"; done

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
libraries=$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu
loader=$(find "$folder/root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1)
export XTABLES_LIBDIR=$folder/root/usr/lib/x86_64-linux-gnu/xtables
nft() { "$loader" --library-path "$libraries" "$folder/root/usr/sbin/nft" "$@"; }
iptables() { "$loader" --library-path "$libraries" "$folder/root/usr/sbin/xtables-nft-multi" iptables "$@"; }
send() { # a packet to each port; nobody listens
    python3 -c 'import socket
for port in 8080, 80:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", port))'
}
ip link set lo up

nft -f - <<'NFT'
table ip t {
    chain translate {
        type nat hook output priority -100;
        udp dport 8080 counter dnat to 127.0.0.1:80
        udp dport 80 counter dnat to 127.0.0.1:80
    }
    chain judge {
        type filter hook input priority 0;
        udp dport 80 ct original proto-dst 8080 ct status dnat counter
        udp dport 80 ct original proto-dst 8080 counter
        udp dport 80 ct original proto-dst 80 ct status dnat counter
        udp dport 80 ct original proto-dst 80 counter
    }
}
NFT
send
# shellcheck disable=SC2046 # words
set -- $(nft list table ip t | sed -n 's/.*counter packets \([0-9]*\).*/\1/p')
echo "nft, 8080 to 80: translated $1, status dnat $3, in all $4"
echo "nft, 80 to 80: translated $2, status dnat $5, in all $6"
nft delete table ip t

iptables -t nat -A OUTPUT -p udp --dport 8080 -j DNAT --to-destination 127.0.0.1:80
iptables -t nat -A OUTPUT -p udp --dport 80 -j DNAT --to-destination 127.0.0.1:80
for port in 8080 80; do
    iptables -A INPUT -p udp -m conntrack --ctorigdstport "$port" --ctstate DNAT
    iptables -A INPUT -p udp -m conntrack --ctorigdstport "$port"
done
send
# shellcheck disable=SC2046 # words
set -- $(iptables -t nat -nvxL OUTPUT | awk 'NR > 2 {print $1}') $(iptables -nvxL INPUT | awk 'NR > 2 {print $1}')
echo "iptables, 8080 to 80: translated $1, status dnat $3, in all $4"
echo "iptables, 80 to 80: translated $2, status dnat $5, in all $6"
TRY

cat >"$folder/expected" <<'TEXT'
nft, 8080 to 80: translated 1, status dnat 1, in all 1
nft, 80 to 80: translated 1, status dnat 0, in all 1
iptables, 8080 to 80: translated 1, status dnat 1, in all 1
iptables, 80 to 80: translated 1, status dnat 0, in all 1
TEXT

echo "Linux $(uname -r | cut -d. -f1,2), nftables 1.0.6, iptables 1.8.9"
timeout 60 unshare --net bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff -u "$folder/expected" "$folder/seen" >"$folder/difference"; then
    echo "as expected: what is translated to where it goes anyway has no status dnat"
else
    echo "changed: the kernel does not do what was seen with Linux 6.18:"
    cat "$folder/difference"
    exit 1
fi
