// Package flaky gives a test that is known to be unsteady a second chance, and
// only such a test: it is marked by name, with the reason and the day, is
// counted at the end of `make ci`, and must be mended within two weeks (a test
// of the whole repository reads the marks). It belongs to tests and holds
// nothing.
package flaky

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// chances is how often a marked test runs at most.
const chances = 2

// inner marks the process that runs the body.
const inner = "BERTH_FLAKY_INNER"

// Run runs the body of an unsteady test: in a process of its own, since a test
// that failed cannot be made undone, and again if it fails. It says why the
// test is unsteady and since when (2006-01-02), both literally. A second run is
// noted in the file that BERTH_FLAKY names.
func Run(t *testing.T, why, day string, body func(t *testing.T)) {
	t.Helper()
	if os.Getenv(inner) == t.Name() {
		body(t)
		return
	}
	for n := range chances {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inner+"="+t.Name())
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		t.Logf("run %d of a test that is unsteady (%s, since %s): %v\n%s", n+1, why, day, err, out)
		note(t.Name())
	}
	t.Errorf("failed %d times", chances)
}

func note(test string) {
	f, err := os.OpenFile(os.Getenv("BERTH_FLAKY"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintln(f, test)
}
