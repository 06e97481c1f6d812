package disk

import (
	"bytes"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/fault"
)

// What is large stops while there is space for the state, in mid-file too.
func TestLargeFilesLeaveSpaceForTheState(t *testing.T) {
	t.Parallel()
	s := &small{FS: vfs.NewMem()}
	s.total.Store(100 << 30)
	s.free.Store(256 << 20)
	through := spare("/data", s)
	data := bytes.NewReader(make([]byte, 3*lookEvery))
	r := through(data)
	if n, err := io.CopyN(io.Discard, r, lookEvery); err != nil || n != lookEvery {
		t.Fatalf("with space: %d, %v", n, err)
	}
	s.free.Store(255 << 20)
	if n, err := io.Copy(io.Discard, r); !fault.Is(err, fault.Unavailable) || n > lookEvery {
		t.Errorf("without space: %d, %v", n, err)
	}
}
