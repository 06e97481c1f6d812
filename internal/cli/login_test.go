package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// team is a server off loopback of the Region eu-west-1 that knows one key.
func team(t *testing.T) (url, mark string) {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, said := r.Header.Get("Authorization"), ""
		w.Header().Set("Berth-Region", "eu-west-1")
		switch {
		case !strings.Contains(auth, "/eu-west-1/"):
			said = "Credential should be scoped to a valid Region."
		case !strings.Contains(auth, "Credential=AKIAKNOWN/"):
			said = "The security token included in the request is invalid."
		default:
			w.Header().Set("x-amzn-ErrorType", "AccessDeniedException") // a good key that may not read
			said = "User: u is not authorized to perform: berth:Read"
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":%q}`, said)
	}))
	t.Cleanup(srv.Close)
	sum := sha256.Sum256(srv.Certificate().Raw)
	return srv.URL, hex.EncodeToString(sum[:])
}

// A teammate gets a profile: the address, the Region that the server says, the
// keys, and the authority that was trusted. What was there stays.
func TestLoginWritesAProfile(t *testing.T) {
	url, mark := team(t)
	dir := t.TempDir()
	config, credentials := filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentials)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_SESSION_TOKEN", "")
	if err := os.WriteFile(config, []byte("[default]\nregion = us-west-2"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(b)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if code, _, errs := alone(t, append([]string{"login"}, args...)...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: code %d, %s, want %s", args, code, errs, want)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
	refused("as in https://", "http://127.0.0.1:4566")
	refused("make a name", url, "--profile", "a b")
	refused("not trusted: nothing was sent", url)
	refused("somebody may be between", url, "--fingerprint", strings.Repeat("0", 64))
	refused("refuses the key: The security token", url, "--fingerprint", mark)
	if read(credentials) != "" {
		t.Error("a key that was refused was written")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAKNOWN")
	if code, out, errs := alone(t, "login", url, "--fingerprint", mark); code != 0 || !strings.Contains(out, "AWS_PROFILE=berth") {
		t.Fatal(code, out, errs)
	}
	bundle := filepath.Join(dir, "berth-berth.pem")
	want := "[default]\nregion = us-west-2\n[profile berth]\nendpoint_url = " + url + "\nregion = eu-west-1\nca_bundle = " + bundle + "\n"
	if got := read(config); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := read(credentials); got != "[berth]\naws_access_key_id = AKIAKNOWN\naws_secret_access_key = s\n" {
		t.Error(got)
	}
	for _, file := range []string{credentials, bundle} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	refused("nothing was written", url, "--fingerprint", mark)
	if code, _, errs := alone(t, "login", url, "--ca", bundle, "--yes"); code != 0 || strings.Count(read(config), "[profile berth]") != 1 {
		t.Error(code, errs, read(config))
	}
}
