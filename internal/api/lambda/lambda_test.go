package lambda_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/internal/api/lambda"
	"berth/internal/clock"
	"berth/internal/control"
	loop "berth/internal/controllers/lambda"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/lambda"
)

var place = ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

const role = "arn:aws:iam::000000000000:role/fn"

// access knows one role that Lambda may take, and that nobody may pass.
type access struct{}

func (access) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	if by.Role != role || by.Service != "lambda.amazonaws.com" {
		return ident.Principal{}, fault.New(fault.Denied, "AccessDenied", "no")
	}
	return ident.AsRole(by.Role, by.Session), nil
}

func (access) Allow(_ store.Reader, p ident.Principal, action, resource string, _ map[string]string) error {
	return fault.New(
		fault.Denied, "AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s", p.ARN, action, resource,
	)
}

type lab struct {
	*lambda.API
	t    *testing.T
	sim  *function.Sim
	loop *loop.Controller
}

func newLab(t *testing.T) *lab {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	code, err := function.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ids, c := ident.Seeded(1), clock.NewStepped(time.Unix(1_800_000_000, 0))
	sim := &function.Sim{IDs: ids}
	return &lab{
		API: lambda.New(lambda.Deps{
			DB: db, Clock: c, IDs: ids, Place: place, Access: access{}, Functions: sim, Code: code,
			Events:  &function.Queue{Driver: sim, Clock: c},
			CodeURL: func(d string) string { return lambda.CodeLocation("http://127.0.0.1:4566", d) },
		}),
		t: t, sim: sim, loop: loop.New(loop.Deps{DB: db, Functions: sim}),
	}
}

// settle runs the loop once for a function.
func (l *lab) settle(name string) {
	l.t.Helper()
	if _, err := l.loop.Reconcile(l.t.Context(), control.Request{Key: name, Now: l.Clock.Now()}); err != nil {
		l.t.Fatal(err)
	}
}

