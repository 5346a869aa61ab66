// Copyright: (c) 2026, podnet.cluster contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package conformance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
)

// A server of pods/exec for pods that are network namespaces: it calls PROGRAM NAMESPACE POD COMMAND... for each.
// Its protocol is that of k8s.io/client-go/tools/remotecommand, version 4.
func execServer(t *testing.T, program string) string {
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		// /api/v1/namespaces/NAMESPACE/pods/POD/exec
		path := strings.Split(request.URL.Path, "/")
		words := append([]string{path[4], path[6]}, request.URL.Query()["command"]...)
		if _, err := httpstream.Handshake(request, answer, []string{"v4.channel.k8s.io"}); err != nil {
			return
		}
		opened := make(chan httpstream.Stream, 3)
		connection := spdy.NewResponseUpgrader().UpgradeResponse(answer, request,
			func(stream httpstream.Stream, _ <-chan struct{}) error {
				opened <- stream
				return nil
			})
		if connection == nil {
			return
		}
		defer connection.Close()
		streams := map[string]httpstream.Stream{}
		for len(streams) < 3 {
			select {
			case stream := <-opened:
				streams[stream.Headers().Get("streamType")] = stream
			case <-time.After(10 * time.Second):
				return
			}
		}
		command := exec.Command(program, words...)
		command.Stdout, command.Stderr = streams["stdout"], streams["stderr"]
		status := metav1.Status{Status: metav1.StatusSuccess}
		if err := command.Run(); err != nil {
			status = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
		}
		for _, name := range []string{"stdout", "stderr"} {
			streams[name].Close()
		}
		json.NewEncoder(streams["error"]).Encode(status)
		streams["error"].Close()
		<-connection.CloseChan()
	}))
	t.Cleanup(server.Close)
	return server.URL
}
