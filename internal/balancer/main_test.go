package balancer_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees that no goroutine outlives the tests; the client's idle
// connections are its own and are closed first.
func TestMain(m *testing.M) { goleak.VerifyTestMain(closing{m}) }

type closing struct{ *testing.M }

func (c closing) Run() int {
	defer client.CloseIdleConnections()
	return c.M.Run()
}
