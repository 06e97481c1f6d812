package front_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecs"
)

// Calls of callers who were let in are in the audit log, with what came of
// them; those of strangers are not, and nothing of a listener without one.
func TestCallsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	log, err := audit.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	c := clock.NewStepped(start)
	f, err := front.New(front.Deps{
		Place: place, Clock: c, Real: c, IDs: ident.Seeded(1), Keys: keys{}, Auth: &auth{}, Log: slog.New(slog.DiscardHandler), Audit: log,
		Services: []front.Service{{
			Meta: ecs.Meta, API: toyECS{}, Fields: "CreateCluster: clusterName\nDeleteCluster: cluster",
			Resources: "DeleteCluster: cluster/{cluster}",
		}, {Meta: ec2.Meta, API: toyEC2{}, Fields: "DescribeVpcs: VpcIds"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := f.Handler(front.Listener{Strict: true, Audited: true})
	stranger := known
	stranger.ID = "AKIASTRANGER"
	for _, r := range []*http.Request{
		signed(target(`{"clusterName":"c"}`, "CreateCluster"), known, place.Region, "ecs", start),
		signed(target(`{"cluster":"c"}`, "DeleteCluster"), known, place.Region, "ecs", start), // IAM says no
		signed(target(`{"clusterName":"x"}`, "CreateCluster"), stranger, place.Region, "ecs", start),
		target(`{"clusterName":"y"}`, "CreateCluster"),
		signed(form("Action=DescribeVpcs&Version=2016-11-15&DryRun=true"), known, place.Region, "ec2", start), // not built
	} {
		do(h, r)
	}
	// Calls in process name the service that called for somebody.
	builder := ident.AsRole("arn:aws:iam::000000000000:role/r", "AWSCloudFormation")
	builder.Via = "cloudformation.amazonaws.com"
	if _, err := f.Invoke(t.Context(), builder, "ecs", "CreateCluster", map[string]any{"clusterName": "s"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Invoke(t.Context(), builder, "ecs", "RunTask", nil); err == nil { // not built
		t.Fatal("RunTask is built")
	}
	do(f.Handler(front.Listener{}), target(`{"clusterName":"z"}`, "CreateCluster"))
	var got []string
	err = log.Lookup(func(r audit.Record, line string) bool {
		cluster, _ := r.ResponseElements["cluster"].(map[string]any)
		name, _ := cluster["clusterName"].(string)
		got = append(got, strings.Join([]string{
			r.Name, r.Code, name, ident.Last(r.User.ARN), r.User.AccessKey, r.User.InvokedBy, r.SourceIP, r.Source,
		}, "|"))
		if r.Name == "DeleteCluster" && (len(r.Resources) != 1 || !strings.HasSuffix(r.Resources[0].ARN, ":cluster/c")) {
			t.Error(line)
		}
		return true
	})
	want := []string{
		"RunTask|UnknownOperationException||AWSCloudFormation||cloudformation.amazonaws.com|cloudformation.amazonaws.com|ecs.amazonaws.com",
		"CreateCluster||s|AWSCloudFormation||cloudformation.amazonaws.com|cloudformation.amazonaws.com|ecs.amazonaws.com",
		"DescribeVpcs|Client.NotImplemented||i-1|ASIAKNOWN||192.0.2.1|ec2.amazonaws.com",
		"DeleteCluster|AccessDenied||i-1|ASIAKNOWN||192.0.2.1|ecs.amazonaws.com",
		"CreateCluster||c|i-1|ASIAKNOWN||192.0.2.1|ecs.amazonaws.com",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
