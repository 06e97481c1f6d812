package cli

import "context"

// What draws on terminals, for the tests: a buffer is none.
var (
	Fit        = fit
	Paragraphs = paragraphs
	Program    = program
)

// Target is where an image is pushed, as a name.
func Target(name string) (string, error) {
	r, err := target(name)
	return r.String(), err
}

// Lacks is what a server that did not start is told of its machine.
func Lacks(ctx context.Context, h Hooks, s ServerConfig) string {
	return (&app{hooks: h}).lacks(ctx, s)
}
