package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/lambda"
)

// Invoke calls a function: RequestResponse waits for its answer, Event hands
// it to the queue, DryRun only checks. Errors: ResourceNotFoundException,
// ResourceConflictException, InvalidRequestContentException,
// RequestTooLargeException, TooManyRequestsException, ServiceException.
func (a *API) Invoke(ctx context.Context, in *shape.InvokeInput) (*shape.InvokeOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if fn.State != active {
		return nil, conflict("The operation cannot be performed at this time. The function is currently in the following state: %s", fn.State)
	}
	kind := wire.Or(in.InvocationType, "RequestResponse")
	if err := checkPayload(in.Payload, kind); err != nil {
		return nil, err
	}
	call := function.Invocation{RequestID: wire.CallFrom(ctx).RequestID, Payload: in.Payload}
	if call.RequestID == "" {
		call.RequestID = a.IDs.UUID()
	}
	if call.ClientContext, err = clientContext(in.ClientContext); err != nil {
		return nil, err
	}
	switch kind {
	case "DryRun":
		return &shape.InvokeOutput{StatusCode: wire.Ptr(int64(http.StatusNoContent))}, nil
	case "Event":
		a.Events.Put(ctx, fn, call)
		return &shape.InvokeOutput{StatusCode: wire.Ptr(int64(http.StatusAccepted))}, nil
	}
	res, err := a.Functions.Invoke(ctx, fn, call)
	if err != nil {
		return nil, err
	}
	out := &shape.InvokeOutput{StatusCode: wire.Ptr(int64(http.StatusOK)), Payload: res.Payload, ExecutedVersion: wire.Ptr(latest)}
	if res.FunctionError != "" {
		out.FunctionError = wire.Ptr(res.FunctionError)
	}
	if wire.Val(in.LogType) == "Tail" {
		out.LogResult = wire.Ptr(base64.StdEncoding.EncodeToString([]byte(res.LogTail)))
	}
	return out, nil
}

// Limits of a request's payload.
const (
	maxRequest = 6 << 20
	maxEvent   = 1 << 20
)

func checkPayload(payload []byte, kind string) error {
	limit := maxRequest
	if kind == "Event" {
		limit = maxEvent
	}
	if len(payload) > limit {
		return fault.New(
			fault.Invalid, "RequestTooLargeException", "%d byte payload is too large for the %s invocation type (limit %d bytes)", len(payload),
			kind, limit,
		)
	}
	if len(payload) > 0 && (!utf8.Valid(payload) || !json.Valid(payload)) {
		return fault.New(
			fault.Invalid, "InvalidRequestContentException",
			"Could not parse request body into json: Could not parse payload into json: Unexpected character or end of input",
		)
	}
	return nil
}

// clientContext is sent as base64 and given to the function as it was.
func clientContext(p *string) (string, error) {
	if p == nil {
		return "", nil
	}
	data, err := base64.StdEncoding.DecodeString(*p)
	if err != nil || !json.Valid(data) {
		return "", fault.New(fault.Invalid, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
	}
	return string(data), nil
}

// CodePath is where CodeHandler is to be mounted.
const CodePath = "/_berth/functions/"

// CodeHandler serves deployment packages by the digest after CodePath, in
// URL-safe base64.
func (a *API) CodeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(r.URL.Path, CodePath))
		if err != nil || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		f, err := a.Code.Open(base64.StdEncoding.EncodeToString(sum))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			http.Error(w, "read package", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/zip")
		http.ServeContent(w, r, "", info.ModTime(), f)
	})
}

// CodeLocation is a package's address below a server's own.
func CodeLocation(server, digest string) string {
	sum, err := base64.StdEncoding.DecodeString(digest)
	if err != nil {
		return ""
	}
	return server + CodePath + base64.URLEncoding.EncodeToString(sum)
}
