package secretsmanager

import (
	"context"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/secretsmanager"
)

// ListSecretVersionIds lists a secret's versions, what was made last first; those
// without a label if they are asked for. Errors: ResourceNotFoundException,
// InvalidNextTokenException.
func (a *API) ListSecretVersionIds(
	_ context.Context, in *shape.ListSecretVersionIdsInput,
) (*shape.ListSecretVersionIdsOutput, error) {
	s, err := a.find(a.DB.View(), in.SecretId)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(s.Versions), func(v model.SecretVersion) bool {
		return len(v.Stages) == 0 && !wire.Val(in.IncludeDeprecated)
	})
	key := func(v model.SecretVersion) string {
		return v.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000") + " " + v.ID
	}
	slices.SortFunc(all, func(x, y model.SecretVersion) int {
		if key(x) > key(y) {
			return -1
		}
		return 1
	})
	rules := pages
	rules.Down = true
	all, next, err := page.Cut(rules, in, all, key)
	if err != nil {
		return nil, err
	}
	out := &shape.ListSecretVersionIdsOutput{
		ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), Versions: []shape.SecretVersionsListEntry{}, NextToken: next,
	}
	for _, v := range all {
		out.Versions = append(out.Versions, shape.SecretVersionsListEntry{
			VersionId: wire.Ptr(v.ID), VersionStages: v.Stages, CreatedDate: wire.Ptr(v.CreatedAt),
		})
	}
	return out, nil
}

// UpdateSecretVersionStage moves a label to a version, or takes it away. Whoever
// moves one has to say which version has it; AWSCURRENT cannot be taken away, and
// leaves AWSPREVIOUS where it was. Errors: ResourceNotFoundException,
// InvalidParameterException, InvalidRequestException.
func (a *API) UpdateSecretVersionStage(
	ctx context.Context, in *shape.UpdateSecretVersionStageInput,
) (*shape.UpdateSecretVersionStageOutput, error) {
	stage, to, from := wire.Val(in.VersionStage), wire.Val(in.MoveToVersionId), wire.Val(in.RemoveFromVersionId)
	if to == "" && from == "" {
		return nil, invalidParameter("You must specify MoveToVersionId or RemoveFromVersionId.")
	}
	s, err := a.edit(ctx, in.SecretId, func(s *model.Secret) error {
		at := func(id string) int {
			return slices.IndexFunc(s.Versions, func(v model.SecretVersion) bool { return v.ID == id })
		}
		holder := slices.IndexFunc(s.Versions, func(v model.SecretVersion) bool { return slices.Contains(v.Stages, stage) })
		switch {
		case to != "" && at(to) < 0:
			return notFound(" value for VersionId: " + to)
		case from != "" && at(from) < 0:
			return notFound(" value for VersionId: " + from)
		case to == "" && stage == current:
			return invalidParameter("You can't remove the staging label AWSCURRENT from a version: move it to another one.")
		case from != "" && (holder < 0 || s.Versions[holder].ID != from):
			return invalidParameter("The staging label " + stage + " is not attached to the version " + from + ".")
		case holder >= 0 && s.Versions[holder].ID != to && from == "":
			return invalidParameter(
				"The parameter RemoveFromVersionId can't be empty. Staging label " + stage + " is currently attached to version " +
					s.Versions[holder].ID + ", so you must explicitly reference that version in RemoveFromVersionId.",
			)
		}
		move(s, stage, holder, at(to))
		s.ChangedAt = a.Clock.Now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.UpdateSecretVersionStageOutput{ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name)}, nil
}

// move takes a label from where it is to another version; to is -1 for none.
func move(s *model.Secret, stage string, holder, to int) {
	if holder == to {
		return
	}
	take(s, stage)
	if stage == current && holder >= 0 {
		take(s, previous)
		s.Versions[holder].Stages = append(s.Versions[holder].Stages, previous)
	}
	if to >= 0 {
		s.Versions[to].Stages = append(s.Versions[to].Stages, stage)
	}
}

// TagResource gives a secret tags, or other values of them. Errors:
// ResourceNotFoundException, InvalidRequestException,
// InvalidParameterException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	_, err := a.edit(ctx, in.SecretId, func(s *model.Secret) error {
		var tags []model.Tag
		for _, t := range in.Tags {
			tags = append(tags, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
		}
		if s.Tags = model.SetTags(s.Tags, tags); len(s.Tags) > maxTags {
			return fault.New(fault.Invalid, "InvalidParameterException", "A secret has at most %d tags.", maxTags)
		}
		return nil
	})
	return &shape.TagResourceOutput{}, err
}

// UntagResource takes tags away. Errors: ResourceNotFoundException,
// InvalidRequestException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	_, err := a.edit(ctx, in.SecretId, func(s *model.Secret) error {
		s.Tags = slices.DeleteFunc(slices.Clone(s.Tags), func(t model.Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nil
	})
	return &shape.UntagResourceOutput{}, err
}
