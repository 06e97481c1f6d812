package daemon_test

import (
	"io"
	"testing"

	"berth/internal/daemon"
)

// A server reads the members of a fields.txt when an operation is first
// called; here all are held against the models.
func TestEveryFieldsTxtFitsItsModel(t *testing.T) {
	if err := daemon.Compatibility(io.Discard); err != nil {
		t.Fatal(err)
	}
}
