package cli_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"berth/internal/cli"
)

func TestImagesOfOtherRegistries(t *testing.T) {
	asked := ""
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			asked = string(b)
			_, _ = io.WriteString(w, text)
		}
	}
	mux := health(http.NewServeMux())
	list := `{"images":[{"ref":"docker.io/library/nginx:latest","bytes":2000000,"pushed":true}],"bytes":3000000}`
	mux.HandleFunc("GET /_berth/images", says(list))
	mux.HandleFunc("POST /_berth/images/remove", says(`{}`))
	mux.HandleFunc("POST /_berth/images/shrink", says(`{"removed":["a","b"],"before":3000000,"after":0}`))
	lines := `{"done":0,"total":5000000}` + "\n" + `{"done":5000000,"total":5000000,"digest":"sha256:0a"}`
	mux.HandleFunc("POST /_berth/images/pull", says(lines))
	for _, c := range []struct{ args, asked, out string }{
		{"image ls", "", "docker.io/library/nginx:latest"},
		{"image ls", "", "2.0 MB"},
		{"image rm nginx", `{"image":"nginx"}`, ""},
		{"image gc --keep 7", `{"bytes":7}`, "2 images removed, 3.0 MB before, 0.0 MB now"},
		{"image pull nginx", `{"image":"nginx"}`, "image nginx is here (5.0 MB"},
	} {
		code, out, errs := run(t, mux, strings.Fields(c.args)...)
		if code != 0 || asked != c.asked || !strings.Contains(out, c.out) {
			t.Errorf("%s: %d, asked %q, said %q %q", c.args, code, asked, out, errs)
		}
	}
	no := health(http.NewServeMux())
	no.HandleFunc("POST /_berth/images/pull", says(`{"error":"nginx: it is not there"}`))
	if code, _, errs := run(t, no, "image", "pull", "nginx"); code == 0 || !strings.Contains(errs, "nginx: it is not there") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestWhereAnImageIsPushed(t *testing.T) {
	for name, want := range map[string]string{
		"web":                     "/web:latest",
		"team/web:v2":             "/team/web:v2",
		"nginx":                   "/nginx:latest",
		"docker.io/nginx":         "docker.io/library/nginx:latest",
		"ghcr.io/me/web:v2":       "ghcr.io/me/web:v2",
		"localhost:5000/web":      "localhost:5000/web:latest",
		"public.ecr.aws/a/b:1.27": "public.ecr.aws/a/b:1.27",
		"000000000000.dkr.ecr.us-east-1.amazonaws.com/web:v2": "/web:v2",
		"Web":         `"Web" is no name for a repository`,
		"ghcr.io/Web": "must be lowercase",
		"docker.io/nginx@sha256:" + strings.Repeat("a", 64): "under a tag, not a digest",
	} {
		got, err := cli.Target(name)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
