package balancer_test

import (
	"regexp"
	"strings"
	"testing"

	"berth/internal/balancer"
)

// FuzzGlob holds wildcards against regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("/a/*/c?", "/a/b/b/cd")
	f.Add("*.example.com", "api.example.com")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 40 || len(s) > 200 {
			return
		}
		re, err := regexp.Compile("^(?s:" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + ")$")
		for _, x := range pattern + s {
			if x > 127 {
				return // ours are bytes, theirs are characters
			}
		}
		if err != nil {
			return
		}
		if got := balancer.Glob(pattern, s); got != re.MatchString(s) {
			t.Fatalf("%q on %q: %v", pattern, s, got)
		}
	})
}
