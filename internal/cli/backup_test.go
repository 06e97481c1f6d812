package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/backup"
	"berth/internal/cli"
)

// sent is a whole backup.
func sent(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Header{Revision: 7, Region: "eu-west-3", Account: "123456789012", At: time.Unix(0, 0).UTC()})
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBackup(t *testing.T) {
	t.Parallel()
	whole := sent(t)
	for name, tt := range map[string]struct {
		body          []byte
		status        int
		trouble, want string
	}{
		"whole":    {body: whole, want: "the state at revision 7"},
		"cut":      {body: whole[:len(whole)-1], want: "the backup did not come whole: it was cut"},
		"no token": {body: []byte("wants a header"), status: http.StatusForbidden, want: "berth: wants a header"},
		"trouble":  {body: whole[:20], trouble: "x is damaged", want: "berth: x is damaged"},
	} {
		mux := health(http.NewServeMux())
		mux.HandleFunc("POST /_berth/backup", func(w http.ResponseWriter, _ *http.Request) {
			if tt.status != 0 {
				w.WriteHeader(tt.status)
			}
			_, _ = w.Write(tt.body)
			_ = http.NewResponseController(w).Flush() // the test server's can
			if tt.trouble != "" {
				w.Header().Set(http.TrailerPrefix+"Berth-Trouble", tt.trouble)
			}
		})
		file := filepath.Join(t.TempDir(), "b")
		code, out, errs := run(t, mux, "backup", file)
		if good := name == "whole"; (code == 0) != good || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: code %d, %s%s", name, code, out, errs)
		} else if _, err := os.Stat(file); (err == nil) != good {
			t.Errorf("%s: the file: %v", name, err)
		}
		if rest, _ := filepath.Glob(file + ".*"); len(rest) > 0 {
			t.Errorf("%s: %v stays", name, rest)
		}
	}
	taken := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(taken, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(t, health(http.NewServeMux()), "backup", taken); code != 1 || !strings.Contains(errs, taken+" is there already") {
		t.Errorf("code %d, %s", code, errs)
	}
}

// A folder whose server has ended is backed up, and a backup restored, by the
// program itself.
func TestBackupAndRestoreWithoutAServer(t *testing.T) {
	t.Parallel()
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(filepath.Join(data, "server.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	whole := sent(t)
	hooks := cli.Hooks{
		Backup: func(_ context.Context, from string, out io.Writer) error {
			if from != data {
				t.Errorf("of %s", from)
			}
			_, err := out.Write(whole)
			return err
		},
		Restore: func(_ context.Context, from, to string, progress func(done, total int64)) (backup.Header, error) {
			if from != file || to != data {
				t.Errorf("%s to %s", from, to)
			}
			progress(1, 2)
			return backup.Header{Revision: 7, Region: "eu-west-3", Account: "123456789012"}, nil
		},
	}
	for _, c := range []struct{ args, want string }{
		{"backup " + file, "the state at revision 7"},
		{"backup " + file + "2 --json", `"revision": 7`},
		{"restore " + file, "start it: berth server --data " + data + " --region eu-west-3 --account 123456789012"},
		{"restore --json " + file, `"account": "123456789012"`},
	} {
		var out, errs bytes.Buffer
		if code := cli.Main(t.Context(), hooks, append(strings.Fields(c.args), "--data", data), &out, &errs); code != 0 ||
			!strings.Contains(out.String(), c.want) {
			t.Errorf("berth %s: code %d, %s%s", c.args, code, &out, &errs)
		}
	}
}
