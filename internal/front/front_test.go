package front_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/wire"
	"berth/internal/wire/shape/cloudtrail"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/iam"
	"berth/internal/wire/shape/lambda"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

// toyECS answers a few operations of several protocols.
type toyECS struct{ ecs.Unimplemented }

func (toyECS) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	if wire.Val(in.ClusterName) == "boom" {
		panic("boom")
	}
	return &ecs.CreateClusterOutput{
		Cluster: &ecs.Cluster{ClusterName: in.ClusterName, ClusterArn: wire.Ptr(wire.CallFrom(ctx).Principal.ARN)},
	}, nil
}

func (toyECS) DeleteCluster(context.Context, *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	return nil, fault.New(fault.NotFound, "ClusterNotFoundException", "Cluster not found.")
}

type toyIAM struct{ iam.Unimplemented }

func (toyIAM) GetRole(_ context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	return &iam.GetRoleOutput{
		Role: &iam.Role{
			RoleName: in.RoleName, Arn: wire.Ptr("arn:aws:iam::000000000000:role/r"), Path: wire.Ptr("/"), RoleId: wire.Ptr("AROA"),
			CreateDate: &start,
		},
	}, nil
}

type toyEC2 struct{ ec2.Unimplemented }

func (toyEC2) DescribeVpcs(_ context.Context, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	return &ec2.DescribeVpcsOutput{Vpcs: []ec2.Vpc{{VpcId: wire.Ptr(strings.Join(in.VpcIds, "+")), CidrBlock: wire.Ptr("10.0.0.0/16")}}}, nil
}

type toyLambda struct{ lambda.Unimplemented }

func (toyLambda) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{StatusCode: wire.Ptr[int64](200), Payload: []byte(`{"got":` + string(in.Payload) + `}`)}, nil
}

type toyCloudWatch struct{ cloudwatch.Unimplemented }

func (toyCloudWatch) DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error) {
	return &cloudwatch.DescribeAlarmsOutput{
		MetricAlarms: []cloudwatch.MetricAlarm{{AlarmName: wire.Ptr("a"), Threshold: wire.Ptr(70.0), StateUpdatedTimestamp: &start}},
	}, nil
}

// keys knows one temporary key.
type keys struct{}

func (keys) Key(_ context.Context, id, _ string) (ident.Key, bool, error) {
	switch id {
	case "ASIAKNOWN":
		return ident.Key{
			Secret: "s", Token: "t", Principal: ident.AsRole("arn:aws:iam::000000000000:role/r", "i-1"), Expires: start.Add(time.Hour),
		}, true, nil
	case "ASIAGONE":
		return ident.Key{}, false, fault.New(fault.Denied, "ExpiredToken", "The security token included in the request is expired")
	}
	return ident.Key{}, false, nil
}

func (keys) Used(context.Context, string, time.Time, string, string) {}

type auth struct{ asked []string }

func (a *auth) Authorize(_ context.Context, p ident.Principal, action string, resources []string, _ map[string]string) error {
	a.asked = append(a.asked, action+" "+strings.Join(resources, ","))
	if action == "ecs:DeleteCluster" {
		return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s", p.ARN, action)
	}
	return nil
}

