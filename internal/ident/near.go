package ident

import (
	"cmp"
	"slices"
	"strings"
)

// Near returns which of the names somebody who wrote word may have meant, the
// likeliest first and at most three: the same but for case, one that holds the
// word or is held by it, or one that a few slips of the finger away is.
func Near(word string, names []string) []string {
	type hit struct {
		name string
		far  int
	}
	w := strings.ToLower(word)
	var hits []hit
	for _, name := range names {
		n := strings.ToLower(name)
		far := distance(w, n)
		switch short := min(len(w), len(n)); {
		case n == w:
			far = 0
		case short >= 3 && (strings.Contains(n, w) || strings.Contains(w, n)):
			far = min(far, 1)
		case far > max(1, len(w)/3):
			continue
		}
		hits = append(hits, hit{name, far})
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.far, b.far) })
	var out []string
	for _, h := range hits {
		if len(out) < 3 && !slices.Contains(out, h.name) {
			out = append(out, h.name)
		}
	}
	return out
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour that make one word of the other.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := one[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, one[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
