package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// needed are the controllers without which instances have no limits.
var needed = []string{"cpu", "memory", "pids"}

// Describe says which mode this machine has, "" if none, and which of the needed
// controllers are not there.
func Describe() (mode string, missing []string) {
	h, err := Detect()
	if err != nil {
		return "", needed
	}
	there := func(c string) bool { return h.v1[c] != "" }
	if h.pure() {
		text, _ := os.ReadFile(filepath.Join(h.unified, "cgroup.controllers")) // none if it cannot be read
		all := strings.Fields(string(text))
		there = func(c string) bool { return slices.Contains(all, c) }
	}
	return h.Mode(), slices.DeleteFunc(slices.Clone(needed), there)
}
