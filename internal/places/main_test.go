package places

import (
	"testing"

	"berth/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
