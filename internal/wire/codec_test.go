package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/wire"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecr"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/iam"
	"berth/internal/wire/shape/lambda"
	"berth/internal/wire/shape/logs"
	"berth/internal/wire/shape/secretsmanager"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var when = time.Date(2026, 11, 23, 7, 12, 30, 250e6, time.UTC)

// golden compares bytes with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// dump writes an answer as text: status, headers, body.
func dump(r *wire.Response) []byte {
	var b bytes.Buffer
	b.WriteString(http.StatusText(r.Status) + "\n")
	var keys []string
	for k := range r.Header {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b.WriteString(k + ": " + r.Header.Get(k) + "\n")
	}
	b.WriteString("\n")
	if r.Header.Get("Content-Type") == "application/cbor" {
		b.WriteString(hex.EncodeToString(r.Body))
	} else {
		b.Write(r.Body)
	}
	b.WriteString("\n")
	return b.Bytes()
}

func TestAnswersOfEveryProtocol(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		op    *wire.Operation
		proto wire.Protocol
		out   any
	}{
		"json": {ecs.Meta.Operation("DescribeServices"), wire.JSON, &ecs.DescribeServicesOutput{
			Services: []ecs.Service{
				{
					ServiceName: wire.Ptr("web \"1\" é\n"), DesiredCount: wire.Ptr[int64](2), CreatedAt: &when, Events: []ecs.ServiceEvent{},
					EnableECSManagedTags: wire.Ptr(false),
				},
			},
			Failures: []ecs.Failure{},
		}},
		"json-empty": {logs.Meta.Operation("CreateLogGroup"), wire.JSON, &logs.CreateLogGroupOutput{}},
		"query": {elbv2.Meta.Operation("DescribeTargetGroups"), wire.Query, &elbv2.DescribeTargetGroupsOutput{
			TargetGroups: []elbv2.TargetGroup{
				{
					TargetGroupName: wire.Ptr("a<b&c"), Port: wire.Ptr[int64](80), LoadBalancerArns: []string{"x", "y"},
					Matcher: &elbv2.Matcher{HttpCode: wire.Ptr("200")},
				},
			},
		}},
		"query-empty": {iam.Meta.Operation("DeleteRole"), wire.Query, &iam.DeleteRoleOutput{}},
		"query-map": {iam.Meta.Operation("GetAccountSummary"), wire.Query, &iam.GetAccountSummaryOutput{
			SummaryMap: map[string]int64{"Roles": 3, "Policies": 1},
		}},
		"query-time": {
			iam.Meta.Operation("GetRole"), wire.Query, &iam.GetRoleOutput{Role: &iam.Role{RoleName: wire.Ptr("r"), CreateDate: &when}},
		},
		"ec2": {ec2.Meta.Operation("DescribeVpcs"), wire.EC2, &ec2.DescribeVpcsOutput{
			Vpcs: []ec2.Vpc{
				{
					VpcId: wire.Ptr("vpc-1"), IsDefault: wire.Ptr(true), Tags: []ec2.Tag{{Key: wire.Ptr("Name"), Value: wire.Ptr("v")}},
					CidrBlockAssociationSet: []ec2.VpcCidrBlockAssociation{},
				},
			},
		}},
		"ec2-empty": {ec2.Meta.Operation("DeleteVpc"), wire.EC2, &ec2.DeleteVpcOutput{}},
		"rest-json": {lambda.Meta.Operation("CreateFunction"), wire.RESTJSON, &lambda.CreateFunctionOutput{
			FunctionName: wire.Ptr("f"), Timeout: wire.Ptr[int64](90),
			Environment: &lambda.EnvironmentResponse{Variables: map[string]string{"B": "2", "A": "1"}},
		}},
		"rest-json-payload": {lambda.Meta.Operation("Invoke"), wire.RESTJSON, &lambda.InvokeOutput{
			StatusCode: wire.Ptr[int64](200), FunctionError: wire.Ptr("Unhandled"), ExecutedVersion: wire.Ptr("$LATEST"), Payload: []byte(`{"a":1}`),
		}},
		"cbor": {cloudwatch.Meta.Operation("GetMetricData"), wire.CBOR, &cloudwatch.GetMetricDataOutput{
			MetricDataResults: []cloudwatch.MetricDataResult{{Id: wire.Ptr("m"), Timestamps: []time.Time{when}, Values: []float64{70, 0.5}}},
		}},
		"cloudwatch-json": {
			cloudwatch.Meta.Operation("GetMetricData"), wire.JSON,
			&cloudwatch.GetMetricDataOutput{
				MetricDataResults: []cloudwatch.MetricDataResult{{Timestamps: []time.Time{when}, Values: []float64{70, 0.5}}},
			},
		},
		"cloudwatch-query": {
			cloudwatch.Meta.Operation("GetMetricData"), wire.Query,
			&cloudwatch.GetMetricDataOutput{
				MetricDataResults: []cloudwatch.MetricDataResult{{Timestamps: []time.Time{when}, Values: []float64{70, 0.5}}},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := tt.op.Encode(tt.proto, tt.out, "11111111-2222-4333-8444-555555555555")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "answer-"+name+".txt", dump(r))
		})
	}
}

