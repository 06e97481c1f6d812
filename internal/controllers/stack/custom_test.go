package stack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	cfnapi "berth/internal/api/cloudformation"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/model"
	"berth/internal/state"
)

// provided is what a custom resource's function does.
func (h *fixture) provided(_ model.Function, payload []byte) function.Result {
	var event map[string]any
	if err := json.Unmarshal(payload, &event); err != nil {
		h.t.Fatal(err)
	}
	h.asked = append(h.asked, event)
	if h.provide == nil {
		return function.Result{Payload: []byte("null")}
	}
	answer, crashed := h.provide(event)
	if answer != "" {
		h.put(event, answer)
	}
	if crashed {
		return function.Result{Payload: []byte(`{}`), FunctionError: "Unhandled"}
	}
	return function.Result{Payload: []byte("null")}
}

// put puts an answer where an event says, and returns how S3 takes it.
func (h *fixture) put(event map[string]any, answer string) int {
	r := httptest.NewRequest(http.MethodPut, event["ResponseURL"].(string), strings.NewReader(answer))
	w := httptest.NewRecorder()
	(&cfnapi.Answers{API: h.cfn}).ServeHTTP(w, r)
	return w.Code
}

const customTemplate = `
Parameters: {Name: {Type: String, Default: a}, Timeout: {Type: String, Default: 100}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Function:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: f, Runtime: python3.13, Handler: index.handler, Role: !GetAtt Role.Arn, Code: {ZipFile: x}}
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Function.Arn, ServiceTimeout: !Ref Timeout, Name: !Ref Name, Count: 3}
  User: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !GetAtt Thing.Group}}
`

// ok is an answer that all went well.
func ok(id, group string) string {
	return fmt.Sprintf(`{"Status":"SUCCESS","PhysicalResourceId":%q,"NoEcho":true,"Data":{"Group":%q}}`, id, group)
}

func (h *fixture) kinds() string {
	var out []string
	for _, e := range h.asked {
		out = append(out, fmt.Sprint(e["RequestType"], " ", e["PhysicalResourceId"]))
	}
	return strings.Join(out, ", ")
}

