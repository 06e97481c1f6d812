package ec2

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var templates = noun[model.LaunchTemplate]{
	id: func(t model.LaunchTemplate) string { return t.ID }, absent: "InvalidLaunchTemplateId.NotFound", called: "launchTemplate ID",
	tags: func(t model.LaunchTemplate) []model.Tag { return t.Tags },
	filters: map[string]func(model.LaunchTemplate) []string{
		"launch-template-name": one(func(t model.LaunchTemplate) string { return t.Name }),
	},
}

// maxVersions is how many versions a launch template may have.
const maxVersions = 10_000

// CreateLaunchTemplate makes a template with its first version. Errors:
// InvalidLaunchTemplateName.AlreadyExistsException,
// InvalidLaunchTemplateName.MalformedException, InvalidParameterValue.
func (a *API) CreateLaunchTemplate(ctx context.Context, in *shape.CreateLaunchTemplateInput) (*shape.CreateLaunchTemplateOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "launch-template")
	if err != nil {
		return nil, err
	}
	name := wire.Val(in.LaunchTemplateName)
	data, err := a.templateData(ctx, in.LaunchTemplateData)
	switch {
	case err != nil:
		return nil, err
	case len(name) < 3 || len(name) > 128 || strings.Trim(name, templateLetters) != "":
		return nil, bad("InvalidLaunchTemplateName.MalformedException",
			"Launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.")
	}
	id, now, by := a.id("lt", in.ClientToken), a.Clock.Now(), wire.CallFrom(ctx).Principal.ARN
	var out model.LaunchTemplate
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		if t, ok := state.LaunchTemplates.Get(tx, id); ok {
			out = t // the same call again
			return nil
		}
		if len(state.LaunchTemplates.By(tx, "name", name)) > 0 {
			return fault.New(fault.Conflict, "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
		out = model.LaunchTemplate{ID: id, Name: name, CreatedBy: by, CreatedAt: now, Default: 1, Latest: 1, Tags: tags,
			Versions: []model.LaunchTemplateVersion{{
				Number: 1, Description: wire.Val(in.VersionDescription), CreatedBy: by, CreatedAt: now, Data: data,
			}}}
		return state.LaunchTemplates.Put(tx, out)
	})
	return &shape.CreateLaunchTemplateOutput{LaunchTemplate: wire.Ptr(showTemplate(out))}, err
}

const templateLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-()./_"

