#!/usr/bin/env bash
# CNI's plugin bandwidth makes another burst of what containerd gives, and lets packets wait for an hour.
#
# Seen with: github.com/containernetworking/plugins v1.10.0, Go 1.26, iproute2 6.1.0 (tc), Linux 6.18 (x86_64).
# Behaviour: for a pod that has a rate only (annotation kubernetes.io/ingress-bandwidth), containerd gives the burst
#   4294967295 bits, the largest. The plugin takes 512 MiB / rate as a number of ticks of 64 ns, of 32 bits, which wraps
#   with rates below 15.6 Mbit/s: with 1 Mbit/s 21 MB pass at once, with 10 Mbit/s 193 MB. The queue's limit in bytes is
#   of the whole burst, so a packet may wait for 4,120 s with 1 Mbit/s, not for 25 ms. The very same burst is right with
#   100 Mbit/s and 1 Gbit/s. ADD succeeds.
# Output: for some rates and bursts, the rate, burst and latency that tc shows of the pod's queue.
# A good guess: that a larger number is a larger burst, and that 25 ms is the longest wait, as the plugin's own constant
#   (latencyInMillis) says; or that a burst which does not fit is refused.
# Cause: buffer() in plugins/meta/bandwidth/ifb_creator.go converts with uint32(); limit() adds the whole burst.
# Instead: give both annotations' rate and burst, or a burst of at most 2^32 ticks of 64 ns times the rate.
#
# Needs root, go and a module proxy, ip and tc (iproute2), unshare (util-linux), and a kernel with veth and sch_tbf. Works
# in network namespaces of its own.
# Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off GOBIN=$folder/bin

go install github.com/containernetworking/plugins/plugins/meta/bandwidth@v1.10.0 || exit 2

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
# the pod's namespace, in a place that goes with this one's mounts
mkdir "$folder/namespaces"
mount -t tmpfs tmpfs "$folder/namespaces"
touch "$folder/namespaces/pod"
unshare --net="$folder/namespaces/pod" true
ip link add host type veth peer name eth0 netns "$folder/namespaces/pod"
for rate in 1000000 10000000 100000000 1000000000; do
    for burst in 4294967295 1000000; do
        CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=$folder/namespaces/pod CNI_IFNAME=eth0 CNI_PATH=$folder/bin \
            "$folder/bin/bandwidth" >"$folder/answer" <<JSON
{
  "cniVersion": "1.0.0", "name": "net", "type": "bandwidth",
  "runtimeConfig": {"bandwidth": {"ingressRate": $rate, "ingressBurst": $burst}},
  "prevResult": {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "host"}, {"name": "eth0", "sandbox": "$folder/namespaces/pod"}]
  }
}
JSON
        echo "rate $rate, burst $burst bits: $(tc qdisc show dev host | sed -n 's/.*\(rate .*[^ ]\) *$/\1/p')"
        tc qdisc del dev host root
    done
done
TRY

cat >"$folder/expected" <<'TEXT'
rate 1000000, burst 4294967295 bits: rate 1Mbit burst 21474835b lat 4.12e+03s
rate 1000000, burst 1000000 bits: rate 1Mbit burst 125000b lat 25ms
rate 10000000, burst 4294967295 bits: rate 10Mbit burst 193273526b lat 275s
rate 10000000, burst 1000000 bits: rate 10Mbit burst 125000b lat 25ms
rate 100000000, burst 4294967295 bits: rate 100Mbit burst 512Mb lat 25ms
rate 100000000, burst 1000000 bits: rate 100Mbit burst 125000b lat 25ms
rate 1000000000, burst 4294967295 bits: rate 1Gbit burst 512Mb lat 25ms
rate 1000000000, burst 1000000 bits: rate 1Gbit burst 125000b lat 25ms
TEXT

timeout 100 unshare --net --mount bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
