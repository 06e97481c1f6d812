//go:build !race

package apitest_test

const raced = false
