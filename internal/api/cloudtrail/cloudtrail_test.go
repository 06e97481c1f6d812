package cloudtrail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/api/cloudtrail"
	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudtrail"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func TestErrorsAreAsListed(t *testing.T) {
	t.Parallel()
	apitest.Errors(t, apitest.NewWorld(t), "cloudtrail", `
		LookupEvents InvalidLookupAttributesException LookupAttributes=[{"AttributeKey":"ResourceType","AttributeValue":"x"}]
		LookupEvents InvalidTimeRangeException StartTime=2026-11-23T07:00:00Z EndTime=2026-11-23T06:00:00Z
		LookupEvents InvalidNextTokenException NextToken=made-up
		LookupEvents InvalidEventCategoryException EventCategory=insight
	`)
}

// TestEventsAreLookedUp asks by each attribute and by time, and turns pages.
func TestEventsAreLookedUp(t *testing.T) {
	t.Parallel()
	log, err := audit.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	for i := range 60 {
		e := audit.Event{
			ID: fmt.Sprintf("e%02d", i), At: start.Add(time.Duration(i) * time.Minute), Source: "ecs.amazonaws.com", Name: "RunTask",
			Principal: ident.AsUser("arn:aws:iam::000000000000:user/dev/ann"), AccessKey: "AKIA1",
		}
		if i == 7 {
			e.Name, e.Source, e.ReadOnly, e.AccessKey = "ListRoles", "iam.amazonaws.com", true, "AKIA2"
			e.Principal = ident.AsRole("arn:aws:iam::000000000000:role/r", "night")
			e.Resources = []string{"arn:aws:iam::000000000000:role/r"}
		}
		if err := log.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	api := cloudtrail.New(cloudtrail.Deps{Clock: clock.NewStepped(start.Add(2 * time.Hour)), Log: log})
	ask := func(in *shape.LookupEventsInput) (string, *string) {
		t.Helper()
		out, err := api.LookupEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range out.Events {
			ids = append(ids, wire.Val(e.EventId))
		}
		return strings.Join(ids, " "), out.NextToken
	}
	for key, value := range map[string]string{
		"EventId": "e07", "EventName": "ListRoles", "ReadOnly": "true", "Username": "night", "EventSource": "iam.amazonaws.com",
		"AccessKeyId": "AKIA2", "ResourceName": "r",
	} {
		got, _ := ask(&shape.LookupEventsInput{LookupAttributes: []shape.LookupAttribute{{AttributeKey: &key, AttributeValue: &value}}})
		if got != "e07" {
			t.Errorf("%s %s: %s", key, value, got)
		}
	}
	got, _ := ask(&shape.LookupEventsInput{StartTime: wire.Ptr(start.Add(3 * time.Minute)), EndTime: wire.Ptr(start.Add(5 * time.Minute))})
	if got != "e05 e04 e03" {
		t.Error("by time:", got)
	}
	first, next := ask(&shape.LookupEventsInput{})
	last, none := ask(&shape.LookupEventsInput{NextToken: next})
	const oldest = "e09 e08 e07 e06 e05 e04 e03 e02 e01 e00"
	if n := len(strings.Fields(first)); n != 50 || !strings.HasPrefix(first, "e59 e58") || last != oldest || none != nil {
		t.Errorf("pages of %d: %s, then %s", n, first, last)
	}
}

func TestAServerWithoutALogSaysSo(t *testing.T) {
	t.Parallel()
	api := cloudtrail.New(cloudtrail.Deps{Clock: clock.NewStepped(start)})
	if _, err := api.LookupEvents(context.Background(), &shape.LookupEventsInput{}); fault.CodeOf(err) != "UnsupportedOperationException" {
		t.Error(err)
	}
}
