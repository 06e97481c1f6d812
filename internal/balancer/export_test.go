package balancer

// Glob matches a pattern with * and ?.
func Glob(pattern, s string) bool { return glob(pattern, s) }
