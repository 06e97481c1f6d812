package policy

import "strings"

// Kind is what a policy is attached to: each has rules of form of its own.
type Kind int

// The kinds of policies.
const (
	Identity Kind = iota // of a role, user or group, and permissions boundaries
	Trust                // who may assume a role
	Resource             // of a function, repository, …
)

// Check parses a document and holds it against IAM's rules of form for its
// kind. Errors are fault.Invalid MalformedPolicyDocument in IAM's words.
func Check(kind Kind, text string) (*Document, error) {
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Sid != "" && sids[s.Sid] {
			return nil, malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		sids[s.Sid] = true
		if err := s.check(kind); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (s *Statement) check(kind Kind) error {
	if s.Sid != "" && kind == Identity && !alphanumeric(s.Sid) {
		return malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	if len(s.Actions)+len(s.NotActions) == 0 {
		return malformed("Policy statement must contain actions.")
	}
	for _, a := range append(s.Actions[:len(s.Actions):len(s.Actions)], s.NotActions...) {
		if err := checkAction(a); err != nil {
			return err
		}
	}
	switch kind {
	case Trust:
		return s.checkTrust()
	case Identity:
		if s.Principal != nil || s.NotPrincipal != nil {
			return malformed("Policy document should not specify a principal.")
		}
		if len(s.Resources)+len(s.NotResources) == 0 {
			return malformed("Policy statement must contain resources.")
		}
		return checkResources(append(s.Resources[:len(s.Resources):len(s.Resources)], s.NotResources...))
	default:
		if s.Principal == nil && s.NotPrincipal == nil {
			return malformed("Policy statement must contain principals.")
		}
		return nil
	}
}

func alphanumeric(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') }) < 0
}

func checkAction(a string) error {
	vendor, name, ok := strings.Cut(a, ":")
	switch {
	case a == "*":
		return nil
	case !ok || vendor == "":
		return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	case strings.Contains(name, ":"):
		return malformed("Actions/Condition can contain only one colon.")
	case strings.IndexFunc(vendor, func(r rune) bool {
		return r != '-' && !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) >= 0:
		return malformed("Vendor %s is not valid", vendor)
	default:
		return nil
	}
}

func checkResources(list []string) error {
	for _, r := range list {
		if r == "*" {
			continue
		}
		f := strings.SplitN(r, ":", 6)
		if f[0] != "arn" && !strings.HasPrefix(r, "*") {
			return malformed("Resource %s must be in ARN format or \"*\".", r)
		}
		if len(f) > 1 && f[0] == "arn" && !strings.HasPrefix(f[1], "aws") && !strings.ContainsAny(f[1], "*$?") {
			return malformed("Partition %q is not valid for resource %q.", f[1], r)
		}
		if len(f) > 2 && len(f) < 6 && !strings.HasSuffix(r, "*") {
			return malformed("Resource %s must be in ARN format or \"*\".", r)
		}
	}
	return nil
}

func (s *Statement) checkTrust() error {
	if s.Resources != nil || s.NotResources != nil {
		return malformed("Has prohibited field Resource")
	}
	if s.NotPrincipal != nil {
		return malformed("AssumeRolepolicy contained an invalid field: NotPrincipal")
	}
	if s.Principal == nil {
		return malformed("Missing required field Principal cannot be empty!")
	}
	for _, a := range s.Actions {
		if a != "*" && !strings.HasPrefix(strings.ToLower(a), "sts:") {
			return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	for _, svc := range s.Principal.Services {
		if !strings.Contains(svc, ".") || strings.ContainsAny(svc, "*? ") {
			return malformed("Invalid principal in policy: \"SERVICE\":%q", svc)
		}
	}
	for _, p := range s.Principal.AWS {
		if !validAWS(p) {
			return malformed("Invalid principal in policy: \"AWS\":%q", p)
		}
	}
	return nil
}

// validAWS reports whether an AWS principal has a form that IAM takes.
func validAWS(p string) bool {
	if p == "*" || isAccount(p) {
		return true
	}
	f := strings.SplitN(p, ":", 6)
	if len(f) == 6 && f[0] == "arn" && (f[2] == "iam" || f[2] == "sts") && isAccount(f[4]) && !strings.ContainsAny(p, "*?") {
		return true
	}
	// What remains of a principal that was deleted: its unique id.
	return strings.HasPrefix(p, "AROA") || strings.HasPrefix(p, "AIDA")
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
