package cloudformation

import (
	"fmt"
	"io"
	"net/http"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/presigned"
	"berth/internal/state"
	"berth/internal/store"
)

// Answers takes what the providers of custom resources put to the address of a
// request, as S3 does; controllers/stack reads it.
type Answers struct{ API *API }

// Serves reports whether a request is for the bucket of answers.
func (h *Answers) Serves(r *http.Request) bool {
	_, ok := presigned.Parse(r, h.API.Place.Region)
	return ok
}

// ServeHTTP implements http.Handler. An answer is taken while its request is
// under way and until the request's end, the first one only; it is AccessDenied,
// SignatureDoesNotMatch or MethodNotAllowed otherwise, in S3's form.
func (h *Answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		refuseAnswer(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, model.MaxAnswer+1))
	if err != nil {
		refuseAnswer(w, http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly")
		return
	}
	switch err := h.Put(r, body); {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case fault.Is(err, fault.Denied):
		refuseAnswer(w, http.StatusForbidden, fault.CodeOf(err), fault.MessageOf(err))
	default:
		refuseAnswer(w, http.StatusServiceUnavailable, "ServiceUnavailable", "Please try again.")
	}
}

// Put takes the body that came with a request.
func (h *Answers) Put(r *http.Request, body []byte) error {
	at, _ := presigned.Parse(r, h.API.Place.Region)
	now := h.API.Clock.Now()
	return h.API.DB.Update(r.Context(), writer, func(tx *store.Tx) error {
		if err := h.may(tx, at); err != nil {
			return err
		}
		sig := model.StackSignal{
			Stack: at.Stack, LogicalID: at.LogicalID, Act: at.Act, UniqueID: "response", Status: model.SignalSuccess, At: now, Body: string(body),
		}
		if _, again := state.StackSignals.Get(tx, state.StackSignals.Key(sig)); again {
			return nil
		}
		return state.StackSignals.Put(tx, sig)
	})
}

// may says why an answer at an address is not taken.
func (h *Answers) may(r store.Reader, at presigned.Address) error {
	s, ok := state.Stacks.Get(r, at.Stack)
	rec, found := state.StackResources.Get(r, at.Stack+"|"+at.LogicalID)
	signature, until, asked := rec.Asked(at.Act)
	switch {
	case !ok || !found || !asked || !s.Status.InProgress():
		return fault.New(fault.Denied, "AccessDenied", "Access Denied")
	case !at.Signed(signature):
		return fault.New(fault.Denied, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	case !h.API.Clock.Now().Before(until):
		return fault.New(fault.Denied, "AccessDenied", "Request has expired")
	}
	return nil
}

func refuseAnswer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}
