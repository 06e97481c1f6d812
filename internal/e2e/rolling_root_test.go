//go:build root

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crashes is a program that ends at once.
const crashes = "package main\n\nimport \"os\"\n\nfunc main() { println(\"this version crashes\"); os.Exit(7) }\n"

// TestRootRollingDeploymentsDropNothing replaces tasks one after the other
// under constant traffic, and lets the circuit breaker turn back a version that
// crashes.
func TestRootRollingDeploymentsDropNothing(t *testing.T) {
	h := deployed(t, "DesiredCount=3", rolling)
	source := t.TempDir()
	for name, text := range map[string]string{"main.go": crashes, "go.mod": "module crash\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.run("image", "push", "hello:crash", source)
	t.Run("good", func(t *testing.T) {
		known, traffic := h.known(), underLoad(t, h.url)
		_, all, how := h.follow(known, h.update("Version=v2", "DesiredCount=3"), func(deployment) {})
		traffic.endWithout(t, "roll out another version")
		if how.err != nil {
			t.Fatalf("%v\n%s", how.err, how.out)
		}
		if all[0].status != "SUCCESSFUL" || traffic.versions["v1"] == 0 || traffic.versions["v2"] == 0 {
			t.Errorf("ended %+v; served %v", all[0], traffic.versions)
		}
	})
	t.Run("crashing", func(t *testing.T) {
		known, traffic := h.known(), underLoad(t, h.url)
		_, all, how := h.follow(known, h.update("Version=v3", "Image=hello:crash", "DesiredCount=3"), func(deployment) {})
		traffic.endWithout(t, "roll out a version that crashes")
		if how.err == nil || !strings.Contains(how.out, "ECS Deployment Circuit Breaker was triggered") {
			t.Errorf("the update ended with %v:\n%s", how.err, how.out)
		}
		var turned deployment
		for _, d := range all {
			if !known[d.arn] && strings.Contains(d.reason, "circuit breaker") {
				turned = d
			}
		}
		if turned.status != "ROLLBACK_SUCCESSFUL" {
			t.Errorf("ended %+v of %+v", turned, all)
		}
		if traffic.versions["v3"] > 0 {
			t.Errorf("the crashing version was served: %v", traffic.versions)
		}
		t.Logf("%s", turned.reason)
	})
	h.finish()
}
