package access

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed data/managed-policies.jsonl.gz
var policiesGz []byte

//go:embed data/managed-policy-names.csv.gz
var namesGz []byte

// ManagedPolicy is a policy that AWS keeps.
type ManagedPolicy struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	Path     string    `json:"path"`
	Version  string    `json:"version"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Document string    `json:"-"` // "" if Berth knows only the name
}

// managed reads the embedded data when it is first asked for.
var managed = sync.OnceValues(func() (map[string]ManagedPolicy, error) {
	out := map[string]ManagedPolicy{}
	if err := readNames(out); err != nil {
		return nil, err
	}
	return out, readDocuments(out)
})

func readNames(out map[string]ManagedPolicy) error {
	z, err := gzip.NewReader(bytes.NewReader(namesGz))
	if err != nil {
		return fmt.Errorf("names of managed policies: %w", err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		return fmt.Errorf("names of managed policies: %w", err)
	}
	for _, r := range rows[1:] {
		_, resource, _ := strings.Cut(r[1], ":policy")
		out[r[1]] = ManagedPolicy{Name: r[0], ARN: r[1], Version: r[2], Path: strings.TrimSuffix(resource, r[0])}
	}
	return nil
}

func readDocuments(out map[string]ManagedPolicy) error {
	z, err := gzip.NewReader(bytes.NewReader(policiesGz))
	if err != nil {
		return fmt.Errorf("managed policies: %w", err)
	}
	for d := json.NewDecoder(z); d.More(); {
		var p struct {
			ManagedPolicy
			Document json.RawMessage `json:"document"`
		}
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("managed policies: %w", err)
		}
		p.ManagedPolicy.Document = string(p.Document)
		out[p.ARN] = p.ManagedPolicy
	}
	return nil
}

// canonical is an ARN of a managed policy in the partition of the data.
func canonical(arn string) (aws, partition string) {
	f := strings.SplitN(arn, ":", 3)
	if len(f) != 3 || f[0] != "arn" || !strings.HasPrefix(f[2], "iam::aws:policy/") {
		return "", ""
	}
	return "arn:aws:" + f[2], f[1]
}

// Managed finds a policy that AWS keeps, by its ARN in any partition.
func Managed(arn string) (ManagedPolicy, bool) {
	key, partition := canonical(arn)
	all, err := managed()
	if err != nil {
		return ManagedPolicy{}, false
	}
	p, ok := all[key]
	if ok && partition != "aws" {
		p.ARN = arn
		p.Document = strings.ReplaceAll(p.Document, `"arn:aws:`, `"arn:`+partition+`:`)
	}
	return p, ok
}

// ManagedPolicies lists AWS's policies in order of their names.
func ManagedPolicies() ([]ManagedPolicy, error) {
	all, err := managed()
	if err != nil {
		return nil, err
	}
	out := make([]ManagedPolicy, 0, len(all))
	for _, p := range all {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b ManagedPolicy) int { return strings.Compare(a.ARN, b.ARN) })
	return out, nil
}
