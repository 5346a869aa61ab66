#!/usr/bin/env bash
# libcni 1.1.2, which cri-dockerd 0.4.0 has, executes plugins for a version that it can't read, and refuses their result.
#
# Seen with: github.com/containernetworking/cni v1.1.2 and v1.3.1, github.com/Mirantis/cri-dockerd v0.4.0, Go 1.26.
# Behaviour: a configuration list of cniVersion 1.1.0 is valid, and loads. libcni 1.1.2 knows 1.0.0 at most. It neither
#   refuses the list nor takes an older version: ADD is executed with 1.1.0, the plugin, which knows 1.1.0, makes the
#   interface and prints a result of 1.1.0, and only then ADD fails: "unsupported CNI result version". So no pod starts
#   on a node of cri-dockerd 0.4.0, and what the plugin made stays until a DEL. "cniVersions" changes
#   nothing for 1.1.2. libcni 1.3.1 takes the result.
# Output: for each version of libcni, in which version the plugin is executed, and how ADD ends.
# Cause: AddNetworkList() of libcni/api.go hands the list's version on; types/create.CreateFromBytes() has decoders for
#   the versions up to 1.0.0 only, and is asked after the plugin has ended.
# Instead: cniVersion 1.0.0 on nodes of cri-dockerd; plugins that know 1.1.0 know it, too.
#
# Needs go and a module proxy. As any user; the plugin is a script that makes nothing.
# Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off

mkdir "$folder/bin"
cat >"$folder/bin/plugin" <<'PLUGIN'
#!/bin/sh
version=$(sed -n 's/.*"cniVersion":"\([^"]*\)".*/\1/p')
echo "plugin: $CNI_COMMAND in version $version" >&3
[ "$CNI_COMMAND" != ADD ] || echo "{\"cniVersion\": \"$version\", \"interfaces\": [{\"name\": \"eth0\"}]}"
PLUGIN
chmod +x "$folder/bin/plugin"
cat >"$folder/net.conflist" <<'LIST'
{"cniVersion": "1.1.0", "cniVersions": ["1.0.0", "1.1.0"], "name": "net", "plugins": [{"type": "plugin"}]}
LIST
cat >"$folder/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	folder := os.Args[1]
	list, err := libcni.ConfListFromFile(folder + "/net.conflist")
	if err == nil {
		fmt.Println("list: loaded")
		runtime := libcni.RuntimeConf{ContainerID: "c", NetNS: "/proc/self/ns/net", IfName: "eth0"}
		cni := libcni.NewCNIConfigWithCacheDir([]string{folder + "/bin"}, folder+"/cache", nil)
		_, err = cni.AddNetworkList(context.Background(), list, &runtime)
	}
	fmt.Println("ADD:", err)
}
GO

cd "$folder"
go mod download github.com/Mirantis/cri-dockerd@v0.4.0 || exit 2
sed -n 's/^\tgithub.com\/containernetworking\/cni /cri-dockerd 0.4.0 has libcni /p' \
    "$folder/mod/cache/download/github.com/!mirantis/cri-dockerd/@v/v0.4.0.mod" >"$folder/seen"
for version in v1.1.2 v1.3.1; do
    printf 'module try\n\ngo 1.24\n\nrequire github.com/containernetworking/cni %s\n' "$version" >go.mod
    go build -o try . || exit 2
    echo "libcni $version" >>seen
    ./try "$folder" >>seen 3>>seen || exit 2
done

cat >expected <<'TEXT'
cri-dockerd 0.4.0 has libcni v1.1.2
libcni v1.1.2
list: loaded
plugin: ADD in version 1.1.0
ADD: plugin type="plugin" failed (add): unsupported CNI result version "1.1.0"
libcni v1.3.1
list: loaded
plugin: ADD in version 1.1.0
ADD: <nil>
TEXT
cat seen
if diff expected seen; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
