package cloudformation_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "berth/internal/api/cloudformation"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

var place = ident.Place{Partition: "aws", Region: "eu-west-1", Account: "000000000000"}

type fixture struct {
	*api.API
	t  *testing.T
	db *state.DB
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewStepped(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	return &fixture{api.New(api.Deps{DB: db, Clock: c, IDs: ident.Seeded(1), Place: place, Zones: []string{"eu-west-1a"}}), t, db}
}

func (h *fixture) ctx() context.Context {
	return wire.WithCall(h.t.Context(), wire.Call{Principal: ident.Root(place), At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)})
}

const (
	logs = "Resources:\n  G:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      RetentionInDays: 7\n"
	role = "Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: r\n      AssumeRolePolicyDocument: {}\n"
)

func (h *fixture) create(name, body string, caps ...string) error {
	_, err := h.CreateStack(h.ctx(), &shape.CreateStackInput{StackName: &name, TemplateBody: &body, Capabilities: caps})
	return err
}

func (h *fixture) change(name, set, kind, body string, caps ...string) error {
	_, err := h.CreateChangeSet(h.ctx(), &shape.CreateChangeSetInput{
		StackName: &name, ChangeSetName: &set, ChangeSetType: &kind, TemplateBody: &body, Capabilities: caps,
	})
	return err
}

// rest makes a stack what it was meant to be, as the controller does.
func (h *fixture) rest(name string, status model.StackStatus) {
	h.t.Helper()
	if err := h.db.Update(h.t.Context(), "controllers/stack", func(tx *store.Tx) error {
		for _, s := range state.Stacks.By(tx, "name", name) {
			if err := state.Stacks.Edit(tx, s.ID, func(s *model.Stack) error { s.Status = status; return nil }); err != nil {
				return err
			}
			if err := state.StackResources.Put(tx, model.StackResource{
				Stack: s.ID, LogicalID: "G", Type: "AWS::Logs::LogGroup", PhysicalID: "g", Status: model.ResourceCreateComplete,
				Properties: map[string]any{"RetentionInDays": 7.0},
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
}

func check(t *testing.T, err error, code, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted; want %s: %s", code, want)
	}
	if fault.CodeOf(err) != code || !strings.Contains(fault.MessageOf(err), want) {
		t.Errorf("got  %s: %s\nwant %s: %s", fault.CodeOf(err), fault.MessageOf(err), code, want)
	}
}

// Acceptance line 8: AWS's error, and nothing is created.
//
// Proves: D87
func TestABadTemplateCreatesNothing(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, body, code, want string }{
		{"yaml", "Resources: [", "ValidationError", "Template format error: YAML not well-formed. (line"},
		{
			"unknown type", "Resources:\n  A: {Type: AWS::Moon::Base}\n", "ValidationError",
			"Template format error: Unrecognized resource types: [AWS::Moon::Base]",
		},
		{"wrong type", strings.Replace(logs, "7", "soon", 1), "ValidationError", "#/RetentionInDays: expected type: Integer, found: String"},
		{"unknown property", logs + "      Colour: red\n", "ValidationError", "extraneous key [Colour] is not permitted"},
		{"capability", role, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"},
		{
			"circle", "Resources:\n  A: {Type: AWS::Logs::LogGroup, DependsOn: B}\n  B: {Type: AWS::Logs::LogGroup, DependsOn: A}\n",
			"ValidationError", "Circular dependency between resources: [A, B]",
		},
		{"parameter", "Parameters:\n  P: {Type: String}\n" + logs, "ValidationError", "Parameters: [P] must have values"},
		{
			"vpc of a parameter", "Parameters:\n  P: {Type: 'AWS::EC2::VPC::Id', Default: vpc-0}\n" + logs, "ValidationError",
			"parameter value vpc-0 for parameter name P does not exist",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			before := h.db.View().Revision()
			check(t, h.create("s", c.body), c.code, c.want)
			check(t, h.change("s", "c", "CREATE", c.body), c.code, c.want)
			if h.db.View().Revision() != before {
				t.Error("something was written")
			}
		})
	}
}

func TestAStacksNameIsChecked(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	before := h.db.View().Revision()
	for _, name := range []string{"a_b", "1a", strings.Repeat("a", 129), ""} {
		check(
			t, h.create(name, logs), "ValidationError",
			"at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern",
		)
	}
	if h.db.View().Revision() != before {
		t.Error("something was written")
	}
}

// Proves: D86
func TestAChangeSetMakesAStackToReview(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.change("s", "first", "CREATE", logs); err != nil {
		t.Fatal(err)
	}
	out, err := h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{StackName: wire.Ptr("s")})
	if err != nil || *out.Stacks[0].StackStatus != "REVIEW_IN_PROGRESS" {
		t.Fatalf("%v, %v", out, err)
	}
	check(t, h.change("s", "first", "CREATE", logs), "AlreadyExistsException", "already exists")
	check(t, h.create("s", logs), "AlreadyExistsException", "Stack [s] already exists")
	set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("first")})
	if err != nil {
		t.Fatal(err)
	}
	if *set.Status != "CREATE_COMPLETE" || *set.ExecutionStatus != "AVAILABLE" || len(set.Changes) != 1 ||
		*set.Changes[0].ResourceChange.Action != "Add" {
		t.Errorf("change set: %s %s %v", *set.Status, *set.ExecutionStatus, set.Changes)
	}
	execute := &shape.ExecuteChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("first")}
	if _, err := h.ExecuteChangeSet(h.ctx(), execute); err != nil {
		t.Fatal(err)
	}
	if s := state.Stacks.By(h.db.View(), "name", "s")[0]; s.Status != model.StackCreateInProgress || s.Operation != 1 || s.Template != logs {
		t.Errorf("stack: %+v", s)
	}
	_, err = h.ExecuteChangeSet(h.ctx(), execute)
	check(t, err, "InvalidChangeSetStatus", "cannot be executed in its current status of [EXECUTE_COMPLETE]")
}