func newFront(t testing.TB) (*front.Front, *auth, *clock.Stepped) {
	t.Helper()
	a, c := &auth{}, clock.NewStepped(start)
	f, err := front.New(front.Deps{
		Place: place, Clock: c, Real: c, IDs: ident.Seeded(1), Keys: keys{}, Auth: a, Log: slog.New(slog.DiscardHandler),
		Services: []front.Service{
			{
				Meta: ecs.Meta, API: toyECS{}, Fields: "CreateCluster: clusterName tags settings # comment\nDeleteCluster: cluster\n",
				Resources: "CreateCluster: {clusterName}\nDeleteCluster: cluster/{cluster|default}",
			},
			{Meta: iam.Meta, API: toyIAM{}, Fields: "GetRole: *"},
			{Meta: ec2.Meta, API: toyEC2{}, Fields: "DescribeVpcs: VpcIds Filters"},
			{Meta: lambda.Meta, API: toyLambda{}, Fields: "Invoke: FunctionName Payload InvocationType"},
			{Meta: cloudwatch.Meta, API: toyCloudWatch{}, Fields: "DescribeAlarms: AlarmNames"},
			{Meta: cloudtrail.Meta, API: toyCloudTrail{}, Fields: "LookupEvents: MaxResults"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, a, c
}

type toyCloudTrail struct{}

func (toyCloudTrail) LookupEvents(context.Context, *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	return &cloudtrail.LookupEventsOutput{}, nil
}

// A service may have dots in the name that stands before its operations'.
func TestATargetWithDots(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	for target, want := range map[string]int{
		"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents": http.StatusOK,
		"CloudTrail_20131101.LookupEvents":                                    http.StatusNotImplemented,
		"LookupEvents":                                                        http.StatusNotImplemented,
		".":                                                                   http.StatusNotImplemented,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", target)
		if code, body := do(f.Handler(front.Listener{}), r); code != want {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
}

func target(body, op string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+op)
	return r
}

func do(h http.Handler, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(b)
}

func TestChain(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{})
	form := func(v url.Values) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		return r
	}
	tests := map[string]struct {
		r      *http.Request
		status int
		has    string
	}{
		"json": {target(`{"clusterName":"c"}`, "CreateCluster"), 200, `"clusterArn":"arn:aws:iam::000000000000:root"`},
		"unbuilt member": {
			target(`{"clusterName":"c","configuration":{"executeCommandConfiguration":{}}}`, "CreateCluster"), 501,
			"The parameter configuration of CreateCluster is not implemented",
		},
		"unknown member":      {target(`{"clusterNam":"c"}`, "CreateCluster"), 400, `Unknown parameter in input: \"clusterNam\"`},
		"empty list is unset": {target(`{"clusterName":"c","capacityProviders":[]}`, "CreateCluster"), 200, "clusterArn"},
		"invalid":             {target(`{"settings":[{"name":"bad"}]}`, "CreateCluster"), 400, "failed to satisfy constraint"},
		"own error":           {target(`{"cluster":"c"}`, "DeleteCluster"), 400, `"__type":"ClusterNotFoundException"`},
		"unbuilt operation":   {target(`{}`, "CreateDaemon"), 400, "The operation CreateDaemon of ecs is not implemented by Berth"},
		"built, no service":   {target(`{"nextToken":"x"}`, "ListClusters"), 400, `"__type":"UnknownOperationException"`},
		"no operation":        {target(`{}`, "MakeCoffee"), 400, "UnknownOperationException"},
		"panic":               {target(`{"clusterName":"boom"}`, "CreateCluster"), 500, "InternalFailure"},
		"query": {
			form(url.Values{"Action": {"GetRole"}, "Version": {"2010-05-08"}, "RoleName": {"r"}}), 200, "<RoleName>r</RoleName>",
		},
		"query, unknown":    {form(url.Values{"Action": {"Sing"}, "Version": {"2010-05-08"}}), 400, "<Code>InvalidAction</Code>"},
		"query, no service": {form(url.Values{"Action": {"Sing"}, "Version": {"1999-01-01"}}), 501, "<Code>NotImplemented</Code>"},
		"ec2": {
			form(url.Values{"Action": {"DescribeVpcs"}, "Version": {"2016-11-15"}, "VpcId.1": {"a"}, "VpcId.2": {"b"}}), 200, "<vpcId>a+b</vpcId>",
		},
		"ec2, unbuilt": {form(url.Values{"Action": {"DescribeVpcs"}, "Version": {"2016-11-15"}, "DryRun": {"true"}}), 501, "DryRun"},
		"rest": {
			httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", strings.NewReader("1")), 200, `{"got":1}`,
		},
		"rpc": {
			httptest.NewRequest(http.MethodPost, "/service/GraniteServiceVersion20100801/operation/DescribeAlarms", nil), 200, "AlarmName",
		},
		"nothing": {httptest.NewRequest(http.MethodGet, "/nowhere", nil), 404, "no operation"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := do(h, tt.r)
			if status != tt.status || !strings.Contains(body, tt.has) {
				t.Errorf("%d %s\nwant %d %s", status, body, tt.status, tt.has)
			}
		})
	}
}

func sign(r *http.Request, body string, k ident.Key, region string) *http.Request {
	wire.Sign(r, []byte(body), k, region, "ecs", start)
	return r
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	f, a, c := newFront(t)
	open, strict := f.Handler(front.Listener{}), f.Handler(front.Listener{Strict: true})
	body := `{"clusterName":"c"}`
	create := func(k ident.Key, region string) *http.Request {
		return sign(target(body, "CreateCluster"), body, k, region)
	}
	ours := ident.Key{ID: "ASIAKNOWN", Secret: "s", Token: "t"}
	tests := []struct {
		name   string
		h      http.Handler
		r      *http.Request
		status int
		has    string
	}{
		{"anybody is root on loopback", open, create(ident.Key{ID: "test", Secret: "test"}, place.Region), 200, ":root"},
		{"not on a strict listener", strict, create(ident.Key{ID: "test", Secret: "test"}, place.Region), 400, "UnrecognizedClientException"},
		{"unsigned is not enough there", strict, target(body, "CreateCluster"), 400, "MissingAuthenticationTokenException"},
		{"a key of ours is its role", strict, create(ours, place.Region), 200, "assumed-role/r/i-1"},
		{"on loopback too", open, create(ours, place.Region), 200, "assumed-role/r/i-1"},
		{
			"with its own secret", open, create(ident.Key{ID: "ASIAKNOWN", Secret: "x", Token: "t"}, place.Region), 400, "InvalidSignatureException",
		},
		{"and token", open, create(ident.Key{ID: "ASIAKNOWN", Secret: "s", Token: "x"}, place.Region), 400, "UnrecognizedClientException"},
		{
			"a key that ended does not become root", open, create(ident.Key{ID: "ASIAGONE", Secret: "s"}, place.Region), 400,
			"ExpiredTokenException",
		},
		{
			"another Region is refused with advice", open, create(ident.Key{ID: "test", Secret: "test"}, "us-east-1"), 400,
			"set AWS_REGION=ap-northeast-1",
		},
		{
			"a denied call says so", open, sign(target(`{"cluster":"c"}`, "DeleteCluster"), `{"cluster":"c"}`, ours, place.Region), 400,
			"AccessDeniedException",
		},
	}
	for _, tt := range tests {
		if status, got := do(tt.h, tt.r); status != tt.status || !strings.Contains(got, tt.has) {
			t.Errorf("%s: %d %s", tt.name, status, got)
		}
	}
	if len(a.asked) != 3 || a.asked[0] != "ecs:CreateCluster c" {
		t.Errorf("asked %q", a.asked)
	}
	c.Advance(2 * time.Hour)
	if status, got := do(open, create(ours, place.Region)); status != 400 || !strings.Contains(got, "ExpiredTokenException") {
		t.Errorf("expired: %d %s", status, got)
	}
}

func TestRestrictedListener(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	f.Handle("/v2/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "registry") }))
	f.Handle("/_berth/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	h := f.Handler(front.Listener{Restricted: true, Services: []string{"ecs"}, Prefixes: []string{"/v2/"}, Endpoint: "vpce-1"})
	if status, got := do(h, target(`{"clusterName":"c"}`, "CreateCluster")); status != 200 {
		t.Error(status, got)
	}
	if status, got := do(h, httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", nil)); status != 404 ||
		!strings.Contains(got, "vpce-1") {
		t.Error(status, got)
	}
	if _, got := do(h, httptest.NewRequest(http.MethodGet, "/v2/", nil)); got != "registry" {
		t.Error(got)
	}
	if _, got := do(h, httptest.NewRequest(http.MethodGet, "/_berth/x", nil)); got == "inside" {
		t.Error(got)
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	f, a, _ := newFront(t)
	out, err := f.Invoke(t.Context(), ident.Root(place), "ecs", "CreateCluster", map[string]any{"clusterName": 7})
	if err != nil || out["cluster"].(map[string]any)["clusterName"] != "7" {
		t.Error(out, err)
	}
	role := ident.AsRole("arn:aws:iam::000000000000:role/r", "s")
	for op, want := range map[string]fault.Class{
		"DeleteCluster": fault.Denied, "MakeCoffee": fault.Invalid, "CreateDaemon": fault.NotImplemented,
	} {
		if _, err := f.Invoke(t.Context(), role, "ecs", op, map[string]any{"cluster": "c"}); !fault.Is(err, want) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := f.Invoke(t.Context(), role, "ecs", "CreateCluster", map[string]any{"clusterName": "boom"}); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
	if _, err := f.Invoke(t.Context(), role, "rds", "X", nil); !fault.Is(err, fault.NotImplemented) {
		t.Error(err)
	}
	if len(a.asked) != 2 {
		t.Errorf("asked %q", a.asked)
	}
	if n := len(f.Counts()); n < 4 {
		t.Errorf("%d counters", n)
	}
}

// A typed call goes through the same fields, validation and permissions, and
// is counted, like a call from outside.
func TestTypedCalls(t *testing.T) {
	t.Parallel()
	f, a, _ := newFront(t)
	out, err := ecs.Client{Caller: f.As(ident.Root(place))}.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: wire.Ptr("c")})
	if err != nil || *out.Cluster.ClusterName != "c" {
		t.Error(out, err)
	}
	role := ecs.Client{Caller: f.As(ident.AsRole("arn:aws:iam::000000000000:role/r", "s"))}
	if _, err := role.DeleteCluster(t.Context(), &ecs.DeleteClusterInput{Cluster: wire.Ptr("c")}); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
	if _, err := role.DeleteCluster(t.Context(), &ecs.DeleteClusterInput{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a required member is missing: %v", err)
	}
	if _, err := role.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: wire.Ptr("boom")}); !fault.Is(err, fault.Internal) {
		t.Errorf("a panic: %v", err)
	}
	if len(a.asked) != 2 {
		t.Errorf("asked %q", a.asked)
	}
	if n := len(f.Counts()); n != 4 {
		t.Errorf("%d counters", n)
	}
}

func TestFieldsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"CreateCluster clusterName", "MakeCoffee: a"} {
		if _, err := front.New(front.Deps{Services: []front.Service{{Meta: ecs.Meta, Fields: text}}}); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	// Members are looked at when they are asked for.
	for _, text := range []string{"CreateCluster: nope", "CreateCluster: -configuration.nope"} {
		if _, err := front.Compatibility([]front.Service{{Meta: ecs.Meta, Fields: text}}); err == nil {
			t.Errorf("%q was described", text)
		}
		f, err := front.New(front.Deps{
			Place: place, Clock: clock.NewStepped(start), IDs: ident.Seeded(1), Keys: keys{}, Auth: &auth{}, Log: slog.New(slog.DiscardHandler),
			Services: []front.Service{{Meta: ecs.Meta, API: toyECS{}, Fields: text}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Invoke(t.Context(), ident.Root(place), "ecs", "CreateCluster", nil); !fault.Is(err, fault.Internal) {
			t.Errorf("%q: a call was answered with %v", text, err)
		}
	}
}

func TestNestedRefusal(t *testing.T) {
	t.Parallel()
	f, err := front.New(front.Deps{
		Place: place, Clock: clock.NewStepped(start), IDs: ident.Seeded(1), Keys: keys{}, Auth: &auth{}, Log: slog.New(slog.DiscardHandler),
		Services: []front.Service{
			{Meta: ecs.Meta, API: toyECS{}, Fields: "CreateService: * -deploymentConfiguration.alarms -loadBalancers.advancedConfiguration.roleArn"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for member, in := range map[string]map[string]any{
		"deploymentConfiguration.alarms": {
			"serviceName":             "s",
			"deploymentConfiguration": map[string]any{"alarms": map[string]any{"alarmNames": []string{}, "enable": true, "rollback": true}},
		},
		"loadBalancers.advancedConfiguration.roleArn": {
			"serviceName": "s", "loadBalancers": []any{map[string]any{}, map[string]any{"advancedConfiguration": map[string]any{"roleArn": "x"}}},
		},
		"The operation CreateService of ecs is not implemented": {
			"serviceName": "s", "deploymentConfiguration": map[string]any{"strategy": "ROLLING"},
		},
	} {
		_, err := f.Invoke(t.Context(), ident.Root(place), "ecs", "CreateService", in)
		if err == nil || !strings.Contains(err.Error(), member) {
			t.Errorf("%s: %v", member, err)
		}
	}
}

func TestADefaultIsNotSet(t *testing.T) {
	t.Parallel()
	f, err := front.New(front.Deps{
		Place: place, Clock: clock.NewStepped(start), IDs: ident.Seeded(1), Keys: keys{}, Auth: &auth{}, Log: slog.New(slog.DiscardHandler),
		Services: []front.Service{{Meta: ecs.Meta, API: toyECS{}, Fields: "CreateCluster: clusterName\n" +
			`CreateService: serviceName loadBalancers -platformVersion=LATEST -serviceConnectConfiguration={"enabled":false}` +
			` -enableExecuteCommand=false -loadBalancers.containerPort=80`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const taken = "The operation CreateService of ecs is not implemented" // the toy has none: the members were taken
	for _, c := range []struct {
		member string
		value  any
		want   string
	}{
		{"platformVersion", "LATEST", taken},
		{"platformVersion", "1.4.0", "The parameter platformVersion of CreateService is not implemented by Berth; leave it out, or at LATEST."},
		{"enableExecuteCommand", false, taken},
		{"enableExecuteCommand", true, "leave it out, or at false."},
		{"serviceConnectConfiguration", map[string]any{"enabled": false}, taken},
		{"serviceConnectConfiguration", map[string]any{"enabled": true}, `leave it out, or at {"enabled":false}.`},
		{"serviceConnectConfiguration", map[string]any{"enabled": false, "namespace": "n"}, "The parameter serviceConnectConfiguration of"},
		{"loadBalancers", []any{map[string]any{"containerPort": 80}}, taken},
		{"loadBalancers", []any{map[string]any{"containerPort": 81}}, "The parameter loadBalancers.containerPort of"},
	} {
		_, err := f.Invoke(t.Context(), ident.Root(place), "ecs", "CreateService", map[string]any{"serviceName": "s", c.member: c.value})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v", c.member, c.value, err)
		}
	}
}

func TestCompatibility(t *testing.T) {
	t.Parallel()
	page, err := front.Compatibility([]front.Service{
		{Meta: ecs.Meta, Fields: "DeleteCluster: *\nCreateService: serviceName -deploymentConfiguration.alarms"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| Amazon EC2 Container Service | 2014-11-13 | 2 |", "| DeleteCluster | all |  |", "| CreateService | serviceName |",
		"deploymentConfiguration.alarms",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// TestAWSCLI speaks to the front with the stock AWS CLI, where there is one.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: the AWS CLI takes seconds")
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no AWS CLI in PATH")
	}
	f, _, _ := newFront(t)
	srv := httptest.NewServer(f.Handler(front.Listener{}))
	t.Cleanup(srv.Close)
	tests := []struct{ args, query, want string }{
		{"ecs create-cluster --cluster-name c --tags key=a,value=b", "cluster.clusterName", `"c"`},
		{"iam get-role --role-name r", "Role.CreateDate", `"2026-11-23T07:00:00Z"`},
		{"ec2 describe-vpcs --vpc-ids vpc-1 vpc-2", "Vpcs[0].VpcId", `"vpc-1+vpc-2"`},
		{"lambda invoke --function-name f --payload 5 /dev/stderr", "StatusCode", "200"},
		{"cloudwatch describe-alarms", "MetricAlarms[0].Threshold", "70.0"},
		{"ecs delete-cluster --cluster c", "", "(ClusterNotFoundException) when calling the DeleteCluster operation: Cluster not found."},
		{"iam list-roles", "", "(InvalidAction) when calling the ListRoles operation: The operation ListRoles of iam is not implemented by Berth"},
		{"ec2 describe-vpcs --region us-west-2", "", "set AWS_REGION=ap-northeast-1"},
		{"ssm get-parameter --name x", "", "it has no service AmazonSSM"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(tt.args)
			if tt.query != "" {
				args = append(args, "--query", tt.query)
			}
			cmd := exec.CommandContext(t.Context(), "aws", args...)
			cmd.Env = append(
				os.Environ(), "AWS_ENDPOINT_URL="+srv.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION="+place.Region,
				"AWS_REGION="+place.Region, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null",
			)
			if tt.args == "ec2 describe-vpcs --region us-west-2" {
				cmd.Env = append(cmd.Env, "AWS_REGION=", "AWS_DEFAULT_REGION=")
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if !strings.Contains(string(out), tt.want) {
				t.Errorf("%s: %s\nwant %s", tt.args, out, tt.want)
			}
		})
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	r := target("not gzip", "CreateCluster")
	r.Header.Set("Content-Encoding", "gzip")
	if status, got := do(f.Handler(front.Listener{}), r); status != 400 || !json.Valid([]byte(got)) {
		t.Error(status, got)
	}
}
