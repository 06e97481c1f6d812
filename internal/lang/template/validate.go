package template

// Validate holds every active resource against the facts of its type, before
// anything exists. Errors are in CloudFormation's words; what is not built is
// refused first, all of it in one answer.
func (b *Bound) Validate() error {
	if err := b.Built(); err != nil {
		return err
	}
	props := make([]map[string]any, len(b.active))
	for i, r := range b.active {
		var err error
		if props[i], err = b.Properties(r.ID, Nothing); err != nil {
			return err
		}
	}
	if err := b.unbuilt(props); err != nil {
		return err
	}
	for i, r := range b.active {
		t, _ := TypeOf(r.Type)
		if _, problems := t.Coerce(props[i]); len(problems) > 0 {
			return Problem(r.ID, problems)
		}
	}
	return nil
}
