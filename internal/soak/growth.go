package soak

import (
	"fmt"
	"slices"
	"strings"
)

// Sample is a figure of one process, taken at rest. Only samples of one
// process and one kind are compared: Kind names what ran meanwhile.
type Sample struct {
	Process string // "server 4711"
	Kind    string // "2 tasks on 1 instance"
	Figure  string // "goroutines"
	Value   float64
}

// Allowance is how much a figure may grow within the life of a process.
type Allowance struct {
	Part     float64 // of what it was at first
	Absolute float64
}

// least is how many comparable samples a judgement needs.
const least = 6

// Growth compares the middle of the first third of comparable samples with
// that of the last third, and tells what grew by more than it may. judged is
// how many series were long enough.
func Growth(all []Sample, may map[string]Allowance) (grown []string, judged int) {
	lives := map[string][]float64{}
	var order []string
	for _, s := range all {
		k := s.Process + ", " + s.Kind + "\x00" + s.Figure
		if lives[k] == nil {
			order = append(order, k)
		}
		lives[k] = append(lives[k], s.Value)
	}
	for _, k := range order {
		v := lives[k]
		if len(v) < least {
			continue
		}
		judged++
		process, figure, _ := strings.Cut(k, "\x00")
		first, last := median(v[:len(v)/3]), median(v[len(v)-len(v)/3:])
		if a := may[figure]; last > first+a.Absolute+first*a.Part {
			grown = append(grown, fmt.Sprintf("%s: %s grew from %.0f to %.0f over %d samples at rest", process, figure, first, last, len(v)))
		}
	}
	return grown, judged
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
