package disk

import (
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/fault"
)

// lookEvery is how much is read between two looks at the disk: a small part of
// what is left free.
const lookEvery = 8 << 20

// Spare returns what passes on bytes for large files of a data folder, such as
// images, as long as they leave space for the state: four times what writes of that
// leave. Then reading is fault.Unavailable.
func Spare(dir string) func(io.Reader) io.Reader { return spare(dir, vfs.Default) }

func spare(dir string, real vfs.FS) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader { return &sparing{r: r, dir: dir, real: real} }
}

// sparing reads on while there is space.
type sparing struct {
	r    io.Reader
	dir  string
	real vfs.FS
	left int // bytes until the next look
}

// Read implements io.Reader.
func (s *sparing) Read(p []byte) (int, error) {
	if s.left <= 0 {
		if err := s.look(); err != nil {
			return 0, err
		}
		s.left = lookEvery
	}
	n, err := s.r.Read(p)
	s.left -= n
	return n, err
}

func (s *sparing) look() error {
	u, err := s.real.GetDiskUsage(s.dir)
	if err != nil || u.AvailBytes >= low*least(u) {
		return nil //nolint:nilerr // what cannot be told is no reason to refuse
	}
	return fault.New(
		fault.Unavailable, "", "The disk of %s is nearly full: %d MiB are free, and images and the like leave %d. Free some and try again.", s.dir,
		u.AvailBytes>>20, low*least(u)>>20,
	)
}
