package cloudformation_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	api "berth/internal/api/cloudformation"
	"berth/internal/clock"
	"berth/internal/model"
	"berth/internal/presigned"
	"berth/internal/state"
	"berth/internal/store"
)

// An answer is taken once, at the address of a request that is under way, in
// time.
//
// Proves: D140, D142
func TestAnAnswerIsTakenOnceAndInTime(t *testing.T) {
	t.Parallel()
	h := deployed(t)
	id := state.Stacks.By(h.db.View(), "name", "s")[0].ID
	now := h.Clock.Now()
	put := func(status model.StackStatus) {
		h.rest("s", status)
		h.edit("s", func(tx *store.Tx, _ *model.Stack) error {
			return state.StackResources.Put(tx, model.StackResource{
				Stack: id, LogicalID: "R", Type: "Custom::R", Memo: map[string]string{
					model.MemoRequest: "1-2", model.MemoSignature: "abc", model.MemoUntil: now.Add(time.Minute).Format(time.RFC3339Nano),
				},
			})
		})
	}
	put(model.StackUpdateInProgress)
	answers := &api.Answers{API: h.API}
	good := presigned.Address{
		Bucket: presigned.Responses, Stack: id, LogicalID: "R", Act: "1-2", Signature: "abc", Expires: now.Add(time.Minute),
	}
	send := func(method string, a presigned.Address, body io.Reader) (int, string) {
		r := httptest.NewRequest(method, a.URL(h.Place.Region), body)
		if !answers.Serves(r) {
			t.Errorf("%s is not served", r.URL)
		}
		w := httptest.NewRecorder()
		answers.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	kept := func() []model.StackSignal { return state.StackSignals.By(h.DB.View(), "stack", id) }
	for name, c := range map[string]struct {
		method string
		change func(*presigned.Address)
		want   string
	}{
		"read":               {http.MethodGet, func(*presigned.Address) {}, "<Code>MethodNotAllowed</Code>"},
		"another request":    {http.MethodPut, func(a *presigned.Address) { a.Act = "1-3" }, "<Code>AccessDenied</Code>"},
		"no request":         {http.MethodPut, func(a *presigned.Address) { a.Act = "" }, "<Code>AccessDenied</Code>"},
		"another resource":   {http.MethodPut, func(a *presigned.Address) { a.LogicalID = "S" }, "<Code>AccessDenied</Code>"},
		"another stack":      {http.MethodPut, func(a *presigned.Address) { a.Stack = "t" }, "<Code>AccessDenied</Code>"},
		"another signature":  {http.MethodPut, func(a *presigned.Address) { a.Signature = "abd" }, "<Code>SignatureDoesNotMatch</Code>"},
		"without signatures": {http.MethodPut, func(a *presigned.Address) { a.Signature = "" }, "<Code>SignatureDoesNotMatch</Code>"},
	} {
		a := good
		c.change(&a)
		if code, text := send(c.method, a, strings.NewReader("{}")); code == http.StatusOK || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if code, text := send(http.MethodPut, good, iotest.ErrReader(errors.New("gone"))); code != http.StatusBadRequest {
		t.Errorf("a broken body: %d %s", code, text)
	}
	if len(kept()) > 0 {
		t.Errorf("kept %v", kept())
	}
	if code, text := send(http.MethodPut, good, strings.NewReader(strings.Repeat("x", 1<<20))); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if code, text := send(http.MethodPut, good, strings.NewReader("{}")); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if got := kept(); len(got) != 1 || got[0].Act != "1-2" || len(got[0].Body) != model.MaxAnswer+1 {
		t.Errorf("kept %d", len(got))
	}
	h.Clock.(*clock.Stepped).Advance(time.Minute)
	code, text := send(http.MethodPut, good, strings.NewReader("{}"))
	if code != http.StatusForbidden || !strings.Contains(text, "Request has expired") {
		t.Errorf("late: %d %s", code, text)
	}
	put(model.StackUpdateComplete)
	code, text = send(http.MethodPut, good, strings.NewReader("{}"))
	if code != http.StatusForbidden || !strings.Contains(text, "Access Denied") {
		t.Errorf("at rest: %d %s", code, text)
	}
}
