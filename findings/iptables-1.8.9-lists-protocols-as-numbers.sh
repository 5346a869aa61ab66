#!/usr/bin/env bash
# iptables 1.8.9 (Debian 12) lists the protocol of a rule as a number with -n; 1.8.11 (Debian 13) by its name.
#
# Seen with: iptables 1.8.9-2 of Debian 12 and 1.8.11-2 of Debian 13, x86_64, Linux 6.18.
# Behaviour: `iptables -n -L` shows "6", "17" and "0" in the column prot with 1.8.9, and "tcp", "udp" and "all" with
#   1.8.11, for one and the same rule in the kernel. So does each with -v. Without -n, 1.8.9 says "tcp" and "all", too.
#   Scripts that ask a listing for tcp, and go-iptables' StructuredStats(), which runs -n -v -L -x and hands the column
#   on, find one thing on one release of Debian and another on the next. The matches behind the columns ("tcp dpt:80")
#   have names in both. `iptables -S` is the same in both.
# Output: the protocols of three rules, tcp, udp and any, by both programs in three kinds of listing, and as go-iptables
#   has them.
# A good guess: that -n is about addresses, ports and hosts, as iptables(8) of both says: "IP addresses and port numbers
#   will be printed in numeric format"; protocols are not named there.
# Instead: read -S or iptables-save.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), go with a module proxy, unshare (util-linux), and a
# kernel with nf_tables. Works in a network namespace of its own.
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
    (cd "$root/debs" && "${apt[@]}" download "$@" libnftnl11 libip4tc2 libip6tc2 libmnl0 libc6)
    for file in "$root"/debs/*.deb; do dpkg-deb --extract "$file" "$root"; done
    # a program that go-iptables can run: this suite's, with its own C library
    local libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
    mkdir "$root/bin-of-it"
    cat >"$root/bin-of-it/iptables" <<PROGRAM
#!/bin/sh
export XTABLES_LIBDIR=$root/usr/lib/x86_64-linux-gnu/xtables
exec $(find "$root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1) --library-path $libraries \\
    $root/usr/sbin/xtables-nft-multi iptables "\$@"
PROGRAM
    chmod +x "$root/bin-of-it/iptables"
}
fetch bookworm iptables=1.8.9-2 libxtables12=1.8.9-2 || exit 2
fetch trixie iptables=1.8.11-2 libxtables12=1.8.11-2 || exit 2

export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off
mkdir "$folder/go"
cat >"$folder/go/go.mod" <<'MOD'
module try

go 1.24

require github.com/coreos/go-iptables v0.8.0
MOD
cat >"$folder/go/main.go" <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/coreos/go-iptables/iptables"
)

func main() {
	tables, err := iptables.New(iptables.Path(os.Args[1]))
	if err != nil {
		panic(err)
	}
	rules, err := tables.StructuredStats("filter", "FORWARD")
	if err != nil {
		panic(err)
	}
	for _, rule := range rules {
		fmt.Print(" ", rule.Protocol)
	}
	fmt.Println()
}
GO
(cd "$folder/go" && go build -o try .) || exit 2

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
for suite in bookworm trixie; do
    iptables=$folder/$suite/bin-of-it/iptables
    [ "$suite" = trixie ] || for protocol in tcp udp all; do $iptables -A FORWARD -p $protocol -j ACCEPT; done
    version=$($iptables --version | sed 's/ (.*//')
    echo "$version -n -L:" $($iptables -n -L FORWARD | awk 'NR > 2 {print $2}')
    echo "$version -n -v -L:" $($iptables -n -v -L FORWARD | awk 'NR > 2 {print $4}')
    echo "$version -L:" $($iptables -L FORWARD | awk 'NR > 2 {print $2}')
    echo "$version -S:" $($iptables -S FORWARD | awk '/^-A/ {print $3 == "-p" ? $4 : "any"}')
    echo "$version StructuredStats():$("$folder/go/try" "$iptables")"
done
TRY

cat >"$folder/expected" <<'TEXT'
iptables v1.8.9 -n -L: 6 17 0
iptables v1.8.9 -n -v -L: 6 17 0
iptables v1.8.9 -L: tcp udp all
iptables v1.8.9 -S: tcp udp any
iptables v1.8.9 StructuredStats(): 6 17 0
iptables v1.8.11 -n -L: tcp udp all
iptables v1.8.11 -n -v -L: tcp udp all
iptables v1.8.11 -L: tcp udp all
iptables v1.8.11 -S: tcp udp any
iptables v1.8.11 StructuredStats(): tcp udp all
TEXT

unshare --net bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
