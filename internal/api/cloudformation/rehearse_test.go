package cloudformation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// refusing has the fixture's rehearsals refuse two things, and notes the stacks
// that were tried.
func refusing(h *fixture) *[]model.Stack {
	var tried []model.Stack
	h.Rehearse = func(_ context.Context, _ time.Time, s model.Stack, fixed bool) ([]model.StackRefusal, error) {
		if fixed {
			s.Description = "fixed"
		}
		tried = append(tried, s)
		return []model.StackRefusal{
			{Resource: "G", Type: "T", Paths: []string{"/a", "/b"}, Reason: "wrong"},
			{Resource: "H", Type: "U", Paths: []string{"/c"}, Reason: "missing", NotBuilt: true},
		}, nil
	}
	return &tried
}

func TestAChangeSetIsRefusedWithAllThatWouldBe(t *testing.T) {
	h := newFixture(t)
	tried := refusing(h)
	for what, err := range map[string]error{
		"change set": h.change("s", "c", "CREATE", logs),
		"validate": func() error {
			_, err := h.ValidateTemplate(h.ctx(), &shape.ValidateTemplateInput{TemplateBody: wire.Ptr(logs)})
			return err
		}(),
	} {
		if err == nil || !strings.Contains(err.Error(), "- [/a, /b] (T) wrong\n- [/c] (U) missing") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{StackName: wire.Ptr("s")}); err == nil {
		t.Error("there is a stack")
	}
	for _, s := range *tried {
		if s.Status != model.StackCreateInProgress || s.Template != logs || s.Operation != 1 {
			t.Errorf("tried: %+v", s)
		}
	}
	if n := len(*tried); n != 2 {
		t.Errorf("%d stacks were tried", n)
	}
}

// CreateStack and UpdateStack find out on the way what is refused, as on AWS,
// but for what is not built.
func TestAStackIsRefusedForWhatIsNotBuilt(t *testing.T) {
	h := newFixture(t)
	if err := h.create("s", logs); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	tried := refusing(h)
	changed := strings.Replace(logs, "7", "14", 1)
	_, update := h.UpdateStack(h.ctx(), &shape.UpdateStackInput{StackName: wire.Ptr("s"), TemplateBody: &changed})
	for what, err := range map[string]error{"create": h.create("t", logs), "update": update} {
		if err == nil || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := (*tried)[0]; got.Status != model.StackUpdateInProgress || got.Template != changed || got.Operation != 2 {
		t.Errorf("tried: %+v", got)
	}
}

// What cannot be tried is not refused for that; what is wrong before is
// refused in its own words.
func TestARehearsalThatFailsRefusesNothing(t *testing.T) {
	h := newFixture(t)
	h.Rehearse = func(context.Context, time.Time, model.Stack, bool) ([]model.StackRefusal, error) {
		return nil, errors.New("no stage")
	}
	if err := h.create("s", logs); err != nil {
		t.Error(err)
	}
	if err := h.create("s", logs); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("twice: %v", err)
	}
	for _, body := range []string{"{", "Resources: {A: {Type: AWS::No::Type}}"} {
		if err := h.change("u", "c", "CREATE", body); err == nil || strings.Contains(err.Error(), "tried") {
			t.Errorf("%s: %v", body, err)
		}
	}
	hard := "Parameters: {P: {Type: String, AllowedPattern: 'zebra[0-9]'}}\n" + logs
	if _, err := h.ValidateTemplate(h.ctx(), &shape.ValidateTemplateInput{TemplateBody: &hard}); err != nil {
		t.Error(err)
	}
	if _, err := h.UpdateStack(h.ctx(), &shape.UpdateStackInput{StackName: wire.Ptr("nobody"), TemplateBody: wire.Ptr(logs)}); err == nil {
		t.Error("nobody was updated")
	}
}
