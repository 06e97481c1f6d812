// Package leaktest runs a package's tests and fails them if a goroutine
// outlives them. It belongs to tests and holds nothing.
package leaktest

import (
	"testing"

	"go.uber.org/goleak"
)

// patience is how often goleak looks, half a second each time: on a busy
// machine a process that was told to end takes a while.
const patience = 20

// Main is the end of a TestMain: goleak.VerifyTestMain with patience. What is
// still open and belongs to all tests, such as a client's idle connections, is
// closed first.
func Main(m *testing.M, closing ...func()) { goleak.VerifyTestMain(main{m, closing}) }

type main struct {
	*testing.M
	closing []func()
}

// Run implements goleak.TestingM.
func (m main) Run() int {
	code := m.M.Run()
	for _, c := range m.closing {
		c()
	}
	for range patience {
		if code != 0 || goleak.Find() == nil {
			break
		}
	}
	return code
}
