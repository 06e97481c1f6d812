package balancer_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees that no goroutine outlives the tests; the client's idle
// connections are its own and are closed first.
func TestMain(m *testing.M) {
	code := m.Run()
	client.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}
