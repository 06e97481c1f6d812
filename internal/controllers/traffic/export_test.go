package traffic

// Compiled is how many parts of the data plane's configuration were compiled.
func (l *Controller) Compiled() int {
	c := l.plane.config
	return c.balancers.Made() + c.listeners.Made() + c.groups.Made()
}