// Proves: D140, D141
func TestACustomResourceLives(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.provide = func(e map[string]any) (string, bool) {
		return ok("id-"+e["ResourceProperties"].(map[string]any)["Name"].(string), "group"), false
	}
	h.mustCreate("s", customTemplate)
	h.wantStack("s", "CREATE_COMPLETE")
	e := h.asked[0]
	if e["ResponseURL"] == "" || e["RequestId"] == "" {
		t.Errorf("%v", e)
	}
	delete(e, "ResponseURL")
	delete(e, "RequestId")
	token := "arn:aws:lambda:ap-northeast-1:000000000000:function:f"
	want := map[string]any{
		"RequestType": "Create", "ServiceToken": token, "StackId": h.stack("s").ID, "LogicalResourceId": "Thing",
		"ResourceType":       "Custom::Thing",
		"ResourceProperties": map[string]any{"ServiceToken": token, "ServiceTimeout": "100", "Name": "a", "Count": "3"},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	if r := h.resource("s", "Thing"); r.PhysicalID != "id-a" || r.Attributes["Group"] != "group" || r.Memo[model.MemoRequest] != "" {
		t.Errorf("%+v", r)
	}
	if r := h.resource("s", "User"); r.PhysicalID != "group" {
		t.Errorf("%+v", r)
	}
	if text := h.properties("s", "User"); !strings.Contains(text, `"*****"`) || strings.Contains(text, "group") {
		t.Errorf("events show what is not to be echoed: %s", text)
	}
	h.asked = nil
	if err := h.update("s", customTemplate, "Name=b"); err != nil {
		t.Fatal(err)
	}
	h.wantStack("s", "UPDATE_COMPLETE")
	if got := h.kinds(); got != "Update id-a, Delete id-a" {
		t.Error(got)
	}
	old := h.asked[0]["OldResourceProperties"].(map[string]any)["Name"]
	gone := h.asked[1]["ResourceProperties"].(map[string]any)["Name"]
	if old != "a" || gone != "a" {
		t.Errorf("old %v, deleted %v", old, gone)
	}
	h.asked = nil
	h.del("s")
	h.wantStack("s", "DELETE_COMPLETE")
	if got := h.kinds(); got != "Delete id-b" {
		t.Error(got)
	}
}

// What fails is told with its reason and taken back: what was made is deleted,
// whether or not its provider has said that it is there.
//
// Proves: D140, D142
func TestACustomResourceFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, answer, reason, deleted string }{
		{"it says so", `{"Status":"FAILED","Reason":"no paint","PhysicalResourceId":"x"}`,
			"Received response status [FAILED] from custom resource. Message returned: no paint (RequestId: ", "x"},
		{"it says no more", `{"Status":"FAILED"}`, "Message returned:  (RequestId: ", "s-Thing-"},
		{"no id", `{"Status":"SUCCESS"}`, "Invalid PhysicalResourceId", "s-Thing-"},
		{"a long id", ok(strings.Repeat("i", 1025), ""), "Invalid PhysicalResourceId", strings.Repeat("i", 1025)},
		{"another status", `{"Status":"MAYBE"}`, "Status must be SUCCESS or FAILED", "s-Thing-"},
		{"no JSON", `SUCCESS`, "Invalid response object", "s-Thing-"},
		{"too long", `{"Reason":"` + strings.Repeat("x", 4096) + `"}`, "Response object is too long.", "s-Thing-"},
		{"no answer", "", "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [", "s-Thing-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			h.provide = func(e map[string]any) (string, bool) {
				if e["RequestType"] == "Create" {
					return c.answer, false
				}
				return ok("x", ""), false
			}
			h.mustCreate("s", customTemplate)
			h.wantStack("s", "ROLLBACK_COMPLETE")
			if story := h.story("s"); !strings.Contains(story, "Thing CREATE_FAILED ("+c.reason) && !strings.Contains(story, c.reason) {
				t.Error(story)
			}
			if got := h.kinds(); !strings.HasPrefix(got, "Create <nil>, Delete "+c.deleted) {
				t.Error(got)
			}
		})
	}
}

// A function that raised is called again after one and two minutes; one that
// is gone, or may not be called, fails at once, and a deletion does not wait for
// it for ever.
//
// Proves: D142
func TestAProviderThatCannotAnswer(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	begun := h.clock.Now()
	var at []time.Duration
	h.provide = func(map[string]any) (string, bool) {
		at = append(at, h.clock.Now().Sub(begun).Truncate(time.Minute))
		return "", true
	}
	h.mustCreate("s", customTemplate, "Timeout=600")
	h.wantStack("s", "ROLLBACK_FAILED")
	if diff := cmp.Diff([]time.Duration{0, time.Minute, 3 * time.Minute}, at[:3]); diff != "" || len(at) != 6 {
		t.Errorf("%v %s", at, diff)
	}
	h.before = func(service, operation string, _ map[string]any) error {
		if service == "lambda" && operation == "Invoke" {
			return fault.New(fault.NotFound, "ResourceNotFoundException", "Function not found: f")
		}
		return nil
	}
	h.del("s")
	h.wantStack("s", "DELETE_FAILED")
	if story := h.story("s"); !strings.Contains(story, "Thing DELETE_FAILED (Function not found: f)") {
		t.Error(story)
	}
	h.mustCreate("t", strings.ReplaceAll(customTemplate, "FunctionName: f", "FunctionName: g"))
	h.wantStack("t", "ROLLBACK_COMPLETE")
	if len(at) != 6 {
		t.Errorf("%d calls", len(at))
	}
}

