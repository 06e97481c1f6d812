package control

import (
	"fmt"
	"slices"
	"strings"
)

// Wakes is a table in Markdown of what wakes whom: which controller looks at
// which key when a record of which table changes. It is made from the rules
// that the engine runs by.
func Wakes(controllers []Controller) string {
	var b strings.Builder
	b.WriteString("| controller | tables | key |\n|---|---|---|\n")
	for _, c := range controllers {
		for _, w := range byKey(c) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name(), strings.Join(w.tables, ", "), strings.ReplaceAll(w.means, "|", `\|`))
		}
	}
	return b.String()
}

type woken struct {
	means  string
	tables []string
}

// byKey joins the tables that wake the same keys of a controller.
func byKey(c Controller) []woken {
	var out []woken
	for _, r := range c.Wake() {
		i := slices.IndexFunc(out, func(w woken) bool { return w.means == r.Means })
		if i < 0 {
			i, out = len(out), append(out, woken{means: r.Means})
		}
		out[i].tables = append(out[i].tables, r.Table)
	}
	if len(out) == 0 {
		out = []woken{{"time alone", []string{"—"}}}
	}
	return out
}