// Proves: D86
func TestNothingToChange(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", logs); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	_, err := h.UpdateStack(h.ctx(), &shape.UpdateStackInput{StackName: wire.Ptr("s"), TemplateBody: wire.Ptr(logs)})
	check(t, err, "ValidationError", "No updates are to be performed.")
	if err := h.change("s", "same", "UPDATE", logs); err != nil {
		t.Fatal(err)
	}
	set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("same")})
	if err != nil {
		t.Fatal(err)
	}
	if *set.Status != "FAILED" || *set.ExecutionStatus != "UNAVAILABLE" ||
		!strings.HasPrefix(*set.StatusReason, "The submitted information didn't contain changes.") {
		t.Errorf("%s %s %s", *set.Status, *set.ExecutionStatus, *set.StatusReason)
	}
}

// A change by a parameter is told twice: by the parameter, and as what the
// property is then written with.
func TestAChangeSetNamesTheParameter(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := func(days string) string {
		return "Parameters:\n  Days: {Type: Number, Default: " + days + "}\n" +
			"Resources:\n  G: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}\n"
	}
	if err := h.create("s", body("7")); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	if err := h.change("s", "c", "UPDATE", body("14")); err != nil {
		t.Fatal(err)
	}
	set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range set.Changes[0].ResourceChange.Details {
		got = append(got, *d.Target.Name+" "+*d.Evaluation+" "+*d.ChangeSource+" "+wire.Val(d.CausingEntity))
	}
	if want := []string{
		"RetentionInDays Static ParameterReference Days", "RetentionInDays Dynamic DirectModification ",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A change set shows what properties have and will have, if that is asked for;
// what hangs on NoEcho parameters is not seen, and what is not there yet is
// known after.
func TestAChangeSetShowsValues(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", "Resources:\n  G: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}\n"); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	if err := h.change("s", "c", "UPDATE", `
Parameters: {Secret: {Type: String, NoEcho: true, Default: hush}}
Resources:
  G: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 14, Tags: [{Key: a, Value: !Ref Secret}]}}
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  S: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: 'so hush', VpcId: !Ref V}}
`); err != nil {
		t.Fatal(err)
	}
	describe := func(values bool) []shape.Change {
		t.Helper()
		set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{
			StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c"), IncludePropertyValues: &values,
		})
		if err != nil || len(set.Changes) != 3 {
			t.Fatalf("%+v, %v", set, err)
		}
		return set.Changes
	}
	if c := describe(false)[0].ResourceChange; c.AfterContext != nil || c.Details[0].Target.BeforeValue != nil {
		t.Errorf("values that nobody asked for: %+v", c)
	}
	all := describe(true)
	for i, want := range [][2]string{
		{`{"Properties":{"RetentionInDays":7}}`, `{"Properties":{"RetentionInDays":14,"Tags":"****"}}`},
		{"", `{"Properties":{"CidrBlock":"10.0.0.0/16"}}`},
		{"", `{"Properties":{"GroupDescription":"****","VpcId":"{{changeSet:KNOWN_AFTER_APPLY}}"}}`},
	} {
		c := all[i].ResourceChange
		if got := [2]string{wire.Val(c.BeforeContext), wire.Val(c.AfterContext)}; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var got []string
	for _, d := range all[0].ResourceChange.Details {
		x := d.Target
		got = append(got, strings.Join([]string{*x.Path, *x.AttributeChangeType, wire.Val(x.BeforeValue), wire.Val(x.AfterValue)}, " "))
	}
	if want := []string{"/Properties/RetentionInDays Modify 7 14", "/Properties/Tags Add  ****"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A request that is sent again with its token is answered as the first time.
func TestAChangeSetAskedForTwiceIsOne(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	in := &shape.CreateChangeSetInput{
		StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c"), ChangeSetType: wire.Ptr("CREATE"), TemplateBody: wire.Ptr(logs),
		ClientToken: wire.Ptr("token"), IncludeNestedStacks: wire.Ptr(true),
	}
	first, err := h.CreateChangeSet(h.ctx(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.CreateChangeSet(h.ctx(), in)
	if err != nil || *again.Id != *first.Id || *again.StackId != *first.StackId {
		t.Errorf("%+v, %v; first %+v", again, err, first)
	}
	in.ClientToken = wire.Ptr("another")
	_, err = h.CreateChangeSet(h.ctx(), in)
	check(t, err, "AlreadyExistsException", "already exists")
	set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c")})
	if err != nil || !*set.IncludeNestedStacks {
		t.Errorf("%+v, %v", set, err)
	}
}

func TestAChangeSetSaysWhatItReplaces(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", logs); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	if err := h.change("s", "c", "UPDATE", strings.Replace(logs, "RetentionInDays: 7", "LogGroupName: other", 1)); err != nil {
		t.Fatal(err)
	}
	set, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c")})
	if err != nil {
		t.Fatal(err)
	}
	rc := set.Changes[0].ResourceChange
	var got []string
	for _, d := range rc.Details {
		got = append(got, *d.Target.Name+" "+*d.Target.RequiresRecreation)
	}
	if diff := cmp.Diff([]string{"LogGroupName Always", "RetentionInDays Never"}, got); diff != "" || *rc.Replacement != "True" ||
		*rc.Action != "Modify" {
		t.Errorf("%s %s\n%s", *rc.Action, *rc.Replacement, diff)
	}
}

func TestRefusalsByState(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	ctx, s := h.ctx(), wire.Ptr("s")
	_, err := h.DescribeStacks(ctx, &shape.DescribeStacksInput{StackName: s})
	check(t, err, "ValidationError", "Stack with id s does not exist")
	_, err = h.UpdateStack(ctx, &shape.UpdateStackInput{StackName: s, TemplateBody: wire.Ptr(logs)})
	check(t, err, "ValidationError", "Stack [s] does not exist")
	_, err = h.DescribeStackEvents(ctx, &shape.DescribeStackEventsInput{StackName: s})
	check(t, err, "ValidationError", "Stack [s] does not exist")
	if _, err = h.DeleteStack(ctx, &shape.DeleteStackInput{StackName: s}); err != nil {
		t.Error("deleting what is absent:", err)
	}
	if err := h.create("s", logs); err != nil {
		t.Fatal(err)
	}
	_, err = h.UpdateStack(ctx, &shape.UpdateStackInput{StackName: s, TemplateBody: wire.Ptr(logs)})
	check(t, err, "ValidationError", "is in CREATE_IN_PROGRESS state and can not be updated.")
	check(t, h.change("s", "c", "UPDATE", logs), "ValidationError", "is in CREATE_IN_PROGRESS state and can not be updated.")
	check(t, h.change("s", "c", "CREATE", logs), "ValidationError", "Stack [s] already exists and cannot be created again")
	_, err = h.CancelUpdateStack(ctx, &shape.CancelUpdateStackInput{StackName: s})
	check(t, err, "ValidationError", "CancelUpdateStack cannot be called from current stack status")
	_, err = h.ContinueUpdateRollback(ctx, &shape.ContinueUpdateRollbackInput{StackName: s})
	check(t, err, "ValidationError", "is in CREATE_IN_PROGRESS state")
	h.rest("s", model.StackRollbackComplete)
	_, err = h.UpdateStack(ctx, &shape.UpdateStackInput{StackName: s, TemplateBody: wire.Ptr(logs)})
	check(t, err, "ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated.")
	if _, err = h.UpdateTerminationProtection(ctx, &shape.UpdateTerminationProtectionInput{
		StackName: s, EnableTerminationProtection: wire.Ptr(true),
	}); err != nil {
		t.Fatal(err)
	}
	_, err = h.DeleteStack(ctx, &shape.DeleteStackInput{StackName: s})
	check(t, err, "ValidationError", "Stack [s] cannot be deleted while TerminationProtection is enabled")
	_, err = h.DescribeChangeSet(ctx, &shape.DescribeChangeSetInput{StackName: s, ChangeSetName: wire.Ptr("x")})
	check(t, err, "ChangeSetNotFound", "ChangeSet [x] does not exist")
}

func TestParametersKeepOrChange(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := "Parameters:\n  A: {Type: String}\n  Secret: {Type: String, NoEcho: true}\n" + strings.Replace(
		logs, "RetentionInDays: 7", "LogGroupName: !Sub '${A}-${Secret}'", 1,
	)
	p := func(k, v string) shape.Parameter { return shape.Parameter{ParameterKey: &k, ParameterValue: &v} }
	if _, err := h.CreateStack(h.ctx(), &shape.CreateStackInput{
		StackName: wire.Ptr("s"), TemplateBody: &body, Parameters: []shape.Parameter{p("A", "one"), p("Secret", "hush")},
	}); err != nil {
		t.Fatal(err)
	}
	h.rest("s", model.StackCreateComplete)
	out, err := h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{StackName: wire.Ptr("s")})
	if err != nil || *out.Stacks[0].Parameters[1].ParameterValue != "****" {
		t.Errorf("a secret is shown: %v, %v", out.Stacks[0].Parameters, err)
	}
	keep := shape.Parameter{ParameterKey: wire.Ptr("Secret"), UsePreviousValue: wire.Ptr(true)}
	if _, err := h.UpdateStack(h.ctx(), &shape.UpdateStackInput{
		StackName: wire.Ptr("s"), UsePreviousTemplate: wire.Ptr(true), Parameters: []shape.Parameter{p("A", "two"), keep},
	}); err != nil {
		t.Fatal(err)
	}
	s := state.Stacks.By(h.db.View(), "name", "s")[0]
	got := map[string]string{}
	for _, p := range append(s.Parameters, s.PreviousParameters[0]) {
		got[p.Key+p.Value] = p.Value
	}
	if diff := cmp.Diff(map[string]string{"Atwo": "two", "Secrethush": "hush", "Aone": "one"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheEventsAreNewestFirst(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.change("s", "c", "CREATE", logs); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ExecuteChangeSet(h.ctx(), &shape.ExecuteChangeSetInput{
		StackName: wire.Ptr("s"), ChangeSetName: wire.Ptr("c"),
	}); err != nil {
		t.Fatal(err)
	}
	out, err := h.DescribeStackEvents(h.ctx(), &shape.DescribeStackEventsInput{StackName: wire.Ptr("s")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range out.StackEvents {
		got = append(got, *e.ResourceStatus+" "+*e.ResourceStatusReason)
	}
	if diff := cmp.Diff([]string{"CREATE_IN_PROGRESS User Initiated", "REVIEW_IN_PROGRESS User Initiated"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSummaryAndValidation(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	out, err := h.GetTemplateSummary(h.ctx(), &shape.GetTemplateSummaryInput{
		TemplateBody: wire.Ptr("Parameters:\n  P: {Type: Number, Default: 3}\n" + role),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Parameters[0].DefaultValue != "3" || out.Capabilities[0] != "CAPABILITY_NAMED_IAM" ||
		*out.CapabilitiesReason != "The following resource(s) require capabilities: [AWS::IAM::Role]" {
		t.Errorf("%+v", out)
	}
	_, err = h.ValidateTemplate(h.ctx(), &shape.ValidateTemplateInput{
		TemplateBody: wire.Ptr("Resources:\n  A: {Type: AWS::Logs::LogGroup, DependsOn: A}\n"),
	})
	check(t, err, "ValidationError", "Circular dependency between resources: [A]")
}

// Every operation that takes a template takes 51,200 bytes of it, and none more.
func TestATemplateInARequestHas51200Bytes(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	most := logs + strings.Repeat("#", 51_200-len(logs))
	for op, err := range h.callsWith("s", most) {
		if err != nil {
			t.Errorf("%s with 51,200 bytes: %.80v", op, err)
		}
	}
	h.rest("s", model.StackCreateComplete)
	body := most + "#"
	calls := h.callsWith("t", body)
	_, calls["UpdateStack"] = h.UpdateStack(h.ctx(), &shape.UpdateStackInput{StackName: wire.Ptr("s"), TemplateBody: &body})
	want := "1 validation error detected: Value '" + body + "' at 'templateBody' failed to satisfy constraint: Member must have length " +
		"less than or equal to 51200"
	for op, err := range calls {
		if err == nil || err.Error() != want || fault.CodeOf(err) != "ValidationError" {
			t.Errorf("%s with 51,201 bytes: %.80v", op, err)
		}
	}
}

// callsWith is what the operations that take a template answer to body, for stacks that are not there yet.
func (h *fixture) callsWith(stack, body string) map[string]error {
	calls := map[string]error{"CreateStack": h.create(stack, body), "CreateChangeSet": h.change(stack+"c", "c", "CREATE", body)}
	_, calls["ValidateTemplate"] = h.ValidateTemplate(h.ctx(), &shape.ValidateTemplateInput{TemplateBody: &body})
	_, calls["GetTemplateSummary"] = h.GetTemplateSummary(h.ctx(), &shape.GetTemplateSummaryInput{TemplateBody: &body})
	return calls
}
