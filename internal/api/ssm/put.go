package ssm

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/javaregexp"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

const writer = "api/ssm"

// The limits of Parameter Store (Systems Manager quotas) and its tiers.
const (
	standard    = "Standard"
	advanced    = "Advanced"
	intelligent = "Intelligent-Tiering"

	maxStandard       = 4096 // bytes of a value
	maxAdvanced       = 8192
	maxLevels         = 15
	maxVersions       = 100
	maxTags           = 50
	maxStandardTotal  = 10_000
	sealedOverhead    = 150 // bytes that cipher text has beside the text's
	usualDataType     = "text"
	dataTypeImage     = "aws:ec2:image"
	usualKey          = "alias/aws/ssm"
	resourceParameter = "Parameter"
)

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)
	imageForm = regexp.MustCompile(`^ami-[0-9a-f]{8}([0-9a-f]{9})?$`)
)

// checkName holds a new parameter's name (User Guide, "Requirements and
// constraints for parameter names").
func checkName(name string) error {
	plain := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case strings.HasPrefix(plain, "aws/") && strings.HasPrefix(name, "/"):
		return fault.New(fault.Denied, "AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case strings.HasPrefix(plain, "aws") || strings.HasPrefix(plain, "ssm") || !nameForm.MatchString(name):
		return invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can consist of " +
			"sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		return invalid("Parameter name must not end with a slash, or have two in a row.")
	case strings.Count(name, "/") > maxLevels:
		return fault.New(
			fault.Invalid, "HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of %d levels.", maxLevels,
		)
	}
	return nil
}

