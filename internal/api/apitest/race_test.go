//go:build race

package apitest_test

// raced says that the race detector is in the program: its CPU time tells nothing.
const raced = true