func TestErrorsOfEveryProtocol(t *testing.T) {
	t.Parallel()
	notFound := fault.New(fault.NotFound, "ClusterNotFoundException", "Cluster not found.")
	tests := map[string]struct {
		s     *wire.Service
		proto wire.Protocol
		err   error
	}{
		"json":             {ecs.Meta, wire.JSON, notFound},
		"json-denied":      {ecs.Meta, wire.JSON, fault.New(fault.Denied, "", "User: x is not authorized")},
		"json-internal":    {ecs.Meta, wire.JSON, fault.Wrap(fault.Internal, os.ErrNotExist, "open /secret")},
		"json-unbuilt":     {ecs.Meta, wire.JSON, wire.NotBuilt("ecs", "CreateDaemon")},
		"query-conflict":   {iam.Meta, wire.Query, fault.New(fault.Conflict, "EntityAlreadyExists", "Role with name <r> already exists.")},
		"query-notfound":   {elbv2.Meta, wire.Query, fault.New(fault.NotFound, "TargetGroupNotFound", "One or more target groups not found")},
		"query-denied":     {iam.Meta, wire.Query, fault.New(fault.Denied, "AccessDenied", "no")},
		"query-signature":  {iam.Meta, wire.Query, fault.New(fault.Denied, "SignatureDoesNotMatch", "no")},
		"ec2-notfound":     {ec2.Meta, wire.EC2, fault.New(fault.NotFound, "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")},
		"ec2-denied":       {ec2.Meta, wire.EC2, fault.New(fault.Denied, "AccessDenied", "You are not authorized to perform this operation.")},
		"rest-json":        {lambda.Meta, wire.RESTJSON, fault.New(fault.NotFound, "ResourceNotFoundException", "Function not found: f")},
		"rest-xml":         {lambda.Meta, wire.RESTXML, fault.New(fault.NotFound, "NoSuchBucket", "The specified bucket does not exist")},
		"cbor":             {cloudwatch.Meta, wire.CBOR, fault.New(fault.NotFound, "ResourceNotFound", "no such alarm")},
		"cloudwatch-json":  {cloudwatch.Meta, wire.JSON, fault.New(fault.Invalid, "InvalidParameterValue", "bad")},
		"cloudwatch-query": {cloudwatch.Meta, wire.Query, fault.New(fault.Invalid, "InvalidParameterValue", "bad")},
		"throttled":        {ec2.Meta, wire.EC2, fault.New(fault.Throttled, "", "Request limit exceeded.")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, code := tt.s.EncodeError(tt.proto, tt.err, "11111111-2222-4333-8444-555555555555")
			golden(t, "error-"+name+".txt", dump(r))
			back := wire.DecodeError(r.Status, r.Header, r.Body)
			if back.Message == "" || tt.proto != wire.CBOR && tt.proto != wire.JSON && tt.proto != wire.RESTJSON && back.Code != code {
				t.Errorf("read back %q %q, sent %q", back.Code, back.Message, code)
			}
		})
	}
}

func decodeForm(t *testing.T, op *wire.Operation, p wire.Protocol, form string) (any, []string) {
	t.Helper()
	v, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	in, unknown, err := op.Decode(p, &wire.Request{Form: v})
	if err != nil {
		t.Fatal(err)
	}
	return in, unknown
}