// templateData checks what can be checked before a launch, and is the data as
// JSON.
func (a *API) templateData(ctx context.Context, d *shape.RequestLaunchTemplateData) (string, error) {
	if d == nil {
		return "", lacking("LaunchTemplateData")
	}
	if len(wire.Val(d.UserData)) > maxUserData {
		return "", tooMuchUserData()
	}
	for _, s := range d.TagSpecifications {
		if _, err := readTags(ctx, s.Tags); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(d)
	return string(b), err
}

func showTemplate(t model.LaunchTemplate) shape.LaunchTemplate {
	return shape.LaunchTemplate{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, CreateTime: &t.CreatedAt, CreatedBy: &t.CreatedBy,
		DefaultVersionNumber: &t.Default, LatestVersionNumber: &t.Latest, Tags: showTags(t.Tags),
	}
}

// findTemplate finds a template by its id or its name.
func findTemplate(r store.Reader, id, name *string) (model.LaunchTemplate, error) {
	switch {
	case id != nil && name != nil:
		return model.LaunchTemplate{}, bad("InvalidParameterCombination",
			"Only one of launch template ID or launch template name may be specified.")
	case id != nil:
		t, ok := state.LaunchTemplates.Get(r, *id)
		if !ok {
			return t, lost("InvalidLaunchTemplateId.NotFound", "launch template, with template ID", *id)
		}
		return t, nil
	case name == nil:
		return model.LaunchTemplate{}, lacking("LaunchTemplateId")
	}
	t, ok := state.LaunchTemplates.One(r, "name", *name)
	if !ok {
		return t, lost("InvalidLaunchTemplateName.NotFoundException", "launch template, with template name", *name)
	}
	return t, nil
}

// version finds a version by its number, $Latest or $Default; "" is the default.
func version(t model.LaunchTemplate, which string) (model.LaunchTemplateVersion, error) {
	n := t.Default
	switch which {
	case "", "$Default":
	case "$Latest":
		n = t.Latest
	default:
		var err error
		if n, err = strconv.ParseInt(which, 10, 64); err != nil {
			return model.LaunchTemplateVersion{}, bad("InvalidLaunchTemplateId.VersionNotFound",
				"Could not find launch template version %s.", which)
		}
	}
	i := slices.IndexFunc(t.Versions, func(v model.LaunchTemplateVersion) bool { return v.Number == n })
	if i < 0 {
		return model.LaunchTemplateVersion{}, fault.New(fault.NotFound, "InvalidLaunchTemplateId.VersionNotFound",
			"Could not find launch template version %s.", which)
	}
	return t.Versions[i], nil
}

// CreateLaunchTemplateVersion adds a version, of a source version changed by
// what is given. Errors: InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException,
// InvalidLaunchTemplateId.VersionNotFound, VersionLimitExceeded,
// MissingParameter.
func (a *API) CreateLaunchTemplateVersion(
	ctx context.Context, in *shape.CreateLaunchTemplateVersionInput,
) (*shape.CreateLaunchTemplateVersionOutput, error) {
	data, err := a.templateData(ctx, in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	now, by := a.Clock.Now(), wire.CallFrom(ctx).Principal.ARN
	var t model.LaunchTemplate
	v := model.LaunchTemplateVersion{Description: wire.Val(in.VersionDescription), CreatedBy: by, CreatedAt: now, Data: data}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		if t, err = findTemplate(tx, in.LaunchTemplateId, in.LaunchTemplateName); err != nil {
			return err
		}
		if in.SourceVersion != nil {
			from, err := version(t, *in.SourceVersion)
			if err != nil {
				return err
			}
			if v.Data, err = overlay(from.Data, data); err != nil {
				return err
			}
		}
		if len(t.Versions) >= maxVersions {
			return bad("VersionLimitExceeded", "The maximum number of launch template versions has been reached.")
		}
		t = model.Clone(t)
		t.Latest++
		v.Number = t.Latest
		t.Versions = append(t.Versions, v)
		return state.LaunchTemplates.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	shown, err := showVersion(t, v)
	return &shape.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: &shown}, err
}

// overlay is data with what other data state in place of it.
func overlay(under, over string) (string, error) {
	all := map[string]json.RawMessage{}
	for _, text := range []string{under, over} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return "", fault.Wrap(fault.Internal, err, "read the data of a launch template")
		}
	}
	b, err := json.Marshal(all)
	return string(b), err
}

func showVersion(t model.LaunchTemplate, v model.LaunchTemplateVersion) (shape.LaunchTemplateVersion, error) {
	var d shape.ResponseLaunchTemplateData
	if err := json.Unmarshal([]byte(v.Data), &d); err != nil {
		return shape.LaunchTemplateVersion{}, fault.Wrap(fault.Internal, err, "read the data of launch template %s", t.ID)
	}
	return shape.LaunchTemplateVersion{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &v.Number, VersionDescription: text(v.Description),
		CreateTime: &v.CreatedAt, CreatedBy: &v.CreatedBy, DefaultVersion: wire.Ptr(v.Number == t.Default), LaunchTemplateData: &d,
	}, nil
}

// ModifyLaunchTemplate chooses the default version. Errors:
// InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException,
// InvalidLaunchTemplateId.VersionNotFound, MissingParameter.
func (a *API) ModifyLaunchTemplate(ctx context.Context, in *shape.ModifyLaunchTemplateInput) (*shape.ModifyLaunchTemplateOutput, error) {
	var t model.LaunchTemplate
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) (err error) {
		if t, err = findTemplate(tx, in.LaunchTemplateId, in.LaunchTemplateName); err != nil {
			return err
		}
		if wire.Val(in.DefaultVersion) == "" {
			return lacking("SetDefaultVersion")
		}
		v, err := version(t, *in.DefaultVersion)
		if err != nil {
			return err
		}
		t.Default = v.Number
		return state.LaunchTemplates.Put(tx, t)
	})
	return &shape.ModifyLaunchTemplateOutput{LaunchTemplate: wire.Ptr(showTemplate(t))}, err
}

