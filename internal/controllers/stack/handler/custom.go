package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// Custom is the handler of custom resources: a function is sent a request for
// each act and answers at an address that is good for this one request.
// Sources: CloudFormation user guide, "Custom resource request and response
// reference" and "AWS Lambda-backed custom resources".
type Custom struct{}

var _ Handler = Custom{}

// Provider is how a custom resource's function is asked.
type Provider interface {
	// Draw draws a request's id and the signature of its address.
	Draw() (request, signature string)
	// URL is the address as the function is told it.
	URL(request, signature string, until time.Time) string
	// Keep has what the record holds on disk, before it is acted upon.
	Keep() error
	// Call calls the function with a request, or looks how its call ended: busy
	// while it runs, crashed if it failed. It may be called again afterwards.
	Call(request, function string, payload []byte) (busy, crashed bool, err error)
	// Answer is what came at a request's address.
	Answer(request string) (string, bool)
}

// What a custom resource's memo holds beside what model names.
const (
	memoAct    = "act"    // which act the request is for
	memoCalls  = "calls"  // how many calls of the function failed
	memoCalled = "called" // a call of the function went well: it is not called again
	memoNext   = "next"   // when it is called again
	// MemoNoEcho says that the provider's answers are not shown.
	MemoNoEcho = "noecho"
)

// pauses are those before Lambda makes an asynchronous call again that failed
// (AWS Lambda developer guide, "How Lambda handles errors and retries with
// asynchronous invocation").
var pauses = []time.Duration{time.Minute, 2 * time.Minute}

// answer is a provider's answer.
type answer struct {
	Status             model.AnswerStatus
	Reason             string
	PhysicalResourceID string `json:"PhysicalResourceId"`
	NoEcho             bool
	Data               map[string]any
}

// NameProperty implements Handler.
func (Custom) NameProperty() string { return "" }

// SystemTags implements Handler.
func (Custom) SystemTags() bool { return false }

// Patience implements Handler: a little more than the provider has, since the
// end of its time has a text of its own.
func (Custom) Patience(s *Step) time.Duration { return timeout(s) + time.Minute }

// timeout is how long a provider may take.
func timeout(s *Step) time.Duration {
	text, _ := template.Flat(s.Record.Properties["ServiceTimeout"])
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second
	}
	return time.Hour
}

// Create implements Handler.
func (Custom) Create(_ context.Context, s *Step) error {
	a, err := ask(s, "Create")
	if err != nil && Passing(err) {
		return err
	}
	if s.Record.PhysicalID = a.PhysicalResourceID; s.id() == "" && s.Record.Memo[model.MemoRequest] != "" {
		s.Record.PhysicalID = s.generated(255) // it will be told to delete what it may have made
	}
	if err != nil {
		return err
	}
	return a.learn(s)
}

// Update implements Handler. Another physical id means that the provider has
// made something new; what there was is deleted in clean-up.
func (Custom) Update(_ context.Context, s *Step) error {
	if s.changed("ServiceToken") {
		if s.Undo {
			return nil // it was refused and needs no undoing
		}
		return Unheard("Modifying service token is not allowed.")
	}
	a, err := ask(s, "Update")
	if err != nil {
		return err
	}
	if rec := s.Record; a.Status == model.AnswerSuccess && a.PhysicalResourceID != rec.PhysicalID {
		s.forget()
		rec.Replaced, rec.ReplacedProperties, rec.ReplacedAttributes = rec.PhysicalID, rec.Prior, rec.Attributes
		rec.ReplacedMemo = maps.Clone(rec.Memo)
		rec.PhysicalID = a.PhysicalResourceID
		s.Note("Requested update required the provider to create a new physical resource")
	}
	return a.learn(s)
}

// Ready implements Handler: it is when its provider has answered.
func (Custom) Ready(context.Context, *Step) (bool, error) { return true, nil }

// Delete implements Handler.
func (Custom) Delete(_ context.Context, s *Step) (bool, error) {
	a, err := ask(s, "Delete")
	if err != nil {
		return false, err
	}
	if a.Status != model.AnswerSuccess {
		return false, a.failure(s)
	}
	s.forget()
	return true, nil
}

// Find implements Handler: what a provider was told to make may be there,
// whether or not it has said so.
func (Custom) Find(_ context.Context, s *Step) (bool, error) {
	if s.Record.Memo[model.MemoRequest] == "" {
		return false, nil
	}
	s.Record.PhysicalID = s.generated(255)
	if body, ok := s.Provider.Answer(s.Record.Memo[model.MemoRequest]); ok {
		var a answer
		if json.Unmarshal([]byte(body), &a) == nil && a.PhysicalResourceID != "" {
			s.Record.PhysicalID = a.PhysicalResourceID
		}
	}
	return true, nil
}

