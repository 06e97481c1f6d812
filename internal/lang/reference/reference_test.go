package reference_test

import (
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/lang/reference"
)

var sum = "sha256:" + strings.Repeat("0a", 32)

func TestNamesAreReadAsDockerReadsThem(t *testing.T) {
	for in, want := range map[string]string{
		"nginx":                                  "docker.io/library/nginx:latest",
		"nginx:1.27-alpine":                      "docker.io/library/nginx:1.27-alpine",
		"docker.io/nginx":                        "docker.io/library/nginx:latest",
		"index.docker.io/library/nginx":          "docker.io/library/nginx:latest",
		"registry-1.docker.io/library/nginx":     "docker.io/library/nginx:latest",
		"grafana/grafana":                        "docker.io/grafana/grafana:latest",
		"public.ecr.aws/nginx/nginx:stable":      "public.ecr.aws/nginx/nginx:stable",
		"ghcr.io/a/b/c@" + sum:                   "ghcr.io/a/b/c@" + sum,
		"nginx:1@" + sum:                         "docker.io/library/nginx@" + sum,
		"localhost/web":                          "localhost/web:latest",
		"localhost:5000/web":                     "localhost:5000/web:latest",
		"10.0.0.7:5000/web:v1":                   "10.0.0.7:5000/web:v1",
		"Registry/web":                           "Registry/web:latest",
		"a":                                      "docker.io/library/a:latest",
		"my__app/x-y--z.v1_2":                    "docker.io/my__app/x-y--z.v1_2:latest",
		"1.dkr.ecr.eu-west-1.amazonaws.com/w:v1": "1.dkr.ecr.eu-west-1.amazonaws.com/w:v1",
	} {
		r, err := reference.Parse(in)
		if err != nil || r.String() != want {
			t.Errorf("%s is %s, %v; want %s", in, r, err, want)
			continue
		}
		if again, err := reference.Parse(want); err != nil || again.String() != want {
			t.Errorf("%s is %s, %v", want, again, err)
		}
	}
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "invalid reference format",
		"Nginx":                         "invalid reference format: repository name (library/Nginx) must be lowercase",
		"nginx:":                        "invalid reference format",
		"nginx:-x":                      "invalid reference format",
		"nginx@sha256:12":               "invalid reference format",
		"nginx@":                        "invalid reference format",
		"http://ghcr.io/a":              "invalid reference format",
		"../../etc/passwd":              "invalid reference format",
		"a..b/c":                        "invalid reference format",
		"ghcr.io/":                      "invalid reference format",
		"ghcr.io//a":                    "invalid reference format",
		"-x.io/a":                       "invalid reference format",
		"x.io:/a":                       "invalid reference format",
		"x.io:123456/a":                 "invalid reference format",
		"x..io/a":                       "invalid reference format",
		"user@x.io/a":                   "invalid reference format",
		"a___b":                         "invalid reference format",
		"web -rf":                       "invalid reference format",
		strings.Repeat("0a", 32):        "invalid repository name (" + strings.Repeat("0a", 32) + "), cannot specify 64-byte hexadecimal strings",
		strings.Repeat("a", 260):        "repository name must not be more than 255 characters",
		strings.Repeat("a", 600):        "invalid reference format",
		"a@sha512:" + sum[7:] + sum[7:]: "digests of sha512 are not built in Berth: name the image by its sha256",
	} {
		if r, err := reference.Parse(in); err == nil || fault.MessageOf(err) != want {
			t.Errorf("%q is %s, %v; want %s", in, r, err, want)
		}
	}
}

func TestHosts(t *testing.T) {
	for in, want := range map[string]string{"nginx": "registry-1.docker.io", "ghcr.io/a": "ghcr.io", "localhost:5000/a": "localhost:5000"} {
		r, err := reference.Parse(in)
		if err != nil || r.Host() != want {
			t.Errorf("%s is asked for at %s, %v", in, r.Host(), err)
		}
	}
	for in, want := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/web":      "123456789012 eu-west-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/web":  "123456789012 cn-north-1",
		"123456789012.dkr-ecr.eu-west-1.on.aws/web":             "123456789012 eu-west-1",
		"public.ecr.aws/nginx/nginx":                            " ",
		"123456789012.dkr.ecr.eu-west-1.example.com/web":        " ",
		"docker.io/123456789012.dkr.ecr.eu-west-1.amazonaws/x1": " ",
	} {
		r, err := reference.Parse(in)
		account, region, ok := r.ECR()
		if err != nil || account+" "+region != want || ok != (want != " ") {
			t.Errorf("%s is of %q %q, %v, %v", in, account, region, ok, err)
		}
	}
}

// FuzzParse holds that what is accepted means the same when it is written out
// in full, and is safe as the names of folders.
func FuzzParse(f *testing.F) {
	f.Add("nginx")
	f.Add("localhost:5000/web@" + sum)
	f.Add("ghcr.io/../x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := reference.Parse(s)
		if err != nil {
			return
		}
		again, err := reference.Parse(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q is %s, which is %s, %v", s, r, again, err)
		}
		for part := range strings.SplitSeq(r.Name(), "/") {
			if part == "" || part == "." || part == ".." {
				t.Errorf("%q has the part %q", s, part)
			}
		}
	})
}
