#!/usr/bin/env bash
# What `nft -j list ruleset` writes, `nft -j -f` of the same version reads as something else, or not at all.
#
# Seen with: nftables 1.0.6-2+deb12u2 of Debian 12 and 1.1.3-1 of Debian 13, x86_64, Linux 6.18.
# Behaviour: 1.0.6's JSON leaves out a set's flag dynamic and a chain's comment, so a ruleset that was saved and
#   restored has a set to which rules add elements, without the flag; it refuses a map of two values (address and port,
#   as a load balancer has it) that it has just written, and ct expectation objects. Both versions write a rule whose
#   verdict leads to an unnamed chain in a form that both refuse, and with it the whole file. Text has none of this.
# Output: for each declaration and each version, what came back by JSON, and by text.
# A good guess: that JSON is the safer of both forms for programs, as libnftables-json(5) describes it for input and
#   output alike.
# Instead: save and restore text (nft --stateless --numeric-priority list ruleset); read JSON, but never give it back.
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
again() { # again SUITE FORM ARGUMENT...: saves the table and restores it, and says what has changed
    local suite=$1 form=$2
    shift 2
    run "$suite" list table ip t >"$folder/before"
    run "$suite" "$@" list table ip t >"$folder/listing"
    run "$suite" delete table ip t
    if ! run "$suite" "$@" -f "$folder/listing" 2>"$folder/error"; then
        echo "  by $form: refused, $(sed -n '1s/.*Error: //p' "$folder/error")"
        return
    fi
    run "$suite" list table ip t >"$folder/after"
    if cmp -s "$folder/before" "$folder/after"; then
        echo "  by $form: the same"
    else
        { diff "$folder/before" "$folder/after" || true; } | sed -n 's/^< \t*/  by '"$form"': was "/p; s/^> \t*/  by '"$form"': is "/p' |
            sed 's/$/"/'
    fi
    run "$suite" delete table ip t
}
try() { # try WHAT: the table's declarations come by standard input
    cat >"$folder/declarations"
    for suite in bookworm trixie; do
        echo "$1, $(run $suite --version | sed 's/ (.*//'):"
        for form in JSON text; do
            { echo "table ip t {"; cat "$folder/declarations"; echo "}"; } | run $suite -f -
            if [ $form = JSON ]; then again $suite $form --json; else again $suite $form; fi
        done
    done
}
try "set to which rules add" <<'NFT'
set s {
    type ipv4_addr
    size 1000
    flags dynamic,timeout
    timeout 1m
}
NFT
try "chain with a comment" <<'NFT'
chain c {
    comment "about it"
}
NFT
try "map to address and port" <<'NFT'
map m {
    type inet_service : ipv4_addr . inet_service
    elements = { 80 : 192.0.2.1 . 8080 }
}
NFT
try "ct expectation" <<'NFT'
ct expectation e {
    protocol udp
    dport 9876
    timeout 2m
    size 12
    l3proto ip
}
NFT
try "rule with an unnamed chain" <<'NFT'
chain c {
    tcp dport 80 jump {
        ip saddr 192.0.2.1 accept
        drop
    }
}
NFT
TRY

cat >"$folder/expected" <<'EXPECTED'
set to which rules add, nftables v1.0.6:
  by JSON: was "flags dynamic,timeout"
  by text: the same
set to which rules add, nftables v1.1.3:
  by JSON: the same
  by text: the same
chain with a comment, nftables v1.0.6:
  by JSON: was "comment "about it""
  by text: the same
chain with a comment, nftables v1.1.3:
  by JSON: the same
  by text: the same
map to address and port, nftables v1.0.6:
  by JSON: refused, Invalid map type 'ipv4_addr . inet_service'.
  by text: the same
map to address and port, nftables v1.1.3:
  by JSON: the same
  by text: the same
ct expectation, nftables v1.0.6:
  by JSON: refused, missing options
  by text: the same
ct expectation, nftables v1.1.3:
  by JSON: the same
  by text: the same
rule with an unnamed chain, nftables v1.0.6:
  by JSON: refused, Unexpected expr array element of type string, expected object.
  by text: the same
rule with an unnamed chain, nftables v1.1.3:
  by JSON: refused, Unexpected expr array element of type string, expected object.
  by text: the same
EXPECTED

unshare --net bash -euo pipefail "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
