package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/audit"
	"berth/internal/ident"
)

var at = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func event(i int) audit.Event {
	return audit.Event{
		ID: fmt.Sprint("e", i), At: at.Add(time.Duration(i) * time.Second), Source: "ecs.amazonaws.com", Name: "RunTask", Region: "eu-west-1",
		Account: "000000000000", Principal: ident.AsUser("arn:aws:iam::000000000000:user/ann"), AccessKey: "AKIA1",
		Agent:     strings.Repeat("a", 1000),
		Resources: []string{"arn:aws:ecs:eu-west-1:000000000000:task-definition/f:1", "*"},
		Parameters: map[string]any{
			"cluster": "c", "count": int64(2), "secretValue": "hide-me", "templateBody": "hide-me",
			"overrides": map[string]any{"environment": "hide-me"},
			"tasks":     []any{"a", "b", map[string]any{}}, "roleArn": "arn:x", "PolicyName": "p", "SecretArn": "arn:s", "Value": "hide-me",
			"tags": []any{map[string]any{"Key": "k", "Value": "v"}},
		},
		Answer: map[string]any{
			"AccessKey": map[string]any{"AccessKeyId": "AKIA2", "SecretAccessKey": "hide-me", "CreateDate": at, "Blob": []byte("hide-me")},
			"failures":  []any{},
		},
	}
}

// What was passed and returned is kept as CloudTrail keeps it: with small letters,
// times in its form, and no secrets.
func TestWhatWasPassedIsKept(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	read, failed, of := event(1), event(2), event(3)
	read.ReadOnly, failed.Code, of.By = true, "AccessDenied", "cloudformation.amazonaws.com"
	for _, e := range []audit.Event{event(0), read, failed, of} {
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"
	asked := map[string]any{
		"cluster": "c", "count": 2., "secretValue": hidden, "templateBody": hidden, "overrides": map[string]any{"environment": hidden},
		"tasks": []any{"a", "b", map[string]any{}}, "roleArn": "arn:x", "policyName": "p", "secretArn": "arn:s", "value": hidden,
		"tags": []any{map[string]any{"key": "k", "value": "v"}},
	}
	answer := map[string]any{
		"accessKey": map[string]any{"accessKeyId": "AKIA2", "createDate": "Nov 23, 2026 7:00:00 AM"}, "failures": []any{},
	}
	n := 4
	_ = l.Lookup(func(r audit.Record, line string) bool {
		n--
		want := answer
		if n == 1 || n == 2 {
			want = nil
			if !strings.Contains(line, `"responseElements":null`) {
				t.Errorf("no null: %s", line)
			}
		}
		if diff := cmp.Diff(asked, r.RequestParameters); diff != "" {
			t.Errorf("%d: requestParameters: %s", n, diff)
		}
		if diff := cmp.Diff(want, r.ResponseElements); diff != "" {
			t.Errorf("%d: responseElements: %s", n, diff)
		}
		if by := r.User.InvokedBy; (n == 3) != (by != "") || by != "" && (r.SourceIP != by || r.Agent != by) {
			t.Errorf("%d: %+v", n, r)
		}
		return true
	})
}

// A record is bounded however much was passed, and however deep.
func TestARecordIsBounded(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	many := make([]any, 100_000)
	for i := range many {
		many[i] = "x"
	}
	large := map[string]any{}
	for i := range 100 {
		large[fmt.Sprint(i)] = strings.Repeat("y", 10_000)
	}
	e := event(0)
	e.Parameters, e.Answer = map[string]any{"list": many}, large
	if err := l.Append(e); err != nil {
		t.Fatal(err)
	}
	_ = l.Lookup(func(r audit.Record, line string) bool {
		if len(line) > 2000 || r.RequestParameters["omitted"] != true || r.ResponseElements["reason"] != "responseElements too large" {
			t.Errorf("%d bytes: %v %v", len(line), r.RequestParameters, r.ResponseElements)
		}
		return true
	})
}

func open(t *testing.T, dir string) *audit.Log {
	t.Helper()
	l, err := audit.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func ids(t *testing.T, l *audit.Log, most int) (out []string) {
	t.Helper()
	err := l.Lookup(func(r audit.Record, line string) bool {
		if strings.Contains(line, "hide-me") {
			t.Errorf("a secret is kept: %s", line)
		}
		out = append(out, r.EventID)
		return len(out) < most
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEventsAreFoundAgainNewestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	for i := range 5 {
		if err := l.Append(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(ids(t, l, 3), " "); got != "e4 e3 e2" {
		t.Error(got)
	}
	_ = l.Lookup(func(r audit.Record, _ string) bool {
		if r.User.Type != "IAMUser" || r.User.UserName != "ann" || len(r.Resources) != 1 || r.RequestParameters["cluster"] != "c" ||
			r.RequestParameters["roleArn"] != "arn:x" || len(r.Agent) > 300 || !r.Time.Equal(at.Add(4*time.Second)) || r.Type != "AwsApiCall" {
			t.Errorf("%+v", r)
		}
		return false
	})
	// A line that was cut by a kill is left out, and what follows is not lost.
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	b, err := os.ReadFile(files[0])
	if err != nil || os.WriteFile(files[0], b[:len(b)-9], 0o600) != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if err := again.Append(event(9)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ids(t, again, 9), " "); got != "e9 e3 e2 e1 e0" {
		t.Error(got)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	audit.SetMost(l, 5000)
	for i := range 200 {
		if err := l.Append(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if got := ids(t, l, 1000); len(files) != 8 || len(got) > 8*6 || got[0] != "e199" {
		t.Errorf("%d files, %d events, the newest %s", len(files), len(got), got[0])
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 5000 || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
	}
}
