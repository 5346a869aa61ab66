// Copyright: (c) 2026, podnet.cluster contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
)

func execute(verb string, args *skel.CmdArgs) error {
	directory := os.Getenv("PLUGINS")
	command := exec.Command(directory + "/@PLUGIN@")
	command.Stdin = bytes.NewReader(args.StdinData)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "CNI_COMMAND=" + verb, "CNI_ARGS=" + args.Args,
		"CNI_PATH=" + directory, "CNI_NETNS=" + args.Netns,
		"CNI_CONTAINERID=" + given(args.ContainerID, "CNI_CONTAINERID"),
		"CNI_IFNAME=" + given(args.IfName, "CNI_IFNAME"), "CNI_NETNS_OVERRIDE=1"}
	var printed bytes.Buffer
	command.Stdout, command.Stderr = &printed, os.Stderr
	if err := command.Run(); err != nil {
		failure := &types.Error{}
		if json.Unmarshal(printed.Bytes(), failure) != nil {
			return fmt.Errorf("%v: %s", err, printed.String())
		}
		return &types.Error{Code: failure.Code, Msg: failure.Msg} // specs compare the message alone
	}
	_, err := os.Stdout.Write(printed.Bytes())
	return err
}

// Specs that call a function leave out what it does not read; an executable must have it.
func given(value string, variable string) string {
	for _, found := range []string{value, os.Getenv(variable)} {
		if found != "" {
			return found
		}
	}
	return "eth0"
}
