package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/template"
)

var (
	atLine      = regexp.MustCompile(`\(line (\d+), column (\d+)\)`)
	oddTypes    = regexp.MustCompile(`Unrecognized resource types: \[(.*)\]`)
	oddRefs     = regexp.MustCompile(`Unresolved resource dependencies \[(.*)\]`)
	oddProperty = regexp.MustCompile(
		`for resource (\S+) with message:\s+#(?:/\S+)?: (?:extraneous key \[(\S+?)\]|the property (?:\S+\.)?(\S+) of)`,
	)
	lackingType = regexp.MustCompile(`(?m)^- the resource type (\S+) \(`)
	lackingPart = regexp.MustCompile(`(?m)^- the (?:property|attribute) (?:\S+\.)?(\S+) of \S+ \(([A-Za-z0-9]+)`)
	namedThing  = regexp.MustCompile(`(?m)^  ([A-Za-z0-9]+):`)
)

// refused makes an error of CloudFormation about a template help: where it is
// in the file, and what may have been meant.
func refused(d deployment, err error) error {
	if code := fault.CodeOf(err); code != "ValidationError" && code != "InsufficientCapabilitiesException" {
		return err
	}
	text := fault.MessageOf(err)
	var hints []string
	if m := atLine.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits
		hints = append(hints, d.excerpt(n)...)
	}
	if m := oddTypes.FindStringSubmatch(text); m != nil {
		for _, t := range strings.Split(m[1], ", ") {
			hints = append(append(hints, d.excerpt(d.lineOf(t))...), kin(t))
		}
	}
	if m := oddRefs.FindStringSubmatch(text); m != nil {
		var names []string
		for _, n := range namedThing.FindAllStringSubmatch(d.body, -1) {
			names = append(names, n[1])
		}
		for _, ref := range strings.Split(m[1], ", ") {
			hints = append(hints, d.excerpt(d.lineOf("Ref "+ref, "${"+ref, "Ref: "+ref, "GetAtt "+ref+"."))...)
			if near := ident.Near(ref, names); len(near) > 0 {
				hints = append(hints, "  did you mean "+near[0]+"?")
			}
		}
	}
	if m := oddProperty.FindStringSubmatch(text); m != nil {
		hints = append(hints, d.excerpt(d.lineBelow(m[1], first(m[2], m[3])))...)
	}
	hints = append(hints, d.lacking(text)...)
	if strings.Contains(text, "properties [services") {
		hints = append(hints, "this looks like a Compose file; Berth takes CloudFormation templates")
	}
	if strings.TrimSpace(d.body) == "" {
		text, hints = d.name()+" is empty", nil
	}
	return errors.New(strings.Join(append([]string{"the template was refused: " + text}, hints...), "\n  "))
}

// lacking shows where the template needs what is not built.
func (d deployment) lacking(text string) (hints []string) {
	for _, m := range lackingType.FindAllStringSubmatch(text, -1) {
		hints = append(hints, d.excerpt(d.lineOf(m[1]))...)
	}
	for _, m := range lackingPart.FindAllStringSubmatch(text, -1) {
		hints = append(hints, d.excerpt(d.lineBelow(m[2], m[1]))...)
	}
	if strings.Contains(text, "not built in Berth") {
		hints = append(hints, "take it out for Berth: what is not built is refused, never ignored (docs/COMPATIBILITY.md)")
	}
	return hints
}

// kin says which resource types of the same service are built.
func kin(kind string) string {
	service := kind[:strings.LastIndexByte(kind, ':')+1]
	var names []string
	for _, t := range template.TypeNames() {
		if rest, ok := strings.CutPrefix(t, service); ok && service != "" {
			names = append(names, rest)
		}
	}
	if len(names) == 0 {
		return "  nothing of that service is built: take it out for Berth"
	}
	question := ""
	if near := ident.Near(strings.TrimPrefix(kind, service), names); len(near) > 0 {
		question = "did you mean " + service + near[0] + "? "
	}
	return "  " + question + "built of " + service + " are " + strings.Join(names, ", ")
}

// excerpt shows a line of the template.
func (d deployment) excerpt(n int) []string {
	lines := strings.Split(d.body, "\n")
	if n < 1 || n > len(lines) {
		return nil
	}
	return []string{fmt.Sprintf("%s:%d: %s", d.name(), n, strings.TrimSpace(lines[n-1]))}
}

// lineOf is the number of the first line that has one of the words, or 0.
func (d deployment) lineOf(words ...string) int {
	for i, line := range strings.Split(d.body, "\n") {
		for _, w := range words {
			if at := strings.Index(line, w); at >= 0 && !partOfWord(line[at+len(w):]) {
				return i + 1
			}
		}
	}
	return 0
}

// lineBelow is the number of the first line with a key below a resource.
func (d deployment) lineBelow(resource, key string) int {
	within := false
	for i, line := range strings.Split(d.body, "\n") {
		bare := strings.ReplaceAll(line, `"`, "")
		within = within || strings.HasPrefix(strings.TrimSpace(bare), resource+":")
		if within && strings.Contains(bare, key+":") {
			return i + 1
		}
	}
	return 0
}

func partOfWord(rest string) bool {
	return rest != "" && (rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= 'A' && rest[0] <= 'Z' || rest[0] >= '0' && rest[0] <= '9')
}

func (d deployment) name() string { return first(d.file, "the built-in template") }
