package iam

import (
	"context"
	"strconv"

	"berth/internal/ident"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

func wireInvalid(text string) error { return shape.Meta.Refuse("%s", text) }

// ListAccountAliases lists no aliases: none can be made. Errors:
// ValidationError.
func (a *API) ListAccountAliases(_ context.Context, in *shape.ListAccountAliasesInput) (*shape.ListAccountAliasesOutput, error) {
	_, err := page.After(pages, in)
	return &shape.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: wire.Ptr(false)}, err
}

// GetAccountSummary counts what is there, beside the quotas that are kept.
func (a *API) GetAccountSummary(context.Context, *shape.GetAccountSummaryInput) (*shape.GetAccountSummaryOutput, error) {
	view := a.DB.View()
	return &shape.GetAccountSummaryOutput{SummaryMap: map[string]int64{
		"Users": int64(state.Users.Len(view)), "Groups": int64(state.Groups.Len(view)),
		"Roles": int64(state.Roles.Len(view)), "InstanceProfiles": int64(state.InstanceProfiles.Len(view)),
		"Policies":                  int64(state.Policies.Len(view)),
		"AssumeRolePolicySizeQuota": maxTrust, "RolePolicySizeQuota": maxInline, "AttachedPoliciesPerRoleQuota": maxAttached,
		"UserPolicySizeQuota": maxInlineUser, "GroupPolicySizeQuota": maxInlineGroup, "AttachedPoliciesPerUserQuota": maxAttached,
		"AttachedPoliciesPerGroupQuota": maxAttached, "AccessKeysPerUserQuota": maxKeys, "GroupsPerUserQuota": maxGroups,
		"PolicySizeQuota": maxPolicy, "VersionsPerPolicyQuota": maxVersions,
	}}, nil
}

// linkedRoles are the service-linked roles that an ECS stack may ask for.
var linkedRoles = map[string]string{
	"ecs.amazonaws.com":                                     "AWSServiceRoleForECS",
	"ecs-compute.amazonaws.com":                             "AWSServiceRoleForECSCompute",
	"ecs.application-autoscaling.amazonaws.com":             "AWSServiceRoleForApplicationAutoScaling_ECSService",
	"elasticloadbalancing.amazonaws.com":                    "AWSServiceRoleForElasticLoadBalancing",
	"spot.amazonaws.com":                                    "AWSServiceRoleForEC2Spot",
	"custom-resource.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_CustomResource",
}

// CreateServiceLinkedRole makes a service's own role. Errors: InvalidInput.
func (a *API) CreateServiceLinkedRole(
	ctx context.Context, in *shape.CreateServiceLinkedRoleInput,
) (*shape.CreateServiceLinkedRoleOutput, error) {
	service := wire.Val(in.AWSServiceName)
	name, ok := linkedRoles[service]
	if !ok {
		return nil, badInput("%s is not a service that Berth makes a service-linked role for.", service)
	}
	at := servicePath + service + "/"
	r := model.Role{
		Name: name, ARN: a.Place.GlobalARN("iam", "role"+at+name), ID: "AROA" + a.IDs.Upper(17), Path: at, Description: wire.Val(in.Description),
		MaxSessionDuration: 3600,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service +
			`"},"Action":"sts:AssumeRole"}]}`,
		CreatedAt: a.Clock.Now(),
	}
	err := a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Roles.Get(tx, name); ok {
			return badInput("Service role name %s has been taken in this account, please try a different suffix.", name)
		}
		return state.Roles.Put(tx, r)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateServiceLinkedRoleOutput{Role: shown(r)}, nil
}

// SimulatePrincipalPolicy says what a role's or a user's policies decide.
// Errors: NoSuchEntity, InvalidInput.
func (a *API) SimulatePrincipalPolicy(
	_ context.Context, in *shape.SimulatePrincipalPolicyInput,
) (*shape.SimulatePrincipalPolicyOutput, error) {
	view, arn := a.DB.View(), wire.Val(in.PolicySourceArn)
	who := ident.AsRole(arn, "simulate")
	if _, ok := state.Users.One(view, "arn", arn); ok {
		who = ident.AsUser(arn)
	} else if _, ok := state.Roles.One(view, "arn", arn); !ok {
		return nil, noEntity("The entity %s cannot be found.", arn)
	}
	set, err := a.Access.Policies(view, who)
	if err != nil {
		return nil, err
	}
	more, err := parsed(in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	set.Identity = append(set.Identity, more...)
	return simulate(arn, set, in.ActionNames, in.ResourceArns, in.ContextEntries), nil
}

// SimulateCustomPolicy says what policies decide that are attached to nothing.
// Errors: InvalidInput.
func (a *API) SimulateCustomPolicy(_ context.Context, in *shape.SimulateCustomPolicyInput) (*shape.SimulateCustomPolicyOutput, error) {
	list, err := parsed(in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	set := policy.Set{Identity: list}
	if bounds, err := parsed(in.PermissionsBoundaryPolicyInputList); err != nil {
		return nil, err
	} else if len(bounds) > 0 {
		set.Boundary = &bounds[0]
	}
	return simulate(wire.Val(in.CallerArn), set, in.ActionNames, in.ResourceArns, in.ContextEntries), nil
}

func parsed(texts []string) ([]policy.Named, error) {
	var out []policy.Named
	for i, t := range texts {
		d, err := policy.Check(policy.Identity, t)
		if err != nil {
			return nil, badInput("PolicyInputList.%d: %v", i+1, err)
		}
		out = append(out, policy.Named{Name: "PolicyInputList." + strconv.Itoa(i+1), Document: d})
	}
	return out, nil
}

func simulate(
	caller string, set policy.Set, actions, resources []string, entries []shape.ContextEntry,
) *shape.SimulatePrincipalPolicyOutput {
	keys := map[string][]string{}
	for _, e := range entries {
		keys[wire.Val(e.ContextKeyName)] = e.ContextKeyValues
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	out := &shape.SimulatePrincipalPolicyOutput{EvaluationResults: []shape.EvaluationResult{}, IsTruncated: wire.Ptr(false)}
	for _, action := range actions {
		for _, res := range resources {
			d := policy.Evaluate(
				&policy.Request{Principal: policy.Principal{ARN: caller, Role: caller}, Action: action, Resource: res, Keys: keys}, set,
			)
			out.EvaluationResults = append(out.EvaluationResults, result(action, res, d))
		}
	}
	return out
}

func result(action, resource string, d policy.Decision) shape.EvaluationResult {
	r := shape.EvaluationResult{
		EvalActionName: wire.Ptr(action), EvalResourceName: wire.Ptr(resource), EvalDecision: wire.Ptr("implicitDeny"),
		MatchedStatements: []shape.Statement{}, MissingContextValues: []string{},
	}
	switch {
	case d.Allowed:
		r.EvalDecision = wire.Ptr("allowed")
	case d.Explicit:
		r.EvalDecision = wire.Ptr("explicitDeny")
	}
	if d.Statement != nil {
		r.MatchedStatements = append(r.MatchedStatements, shape.Statement{
			SourcePolicyId: wire.Ptr(d.Policy), SourcePolicyType: wire.Ptr("IAM Policy"),
		})
	}
	if d.Source == policy.ByBoundary {
		r.PermissionsBoundaryDecisionDetail = &shape.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: wire.Ptr(false)}
	}
	return r
}
