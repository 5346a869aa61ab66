// Copyright: (c) 2026, podnet.cluster contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The conformance tests of sigs.k8s.io/network-policy-api. Where the kernel lacks SCTP (-sctp=false) their pods have no
// servers of that protocol, which could not start. With -exec no kubelet is needed.
package conformance_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	api "sigs.k8s.io/network-policy-api/apis/v1beta1"
	"sigs.k8s.io/network-policy-api/conformance"
	"sigs.k8s.io/network-policy-api/conformance/tests"
	timeouts "sigs.k8s.io/network-policy-api/conformance/utils/config"
	"sigs.k8s.io/network-policy-api/conformance/utils/suite"
)

var (
	sctp = flag.Bool("sctp", true, "whether the kernel has SCTP")
	pods = flag.String("exec", "", "the program that runs pods' commands: see execServer")
)

// How long a connection may take to be as the policies want it: the suite sets no limit for that. Its 10 seconds are
// three attempts at a connection that is dropped, fewer where the processor is others'.
const patience = time.Minute

// A container whose environment asks for an SCTP server, up to the next container or object.
var sctpServer = regexp.MustCompile(`(?m)^        - name: .*\n(?:          .*\n)*          - name: SERVE_SCTP_PORT_.*\n(?:            .*\n?)*`)

func TestConformance(t *testing.T) {
	access, err := config.GetConfig()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := client.New(access, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Install(objects.Scheme()); err != nil {
		t.Fatal(err)
	}
	if *pods != "" {
		access = &rest.Config{Host: execServer(t, *pods)}
	}
	options := suite.Options{
		Client: objects, ClientSet: kubernetes.NewForConfigOrDie(access), KubeConfig: *access, CleanupBaseResources: true,
		TimeoutConfig: timeouts.TimeoutConfig{PokeTimeout: patience},
	}
	if !*sctp {
		options.BaseManifests = withoutSCTP(t)
	}
	run := suite.New(options)
	run.Setup(t)
	run.Run(t, tests.ConformanceTests)
}

// The address of the pods' manifests: the suite takes others from a server only.
func withoutSCTP(t *testing.T) string {
	manifests, err := conformance.Manifests.ReadFile("base/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	left := sctpServer.ReplaceAll(manifests, nil)
	server := httptest.NewTLSServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Write(left)
	}))
	t.Cleanup(server.Close)
	http.DefaultClient = server.Client()
	return server.URL
}
