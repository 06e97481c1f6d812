package daemon

import (
	"os"

	"berth/internal/kernel"
	"berth/internal/machine/local"
)

// users is user 0 of containers on this host, or 0 where the kernel gives them no
// user namespaces.
func (s *server) users() int {
	first, err := local.TakeUsers(s.cfg.Data)
	if err == nil {
		err = os.MkdirAll(s.imagesDir(), 0o711)
	}
	if err == nil {
		err = kernel.CheckUsers(first, s.imagesDir())
	}
	if err != nil {
		s.lack("containers have no user namespaces, root in them is root to the kernel", err)
		return 0
	}
	return first
}
