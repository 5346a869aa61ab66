#!/usr/bin/env bash
# An MTU below 1280, for a moment, takes a link's IPv6 addresses and routes, and its IPv6 settings go back to defaults.
#
# Seen with: Linux 6.18 (x86_64), iproute2 6.1.0-3 of Debian 12.
# Behaviour: IPv6 wants an MTU of 1280. A link that gets less loses IPv6 altogether: its directory in
#   /proc/sys/net/ipv6/conf goes. When it gets 1280 again, IPv6 comes back as on a new link: with a link-local address
#   alone, and with the settings of conf/default, whatever had been set for the link: forwarding, accept_ra, proxy_ndp.
#   A bridge without an MTU of its own takes the smallest of its ports', so one port of MTU 1279 does this to the
#   bridge, and its leaving does not bring back anything. No command fails.
# Output: MTU, addresses but the link-local one, routes by a gateway, and three settings, of a link whose MTU is changed
#   and of a bridge one of whose ports has less.
# A good guess: that addresses go and settings stay, as when a link goes down (keep_addr_on_down keeps even addresses);
#   ip-sysctl.rst tells of no setting that is lost with the MTU.
# Cause: addrconf_notify() in net/ipv6/addrconf.c treats NETDEV_CHANGEMTU below IPV6_MIN_MTU as the link's end
#   (addrconf_ifdown with unregister), which frees its inet6_dev; ipv6_add_dev() makes a new one from the defaults.
# Instead: give a bridge an MTU of its own; apply settings and addresses again after each change of an MTU.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), unshare (util-linux), and a kernel with veth, bridge
# and IPv6. Works in a network namespace of its own.
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
mount -t proc proc /proc # this namespace's settings
libraries=$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu
loader=$(find "$folder/root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1)
ip() { "$loader" --library-path "$libraries" "$folder/root/bin/ip" "$@"; }
configure() { # configure LINK ADDRESS GATEWAY NETWORK
    ip link set "$1" up
    echo 1 >"/proc/sys/net/ipv6/conf/$1/forwarding"
    echo 0 >"/proc/sys/net/ipv6/conf/$1/accept_ra"
    echo 1 >"/proc/sys/net/ipv6/conf/$1/proxy_ndp"
    ip address add "$2/64" dev "$1" nodad
    ip route add "$4" via "$3" dev "$1"
}
show() { # show WHEN LINK
    local addresses routes settings
    addresses=$(ip -6 -oneline address show dev "$2" scope global | awk '{print $4}')
    routes=$(ip -6 route show dev "$2" | awk '/via/ {print $1}')
    settings=$(cd "/proc/sys/net/ipv6/conf/$2" 2>"$folder/error" && cat forwarding accept_ra proxy_ndp | paste -sd' ') ||
        settings=gone
    echo "$2, $1: MTU $(cat "/sys/class/net/$2/mtu"), ${addresses:-no address}, ${routes:-no route}," \
        "forwarding accept_ra proxy_ndp $settings"
}
mount -t sysfs sysfs /sys
ip link add left type veth peer name right
ip link set right up
configure left 2001:db8::1 2001:db8::2 2001:db8:1::/48
show before left
ip link set left mtu 1279
show less left
ip link set left mtu 1500
show after left

ip link add name bridge type bridge
ip link add port1 type veth peer name end1
ip link add port2 mtu 1279 type veth peer name end2
ip link set port1 master bridge up
ip link set end1 up
configure bridge 2001:db8:2::1 2001:db8:2::2 2001:db8:3::/48
show before bridge
ip link set port2 master bridge
show less bridge
ip link set port2 nomaster
show after bridge
TRY

cat >"$folder/expected" <<'TEXT'
left, before: MTU 1500, 2001:db8::1/64, 2001:db8:1::/48, forwarding accept_ra proxy_ndp 1 0 1
left, less: MTU 1279, no address, no route, forwarding accept_ra proxy_ndp gone
left, after: MTU 1500, no address, no route, forwarding accept_ra proxy_ndp 0 1 0
bridge, before: MTU 1500, 2001:db8:2::1/64, 2001:db8:3::/48, forwarding accept_ra proxy_ndp 1 0 1
bridge, less: MTU 1279, no address, no route, forwarding accept_ra proxy_ndp gone
bridge, after: MTU 1500, no address, no route, forwarding accept_ra proxy_ndp 0 1 0
TEXT

echo "Linux $(uname -r | cut -d. -f1,2), iproute2 6.1.0"
timeout 60 unshare --net --mount bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff -u "$folder/expected" "$folder/seen" >"$folder/difference"; then
    echo "as expected: addresses, routes and settings are gone after the MTU is what it was"
else
    echo "changed: the kernel does not do what was seen with Linux 6.18:"
    cat "$folder/difference"
    exit 1
fi
