package network

// Compiled is how many parts of the network were compiled, and how often an
// owner was looked at.
func (l *Controller) Compiled() int {
	return l.host.routers.Made() + l.host.ifaces.Made() + l.moving.Made()
}
