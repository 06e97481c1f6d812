package wire_test

import (
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecr"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/logs"
)

// What a client writes is what the server reads.
func TestAClientsRequestIsRead(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 250e6).UTC()
	for _, c := range []struct {
		service   *wire.Service
		operation string
		target    string
		in        any
	}{
		{ecs.Meta, "SubmitTaskStateChange", "AmazonEC2ContainerServiceV20141113.SubmitTaskStateChange", &ecs.SubmitTaskStateChangeInput{
			Task: wire.Ptr("t"), Status: wire.Ptr("RUNNING"), PullStartedAt: &at,
			Containers: []ecs.ContainerStateChange{{ContainerName: wire.Ptr("c"), ExitCode: wire.Ptr(int64(1))}},
		}},
		{
			logs.Meta, "PutLogEvents", "Logs_20140328.PutLogEvents",
			&logs.PutLogEventsInput{
				LogGroupName: wire.Ptr("g"), LogEvents: []logs.InputLogEvent{{Timestamp: wire.Ptr(int64(7)), Message: wire.Ptr("\"m\"\n")}},
			},
		},
		{ecr.Meta, "GetAuthorizationToken", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", &ecr.GetAuthorizationTokenInput{}},
	} {
		op := c.service.Operation(c.operation)
		r, body, err := op.NewRequest(t.Context(), "https://example.com/", c.in)
		if err != nil {
			t.Fatal(err)
		}
		if r.Header.Get("X-Amz-Target") != c.target || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s: %v", c.operation, r.Header)
		}
		if sent, _ := io.ReadAll(r.Body); string(sent) != string(body) {
			t.Errorf("%s: %s is sent, not %s", c.operation, sent, body)
		}
		got, unknown, err := op.Decode(wire.JSON, &wire.Request{Body: body})
		if err != nil || len(unknown) > 0 {
			t.Errorf("%s: %v %v", c.operation, unknown, err)
		}
		if d := cmp.Diff(c.in, got); d != "" {
			t.Errorf("%s: %s", c.operation, d)
		}
	}
}

// What a server answers is what the client reads.
func TestAClientReadsTheAnswer(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 250e6).UTC()
	want := &ecs.RegisterContainerInstanceOutput{ContainerInstance: &ecs.ContainerInstance{
		ContainerInstanceArn: wire.Ptr("arn"), RegisteredAt: &at, Attributes: []ecs.Attribute{{Name: wire.Ptr("n"), Value: wire.Ptr("v")}},
	}}
	op := ecs.Meta.Operation("RegisterContainerInstance")
	answer, err := op.Encode(wire.JSON, want, "id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := op.ReadOutput(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for body, class := range map[string]fault.Class{"{": fault.Unavailable, `{"containerInstance":7}`: fault.Unavailable} {
		if _, err := op.ReadOutput([]byte(body)); !fault.Is(err, class) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{"", `{"newer":{"than":"we"}}`} {
		if got, err := op.ReadOutput([]byte(body)); err != nil || !cmp.Equal(got, &ecs.RegisterContainerInstanceOutput{}) {
			t.Errorf("%q: %v %v", body, got, err)
		}
	}
}
