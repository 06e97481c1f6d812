package balancer_test

import (
	"testing"

	"berth/internal/leaktest"
)

// TestMain sees that no goroutine outlives the tests; the client's idle
// connections are its own and are closed first.
func TestMain(m *testing.M) { leaktest.Main(m, client.CloseIdleConnections) }
