package runc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"berth/internal/leaktest"

	"berth/internal/container/runc"
)

// TestMain lets the test program be what the real one is: the parent of a
// container when it is called as "shim". No goroutine outlives the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		err := runc.ShimMain(context.Background(), os.Args[2:])
		var exit runc.ExitError
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}