// DeleteLaunchTemplate deletes a template; its instances stay. Errors:
// InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException, MissingParameter.
func (a *API) DeleteLaunchTemplate(ctx context.Context, in *shape.DeleteLaunchTemplateInput) (*shape.DeleteLaunchTemplateOutput, error) {
	var t model.LaunchTemplate
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) (err error) {
		if t, err = findTemplate(tx, in.LaunchTemplateId, in.LaunchTemplateName); err != nil {
			return err
		}
		return state.LaunchTemplates.Delete(tx, t.ID)
	})
	return &shape.DeleteLaunchTemplateOutput{LaunchTemplate: wire.Ptr(showTemplate(t))}, err
}

// DeleteLaunchTemplateVersions deletes versions but for the default one.
// Errors: InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException, MissingParameter.
func (a *API) DeleteLaunchTemplateVersions(
	ctx context.Context, in *shape.DeleteLaunchTemplateVersionsInput,
) (*shape.DeleteLaunchTemplateVersionsOutput, error) {
	out := &shape.DeleteLaunchTemplateVersionsOutput{}
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := findTemplate(tx, in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return err
		}
		t = model.Clone(t)
		for _, which := range in.Versions {
			v, err := version(t, which)
			if err == nil && v.Number == t.Default {
				err = bad("unexpectedError", "The default version cannot be deleted.")
			}
			if err != nil {
				out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions,
					undeleted(t, which, err))
				continue
			}
			t.Versions = slices.DeleteFunc(t.Versions, func(o model.LaunchTemplateVersion) bool { return o.Number == v.Number })
			out.SuccessfullyDeletedLaunchTemplateVersions = append(
				out.SuccessfullyDeletedLaunchTemplateVersions, shape.DeleteLaunchTemplateVersionsResponseSuccessItem{
					LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &v.Number,
				})
		}
		return state.LaunchTemplates.Put(tx, t)
	})
	return out, err
}

func undeleted(t model.LaunchTemplate, which string, err error) shape.DeleteLaunchTemplateVersionsResponseErrorItem {
	n, _ := strconv.ParseInt(which, 10, 64)
	code := "launchTemplateVersionDoesNotExist"
	if fault.Is(err, fault.Invalid) {
		code = "unexpectedError"
	}
	return shape.DeleteLaunchTemplateVersionsResponseErrorItem{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &n,
		ResponseError: &shape.ResponseError{Code: &code, Message: wire.Ptr(fault.MessageOf(err))},
	}
}

// DescribeLaunchTemplates lists launch templates. Errors:
// InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException, InvalidParameterValue.
func (a *API) DescribeLaunchTemplates(
	_ context.Context, in *shape.DescribeLaunchTemplatesInput,
) (*shape.DescribeLaunchTemplatesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	ids := slices.Clone(in.LaunchTemplateIds)
	for _, id := range ids {
		if _, err := findTemplate(view, &id, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range in.LaunchTemplateNames {
		t, err := findTemplate(view, nil, &name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, t.ID)
	}
	all, next, err := templates.list(state.LaunchTemplates.All(view), a.query(in, ids, in.Filters))
	return &shape.DescribeLaunchTemplatesOutput{NextToken: next, LaunchTemplates: each(all, showTemplate)}, err
}

// DescribeLaunchTemplateVersions lists the versions of a template, the newest
// first. Errors: InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException,
// InvalidLaunchTemplateId.VersionNotFound, MissingParameter,
// InvalidParameterValue.
func (a *API) DescribeLaunchTemplateVersions(
	_ context.Context, in *shape.DescribeLaunchTemplateVersionsInput,
) (*shape.DescribeLaunchTemplateVersionsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	t, err := findTemplate(view, in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(t.Versions)
	if len(in.Versions) > 0 {
		all = nil
		for _, which := range in.Versions {
			v, err := version(t, which)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(x, y model.LaunchTemplateVersion) int { return cmp.Compare(y.Number, x.Number) })
	key := func(v model.LaunchTemplateVersion) string { return page.Number(v.Number) }
	all, next, err := page.Cut(pages.Descending(true), in, slices.Compact(all), key)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLaunchTemplateVersionsOutput{NextToken: next}
	for _, v := range all {
		shown, err := showVersion(t, v)
		if err != nil {
			return nil, err
		}
		out.LaunchTemplateVersions = append(out.LaunchTemplateVersions, shown)
	}
	return out, nil
}
