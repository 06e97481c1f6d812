package function_test

import (
	"context"
	"os"
	"testing"

	"berth/internal/leaktest"

	"berth/internal/container/runc"
)

// TestMain lets the test program be the parent of the sandboxes. No goroutine
// outlives the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		if err := runc.ShimMain(context.Background(), os.Args[2:]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}
