#!/usr/bin/env bash
# The standard bridge and ptp plugins leave a pod's masquerade rules on the node when DEL comes after its namespace has gone.
#
# Seen with: github.com/containernetworking/plugins v1.10.0 (bridge, ptp, host-local), Go 1.26, iptables 1.8.9 (nf_tables),
#   nft 1.0.6, Linux 6.18.
# Behaviour: with ipMasq ADD makes rules for the pod's address. DEL of a pod whose namespace is gone (its sandbox was
#   killed, /run was emptied) succeeds and gives the address back, and the rules stay: with iptables a chain of two rules
#   and the jump to it for each pod, with nftables one rule. DEL is not called again after a success, and GC of both
#   plugins removes no rules, so they stay until the node boots. Every new connection walks through the jumps of all pods
#   that have died that way, and whoever has the address next is masqueraded, whatever its network says.
# Output: for both plugins, and both back ends of bridge, how many lines of the node's rules name the three pods'
#   addresses: after three ADD, and after three DEL, once while the namespaces are there and once after they have gone.
# A good guess: that a DEL without an error has removed all that ADD has made, since the address is given back.
# Cause: cmdDel() of both plugins learns from the namespace's interface which addresses to remove rules for, and ends
#   before that where there is no namespace. The result of ADD, which runtimes hand to DEL, has the addresses, too.
# Instead: keep what is needed to remove a rule where DEL can read it without the pod: prevResult, or the rule's comment,
#   which names the container.
#
# Needs root, go and a module proxy, unshare (util-linux), iptables, nft, and a kernel with veth. Works in namespaces of
# its own. Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off GOBIN=$folder/bin

plugins=github.com/containernetworking/plugins/plugins
go install $plugins/main/bridge@v1.10.0 $plugins/main/ptp@v1.10.0 $plugins/ipam/host-local@v1.10.0 || exit 2

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
ip link set lo up
mkdir "$folder/namespaces"
export CNI_IFNAME=eth0 CNI_PATH=$folder/bin
# lines of both listings, without the counters and chains that are always there
lines() { { iptables-save -t nat; nft list ruleset inet; } 2>/dev/null | grep -cE '198\.51\.100\.[234]\b' || true; }
call() { CNI_COMMAND=$1 CNI_CONTAINERID=c$2 CNI_NETNS=$folder/namespaces/$2 "$folder/bin/$plugin" <<<"$conf" >"$folder/answer"; }
for what in "bridge iptables" "bridge nftables" "ptp iptables"; do
    read -r plugin backend <<<"$what"
    conf="{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"type\": \"$plugin\", \"ipMasq\": true, \"bridge\": \"br0\",
        \"ipMasqBackend\": \"$backend\", \"ipam\": {\"type\": \"host-local\", \"dataDir\": \"$folder/store\",
        \"ranges\": [[{\"subnet\": \"198.51.100.0/24\"}]]}}"
    for end in "before" "after"; do
        for pod in 1 2 3; do
            touch "$folder/namespaces/$pod"
            unshare --net="$folder/namespaces/$pod" true
            call ADD $pod
        done
        echo "$plugin, $backend, DEL $end the namespace goes:"
        echo "  lines after ADD: $(lines)"
        for pod in 1 2 3; do
            [ $end = after ] || call DEL $pod
            umount "$folder/namespaces/$pod"
            rm "$folder/namespaces/$pod"
            [ $end = before ] || call DEL $pod
        done
        echo "  DEL of three pods: no error"
        reserved=$(cd "$folder/store/net" && find . -name '198.*' -printf '%f ')
        echo "  addresses still reserved: ${reserved:-none}"
        echo "  lines after DEL: $(lines)"
        rm -rf "$folder/store"
        iptables -t nat -F
        iptables -t nat -X
        nft delete table inet cni_plugins_masquerade 2>/dev/null || true
    done
done
TRY
cat >"$folder/expected" <<'TEXT'
bridge, iptables, DEL before the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 0
bridge, iptables, DEL after the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 3
bridge, nftables, DEL before the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 0
bridge, nftables, DEL after the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 3
ptp, iptables, DEL before the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 0
ptp, iptables, DEL after the namespace goes:
  lines after ADD: 3
  DEL of three pods: no error
  addresses still reserved: none
  lines after DEL: 3
TEXT

timeout 100 unshare --net --mount bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
