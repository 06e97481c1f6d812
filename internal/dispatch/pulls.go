package dispatch

import (
	"net/http"

	"berth/internal/fault"
	"berth/internal/lang/reference"
	"berth/internal/state"
)

// Pulls says whether a request is an agent's for an image that a task on its
// own instance has, and is not over; repository is REGISTRY/REPOSITORY, or ""
// for none. The error is fault.Denied.
func (d *Gateway) Pulls(r *http.Request, repository string) error {
	p, err := d.Authenticate(r)
	if err != nil {
		return err
	}
	view := d.DB.View()
	in, ok := state.Instances.Get(view, p.Session)
	if !ok {
		return fault.New(fault.Denied, "", "%s is no instance of this server", p.ARN)
	}
	if err := speaks(p, in); err != nil || repository == "" {
		return err
	}
	for t := range state.Tasks.Each(view, "instance", in.ARN) {
		for _, c := range t.Containers {
			if ref, err := reference.Parse(c.Image); err == nil && ref.Name() == repository && t.StoppedAt.IsZero() {
				return nil
			}
		}
	}
	return fault.New(fault.Denied, "", "no task on %s has an image of %s", in.ID, repository)
}
