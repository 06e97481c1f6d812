package stack_test

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/world.yaml
var worldTemplate string

//go:embed testdata/samples.txt
var samplesFile string

// sample is how a type is tested; testdata/samples.txt says what its lines
// mean.
type sample struct {
	of           string
	base, change map[string]string
}

// only says that Berth knows one value of a property.
const only = "only"

// samples reads all samples.
func samples(t *testing.T) []sample {
	t.Helper()
	var out []sample
	for line := range strings.Lines(samplesFile) {
		line = strings.TrimRight(line, "\n")
		switch mark, rest, _ := strings.Cut(line, " "); {
		case line == "", mark == "#":
		case strings.HasPrefix(line, "AWS::"):
			out = append(out, sample{of: line, base: map[string]string{}, change: map[string]string{}})
		default:
			into := out[len(out)-1].base
			if mark == ">" {
				into = out[len(out)-1].change
			}
			name, value, ok := strings.Cut(strings.TrimSpace(rest), ": ")
			if !ok {
				t.Fatalf("samples.txt: %q is no property", line)
			}
			into[name] = value
		}
	}
	return out
}