// A changed ServiceToken is refused, and undoing that asks nobody. A failed
// update is undone by another one.
func TestAnUpdateOfACustomResourceIsUndone(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.provide = func(e map[string]any) (string, bool) {
		if e["ResourceProperties"].(map[string]any)["Name"] == "bad" {
			return `{"Status":"FAILED","Reason":"no"}`, false
		}
		return ok("x", "group"), false
	}
	h.mustCreate("s", customTemplate)
	h.wantStack("s", "CREATE_COMPLETE")
	h.asked = nil
	if err := h.update("s", strings.ReplaceAll(customTemplate, "!GetAtt Function.Arn", "!Sub '${Function.Arn}:$LATEST'")); err != nil {
		t.Fatal(err)
	}
	h.wantStack("s", "UPDATE_ROLLBACK_COMPLETE")
	if story := h.story("s"); !strings.Contains(story, "Modifying service token is not allowed.") || len(h.asked) > 0 {
		t.Errorf("%s\n%s", story, h.kinds())
	}
	if err := h.update("s", customTemplate, "Name=bad"); err != nil {
		t.Fatal(err)
	}
	h.wantStack("s", "UPDATE_ROLLBACK_COMPLETE")
	if got := h.kinds(); got != "Update x, Update x" || h.resource("s", "Thing").Properties["Name"] != "a" {
		t.Error(got)
	}
}

// A server that was killed goes on with the request that was under way; an
// answer that comes after its time, or twice, changes nothing.
func TestAServerIsKilledWhileAProviderWorks(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.mustCreate("s", customTemplate)
	for range 20 {
		if _, err := h.engine.Settle(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		h.others()
		h.clock.Advance(time.Second)
	}
	if len(h.asked) != 1 {
		t.Fatalf("asked %s", h.kinds())
	}
	h.boot()
	if code := h.put(h.asked[0], ok("x", "group")); code != http.StatusOK {
		t.Errorf("%d", code)
	}
	h.wantStack("s", "CREATE_COMPLETE")
	if len(h.asked) != 1 || h.resource("s", "Thing").PhysicalID != "x" {
		t.Errorf("asked %s", h.kinds())
	}
	if code := h.put(h.asked[0], ok("y", "group")); code != http.StatusForbidden {
		t.Errorf("an answer after the end: %d", code)
	}
	// Killed in mid-call: the function is called again with the same request.
	h.asked = nil
	h.after = func(call string, _ int) error {
		if call == "lambda Invoke" && len(h.asked) == 1 {
			h.dead = true
			return fault.New(fault.Unavailable, "", "killed")
		}
		return nil
	}
	h.provide = func(map[string]any) (string, bool) {
		if len(h.asked) == 1 {
			return "", false
		}
		return ok("x", "group"), false
	}
	h.del("s")
	h.wantStack("s", "DELETE_COMPLETE")
	if len(h.asked) != 2 || h.asked[0]["RequestId"] != h.asked[1]["RequestId"] {
		t.Errorf("asked %v", h.asked)
	}
}

// What was being made when something else failed is deleted, too.
func TestACustomResourceIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.before = func(service, operation string, _ map[string]any) error {
		switch {
		case service != "logs" || operation != "CreateLogGroup":
			return nil
		case len(h.asked) > 0:
			return fault.New(fault.Invalid, "InvalidParameterException", "no")
		default:
			return fault.New(fault.Throttled, "Throttling", "later")
		}
	}
	h.provide = func(e map[string]any) (string, bool) {
		if e["RequestType"] == "Create" {
			return "", false
		}
		return ok("x", ""), false
	}
	h.mustCreate("s", strings.ReplaceAll(customTemplate, "!GetAtt Thing.Group", "other"))
	h.wantStack("s", "ROLLBACK_COMPLETE")
	if got := h.kinds(); !strings.HasPrefix(got, "Create <nil>, Delete s-Thing-") {
		t.Error(got)
	}
}

func (h *fixture) mustCreate(name, body string, params ...string) {
	h.t.Helper()
	if err := h.create(name, body, params...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) wantStack(name string, want model.StackStatus) {
	h.t.Helper()
	if s := h.settle(name); s.Status != want {
		h.t.Fatalf("%s, want %s\n%s", s.Status, want, h.story(name))
	}
}

// properties are those of the last event about a resource.
func (h *fixture) properties(name, id string) string {
	text := ""
	for _, e := range state.StackEvents.By(h.db.View(), "stack", h.stack(name).ID) {
		if e.LogicalID == id {
			text = e.Properties
		}
	}
	return text
}