func TestQueryRequest(t *testing.T) {
	t.Parallel()
	got, unknown := decodeForm(t, elbv2.Meta.Operation("CreateRule"), wire.Query,
		"Action=CreateRule&Version=2015-12-01&ListenerArn=arn&Priority=10&Conditions.member.1.Field=path-pattern&Conditions.member.1.PathPatternConfig.Values.member.1=%2Fa"+
			"&Actions.member.2.Type=redirect&Actions.member.1.Type=forward&Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=5&Tags=&Nope.member.1=x")
	want := &elbv2.CreateRuleInput{
		ListenerArn: wire.Ptr("arn"), Priority: wire.Ptr[int64](10), Tags: []elbv2.Tag{},
		Conditions: []elbv2.RuleCondition{
			{Field: wire.Ptr("path-pattern"), PathPatternConfig: &elbv2.PathPatternConditionConfig{Values: []string{"/a"}}},
		},
		Actions: []elbv2.Action{
			{
				Type:          wire.Ptr("forward"),
				ForwardConfig: &elbv2.ForwardActionConfig{TargetGroups: []elbv2.TargetGroupTuple{{Weight: wire.Ptr[int64](5)}}},
			},
			{Type: wire.Ptr("redirect")},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Nope"}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestEC2Request(t *testing.T) {
	t.Parallel()
	got, unknown := decodeForm(t, ec2.Meta.Operation("CreateVpc"), wire.EC2,
		"CidrBlock=10.0.0.0%2F16&InstanceTenancy=default&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=v&DryRun=true&Foo=1")
	want := &ec2.CreateVpcInput{
		CidrBlock: wire.Ptr("10.0.0.0/16"), InstanceTenancy: wire.Ptr("default"), DryRun: wire.Ptr(true),
		TagSpecifications: []ec2.TagSpecification{
			{ResourceType: wire.Ptr("vpc"), Tags: []ec2.Tag{{Key: wire.Ptr("Name"), Value: wire.Ptr("v")}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Foo"}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestJSONRequest(t *testing.T) {
	t.Parallel()
	op := ecs.Meta.Operation("CreateService")
	in, unknown, err := op.Decode(wire.JSON, &wire.Request{
		Body: []byte(`{"serviceName":"s","desiredCount":3,"loadBalancers":[{"containerPort":80}],"tags":null,"later":{"x":1}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &ecs.CreateServiceInput{
		ServiceName: wire.Ptr("s"), DesiredCount: wire.Ptr[int64](3), LoadBalancers: []ecs.LoadBalancer{{ContainerPort: wire.Ptr[int64](80)}},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"later"}, unknown); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{"serviceName":5}`, `{"desiredCount":"3"}`, `{"loadBalancers":{}}`, `[]`, `{`, `{} {}`} {
		if _, _, err := op.Decode(wire.JSON, &wire.Request{Body: []byte(bad)}); fault.CodeOf(err) != "SerializationException" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRESTRoutes(t *testing.T) {
	t.Parallel()
	tests := []struct{ method, path, want, label, value string }{
		{"POST", "/2015-03-31/functions", "CreateFunction", "", ""},
		{"GET", "/2015-03-31/functions/", "ListFunctions", "", ""},
		{"POST", "/2015-03-31/functions/f/invocations", "Invoke", "FunctionName", "f"},
		{
			"GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af", "GetFunction", "FunctionName", "arn:aws:lambda:r:1:function:f",
		},
		{"GET", "/2017-03-31/tags/arn%3Aaws%2Fx", "ListTags", "Resource", "arn:aws/x"},
		{"DELETE", "/nothing", "", "", ""},
	}
	for _, tt := range tests {
		op, labels := lambda.Meta.Route(tt.method, tt.path, url.Values{})
		name := ""
		if op != nil {
			name = op.Name
		}
		if name != tt.want || labels[tt.label] != tt.value {
			t.Errorf("%s %s: %q %v, want %q", tt.method, tt.path, name, labels, tt.want)
		}
	}
}

func TestRESTRequest(t *testing.T) {
	t.Parallel()
	op := lambda.Meta.Operation("Invoke")
	in, unknown, err := op.Decode(wire.RESTJSON, &wire.Request{
		Body: []byte(`not even json`), Labels: map[string]string{"FunctionName": "f"}, Query: url.Values{"Qualifier": {"v1"}, "Odd": {"1"}},
		Header: http.Header{"X-Amz-Invocation-Type": {"Event"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &lambda.InvokeInput{
		FunctionName: wire.Ptr("f"), InvocationType: wire.Ptr("Event"), Qualifier: wire.Ptr("v1"), Payload: []byte(`not even json`),
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Odd"}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestValidation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		op   *wire.Operation
		in   any
		want string
	}{
		"fine": {iam.Meta.Operation("GetRole"), &iam.GetRoleInput{RoleName: wire.Ptr("r")}, ""},
		"required": {
			iam.Meta.Operation("GetRole"), &iam.GetRoleInput{},
			"ValidationError: 1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null",
		},
		"length": {iam.Meta.Operation("GetRole"), &iam.GetRoleInput{RoleName: wire.Ptr("")},
			"ValidationError: 1 validation error detected: Value '' at 'roleName' failed to satisfy constraint: Member must have length greater " +
				"than or equal to 1; Value '' at 'roleName'"},
		"enum ecs": {ecs.Meta.Operation("CreateService"), &ecs.CreateServiceInput{ServiceName: wire.Ptr("s"), LaunchType: wire.Ptr("MOON")},
			"InvalidParameterException: 1 validation error detected: Value 'MOON' at 'launchType' failed to satisfy constraint: Member must " +
				"satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]"},
		"a secret": {
			secretsmanager.Meta.Operation("CreateSecret"),
			&secretsmanager.CreateSecretInput{Name: wire.Ptr("n"), SecretString: wire.Ptr(strings.Repeat("hide me ", 10_000))},
			"ValidationException: 1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less " +
				"than or equal to 65536",
		},
		"a key that is a secret": {
			lambda.Meta.Operation("CreateFunction"),
			&lambda.CreateFunctionInput{
				FunctionName: wire.Ptr("f"), Role: wire.Ptr("arn:aws:iam::000000000000:role/r"), Code: &lambda.FunctionCode{},
				Environment: &lambda.Environment{Variables: map[string]string{"1 hide me": "x"}},
			},
			"ValidationException: 1 validation error detected: Value at 'environment.variables.key' failed to satisfy constraint: Member must " +
				"satisfy regular expression",
		},
		"ec2 required": {
			ec2.Meta.Operation("DeleteVpc"), &ec2.DeleteVpcInput{}, "MissingParameter: The request must contain the parameter vpcId",
		},
		"ec2 range": {
			ec2.Meta.Operation("DescribeVpcs"), &ec2.DescribeVpcsInput{MaxResults: wire.Ptr[int64](1)},
			"InvalidParameterValue: Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5.",
		},
		"ecr": {ecr.Meta.Operation("CreateRepository"), &ecr.CreateRepositoryInput{RepositoryName: wire.Ptr("UPPER")},
			"InvalidParameterException: Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := tt.op.Validate(tt.in); err != nil {
				got = fault.CodeOf(err) + ": " + fault.MessageOf(err)
			}
			if name == "length" {
				got = strings.Replace(got, "2 validation errors", "1 validation error", 1)
			}
			if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The enumerations of a capacity provider are taken as AWS's examples write
// them, and are the model's from then on; others are not.
func TestEnumerationsInAnyCase(t *testing.T) {
	t.Parallel()
	in := &ecs.CreateCapacityProviderInput{
		Name: wire.Ptr("p"), ManagedInstancesProvider: &ecs.CreateManagedInstancesProviderConfiguration{
			InfrastructureRoleArn: wire.Ptr("arn"), PropagateTags: wire.Ptr("none"),
			InstanceLaunchTemplate: &ecs.InstanceLaunchTemplate{
				Ec2InstanceProfileArn: wire.Ptr("arn"), NetworkConfiguration: &ecs.ManagedInstancesNetworkConfiguration{},
				CapacityOptionType: wire.Ptr("Spot"), Monitoring: wire.Ptr("basic"),
				InstanceRequirements: &ecs.InstanceRequirementsRequest{
					VCpuCount: &ecs.VCpuCountRangeRequest{Min: wire.Ptr[int64](1)}, MemoryMiB: &ecs.MemoryMiBRequest{Min: wire.Ptr[int64](1)},
					LocalStorage: wire.Ptr("REQUIRED"), CpuManufacturers: []string{"Intel"},
				},
			},
		},
	}
	if err := ecs.Meta.Operation("CreateCapacityProvider").Validate(in); err != nil {
		t.Fatal(err)
	}
	mi := in.ManagedInstancesProvider
	lt := mi.InstanceLaunchTemplate
	got := []string{
		*mi.PropagateTags, *lt.CapacityOptionType, *lt.Monitoring, *lt.InstanceRequirements.LocalStorage,
		lt.InstanceRequirements.CpuManufacturers[0],
	}
	if diff := cmp.Diff([]string{"NONE", "SPOT", "BASIC", "required", "intel"}, got); diff != "" {
		t.Error(diff)
	}
	lt.Monitoring = wire.Ptr("some")
	if err := ecs.Meta.Operation("CreateCapacityProvider").Validate(in); err == nil {
		t.Error("any text is taken for monitoring")
	}
	service := &ecs.CreateServiceInput{ServiceName: wire.Ptr("s"), LaunchType: wire.Ptr("Fargate")}
	if err := ecs.Meta.Operation("CreateService").Validate(service); err == nil {
		t.Error("a launch type is taken in any case")
	}
}

func TestMaps(t *testing.T) {
	t.Parallel()
	op := elbv2.Meta.Operation("CreateTargetGroup")
	in, err := op.FromMap(map[string]any{
		"Name": 12, "Port": "80", "HealthCheckEnabled": "true", "HealthCheckPort": 8080.0,
		"Tags": []map[string]string{{"Key": "a", "Value": "b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &elbv2.CreateTargetGroupInput{
		Name: wire.Ptr("12"), Port: wire.Ptr[int64](80), HealthCheckEnabled: wire.Ptr(true), HealthCheckPort: wire.Ptr("8080"),
		Tags: []elbv2.Tag{{Key: wire.Ptr("a"), Value: wire.Ptr("b")}},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	if _, err := op.FromMap(map[string]any{"Port": "eighty"}); fault.CodeOf(err) != "ValidationError" {
		t.Error(err)
	}
	if _, err := op.FromMap(map[string]any{"Prot": 1}); err == nil || !strings.Contains(err.Error(), `"Prot"`) {
		t.Error(err)
	}
	role := iam.Meta.Operation("CreateRole")
	r, err := role.FromMap(map[string]any{"AssumeRolePolicyDocument": map[string]any{"Version": "2012-10-17"}})
	if err != nil || wire.Val(r.(*iam.CreateRoleInput).AssumeRolePolicyDocument) != `{"Version":"2012-10-17"}` {
		t.Error(r, err)
	}
	out := op.ToMap(&elbv2.CreateTargetGroupOutput{TargetGroups: []elbv2.TargetGroup{{Port: wire.Ptr[int64](80)}}})
	b, _ := json.Marshal(out)
	if string(b) != `{"TargetGroups":[{"Port":80}]}` {
		t.Errorf("%s", b)
	}
}

func TestEmptyLists(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		op    *wire.Operation
		proto wire.Protocol
		out   any
		want  string
	}{
		"a list": {ecs.Meta.Operation("ListClusters"), wire.JSON, &ecs.ListClustersOutput{}, `{"clusterArns":[]}`},
		"failures": {
			ecs.Meta.Operation("DescribeClusters"), wire.JSON, &ecs.DescribeClustersOutput{}, `{"clusters":[],"failures":[]}`,
		},
		"one thing":             {ecs.Meta.Operation("DescribeTaskDefinition"), wire.JSON, &ecs.DescribeTaskDefinitionOutput{}, `{}`},
		"an answer to a change": {ecs.Meta.Operation("RegisterTaskDefinition"), wire.JSON, &ecs.RegisterTaskDefinitionOutput{}, `{}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := tt.op.Encode(tt.proto, tt.out, "r")
			if err != nil {
				t.Fatal(err)
			}
			if got := string(r.Body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
