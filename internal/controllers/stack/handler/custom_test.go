package handler_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/model"
)

// provider is a function that answers what it is told to.
type provider struct {
	answer  string
	broken  error // Keep's
	refused error // Call's
	asked   []map[string]any
}

func (p *provider) Draw() (request, signature string) {
	return "r" + time.Duration(len(p.asked)).String(), "s"
}
func (p *provider) URL(request, _ string, _ time.Time) string { return "https://" + request }
func (p *provider) Keep() error                               { return p.broken }
func (p *provider) Answer(string) (string, bool)              { return p.answer, p.answer != "" }
func (p *provider) Call(_, _ string, payload []byte) (busy, crashed bool, err error) {
	var event map[string]any
	if err := json.Unmarshal(payload, &event); err != nil {
		return false, false, err
	}
	p.asked = append(p.asked, event)
	return p.refused == nil, false, p.refused
}

// An act is asked for once it is on record, and ends with its answer.
//
// Proves: D140, D141
func TestACustomResourceIsAskedFor(t *testing.T) {
	t.Parallel()
	p := &provider{broken: errors.New("no disk")}
	rec := &model.StackResource{
		LogicalID: "R", Type: "Custom::R", Token: "t", Memo: map[string]string{handler.MemoSuffix: "X"},
		Properties: map[string]any{"ServiceToken": "f", "ServiceTimeout": int64(5), "On": true},
	}
	var told string
	s := &handler.Step{StackName: "s", Now: time.Unix(1000, 0), Record: rec, Provider: p, Note: func(text string) { told = text }}
	h, ctx := handler.Custom{}, t.Context()
	if err := h.Create(ctx, s); !handler.Passing(err) || len(p.asked) > 0 {
		t.Errorf("asked before it was kept: %v", err)
	}
	p.broken = nil
	if err := h.Create(ctx, s); !handler.Passing(err) || len(p.asked) != 1 || h.Patience(s) != 65*time.Second {
		t.Errorf("%v %v", err, p.asked)
	}
	if found, err := h.Find(ctx, s); err != nil || !found || rec.PhysicalID != "s-R-X" {
		t.Errorf("found %v %v %s", found, err, rec.PhysicalID)
	}
	p.answer = `{"Status":"SUCCESS","PhysicalResourceId":"one","Data":{"N":1}}`
	if found, err := h.Find(ctx, s); err != nil || !found || rec.PhysicalID != "one" {
		t.Errorf("found %v %v %s", found, err, rec.PhysicalID)
	}
	if err := h.Create(ctx, s); err != nil || rec.PhysicalID != "one" || rec.Attributes["N"] != "1" || rec.Memo[model.MemoRequest] != "" {
		t.Errorf("%v %+v", err, rec)
	}
	if found, err := h.Find(ctx, s); err != nil || found {
		t.Errorf("found without a request: %v %v", found, err)
	}
	rec.Prior, rec.Properties = rec.Properties, map[string]any{"ServiceToken": "f", "On": false}
	p.answer = `{"Status":"SUCCESS","PhysicalResourceId":"two"}`
	if err := h.Update(ctx, s); err != nil || told == "" {
		t.Errorf("%v %q", err, told)
	}
	if rec.PhysicalID != "two" || rec.Replaced != "one" || rec.ReplacedAttributes["N"] != "1" {
		t.Errorf("%+v", rec)
	}
	p.answer = `{"Status":"FAILED","Reason":"held"}`
	if gone, err := h.Delete(ctx, s); gone || err == nil || handler.Passing(err) || !strings.Contains(err.Error(), "held") {
		t.Errorf("%v %v", gone, err)
	}
	p.answer, rec.Token = `{"Status":"SUCCESS"}`, "u"
	if gone, err := h.Delete(ctx, s); !gone || err != nil {
		t.Errorf("%v %v", gone, err)
	}
	if ready, err := h.Ready(ctx, s); !ready || err != nil || h.NameProperty() != "" || h.SystemTags() {
		t.Errorf("%v %v", ready, err)
	}
}

// A function that cannot be called was not asked; one that is not ready yet, or
// too busy, is called again.
//
// Proves: D142
func TestACustomResourceThatNobodyProvides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		refused error
		passing bool
	}{
		{fault.New(fault.NotFound, "ResourceNotFoundException", "gone"), false},
		{fault.New(fault.Denied, "AccessDenied", "no"), false},
		{fault.New(fault.Conflict, "ResourceConflictException", "Pending"), true},
		{fault.New(fault.Throttled, "TooManyRequestsException", "Rate Exceeded."), true},
	} {
		rec := &model.StackResource{LogicalID: "R", Token: "t", Memo: map[string]string{}, Properties: map[string]any{"ServiceToken": "f"}}
		s := &handler.Step{StackName: "s", Now: time.Unix(1000, 0), Record: rec, Provider: &provider{refused: c.refused}}
		err := handler.Custom{}.Create(t.Context(), s)
		if err == nil || handler.Passing(err) != c.passing || rec.PhysicalID != "" || (rec.Memo[model.MemoRequest] != "") != c.passing {
			t.Errorf("%v: %v %+v", c.refused, err, rec)
		}
	}
}

// packed are the files of a function's package.
type packed map[string]bool

func (p packed) Call(_ context.Context, _, _ string, in map[string]any) (map[string]any, error) {
	data := in["Code"].(map[string]any)["ZipFile"].([]byte)
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, f := range r.File {
		p[f.Name] = true
	}
	return map[string]any{"FunctionName": "f", "FunctionArn": "arn"}, nil
}

// The modules that answer come with code that names them, and with no other.
//
// Proves: D143
func TestInlineCodeHasItsModule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runtime, code string
		want          string
	}{
		{"python3.13", "import cfnresponse", "cfnresponse.py"}, {"python3.13", "pass", ""},
		{"nodejs22.x", "require('cfn-response')", "node_modules/cfn-response/index.js"}, {"nodejs22.x", "import cfnresponse", ""},
	} {
		files := packed{}
		rec := &model.StackResource{
			LogicalID: "F", Type: "AWS::Lambda::Function", Memo: map[string]string{}, Attributes: map[string]any{},
			Properties: map[string]any{"Runtime": c.runtime, "Code": map[string]any{"ZipFile": c.code}},
		}
		if err := handler.Types()[rec.Type].Create(t.Context(), &handler.Step{API: files, Record: rec}); err != nil {
			t.Fatal(err)
		}
		if c.want != "" && !files[c.want] || (len(files) == 2) != (c.want != "") {
			t.Errorf("%s %s: %v", c.runtime, c.code, files)
		}
	}
}
