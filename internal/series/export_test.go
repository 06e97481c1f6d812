package series

// Small has tables written after few bytes.
func Small(o Options) Options {
	o.memTable = 128 << 10
	return o
}
