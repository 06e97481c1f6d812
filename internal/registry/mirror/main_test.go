package mirror_test

import (
	"testing"

	"berth/internal/leaktest"
)

// TestMain sees that no goroutine outlives the tests.
func TestMain(m *testing.M) { leaktest.Main(m) }
