package ecr

import (
	"context"

	"berth/internal/fault"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

func (a *API) noLifecycle(name string) error {
	return fault.New(
		fault.NotFound, "LifecyclePolicyNotFoundException",
		"Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.Place.Account,
	)
}

func (a *API) noPolicy(name string) error {
	return fault.New(
		fault.NotFound, "RepositoryPolicyNotFoundException",
		"Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.Place.Account,
	)
}

// GetLifecyclePolicy shows that there is none: images expire by no rule here.
// Errors: LifecyclePolicyNotFoundException, RepositoryNotFoundException.
func (a *API) GetLifecyclePolicy(_ context.Context, in *shape.GetLifecyclePolicyInput) (*shape.GetLifecyclePolicyOutput, error) {
	rec, err := a.find(a.DB.View(), in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	return nil, a.noLifecycle(rec.Name)
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
	return &shape.GetRepositoryPolicyOutput{
		RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(rec.Policy),
	}, nil
}

// SetRepositoryPolicy sets who may do what with a repository, beside their own
// policies; access evaluates it. Errors: InvalidParameterException,
// RepositoryNotFoundException.
func (a *API) SetRepositoryPolicy(ctx context.Context, in *shape.SetRepositoryPolicyInput) (*shape.SetRepositoryPolicyOutput, error) {
	text := wire.Val(in.PolicyText)
	if _, err := policy.Check(policy.Resource, text); err != nil {
		return nil, invalid("PolicyText", "Invalid repository policy provided: "+fault.MessageOf(err))
	}
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		r.Policy = text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.SetRepositoryPolicyOutput{
		RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(text),
	}, nil
}

// DeleteRepositoryPolicy drops the policy. Errors:
// RepositoryPolicyNotFoundException, RepositoryNotFoundException.
func (a *API) DeleteRepositoryPolicy(
	ctx context.Context, in *shape.DeleteRepositoryPolicyInput,
) (*shape.DeleteRepositoryPolicyOutput, error) {
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
	return &shape.DeleteRepositoryPolicyOutput{
		RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), PolicyText: wire.Ptr(old),
	}, nil
}
