package state_test

import (
	"fmt"
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/state"
)

// Proves: D48
func TestAServiceKeepsAHundredEvents(t *testing.T) {
	var s model.Service
	for i := range 250 {
		state.ServiceEvent(&s, model.ServiceEvent{ID: "id", At: time.Unix(int64(i), 0), Message: fmt.Sprint("event ", i)})
	}
	if len(s.Events) != 100 || s.Events[0].Message != "event 249" || s.Events[99].Message != "event 150" {
		t.Errorf("%d events, from %q to %q", len(s.Events), s.Events[0].Message, s.Events[len(s.Events)-1].Message)
	}
}
