package catalog_test

import (
	"testing"

	"berth/internal/model/catalog"
)

// Proves: FG1
func TestFargateSizes(t *testing.T) {
	pairs := map[int64]int{256: 3, 512: 4, 1024: 7, 2048: 13, 4096: 23, 8192: 12, 16384: 12}
	for cpu := int64(-1); cpu <= 32768; cpu++ {
		n := 0
		for memory := int64(-512); cpu%128 == 0 && memory <= 1<<18; memory += 256 {
			if catalog.IsFargateSize(cpu, memory) {
				n++
			}
		}
		if n != pairs[cpu] {
			t.Errorf("%d CPU units have %d sizes of memory, want %d", cpu, n, pairs[cpu])
		}
	}
	for _, bad := range [][2]int64{{256, 0}, {256, 513}, {256, 1536}, {1024, 1024}, {4096, 4096}, {8192, 20000}, {0, 512}} {
		if catalog.IsFargateSize(bad[0], bad[1]) {
			t.Errorf("%v is a size", bad)
		}
	}
}
