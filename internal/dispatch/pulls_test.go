package dispatch_test

import (
	"net/http"
	"testing"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
)

// An agent may ask for what its own instance's tasks have, and for nothing else.
func TestWhoMayPullWhat(t *testing.T) {
	b := newBench(t)
	b.task("web", model.ContainerDefinition{Name: "web", Image: "nginx:1.27"}, func(t *model.Task) { t.Containers[0].Image = "nginx:1.27" })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registries.localhost/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who        ident.Principal
		repository string
		may        bool
	}{
		{b.who, "docker.io/library/nginx", true},
		{b.who, "", true},
		{b.who, "docker.io/library/redis", false},
		{b.who, "169.254.169.254/latest", false},
		{ident.AsRole(taskRole, "i-other"), "docker.io/library/nginx", false},
		{ident.AsRole(taskRole, ""), "", false},
		{ident.Principal{}, "docker.io/library/nginx", false},
	} {
		b.mu.Lock()
		b.who = c.who
		b.mu.Unlock()
		err := b.gateway.Pulls(r, c.repository)
		if (err == nil) != c.may || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("%s and %q: %v", c.who.ARN, c.repository, err)
		}
	}
}
