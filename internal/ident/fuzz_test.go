package ident_test

import (
	"strings"
	"testing"

	"berth/internal/ident"
)

// FuzzParseARN holds that an ARN is its parts, and names a principal of them.
func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/path/name")
	f.Add("arn:aws:ecs:eu-west-1:123456789012:task/c/0:1")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := ident.ParseARN(s)
		if !ok {
			return
		}
		if again := strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":"); again != s {
			t.Errorf("%q became %q", s, again)
		}
		if p := ident.AsRole(s, "x"); p.Account != a.Account || !strings.HasSuffix(p.ARN, "/x") {
			t.Errorf("%q is %+v", s, p)
		}
	})
}
