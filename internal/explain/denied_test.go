package explain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// `berth explain denied` names what decided, the newest call first.
func TestDeniedCallsAreToldOf(t *testing.T) {
	db := world(t, nil)
	if a, ok := explain.Find(db.View(), "denied", now); !ok || a.Cure != "" || !strings.Contains(a.Say[0], "no call") {
		t.Errorf("of nothing: %+v", a)
	}
	for i := range 25 {
		at := now.Add(time.Duration(i) * time.Second)
		if err := db.Update(t.Context(), "access", func(tx *store.Tx) error {
			return state.Note(tx, at, model.Decision{
				By: "access", Subject: "arn:aws:iam::1:user/ann", Verb: "denied", Facts: map[string]string{"principal": "arn:aws:iam::1:user/ann"},
				Reason: fmt.Sprintf("ecs:StopTask on %d: denied by statement 1 (No) of policy p", i),
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := explain.Find(db.View(), "denied", now)
	const newest = "user/ann: ecs:StopTask on 24: denied by statement 1 (No) of policy p"
	if len(a.Say) != 20 || !strings.HasSuffix(a.Say[0], newest) || a.Cure == "" {
		t.Errorf("%d lines, %+v", len(a.Say), a)
	}
}
