package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/lambda"
)

// document is a function's resource policy as Lambda writes it.
type document struct {
	Version   string      `json:"Version"`
	ID        string      `json:"Id"`
	Statement []statement `json:"Statement"`
}

// maxPolicy is Lambda's limit of a resource policy.
const maxPolicy = 20 << 10

type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal any                          `json:"Principal"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

func read(policy string) (document, error) {
	d := document{Version: "2012-10-17", ID: "default"}
	if policy == "" {
		return d, nil
	}
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		return d, fmt.Errorf("read function policy: %w", err)
	}
	return d, nil
}

// AddPermission adds a statement. Errors: ResourceNotFoundException,
// ResourceConflictException, PreconditionFailedException,
// InvalidParameterValueException, PolicyLengthExceededException.
func (a *API) AddPermission(ctx context.Context, in *shape.AddPermissionInput) (*shape.AddPermissionOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s := statement{Sid: wire.Val(in.StatementId), Effect: "Allow", Action: wire.Val(in.Action), Resource: fn.ARN}
	if s.Principal, err = a.principal(wire.Val(in.Principal)); err != nil {
		return nil, err
	}
	if in.SourceArn != nil {
		s.Condition = map[string]map[string]string{"ArnLike": {"AWS:SourceArn": *in.SourceArn}}
	}
	if in.SourceAccount != nil {
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		s.Condition["StringEquals"] = map[string]string{"AWS:SourceAccount": *in.SourceAccount}
	}
	err = a.repolicy(ctx, fn.Name, in.RevisionId, func(d *document) error {
		if slices.ContainsFunc(d.Statement, func(o statement) bool { return o.Sid == s.Sid }) {
			return conflict(
				"The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.Sid,
			)
		}
		d.Statement = append(d.Statement, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return &shape.AddPermissionOutput{Statement: wire.Ptr(string(text))}, nil
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// principal writes a principal as IAM's language does.
func (a *API) principal(p string) (any, error) {
	switch {
	case p == "*":
		return p, nil
	case strings.Contains(p, ".amazonaws.com"):
		return map[string]string{"Service": p}, nil
	case strings.HasPrefix(p, "arn:"):
		return map[string]string{"AWS": p}, nil
	case accountID.MatchString(p):
		return map[string]string{"AWS": "arn:" + a.Place.Partition + ":iam::" + p + ":root"}, nil
	default:
		return nil, invalid("The provided principal was invalid. Please check the principal and try again.")
	}
}

// RemovePermission drops a statement. Errors: ResourceNotFoundException,
// PreconditionFailedException.
func (a *API) RemovePermission(ctx context.Context, in *shape.RemovePermissionInput) (*shape.RemovePermissionOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	sid := wire.Val(in.StatementId)
	return &shape.RemovePermissionOutput{}, a.repolicy(ctx, fn.Name, in.RevisionId, func(d *document) error {
		n := len(d.Statement)
		d.Statement = slices.DeleteFunc(d.Statement, func(s statement) bool { return s.Sid == sid })
		if len(d.Statement) == n {
			return fault.New(fault.NotFound, "ResourceNotFoundException", "Statement %s is not found in resource policy.", sid)
		}
		return nil
	})
}

func (a *API) repolicy(ctx context.Context, name string, revision *string, f func(*document) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		fn, err := a.find(tx, &name, nil)
		if err != nil {
			return err
		}
		if r := wire.Val(revision); r != "" && r != fn.RevisionID {
			return fault.New(
				fault.Conflict, "PreconditionFailedException",
				"The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the latest Revision Id",
			)
		}
		d, err := read(fn.Policy)
		if err != nil {
			return err
		}
		if err := f(&d); err != nil {
			return err
		}
		text := ""
		if len(d.Statement) > 0 {
			data, err := json.Marshal(d)
			if err != nil {
				return fmt.Errorf("encode function policy: %w", err)
			}
			text = string(data)
		}
		if len(text) > maxPolicy {
			return fault.New(
				fault.Invalid, "PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", len(text), maxPolicy,
			)
		}
		return state.Functions.Edit(tx, name, func(fn *model.Function) error {
			fn.Policy = text
			return nil
		})
	})
}

// GetPolicy shows the policy. Errors: ResourceNotFoundException.
func (a *API) GetPolicy(_ context.Context, in *shape.GetPolicyInput) (*shape.GetPolicyOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if fn.Policy == "" {
		return nil, fault.New(fault.NotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return &shape.GetPolicyOutput{Policy: wire.Ptr(fn.Policy), RevisionId: wire.Ptr(fn.RevisionID)}, nil
}
