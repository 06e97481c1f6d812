package ssm_test

import (
	"slices"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/api/ssm"
	"berth/internal/ident"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

const base = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended"

func newAPI() *ssm.API {
	return ssm.New(ssm.Deps{Place: ident.Place{Partition: "aws", Region: "eu-west-1", Account: "123456789012"}})
}

func TestErrorsAreAsListed(t *testing.T) {
	t.Parallel()
	apitest.Errors(t, apitest.NewWorld(t), "ssm", `
		GetParameter ParameterNotFound Name=/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id
		GetParameter ParameterNotFound Name=/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-ECS_Optimized/image_id
		GetParameter ParameterNotFound Name=/mine
		GetParameter ParameterVersionNotFound Name=`+base+`:2
		GetParameters ValidationException Names=["1","2","3","4","5","6","7","8","9","10","11"]
		GetParametersByPath ValidationException Path=mine
		GetParametersByPath ValidationException Path=/aws MaxResults=11
		GetParametersByPath InvalidNextToken Path=/aws NextToken=made-up
	`)
}

// Proves: E1
func TestPublicParametersAreShown(t *testing.T) {
	t.Parallel()
	api := newAPI()
	want, _ := catalog.Public("eu-west-1", base+"/image_id")
	for _, name := range []string{base + "/image_id", "arn:aws:ssm:eu-west-1::parameter" + base + "/image_id", base + "/image_id:1"} {
		out, err := api.GetParameter(t.Context(), &shape.GetParameterInput{Name: &name})
		if err != nil || *out.Parameter.Value != want || *out.Parameter.ARN != "arn:aws:ssm:eu-west-1::parameter"+base+"/image_id" {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	out, err := api.GetParameters(t.Context(), &shape.GetParametersInput{Names: []string{base, "/mine"}})
	if err != nil || len(out.Parameters) != 1 || !strings.Contains(*out.Parameters[0].Value, want) ||
		!slices.Equal(out.InvalidParameters, []string{"/mine"}) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestPublicParametersAreListedByPath(t *testing.T) {
	t.Parallel()
	list := func(path string, recursive bool) (names []string) {
		in := &shape.GetParametersByPathInput{Path: &path, Recursive: &recursive}
		for {
			out, err := newAPI().GetParametersByPath(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range out.Parameters {
				names = append(names, wire.Val(p.Name))
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return names
			}
		}
	}
	if got := list(base, false); len(got) != 6 || got[2] != base+"/image_id" {
		t.Errorf("%q", got)
	}
	if got := list("/aws/service/ecs/optimized-ami/amazon-linux-2/", false); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got, all := list("/aws", true), catalog.PublicParameters("eu-west-1"); len(got) != len(all) {
		t.Errorf("%d of %d", len(got), len(all))
	}
}
