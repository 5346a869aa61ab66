#!/usr/bin/env bash
# Behind CNI's plugin sbr no DEL succeeds once the pod's namespace is gone, so its address stays reserved for ever.
#
# Seen with: github.com/containernetworking/plugins v1.10.0 (ptp, host-local, sbr), libcni v1.3.1, Go 1.26, Linux 6.18.
# Behaviour: after a reboot, or a pod's death, its namespace is not there any more, and the runtime calls DEL with a
#   path that does not exist, or with none. sbr fails then. DEL calls a chain's plugins from the last to the first, and
#   ends at the first error: ptp and host-local are never asked, and each further DEL fails the same. The address stays
#   in host-local's store. Each pod that was there at a reboot takes one address away, until the range is full.
#   And while the pod lives, CHECK of the very chain that ADD has made fails: sbr moves the routes into a table of its
#   own, and ptp looks for its gateway in the main one. CRI-O 1.34 calls CHECK after each ADD.
# Output: the answers of ADD, CHECK and DEL of a chain without and with sbr, and the addresses reserved after DEL: with
#   the pod's namespace, with a path that does not exist, and without a path.
# A good guess: that DEL of any standard plugin succeeds then. The specification's section DEL: plugins "should
#   generally complete a DEL action without error even if some resources are missing", and CNI_NETNS is optional for it.
# Cause: cmdDel() of plugins/meta/sbr opens the namespace unconditionally (withLockAndNetNS); those of ptp, bridge and
#   macvlan end without error if there is none.
#   sbr locks the path first, which makes a file of it: hence "unknown FS magic".
# Instead: delete from host-local's store the addresses of containers that are gone.
#
# Needs root, go and a module proxy, unshare (util-linux), and a kernel with veth. Works in namespaces of its own.
# Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off GOBIN=$folder/bin

plugins=github.com/containernetworking/plugins/plugins
go install $plugins/main/ptp@v1.10.0 $plugins/ipam/host-local@v1.10.0 $plugins/meta/sbr@v1.10.0 || exit 2
mkdir "$folder/go"
cat >"$folder/go/go.mod" <<'MOD'
module try

go 1.24

require github.com/containernetworking/cni v1.3.1
MOD
cat >"$folder/go/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

// main calls a verb of the list "net.conflist" in a folder, with a namespace's path or "".
func main() {
	folder, verb := os.Args[1], os.Args[2]
	list, err := libcni.ConfListFromFile(folder + "/net.conflist")
	if err != nil {
		panic(err)
	}
	pod := libcni.RuntimeConf{ContainerID: "c", NetNS: os.Args[3], IfName: "eth0"}
	cni := libcni.NewCNIConfigWithCacheDir([]string{folder + "/bin"}, folder+"/cache", nil)
	switch verb {
	case "ADD":
		_, err = cni.AddNetworkList(context.Background(), list, &pod)
	case "CHECK":
		err = cni.CheckNetworkList(context.Background(), list, &pod)
	case "DEL":
		err = cni.DelNetworkList(context.Background(), list, &pod)
	}
	answer := "no error"
	if err != nil {
		answer = strings.ReplaceAll(err.Error(), folder, "")
	}
	fmt.Printf("  %s: %s\n", verb, answer)
}
GO
(cd "$folder/go" && go build -o ../try .) || exit 2

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
mkdir "$folder/namespaces"
ptp="{\"type\": \"ptp\", \"ipam\": {\"type\": \"host-local\", \"dataDir\": \"$folder/store\",
    \"ranges\": [[{\"subnet\": \"192.0.2.0/24\"}]], \"routes\": [{\"dst\": \"0.0.0.0/0\"}]}}"
for chain in "ptp" "ptp and sbr"; do
    for what in "its namespace" "a path that does not exist" "no path"; do
        echo "$chain, DEL with $what:"
        [ "$chain" = ptp ] && plugins=$ptp || plugins="$ptp, {\"type\": \"sbr\"}"
        echo "{\"cniVersion\": \"1.0.0\", \"name\": \"net\", \"plugins\": [$plugins]}" >"$folder/net.conflist"
        pod=$folder/namespaces/pod
        touch "$pod"
        unshare --net="$pod" true
        call() { "$folder/try" "$folder" "$@" 2>"$folder/log" | sed 's/": [0-9a-f]*$/"/'; }
        call ADD "$pod"
        call CHECK "$pod"
        path=$pod
        case $what in
        a*) path=$folder/namespaces/gone ;;
        no*) path= ;;
        esac
        [ "$what" = "its namespace" ] || umount "$pod"
        call DEL "$path"
        call DEL "$path"
        # shellcheck disable=SC2046 # words
        echo "  reserved:" $(cd "$folder/store/net" && find . -name '192.*' -printf '%f ')
        [ "$what" != "its namespace" ] || umount "$pod"
        rm -rf "$folder/store" "$folder/cache"
    done
done
TRY

cat >"$folder/expected" <<'TEXT'
ptp, DEL with its namespace:
  ADD: no error
  CHECK: no error
  DEL: no error
  DEL: no error
  reserved:
ptp, DEL with a path that does not exist:
  ADD: no error
  CHECK: no error
  DEL: no error
  DEL: no error
  reserved:
ptp, DEL with no path:
  ADD: no error
  CHECK: no error
  DEL: no error
  DEL: no error
  reserved:
ptp and sbr, DEL with its namespace:
  ADD: no error
  CHECK: Failed to find Gateway 192.0.2.1 for interface eth0
  DEL: no error
  DEL: no error
  reserved:
ptp and sbr, DEL with a path that does not exist:
  ADD: no error
  CHECK: Failed to find Gateway 192.0.2.1 for interface eth0
  DEL: plugin type="sbr" failed (delete): unknown FS magic on "/namespaces/gone"
  DEL: plugin type="sbr" failed (delete): unknown FS magic on "/namespaces/gone"
  reserved: 192.0.2.2
ptp and sbr, DEL with no path:
  ADD: no error
  CHECK: Failed to find Gateway 192.0.2.1 for interface eth0
  DEL: plugin type="sbr" failed (delete): no such file or directory
  DEL: plugin type="sbr" failed (delete): no such file or directory
  reserved: 192.0.2.2
TEXT

timeout 100 unshare --net --mount bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