// tierOf is the tier in which a value is kept, told what is asked for, if
// anything, and what it was.
func tierOf(asked, was string, size int) (string, error) {
	large := size > maxStandard
	switch {
	case size > maxAdvanced:
		return "", invalid("Advanced tier parameters support a maximum parameter value of %d characters.", maxAdvanced)
	case asked == standard && was == advanced:
		return "", invalid("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to " +
			"the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	case asked == advanced || was == advanced || asked == intelligent && large:
		return advanced, nil
	case large:
		return "", invalid("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, "+
			"upgrade the parameter to use the advanced-parameter tier.", maxStandard)
	}
	return standard, nil
}

// checkValue holds a value against what it has to be.
func checkValue(v model.ParameterVersion) error {
	if v.Value == "" {
		return invalid("1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or " +
			"equal to 1")
	}
	if v.DataType != usualDataType && v.DataType != dataTypeImage {
		return invalid("The following data type is not supported: %s (Data type names are all lowercase.)", v.DataType)
	}
	if v.DataType == dataTypeImage && !imageForm.MatchString(v.Value) {
		return invalid("The value %s is not the id of an image, as the data type %s has it.", v.Value, dataTypeImage)
	}
	if v.AllowedPattern == "" {
		return nil
	}
	re, err := javaregexp.CompileWhole(v.AllowedPattern)
	if err != nil {
		return fault.New(
			fault.Invalid, "InvalidAllowedPatternException", "The allowed pattern %s is not a regular expression.", v.AllowedPattern,
		)
	}
	ok, err := re.Match(v.Value)
	if err != nil || !ok {
		return fault.New(
			fault.Invalid, "ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", v.AllowedPattern,
		)
	}
	return nil
}

// PutParameter makes a parameter, or another version of one if Overwrite says
// so. Errors: ValidationException, AccessDeniedException,
// ParameterAlreadyExists, HierarchyLevelLimitExceededException,
// HierarchyTypeMismatchException, InvalidAllowedPatternException,
// ParameterPatternMismatchException, ParameterLimitExceeded,
// ParameterMaxVersionLimitExceeded, TooManyTagsError.
func (a *API) PutParameter(ctx context.Context, in *shape.PutParameterInput) (*shape.PutParameterOutput, error) {
	name, over := wire.Val(in.Name), wire.Val(in.Overwrite)
	if err := checkName(name); err != nil {
		return nil, err
	}
	if over && len(in.Tags) > 0 {
		return nil, invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite " +
			"flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	if in.KeyId != nil && wire.Val(in.Type) != "" && *in.Type != model.ParameterSecure {
		return nil, invalid("KeyId is required for SecureString type parameter only.")
	}
	v := model.ParameterVersion{
		Number: 1, Type: wire.Val(in.Type), Value: wire.Val(in.Value), Description: wire.Val(in.Description),
		AllowedPattern: wire.Val(in.AllowedPattern), DataType: wire.Or(in.DataType, usualDataType), Tier: wire.Val(in.Tier),
		By: wire.CallFrom(ctx).Principal.ARN, At: a.Clock.Now(),
		Sealed: base64.StdEncoding.EncodeToString(a.IDs.Bytes(sealedOverhead + len(wire.Val(in.Value)))),
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	err = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		p, had := state.Parameters.Get(tx, name)
		if had && !over {
			return fault.New(
				fault.Conflict, "ParameterAlreadyExists",
				"The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
			)
		}
		if v, err = a.next(tx, p, had, v); err != nil {
			return err
		}
		if !had {
			p = model.Parameter{Name: name, Tags: tags}
		}
		if p.Versions, err = grown(p, v); err != nil {
			return err
		}
		return state.Parameters.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutParameterOutput{Version: &v.Number, Tier: &v.Tier}, nil
}

// next settles a version from what was put and the one before.
func (a *API) next(r store.Reader, p model.Parameter, had bool, v model.ParameterVersion) (model.ParameterVersion, error) {
	was := ""
	if had {
		old := p.Newest()
		was, v.Number = old.Tier, old.Number+1
		if v.Type == "" {
			v.Type = old.Type
		}
		if v.Type != old.Type {
			return v, fault.New(
				fault.Conflict, "HierarchyTypeMismatchException", "The type of parameter %s is %s and cannot be changed to %s.", p.Name, old.Type,
				v.Type,
			)
		}
	}
	if v.Type == "" {
		return v, invalid("A parameter type is required when you create a parameter.")
	}
	if v.Type != model.ParameterSecure {
		v.Sealed = ""
	}
	var err error
	if v.Tier, err = tierOf(v.Tier, was, len(v.Value)); err != nil {
		return v, err
	}
	if err := checkValue(v); err != nil {
		return v, err
	}
	if !had && v.Tier == standard && len(state.Parameters.By(r, "tier", standard)) >= maxStandardTotal {
		return v, fault.New(
			fault.Conflict, "ParameterLimitExceeded", "The account has %d standard parameters, which is the limit: delete some, or use the "+
				"advanced-parameter tier.", maxStandardTotal,
		)
	}
	return v, nil
}

// grown are a parameter's versions with one more. The oldest goes where there are
// too many, unless it has a label.
func grown(p model.Parameter, v model.ParameterVersion) ([]model.ParameterVersion, error) {
	all := slices.Clone(p.Versions)
	if len(all) >= maxVersions {
		if len(all[0].Labels) > 0 {
			return nil, fault.New(
				fault.Conflict, "ParameterMaxVersionLimitExceeded",
				"You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest "+
					"version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and "+
					"try again.", p.Name, all[0].Number,
			)
		}
		all = all[1:]
	}
	return append(all, v), nil
}

// tagged are tags with more of them.
func tagged(tags []model.Tag, more []shape.Tag) ([]model.Tag, error) {
	var add []model.Tag
	for _, t := range more {
		if strings.HasPrefix(strings.ToLower(wire.Val(t.Key)), "aws:") && !strings.HasPrefix(wire.Val(t.Key), "aws:cloudformation:") {
			return nil, invalid("Tag keys that begin with aws: are reserved: %s", *t.Key)
		}
		add = append(add, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	tags = model.SetTags(tags, add)
	if len(tags) > maxTags {
		return nil, fault.New(fault.Conflict, "TooManyTagsError", "A parameter has at most %d tags.", maxTags)
	}
	return tags, nil
}
