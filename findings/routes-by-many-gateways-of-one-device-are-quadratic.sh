#!/usr/bin/env bash
# N IPv4 routes by N gateways of one device take the kernel time as N squared; by one gateway, or with N metrics, as N.
#
# Seen with: Linux 6.18 (x86_64), iproute2 6.1.0-3 of Debian 12.
# Behaviour: routes to many networks by as many gateways of one device, as an overlay has them for its peers, are the
#   slower to add the more there are: each new one is compared with all others. If also the metric is another for each
#   of the very same gateways, adding is as fast as with one gateway; so it is with nexthop objects.
# Output: the processor time of `ip -batch` for 4,000 and 16,000 routes of each kind, and the ratio of both, then whether
#   the ratio is nearer to 4 (linear) or to 16 (quadratic).
# A good guess: that the gateway, in which these routes differ, is part of the hash by which the kernel finds an equal
#   nexthop to share. Searches by destination (the trie) are fast in any case, so benchmarks of look-ups show nothing.
# Cause: fib_find_info() in net/ipv4/fib_semantics.c looks through one chain of a hash over the number of nexthops,
#   protocol, scope, preferred source, metric and device (or the nexthop object's ID), without the gateway.
# Instead: nexthop objects (ip nexthop, one for each gateway), or a metric of its own for each gateway.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), unshare (util-linux), and a kernel with veth. Works in
# network namespaces of its own. Takes about 30 seconds.
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
(cd "$folder/debs" && "${apt[@]}" download iproute2=6.1.0-3 libbpf1 libelf1 libmnl0 libbsd0 libmd0 libcap2 libc6 \
    libselinux1 libpcre2-8-0 libtirpc3 libdb5.3 libxtables12 zlib1g libzstd1) || exit 2
for file in "$folder"/debs/*.deb; do dpkg-deb --extract "$file" "$folder/root"; done

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
libraries=$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu
loader=$(find "$folder/root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1)
ip() { "$loader" --library-path "$libraries" "$folder/root/bin/ip" "$@"; }
TIMEFORMAT=%U+%S
batch() { # batch KIND COUNT: commands that add routes
    awk -v kind="$1" -v count="$2" 'BEGIN {
        for (i = 0; i < count; i++) {
            last = int(i / 256) "." i % 256
            route = "route add 20." last ".0/24"
            if (kind == "gateway") print route " via 10.0.0.2 dev left"
            if (kind == "gateways") print route " via 10.1." last " dev left"
            if (kind == "metrics") print route " via 10.1." last " dev left metric " i + 1
            if (kind == "objects") print "nexthop add id " i + 1 " via 10.1." last " dev left\n" route " nhid " i + 1
        }
    }'
}
took() { # took KIND COUNT: prints the milliseconds of processor time
    batch "$1" "$2" >"$folder/batch"
    { time ip -batch "$folder/batch" 2>"$folder/error"; } 2>"$folder/time"
    awk -F+ '{printf "%d", ($1 + $2) * 1000}' "$folder/time"
}

# in a namespace of its own for each: what other routes there are does not count
if [ $# = 2 ]; then
    ip link add left type veth peer name right
    ip address add 10.0.0.1/8 dev left
    ip link set left up
    ip link set right up
    took "$@"
    exit
fi
for kind in gateway gateways metrics objects; do
    few=$(unshare --net bash "$0" $kind 4000)
    many=$(unshare --net bash "$0" $kind 16000)
    awk -v kind=$kind -v few="$few" -v many="$many" -v result="$folder/result" 'BEGIN {
        ratio = many / (few > 0 ? few : 1)
        printf "%s: 4000 routes %d ms, 16000 routes %d ms, ratio %.1f\n", kind, few, many, ratio
        print kind, (many > 1000 && ratio > 8) ? "quadratic" : "linear" >result
    }'
    cat "$folder/result" >>"$folder/seen"
done
TRY

cat >"$folder/expected" <<'TEXT'
gateway linear
gateways quadratic
metrics linear
objects linear
TEXT

echo "Linux $(uname -r | cut -d. -f1,2), iproute2 6.1.0"
timeout 300 bash "$folder/try.sh" || exit 2
if diff "$folder/expected" "$folder/seen"; then
    echo "still so: only routes by many gateways of one device, of one metric, take quadratic time"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
