package ecr

import (
	"context"
	"encoding/json"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

func (a *API) noLifecycle(name string) error {
	return fault.New(fault.NotFound, "LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.Place.Account)
}

func (a *API) noPolicy(name string) error {
	return fault.New(fault.NotFound, "RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.Place.Account)
}

// GetLifecyclePolicy shows the policy. Errors:
// LifecyclePolicyNotFoundException, RepositoryNotFoundException.
func (a *API) GetLifecyclePolicy(_ context.Context, in *shape.GetLifecyclePolicyInput) (*shape.GetLifecyclePolicyOutput, error) {
	rec, err := a.find(a.DB.View(), in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if rec.Lifecycle == "" {
		return nil, a.noLifecycle(rec.Name)
	}
	return &shape.GetLifecyclePolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), LifecyclePolicyText: wire.Ptr(rec.Lifecycle)}, nil
}

// PutLifecyclePolicy keeps a policy. Errors: InvalidParameterException,
// RepositoryNotFoundException.
func (a *API) PutLifecyclePolicy(ctx context.Context, in *shape.PutLifecyclePolicyInput) (*shape.PutLifecyclePolicyOutput, error) {
	text := wire.Val(in.LifecyclePolicyText)
	var doc struct {
		Rules []struct {
			RulePriority int64          `json:"rulePriority"`
			Selection    map[string]any `json:"selection"`
			Action       map[string]any `json:"action"`
		} `json:"rules"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Rules) == 0 {
		return nil, invalid("LifecyclePolicyText", "Lifecycle policy validation failure: string [] does not match the schema")
	}
	for _, r := range doc.Rules {
		if r.RulePriority < 1 || r.Selection == nil || r.Action == nil {
			return nil, invalid("LifecyclePolicyText", "Lifecycle policy validation failure: object has missing required properties ([\"action\",\"rulePriority\",\"selection\"])")
		}
	}
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		r.Lifecycle = text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutLifecyclePolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), LifecyclePolicyText: wire.Ptr(text)}, nil
}

// DeleteLifecyclePolicy drops the policy. Errors:
// LifecyclePolicyNotFoundException, RepositoryNotFoundException.
func (a *API) DeleteLifecyclePolicy(ctx context.Context, in *shape.DeleteLifecyclePolicyInput) (*shape.DeleteLifecyclePolicyOutput, error) {
	var old string
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		if r.Lifecycle == "" {
			return a.noLifecycle(r.Name)
		}
		old, r.Lifecycle = r.Lifecycle, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteLifecyclePolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), LifecyclePolicyText: wire.Ptr(old)}, nil
}

// GetRepositoryPolicy shows the policy. Errors:
// RepositoryPolicyNotFoundException, RepositoryNotFoundException.
func (a *API) GetRepositoryPolicy(_ context.Context, in *shape.GetRepositoryPolicyInput) (*shape.GetRepositoryPolicyOutput, error) {
	rec, err := a.find(a.DB.View(), in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if rec.Policy == "" {
		return nil, a.noPolicy(rec.Name)
	}
	return &shape.GetRepositoryPolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(rec.Policy)}, nil
}

// SetRepositoryPolicy keeps a policy. Errors: InvalidParameterException,
// RepositoryNotFoundException.
func (a *API) SetRepositoryPolicy(ctx context.Context, in *shape.SetRepositoryPolicyInput) (*shape.SetRepositoryPolicyOutput, error) {
	text := wire.Val(in.PolicyText)
	if !json.Valid([]byte(text)) {
		return nil, invalid("PolicyText", "Invalid repository policy provided")
	}
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		r.Policy = text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.SetRepositoryPolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(text)}, nil
}

// DeleteRepositoryPolicy drops the policy. Errors:
// RepositoryPolicyNotFoundException, RepositoryNotFoundException.
func (a *API) DeleteRepositoryPolicy(ctx context.Context, in *shape.DeleteRepositoryPolicyInput) (*shape.DeleteRepositoryPolicyOutput, error) {
	var old string
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		if r.Policy == "" {
			return a.noPolicy(r.Name)
		}
		old, r.Policy = r.Policy, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteRepositoryPolicyOutput{RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(old)}, nil
}
