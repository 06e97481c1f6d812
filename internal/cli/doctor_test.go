package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"berth/internal/cli"
	"berth/internal/doctor"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	ok := doctor.Finding{Check: "state", Status: doctor.OK, Says: "readable"}
	warn := doctor.Finding{Check: "memory", Status: doctor.Warn, Says: "little", Cure: "buy some"}
	bad := doctor.Finding{Check: "kernel", Status: doctor.Bad, Says: "old", Cure: "update it"}
	for name, tt := range map[string]struct {
		found []doctor.Finding
		code  int
		want  string
	}{
		"well":    {[]doctor.Finding{warn}, 0, "! memory            little\n                    buy some\n"},
		"one":     {[]doctor.Finding{bad}, 1, "one thing is wrong"},
		"several": {[]doctor.Finding{bad, bad}, 1, "2 things are wrong"},
	} {
		hooks := cli.Hooks{
			Examine: func(context.Context, string) ([]doctor.Finding, error) { return []doctor.Finding{ok}, nil },
			Machine: func(context.Context, doctor.Question) []doctor.Finding { return tt.found },
		}
		var out, errs bytes.Buffer
		code := cli.Main(t.Context(), hooks, []string{"doctor", "--data", t.TempDir()}, &out, &errs)
		said := out.String() + errs.String()
		if code != tt.code || !strings.Contains(said, tt.want) || !strings.Contains(said, "✓ state             readable\n") {
			t.Errorf("%s: code %d\n%s%s", name, code, &out, &errs)
		}
		out.Reset()
		var got []doctor.Finding
		cli.Main(t.Context(), hooks, []string{"doctor", "--json", "--data", t.TempDir()}, &out, &errs)
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 1+len(tt.found) {
			t.Errorf("%s: %v of %s", name, err, &out)
		}
	}
}

// A server reads its own folder, and its load balancers' ports are nobody else's.
func TestDoctorOfAServer(t *testing.T) {
	t.Parallel()
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /_berth/examine", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"check":"state","status":"bad","says":"cut"}]`)
	})
	mux.HandleFunc("GET /_berth/listeners", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"hostPort":80}]`) })
	code, out, errs := runWith(t, mux, cli.Hooks{Machine: func(_ context.Context, q doctor.Question) []doctor.Finding {
		if len(q.Ports) != 1 || len(q.Ours) != 1 || q.Ours[0] != 80 {
			t.Errorf("asked of %+v", q)
		}
		return nil
	}}, "doctor")
	if code != 1 || !strings.Contains(out, "✗ state             cut") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}

// A server that did not start says what of the machine does not work, and the cure.
func TestAFailedStartAsksTheDoctor(t *testing.T) {
	t.Parallel()
	var asked doctor.Question
	found := []doctor.Finding{{Check: "memory", Status: doctor.Warn, Says: "little"}}
	h := cli.Hooks{Machine: func(_ context.Context, q doctor.Question) []doctor.Finding { asked = q; return found }}
	s := cli.ServerConfig{Listen: "127.0.0.1:4570", Runtime: "crun"}
	if got := cli.Lacks(t.Context(), h, s); got != "" || asked.Runtime != "crun" || len(asked.Ports) != 1 || asked.Ports[0] != 4570 {
		t.Errorf("%q, %+v", got, asked)
	}
	found = append(found, doctor.Finding{Check: "kernel", Status: doctor.Bad, Says: "old", Cure: "update it"})
	if got := cli.Lacks(t.Context(), h, s); got != "\n`berth doctor` finds:\n  kernel: old\n    update it" {
		t.Errorf("%q", got)
	}
	if got := cli.Lacks(t.Context(), cli.Hooks{}, s); got != "" {
		t.Errorf("%q", got)
	}
}
