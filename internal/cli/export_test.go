package cli

// What draws on terminals, for the tests: a buffer is none.
var (
	Fit        = fit
	Paragraphs = paragraphs
	Program    = program
)
