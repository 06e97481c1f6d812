package cloudformation_test

import (
	"testing"

	api "berth/internal/api/cloudformation"
	"berth/internal/front"
	shape "berth/internal/wire/shape/cloudformation"
)

func TestTheFieldsFitTheModel(t *testing.T) {
	t.Parallel()
	if _, err := front.New(front.Deps{
		Services: []front.Service{{Meta: shape.Meta, API: api.New(api.Deps{}), Fields: api.Fields}},
	}); err != nil {
		t.Error(err)
	}
}
