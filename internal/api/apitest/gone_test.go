package apitest_test

import (
	"context"
	"errors"
	"testing"

	"berth/internal/api/apitest"
)

// TestNothingIsBegunForWhoHasGone calls every operation for a caller who has gone
// by then: it says so, whatever else there would be to say, and changes nothing.
func TestNothingIsBegunForWhoHasGone(t *testing.T) {
	t.Parallel()
	w := apitest.NewWorld(t)
	fill(t, w)
	gone, leave := context.WithCancel(t.Context())
	leave()
	before := w.DB.View().Revision()
	for _, s := range apitest.Services {
		for _, name := range s.Operations() {
			op := s.Operation(name)
			if !op.Built() {
				continue
			}
			_, err := w.Invoke(gone, s.Name, name, (&maker{}).structure(op.Input(), 0))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s %s: %v", s.Name, name, err)
			}
		}
	}
	if after := w.DB.View().Revision(); after != before {
		t.Errorf("the state went from revision %d to %d", before, after)
	}
}
