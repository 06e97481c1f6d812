package constraint_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/lang/constraint"
)

func look(s string) []string {
	return map[string][]string{
		"attribute:ecs.instance-type":     {"c6a.large"},
		"attribute:ecs.availability-zone": {"ap-northeast-1a"},
		"attribute:stack":                 {""},
		"task:group":                      {"service:web", "family:batch"},
		"agentVersion":                    {"1.90.0"},
		"runningTasksCount":               {"9"},
		"registeredAt":                    {"2026-02-18T22:28:28+00:00"},
		"agentConnected":                  {"true"},
		"ec2InstanceId":                   {"i-0abc"},
	}[s]
}

func TestExpressions(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{"attribute:ecs.instance-type == c6a.large", true},
		{"attribute:ecs.instance-type==c6a.large", true},
		{"attribute:ecs.instance-type equals t3.micro", false},
		{"attribute:ecs.instance-type != c6a.large", false},
		{"attribute:ecs.instance-type =~ c6.*", true},
		{"attribute:ecs.instance-type =~ c6", false},
		{"attribute:ecs.instance-type not_matches c7.*", true},
		{"attribute:ecs.availability-zone in [ap-northeast-1a, ap-northeast-1c]", true},
		{"attribute:ecs.availability-zone !in [ap-northeast-1a]", false},
		{"attribute:ecs.availability-zone not_in ['ap-northeast-1d']", true},
		{"attribute:stack exists", true},
		{"attribute:color exists", false},
		{"attribute:color !exists", true},
		{"attribute:color not_exists", true},
		{"attribute:color != red", true},
		{"attribute:color == red", false},
		{"task:group == service:web", true},
		{"not task:group == service:web", false},
		{"!(task:group == service:other)", true},
		{"agentVersion >= 1.9.0", true},
		{"agentVersion less_than 1.100.0", true},
		{"runningTasksCount > 8", true},
		{"runningTasksCount > 10", false},
		{"registeredAt >= 2026-02-18T00:00:00+00:00", true},
		{"agentConnected == true and ec2InstanceId in ['i-0abc', 'i-1']", true},
		{"agentConnected == false or agentConnected == false && ec2InstanceId exists", false},
		{"agentConnected == true or agentConnected == false and agentConnected == false", true},
		{"(agentConnected == true or agentConnected == false) and agentConnected == false", false},
	}
	for _, tt := range tests {
		e, err := constraint.Parse(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := e.Match(look); got != tt.want {
			t.Errorf("%s is %v", tt.in, got)
		}
		again, err := constraint.Parse(e.String())
		if err != nil || again.String() != e.String() || again.Match(look) != tt.want {
			t.Errorf("%s is written as %s, which reads as %v, %v", tt.in, e, again, err)
		}
	}
}

func TestBadExpressionsNameThePlace(t *testing.T) {
	for _, s := range []string{
		"", "attribute:x", "attribute:x ==", "attribute:x == ==", "color == red", "attribute:x == a b", "(attribute:x exists",
		"attribute:x in a", "attribute:x in [", "attribute:x in [a", "attribute:x in [a b]", "attribute:x =~ '['", "attribute:x == 'a",
		"attribute:x exists and", strings.Repeat("(", 100) + "attribute:x exists", strings.Repeat("a", 3000),
	} {
		if _, err := constraint.Parse(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40q: %v", s, err)
		}
	}
	_, err := constraint.Parse("attribute:x exists and color")
	if diff := cmp.Diff(`Invalid expression at character 24: "color" is not a subject`, fault.MessageOf(err)); diff != "" {
		t.Error(diff)
	}
}

func TestSubjects(t *testing.T) {
	e, err := constraint.Parse("attribute:b exists or (attribute:a == 1 and attribute:b == 2)")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"attribute:a", "attribute:b"}, e.Subjects()); diff != "" {
		t.Error(diff)
	}
}

// What parses, is written in a form that parses to the same.
func FuzzParse(f *testing.F) {
	f.Add("attribute:ecs.instance-type =~ c6.* and not (task:group in [a, 'b c'])")
	f.Add(`attribute:a == "q\"uote" || !agentConnected exists`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := constraint.Parse(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := constraint.Parse(e.String())
		if len(e.String()) > constraint.MaxLength {
			return
		}
		if err != nil {
			t.Fatalf("%q is written as %q: %v", s, e, err)
		}
		if again.String() != e.String() || again.Match(look) != e.Match(look) {
			t.Fatalf("%q: %q and %q", s, e, again)
		}
	})
}