func pack(t *testing.T, source string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("index.py")
	if err == nil {
		_, err = io.WriteString(f, source)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (l *lab) input() *shape.CreateFunctionInput {
	return &shape.CreateFunctionInput{
		FunctionName: wire.Ptr("hook"), Runtime: wire.Ptr("python3.13"), Handler: wire.Ptr("index.handler"), Role: wire.Ptr(role),
		Code: &shape.FunctionCode{ZipFile: pack(l.t, "x = 1")}, Timeout: wire.Ptr(int64(90)),
		Environment: &shape.Environment{Variables: map[string]string{"APP_URL": "x"}},
	}
}

func (l *lab) create() *shape.FunctionConfiguration {
	l.t.Helper()
	out, err := l.CreateFunction(l.t.Context(), l.input())
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func want(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	if fault.CodeOf(err) != code || !strings.Contains(fault.MessageOf(err), message) {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

func TestAFunctionBecomesActive(t *testing.T) {
	l := newLab(t)
	made := l.create()
	if *made.State != "Pending" || *made.StateReasonCode != "Creating" ||
		*made.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:hook" || *made.LastModified != "2027-01-15T08:00:00.000+0000" {
		t.Errorf("created: %s %s %s", *made.State, *made.FunctionArn, *made.LastModified)
	}
	_, err := l.Invoke(t.Context(), &shape.InvokeInput{FunctionName: wire.Ptr("hook")})
	want(t, "invoke while pending", err, "ResourceConflictException", "currently in the following state: Pending")
	l.settle("hook")
	got, err := l.GetFunction(t.Context(), &shape.GetFunctionInput{FunctionName: made.FunctionArn})
	if err != nil || *got.Configuration.State != "Active" || *got.Configuration.LastUpdateStatus != "Successful" ||
		*got.Configuration.MemorySize != 128 {
		t.Fatalf("get: %+v, %v", got, err)
	}
	w := httptest.NewRecorder()
	l.CodeHandler().ServeHTTP(w, httptest.NewRequest("GET", *got.Code.Location, nil))
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), pack(t, "x = 1")) {
		t.Errorf("code at %s: %d", *got.Code.Location, w.Code)
	}
	if last, _ := state.Decisions.Last(l.DB.View()); last.Subject != *made.FunctionArn {
		t.Errorf("decision: %+v", last)
	}
}

func TestBadFunctionsAreRefusedInLambdasWords(t *testing.T) {
	l := newLab(t)
	l.create()
	for what, c := range map[string]struct {
		change        func(*shape.CreateFunctionInput)
		code, message string
	}{
		"exists": {func(*shape.CreateFunctionInput) {}, "ResourceConflictException", "Function already exist: hook"},
		"bad name": {
			func(in *shape.CreateFunctionInput) { in.FunctionName = wire.Ptr("a b") }, "ValidationException", "failed to satisfy constraint",
		},
		"no handler": {
			func(in *shape.CreateFunctionInput) { in.FunctionName, in.Handler = wire.Ptr("f"), nil }, "InvalidParameterValueException",
			"Handler and Runtime parameters are mandatory",
		},
		"no code": {
			func(in *shape.CreateFunctionInput) { in.FunctionName, in.Code = wire.Ptr("f"), nil }, "InvalidParameterValueException",
			"Please provide a source",
		},
		"no zip": {
			func(in *shape.CreateFunctionInput) { in.FunctionName, in.Code.ZipFile = wire.Ptr("f"), []byte("x") }, "InvalidParameterValueException",
			"Could not unzip uploaded file",
		},
		"role": {
			func(in *shape.CreateFunctionInput) { in.FunctionName, in.Role = wire.Ptr("f"), wire.Ptr(role+"x") }, "InvalidParameterValueException",
			"The role defined for the function cannot be assumed by Lambda.",
		},
		"runtime": {
			func(in *shape.CreateFunctionInput) { in.FunctionName, in.Runtime = wire.Ptr("f"), wire.Ptr("java21") }, "NotImplemented", "java21",
		},
		"architecture": {func(in *shape.CreateFunctionInput) {
			in.FunctionName, in.Architectures = wire.Ptr("f"), []string{"arm64"}
		}, "NotImplemented", "arm64"},
		"reserved": {func(in *shape.CreateFunctionInput) {
			in.FunctionName, in.Environment.Variables = wire.Ptr("f"), map[string]string{"AWS_REGION": "x"}
		}, "InvalidParameterValueException", "reserved keys"},
		"too much": {func(in *shape.CreateFunctionInput) {
			in.FunctionName, in.Environment.Variables = wire.Ptr("f"), map[string]string{"A": strings.Repeat("x", 5000)}
		}, "InvalidParameterValueException", "4KB limit"},
		"json logs": {func(in *shape.CreateFunctionInput) {
			in.FunctionName, in.LoggingConfig = wire.Ptr("f"), &shape.LoggingConfig{LogFormat: wire.Ptr("JSON")}
		}, "NotImplemented", "LogFormat JSON"},
	} {
		in := l.input()
		c.change(in)
		_, err := l.CreateFunction(t.Context(), in)
		want(t, what, err, c.code, c.message)
	}
	if n := state.Functions.Len(l.DB.View()); n != 1 {
		t.Errorf("%d functions", n)
	}
	ctx := wire.WithCall(t.Context(), wire.Call{Principal: ident.AsRole("arn:aws:iam::000000000000:role/dev", "s")})
	in := l.input()
	in.FunctionName = wire.Ptr("f")
	_, err := l.CreateFunction(ctx, in)
	want(t, "pass role", err, "AccessDeniedException", "iam:PassRole")
	_, err = l.GetFunction(t.Context(), &shape.GetFunctionInput{FunctionName: wire.Ptr("none")})
	want(t, "absent", err, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none")
	_, err = l.GetFunction(t.Context(), &shape.GetFunctionInput{FunctionName: wire.Ptr("hook"), Qualifier: wire.Ptr("7")})
	want(t, "a version", err, "ResourceNotFoundException", "function:hook:7")
}

func TestUpdatesSettleOneAfterAnother(t *testing.T) {
	l := newLab(t)
	first := l.create()
	_, err := l.UpdateFunctionCode(t.Context(), &shape.UpdateFunctionCodeInput{FunctionName: wire.Ptr("hook"), ZipFile: pack(t, "y")})
	want(t, "while pending", err, "ResourceConflictException", "Pending")
	l.settle("hook")
	code, err := l.UpdateFunctionCode(t.Context(), &shape.UpdateFunctionCodeInput{FunctionName: wire.Ptr("hook"), ZipFile: pack(t, "y")})
	if err != nil || *code.CodeSha256 == *first.CodeSha256 || *code.RevisionId == *first.RevisionId || *code.LastUpdateStatus != "InProgress" {
		t.Fatalf("code: %+v, %v", code, err)
	}
	update := &shape.UpdateFunctionConfigurationInput{
		FunctionName: wire.Ptr("hook"), Timeout: wire.Ptr(int64(5)), Environment: &shape.Environment{},
	}
	_, err = l.UpdateFunctionConfiguration(t.Context(), update)
	want(t, "while in progress", err, "ResourceConflictException", "An update is in progress for resource")
	l.settle("hook")
	update.RevisionId = first.RevisionId
	_, err = l.UpdateFunctionConfiguration(t.Context(), update)
	want(t, "an old revision", err, "PreconditionFailedException", "RevisionId")
	update.RevisionId = nil
	out, err := l.UpdateFunctionConfiguration(t.Context(), update)
	if err != nil || *out.Timeout != 5 || out.Environment != nil || *out.Handler != "index.handler" {
		t.Errorf("configuration: %+v, %v", out, err)
	}
}

// Proves: D82
func TestInvoke(t *testing.T) {
	l := newLab(t)
	l.create()
	l.settle("hook")
	l.sim.Handle = func(_ model.Function, payload []byte) function.Result {
		if string(payload) == `"bad"` {
			return function.Result{Payload: []byte(`{"errorType":"E"}`), FunctionError: "Unhandled", LogTail: "END\n"}
		}
		return function.Result{Payload: payload, LogTail: "END\n"}
	}
	call := func(in shape.InvokeInput) (*shape.InvokeOutput, error) {
		in.FunctionName = wire.Ptr("hook")
		return l.API.Invoke(t.Context(), &in)
	}
	out, err := call(shape.InvokeInput{Payload: []byte(`{"a":1}`), LogType: wire.Ptr("Tail")})
	if err != nil || *out.StatusCode != 200 || string(out.Payload) != `{"a":1}` || out.FunctionError != nil ||
		*out.ExecutedVersion != "$LATEST" || *out.LogResult != base64.StdEncoding.EncodeToString([]byte("END\n")) {
		t.Errorf("invoke: %+v, %v", out, err)
	}
	if out, err = call(shape.InvokeInput{Payload: []byte(`"bad"`)}); err != nil || *out.StatusCode != 200 ||
		*out.FunctionError != "Unhandled" || out.LogResult != nil {
		t.Errorf("failing: %+v, %v", out, err)
	}
	if out, err = call(shape.InvokeInput{InvocationType: wire.Ptr("DryRun")}); err != nil || *out.StatusCode != 204 {
		t.Errorf("dry run: %+v, %v", out, err)
	}
	before := len(l.sim.Calls())
	if out, err = call(shape.InvokeInput{InvocationType: wire.Ptr("Event"), Payload: []byte(`1`)}); err != nil || *out.StatusCode != 202 {
		t.Errorf("event: %+v, %v", out, err)
	}
	l.Events.Wait()
	if len(l.sim.Calls()) != before+1 {
		t.Errorf("calls: %v", l.sim.Calls())
	}
	_, err = call(shape.InvokeInput{Payload: []byte(`{`)})
	want(t, "bad payload", err, "InvalidRequestContentException", "Could not parse request body into json")
	_, err = call(shape.InvokeInput{Payload: append([]byte(`"`), bytes.Repeat([]byte("x"), 7<<20)...)})
	want(t, "large payload", err, "RequestTooLargeException", "too large")
	if _, err := l.PutFunctionConcurrency(t.Context(), &shape.PutFunctionConcurrencyInput{
		FunctionName: wire.Ptr("hook"), ReservedConcurrentExecutions: wire.Ptr(int64(0)),
	}); err != nil {
		t.Error(err)
	}
	_, err = call(shape.InvokeInput{})
	want(t, "throttled", err, "TooManyRequestsException", "Rate Exceeded.")
	_, err = l.PutFunctionConcurrency(t.Context(), &shape.PutFunctionConcurrencyInput{
		FunctionName: wire.Ptr("hook"), ReservedConcurrentExecutions: wire.Ptr(int64(950)),
	})
	want(t, "too much reserved", err, "InvalidParameterValueException", "minimum value of [100]")
}

func TestPermissionsTagsListsAndDeletion(t *testing.T) {
	l := newLab(t)
	made := l.create()
	perm := &shape.AddPermissionInput{
		FunctionName: wire.Ptr("hook"), StatementId: wire.Ptr("s"), Action: wire.Ptr("lambda:InvokeFunction"),
		Principal: wire.Ptr("events.amazonaws.com"), SourceArn: wire.Ptr("arn:x"),
	}
	_, err := l.GetPolicy(t.Context(), &shape.GetPolicyInput{FunctionName: wire.Ptr("hook")})
	want(t, "no policy", err, "ResourceNotFoundException", "does not exist")
	if _, err := l.AddPermission(t.Context(), perm); err != nil {
		t.Error(err)
	}
	_, err = l.AddPermission(t.Context(), perm)
	want(t, "same sid", err, "ResourceConflictException", "already exists")
	if p, err := l.GetPolicy(t.Context(), &shape.GetPolicyInput{FunctionName: wire.Ptr("hook")}); err != nil ||
		!strings.Contains(*p.Policy, `"Principal":{"Service":"events.amazonaws.com"}`) {
		t.Errorf("policy: %v, %v", p, err)
	}
	if _, err := l.RemovePermission(t.Context(), &shape.RemovePermissionInput{
		FunctionName: wire.Ptr("hook"), StatementId: wire.Ptr("s"),
	}); err != nil {
		t.Error(err)
	}
	if _, err := l.TagResource(t.Context(), &shape.TagResourceInput{
		Resource: made.FunctionArn, Tags: map[string]string{"a": "b"},
	}); err != nil {
		t.Error(err)
	}
	if tags, err := l.ListTags(t.Context(), &shape.ListTagsInput{Resource: made.FunctionArn}); err != nil || tags.Tags["a"] != "b" {
		t.Errorf("tags: %v, %v", tags, err)
	}
	in := l.input()
	in.FunctionName = wire.Ptr("another")
	if _, err := l.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	page, err := l.ListFunctions(t.Context(), &shape.ListFunctionsInput{MaxItems: wire.Ptr(int64(1))})
	if err != nil || len(page.Functions) != 1 || *page.Functions[0].FunctionName != "another" || page.NextMarker == nil {
		t.Fatalf("page: %+v, %v", page, err)
	}
	rest, err := l.ListFunctions(t.Context(), &shape.ListFunctionsInput{Marker: page.NextMarker})
	if err != nil || len(rest.Functions) != 1 || *rest.Functions[0].FunctionName != "hook" || rest.NextMarker != nil {
		t.Errorf("rest: %+v, %v", rest, err)
	}
	if _, err := l.DeleteFunction(t.Context(), &shape.DeleteFunctionInput{FunctionName: wire.Ptr("hook")}); err != nil {
		t.Error(err)
	}
	l.settle("hook")
	_, err = l.DeleteFunction(t.Context(), &shape.DeleteFunctionInput{FunctionName: wire.Ptr("hook")})
	want(t, "again", err, "ResourceNotFoundException", "Function not found")
}

func TestTheListOfBuiltMembersFitsTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{Services: []front.Service{{Meta: shape.Meta, API: &lambda.API{}, Fields: lambda.Fields}}}); err != nil {
		t.Fatal(err)
	}
}
