package template_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/internal/lang/template"
)

// Each quota of a template is met at its number and refused above it.
func TestQuotas(t *testing.T) {
	t.Parallel()
	const one = "Resources:\n  R: {Type: AWS::Logs::LogGroup}\n"
	many := func(n int, head, line string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct {
		most int
		body func(n int) string
		want string
	}{
		"resources": {500, func(n int) string { return many(n, "Resources:\n", "  R%d: {Type: AWS::Logs::LogGroup}\n") },
			"Template format error: Number of resources, 501, is greater than maximum allowed, 500"},
		"parameters": {200, func(n int) string { return many(n, one+"Parameters:\n", "  P%d: {Type: String}\n") },
			"Template format error: Number of parameters, 201, is greater than maximum allowed, 200"},
		"outputs": {200, func(n int) string { return many(n, one+"Outputs:\n", "  O%d: {Value: x}\n") },
			"Template format error: Number of outputs, 201, is greater than maximum allowed, 200"},
		"mappings": {200, func(n int) string { return many(n, one+"Mappings:\n", "  M%d: {a: {b: c}}\n") },
			"Template format error: Number of mappings, 201, is greater than maximum allowed, 200"},
		"attributes": {200, func(n int) string { return many(n, one+"Mappings:\n  M:\n", "    a%d: {b: c}\n") },
			"Template format error: Number of attributes of mapping M, 201, is greater than maximum allowed, 200"},
		"description": {1024, func(n int) string { return one + "Description: " + strings.Repeat("d", n) + "\n" },
			"Template format error: 'Description' length is greater than 1024."},
	} {
		if _, err := template.Parse(tt.body(tt.most)); err != nil {
			t.Errorf("%s: %d: %v", name, tt.most, err)
		}
		if _, err := template.Parse(tt.body(tt.most + 1)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %d: %v, want %s", name, tt.most+1, err, tt.want)
		}
	}
}
