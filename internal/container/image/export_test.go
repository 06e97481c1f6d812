package image

import (
	"context"
	"io"
	"os"
	"syscall"
)

// UnpackInto is Unpack onto a volume that has so many bytes.
func UnpackInto(ctx context.Context, r io.Reader, dir string, space int64) error {
	s := Store{Deps: Deps{Spare: func(r io.Reader) io.Reader { return r }}}
	return s.unpack(ctx, r, dir, func(n int64) error {
		if space -= n; space < 0 {
			return syscall.ENOSPC
		}
		return nil
	})
}

// SetAllocate has a test be the volume that a store's space is set aside on.
func SetAllocate(s *Store, f func(file *os.File, size int64) error) { s.charge.allocate = f }

// Measure is measure, for tests.
func Measure(dir string) (int64, error) { return measure(dir) }
