package front

import (
	"fmt"
	"slices"
	"strings"

	"berth/internal/wire"
)

// Compatibility writes docs/COMPATIBILITY.md: of each service, the operations
// and members that are built. It fails on a fields.txt or a resources.txt that
// does not fit.
func Compatibility(services []Service) (string, error) {
	var b strings.Builder
	b.WriteString("# Compatibility\n\n" +
		"Generated from the API models and each API package's `fields.txt`. An operation that is not listed here answers `InvalidAction`\n" +
		"(`UnknownOperationException` in JSON), a parameter `NotImplemented`, and both are named; nothing is accepted and ignored. A parameter\n" +
		"with `(≠value)` is taken at that value, its default, and refused at any other.\n\n" +
		"What depends on the machine: tasks, images and instance types of a CPU architecture (`X86_64`, `ARM64`) that the host does not run are\n" +
		"refused, and `berth explain` names both; there are no GPUs (`resourceRequirements`, types with accelerators).\n\n| service | API version | operations built | in the model |\n| --- | --- | --- | --- |\n")
	var details strings.Builder
	for _, e := range services {
		f, err := readFields(e.Meta, e.Fields)
		if err == nil {
			err = describe(&details, e.Meta, f)
		}
		if err == nil {
			err = e.fitResources()
		}
		if err != nil {
			return "", fmt.Errorf("files of %s: %w", e.Meta.Name, err)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d |\n", e.Meta.Title, e.Meta.Version, len(f), len(e.Meta.Operations()))
	}
	return b.String() + details.String(), nil
}

func describe(b *strings.Builder, s *wire.Service, f map[string]func() (fields, error)) error {
	fmt.Fprintf(b, "\n## %s\n\n| operation | parameters built | refused |\n| --- | --- | --- |\n", s.Title)
	for _, name := range s.Operations() {
		if read, ok := f[name]; ok {
			one, err := read()
			if err != nil {
				return err
			}
			built, refused := one.columns(s.Operation(name))
			fmt.Fprintf(b, "| %s | %s | %s |\n", name, built, refused)
		}
	}
	return nil
}

// columns says what is built and what is not, the shorter way round.
func (f fields) columns(op *wire.Operation) (built, refused string) {
	var yes, no []string
	for _, m := range op.Input().Members {
		switch {
		case f.built[m.Name]:
			yes = append(yes, m.Name)
		case !f.judged(m.Name):
			no = append(no, m.Name)
		}
	}
	built = strings.Join(yes, " ")
	if len(yes) == len(op.Input().Members) {
		built = "all"
	}
	for _, r := range f.refused {
		no = append(no, r.String())
	}
	slices.Sort(no)
	return built, strings.Join(no, " ")
}

// fitResources reads every line of the service's resources.txt.
func (s Service) fitResources() error {
	lines, err := readResources(s.Meta, s.Resources, s.Finders)
	if err != nil {
		return err
	}
	for _, read := range lines {
		if _, err := read(); err != nil {
			return err
		}
	}
	return nil
}