// ask sends the request of an act, or looks for its answer. What is under way
// is a busyError.
func ask(s *Step, kind string) (answer, error) {
	m := s.Record.Memo
	if act := kind + " " + s.Record.Token; m[memoAct] != act {
		s.forget()
		until := s.Now.Add(timeout(s))
		m[memoAct], m[model.MemoUntil] = act, until.Format(time.RFC3339Nano)
		m[model.MemoRequest], m[model.MemoSignature] = s.Provider.Draw()
		if err := s.Provider.Keep(); err != nil {
			return answer{}, busyError{err}
		}
	}
	request := m[model.MemoRequest]
	if body, ok := s.Provider.Answer(request); ok {
		return read(body, kind)
	}
	until, err := time.Parse(time.RFC3339Nano, m[model.MemoUntil])
	if err != nil {
		return answer{}, err
	}
	if !s.Now.Before(until) {
		return answer{}, Unheard("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s]. "+
			"If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can "+
			"attach the updated version.", request)
	}
	if next, err := time.Parse(time.RFC3339Nano, m[memoNext]); m[memoCalled] == "" && (err != nil || !s.Now.Before(next)) {
		if err := call(s, kind, until); err != nil {
			return answer{}, err
		}
	}
	return answer{}, busyError{fmt.Errorf("the provider of %s has not answered request %s", s.Record.LogicalID, request)}
}

// call calls the function, or sees how its call ended.
func call(s *Step, kind string, until time.Time) error {
	m := s.Record.Memo
	payload, err := json.Marshal(s.request(kind, until))
	if err != nil {
		return fmt.Errorf("write the request to the provider of %s: %w", s.Record.LogicalID, err)
	}
	busy, crashed, err := s.Provider.Call(m[model.MemoRequest], s.text("ServiceToken"), payload)
	tried, _ := strconv.Atoi(m[memoCalls])
	switch {
	case busy:
		return nil
	case err != nil && (Passing(err) || hasCode(err, []string{"ResourceConflictException"})):
		return busyError{err}
	case err != nil:
		s.forget() // it was not asked
		return Unheard("%s", fault.MessageOf(err))
	case crashed && tried < len(pauses):
		m[memoCalls], m[memoNext] = strconv.Itoa(tried+1), s.Now.Add(pauses[tried]).Format(time.RFC3339Nano)
	default:
		m[memoCalled] = "yes"
	}
	if err := s.Provider.Keep(); err != nil {
		return busyError{err}
	}
	return nil
}

// request is the event that a function is sent.
func (s *Step) request(kind string, until time.Time) map[string]any {
	rec := s.Record
	r := map[string]any{
		"RequestType": kind, "ServiceToken": s.text("ServiceToken"), "StackId": s.StackID, "RequestId": rec.Memo[model.MemoRequest],
		"LogicalResourceId": rec.LogicalID, "ResourceType": rec.Type, "ResourceProperties": template.Texts(rec.Properties),
		"ResponseURL": s.Provider.URL(rec.Memo[model.MemoRequest], rec.Memo[model.MemoSignature], until),
	}
	if kind != "Create" {
		r["PhysicalResourceId"] = rec.PhysicalID
	}
	if kind == "Update" {
		r["OldResourceProperties"] = template.Texts(rec.Prior)
	}
	return r
}

// read reads an answer; one that CloudFormation cannot take is a failure.
func read(body, kind string) (answer, error) {
	var a answer
	if len(body) > model.MaxAnswer {
		return answer{Status: model.AnswerFailed, Reason: "Response object is too long."}, nil
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		return a, Unheard("Invalid response object: it is not the JSON object that is expected")
	}
	switch {
	case a.Status != model.AnswerSuccess && a.Status != model.AnswerFailed:
		return a, Unheard("Invalid response object: Status must be SUCCESS or FAILED")
	case a.Status == model.AnswerSuccess && kind != "Delete" && (a.PhysicalResourceID == "" || len(a.PhysicalResourceID) > 1024):
		return a, Unheard("Invalid PhysicalResourceId")
	}
	return a, nil
}

// learn takes over what a provider said of its resource.
func (a answer) learn(s *Step) error {
	if a.Status != model.AnswerSuccess {
		return a.failure(s)
	}
	s.Record.Attributes, _ = template.Texts(a.Data).(map[string]any)
	delete(s.Record.Memo, MemoNoEcho)
	if a.NoEcho {
		s.Record.Memo[MemoNoEcho] = "yes"
	}
	s.forget()
	return nil
}

func (a answer) failure(s *Step) error {
	return Unheard("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", a.Reason,
		s.Record.Memo[model.MemoRequest])
}

// forget forgets the request: its address is good for nothing any more.
func (s *Step) forget() {
	for _, k := range []string{
		memoAct, memoCalls, memoCalled, memoNext, model.MemoRequest, model.MemoSignature, model.MemoUntil,
	} {
		delete(s.Record.Memo, k)
	}
}
