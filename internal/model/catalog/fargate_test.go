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

func TestFargatePrice(t *testing.T) {
	if got, want := catalog.FargatePrice("ap-northeast-1", 512, 2048), 0.05056/2+2*0.00553; got < want-1e-9 || got > want+1e-9 {
		t.Errorf("half a vCPU and 2 GiB are %v an hour, want %v", got, want)
	}
	if got := catalog.FargatePrice("nowhere-1", 512, 2048); got != 0 {
		t.Errorf("a Region that is none costs %v", got)
	}
}
