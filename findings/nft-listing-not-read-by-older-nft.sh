#!/usr/bin/env bash
# nft 1.1.3 (Debian 13) lists nat chains in words that nft 1.0.6 (Debian 12) refuses, and with them the whole file.
#
# Seen with: nftables 1.1.3-1 of Debian 13 and 1.0.6-2+deb12u2 of Debian 12, x86_64, Linux 6.18.
# Behaviour: 1.1.3 names the priority of every nat chain after dstnat (-100) or srcnat (100): also in the hook
#   output, where 1.0.6 lists and reads numbers only, and in the hook input. A chain that iptables-nft, kube-proxy's
#   nftables mode or a person made at -100 in the hook output comes back as "priority dstnat". nft -f of 1.0.6 then
#   refuses the file as a whole: a ruleset saved on a Debian 13 host, or in a container with a newer nft, loads nothing
#   on a Debian 12 host. The other way it works, and a listing with `nft --numeric-priority` works both ways.
# Output: for some chains, the priority as both list it, and what 1.0.6 says to the listing of 1.1.3.
# Instead: list with --numeric-priority (-y) whatever another machine is to read.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), and unshare (util-linux). Works in a network namespace
# of its own.
# Exits with 0 if both still do this, with 1 if that has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT

# Debian's archive, as this machine has it
# shellcheck disable=SC2016 # apt-get's own variable
archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$archive" ] || exit 2

# fetch SUITE PACKAGE...: unpacks packages, pinned as name=version where it matters
fetch() {
    local suite=$1 root=$folder/$1
    shift
    mkdir -p "$root"/lists/partial "$root"/cache/archives/partial "$root"/debs
    touch "$root/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" \
        >"$root/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$root/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root/cache" -o "Dir::State::status=$root/status"
        -o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$root/debs" && "${apt[@]}" download "$@" libmnl0 libjansson4 libgmp10 libxtables12 libedit2 libc6 libbsd0 libtinfo6 libmd0)
    for file in "$root"/debs/*.deb; do dpkg-deb --extract "$file" "$root"; done
}
fetch bookworm nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11 || exit 2
fetch trixie nftables=1.1.3-1 libnftables1=1.1.3-1 libnftnl11 || exit 2

cat >"$folder/try.sh" <<'TRY'
run() { # run SUITE ARGUMENT...: that suite's nft, with its own C library
    local root=$folder/$1 libraries
    shift
    libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
    "$(find "$root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1)" --library-path "$libraries" \
        "$root/usr/sbin/nft" "$@"
}
older() { run bookworm "$@"; }
newer() { run trixie "$@"; }
priority() { sed -n 's/.* priority \([^;]*\);.*/\1/p'; }
again() { # again WHAT: whether the older nft reads the file; the kernel's table is put away before
    newer delete table ip t
    if older -f "$folder/listing" 2>"$folder/error"; then
        echo "  $1: read"
    else
        echo "  $1: $(sed -n '1s/.*Error: //p' "$folder/error")"
    fi
    older delete table ip t 2>"$folder/error" || true
}
chain() { # chain HOOK PRIORITY
    newer add table ip t
    newer add chain ip t c "{ type nat hook $1 priority $2; }"
    echo "nat, hook $1, priority $2: 1.0.6 lists $(older list table ip t | priority), 1.1.3 lists $(newer list table ip t | priority)"
    newer list table ip t >"$folder/listing"
    again "1.1.3's listing by 1.0.6"
    newer add table ip t
    newer add chain ip t c "{ type nat hook $1 priority $2; }"
    newer --numeric-priority list table ip t >"$folder/listing"
    again "1.1.3's listing with --numeric-priority by 1.0.6"
}
older --version
newer --version
chain output -100
chain output -95
chain input 100
chain prerouting -100
TRY

cat >"$folder/expected" <<'EXPECTED'
nftables v1.0.6 (Lester Gooch #5)
nftables v1.1.3 (Commodore Bullmoose #4)
nat, hook output, priority -100: 1.0.6 lists -100, 1.1.3 lists dstnat
  1.1.3's listing by 1.0.6: invalid priority expression value in this context.
  1.1.3's listing with --numeric-priority by 1.0.6: read
nat, hook output, priority -95: 1.0.6 lists -95, 1.1.3 lists dstnat + 5
  1.1.3's listing by 1.0.6: invalid priority expression value in this context.
  1.1.3's listing with --numeric-priority by 1.0.6: read
nat, hook input, priority 100: 1.0.6 lists 100, 1.1.3 lists srcnat
  1.1.3's listing by 1.0.6: invalid priority expression value in this context.
  1.1.3's listing with --numeric-priority by 1.0.6: read
nat, hook prerouting, priority -100: 1.0.6 lists dstnat, 1.1.3 lists dstnat
  1.1.3's listing by 1.0.6: read
  1.1.3's listing with --numeric-priority by 1.0.6: read
EXPECTED

unshare --net bash -euo pipefail "$folder/try.sh" | tee "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
