package template

import (
	"slices"
)

// Output is an output as the template declares it.
type Output struct {
	ID, Description, Condition string

	value, export *Node
}

func (t *Template) readOutputs(n *Node) error {
	t.Outputs = nil
	if n == nil {
		return nil
	}
	if n.Kind != Map {
		return malformed("Outputs must be an object.")
	}
	if len(n.Keys) > maxOutputs {
		return malformed("Number of outputs, %d, is greater than maximum allowed, %d", len(n.Keys), maxOutputs)
	}
	for i, id := range n.Keys {
		o, err := readOutput(id, n.Items[i])
		if err != nil {
			return err
		}
		t.Outputs = append(t.Outputs, o)
	}
	return nil
}

func readOutput(id string, n *Node) (Output, error) {
	o := Output{ID: id}
	if !alnum.MatchString(id) {
		return o, malformed("Output name %s is non alphanumeric.", id)
	}
	if n.Kind != Map {
		return o, malformed("Any Outputs member must be an object.")
	}
	for _, k := range n.Keys {
		if !slices.Contains([]string{"Value", "Description", "Export", "Condition"}, k) {
			return o, invalid("Invalid template output property '%s'", k)
		}
	}
	if o.value = n.Get("Value"); o.value == nil {
		return o, malformed("Every Outputs member must contain a Value object")
	}
	o.Description, _ = n.Get("Description").string()
	o.Condition, _ = n.Get("Condition").string()
	if e := n.Get("Export"); e != nil {
		if o.export = e.Get("Name"); o.export == nil {
			return o, malformed("Output %s is malformed. The Name field of Export must not be null or empty.", id)
		}
	}
	return o, nil
}
