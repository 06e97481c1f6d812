package image

import "os"

// SetAllocate has a test be the volume that a store's space is set aside on.
func SetAllocate(s *Store, f func(file *os.File, size int64) error) { s.charge.allocate = f }

// Measure is measure, for tests.
func Measure(dir string) (int64, error) { return measure(dir) }
