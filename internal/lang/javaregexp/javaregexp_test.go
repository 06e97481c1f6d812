package javaregexp_test

import (
	"strings"
	"testing"

	"berth/internal/lang/javaregexp"
)

// The meaning of each construct is that of java.util.regex.Pattern's page.
func TestWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr      string
		yes, nope []string
	}{
		{`[a-z]+`, []string{"abc"}, []string{"", "aB", "abc\n"}},
		{`(?!default$)[a-z]+`, []string{"mine", "defaults"}, []string{"default"}},
		{`(?=.*[0-9])(?=.*[A-Z])[A-Za-z0-9]{8,}`, []string{"Passw0rdX"}, []string{"password", "PASSWORD"}},
		{`.*(?<!-)`, []string{"a-b"}, []string{"a-"}},
		{`(?<=)a`, []string{"a"}, []string{"b"}},
		{`a++b`, []string{"aaab"}, []string{"b"}},
		{`a*+a`, nil, []string{"a", "aaa"}},
		{`(?>a|ab)c`, []string{"ac"}, []string{"abc"}},
		{`([ab])\1`, []string{"aa"}, []string{"ab"}},
		{`\p{Alpha}\p{Digit}`, []string{"a1"}, []string{"é1", "aa"}},
		{`[\p{Alnum}\p{Punct}]+`, []string{"a-1!"}, []string{"a b"}},
		{`\P{Space}+`, []string{"a"}, []string{" "}},
		{`[\P{Space}]+`, []string{"a"}, []string{" "}},
		{`\p{L}\p{IsGreek}\pN`, []string{"éα1"}, []string{"1α1"}},
		{`\w+`, []string{"az_9"}, []string{"é"}},
		{`(?!x)\w+`, []string{"az_9"}, []string{"é", "x"}},
		{"[\\u0020-\\uD7FF\\uE000-\\uFFFD\r\n\t]*", []string{"a b", "é"}, []string{"\x01"}},
		{`[\uD800\uDC00-\uDBFF\uDFFF]`, []string{"\U0001F600"}, []string{"a"}},
		{`[a-d[m-p]]+`, []string{"amp"}, []string{"e", "["}},
		{`[[:alpha:]]+`, []string{"alpha:"}, []string{"z"}},
		{`[]a]+`, []string{"]a"}, []string{"b"}},
		{`[^]a]+`, []string{"b"}, []string{"]"}},
		{`[\[\]]+`, []string{"[]"}, []string{"a"}},
		{`[^/@" ]*`, []string{"secret"}, []string{"a@b", "a b"}},
		{`^$|arn:aws[\w-]*:[a-z]+::\d{12}:.+`, []string{"", "arn:aws-cn:iam::123456789012:role/x"}, []string{"arn:aws:iam::12:x"}},
		{`\Qa.b\E`, []string{"a.b"}, []string{"axb"}},
		{`(?i)abc`, []string{"ABC"}, []string{"ABD"}},
	} {
		re, err := javaregexp.CompileWhole(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		for text, want := range wants(c.yes, c.nope) {
			if got, err := re.Match(text); got != want || err != nil {
				t.Errorf("%s matches %q: %v, %v", c.expr, text, got, err)
			}
		}
	}
}

func wants(yes, nope []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range yes {
		out[s] = true
	}
	for _, s := range nope {
		out[s] = false
	}
	return out
}

func TestWhatIsNoExpression(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`[a-z&&[^b]]`: "intersection of character classes (&&) is not built",
		`[a[^b]]`:     "negated character class within another is not built",
		`(a`:          "",
		`a\`:          "ends with a backslash",
		`\p{Alpha`:    "has no end",
		`\p`:          "wants the name",
		`\u12`:        "four hexadecimal digits",
		`\p{Nothing}`: "",
		`*a`:          "",
		`a)(b`:        "",
	} {
		if _, err := javaregexp.CompileWhole(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}

// An expression that would backtrack for years is given up.
func TestAMatchIsBounded(t *testing.T) {
	t.Parallel()
	re, err := javaregexp.CompileWhole(`(?=a)(a+)+b\1`)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := re.Match(strings.Repeat("a", 60)); ok || err == nil || !strings.Contains(err.Error(), "takes too long") {
		t.Errorf("%v, %v", ok, err)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{`[a-z]+`, `(?!x)\w++`, `[a[b]]`, `\p{Alpha}`, `[^]\Q]`, `\u0041`} {
		f.Add(s, "abc")
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) > 200 || len(text) > 200 {
			t.Skip()
		}
		if re, err := javaregexp.Compile(expr); err == nil {
			_, _ = re.Match(text) // it may be given up
		}
	})
}
