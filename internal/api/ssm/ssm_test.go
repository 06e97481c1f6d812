package ssm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/api/ssm"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

const base = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended"

func newAPI(t *testing.T) *ssm.API {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return ssm.New(ssm.Deps{
		DB: db, Clock: clock.NewStepped(time.Unix(1_800_000_000, 0)), IDs: ident.Seeded(1),
		Place: ident.Place{Partition: "aws", Region: "eu-west-1", Account: "123456789012"},
	})
}

func TestErrorsAreAsListed(t *testing.T) {
	t.Parallel()
	w := apitest.NewWorld(t)
	w.Must("ssm", "PutParameter", apitest.In{"Name": "/mine", "Value": "x", "Type": "String"})
	w.Must("ssm", "PutParameter", apitest.In{"Name": "/large", "Value": "x", "Type": "String", "Tier": "Advanced"})
	full := model.Parameter{Name: "/full"}
	for i := range 100 {
		full.Versions = append(full.Versions, model.ParameterVersion{Number: int64(i + 1), Type: "String", Value: "x", Labels: []string{"l"}})
	}
	labelled := model.Parameter{Name: "/labelled", Versions: []model.ParameterVersion{{Number: 1, Labels: make([]string, 10)}}}
	apitest.Put(w, state.Parameters, full, labelled)
	var tags []string
	for i := range 51 {
		tags = append(tags, fmt.Sprintf(`{"Key":"k%d","Value":"v"}`, i))
	}
	rows := strings.NewReplacer(
		"NEW", "Name=/new Type=String", "OVER", "Overwrite=true", "LONGER", strings.Repeat("x", 8193), "LONG", strings.Repeat("x", 4097),
		"MANY", "["+strings.Join(tags, ",")+"]", "DEEP", "/"+strings.Repeat("a/", 15)+"a",
	).Replace(`
		GetParameter ParameterNotFound Name=/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id
		GetParameter ParameterNotFound Name=/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-ECS_Optimized/image_id
		GetParameter ParameterNotFound Name=/other
		GetParameter ParameterVersionNotFound Name=` + base + `:2
		GetParameter ParameterVersionNotFound Name=/mine:2
		GetParameter ParameterVersionNotFound Name=/mine:label
		GetParameters ValidationException Names=["1","2","3","4","5","6","7","8","9","10","11"]
		GetParametersByPath ValidationException Path=mine
		GetParametersByPath ValidationException Path=/aws MaxResults=11
		GetParametersByPath InvalidNextToken Path=/aws NextToken=made-up
		GetParametersByPath InvalidFilterKey Path=/ ParameterFilters=[{"Key":"Name","Values":["x"]}]
		GetParametersByPath InvalidFilterOption Path=/ ParameterFilters=[{"Key":"Label","Option":"Contains","Values":["x"]}]
		GetParametersByPath InvalidFilterValue Path=/ ParameterFilters=[{"Key":"Type"}]
		DescribeParameters InvalidFilterOption ParameterFilters=[{"Key":"Path","Option":"Equals","Values":["/x"]}]
		DescribeParameters InvalidFilterValue ParameterFilters=[{"Key":"Name"}]
		DescribeParameters InvalidNextToken NextToken=made-up
		PutParameter AccessDeniedException Name=/aws/mine Value=x Type=String
		PutParameter ValidationException Name=ssm-mine Value=x Type=String
		PutParameter ValidationException Name=a*b Value=x Type=String
		PutParameter ValidationException Name=a/b Value=x Type=String
		PutParameter ValidationException Name=/a/ Value=x Type=String
		PutParameter HierarchyLevelLimitExceededException Name=DEEP Value=x Type=String
		PutParameter ValidationException Name=/new Value=x
		PutParameter ValidationException NEW Value=
		PutParameter ValidationException NEW Value=x OVER Tags=[{"Key":"a","Value":"b"}]
		PutParameter ValidationException NEW Value=x Tags=[{"Key":"aws:a","Value":"b"}]
		PutParameter TooManyTagsError NEW Value=x Tags=MANY
		PutParameter ValidationException NEW Value=x KeyId=alias/aws/ssm
		PutParameter ValidationException NEW Value=x DataType=blob
		PutParameter ValidationException NEW Value=x DataType=aws:ec2:image
		PutParameter ValidationException NEW Value=LONG
		PutParameter ValidationException NEW Value=LONGER Tier=Advanced
		PutParameter ValidationException Name=/large Value=x Tier=Standard OVER
		PutParameter ParameterAlreadyExists Name=/mine Value=y Type=String
		PutParameter HierarchyTypeMismatchException Name=/mine Value=y Type=StringList OVER
		PutParameter InvalidAllowedPatternException NEW Value=x AllowedPattern=(
		PutParameter ParameterPatternMismatchException NEW Value=x AllowedPattern=\d+
		PutParameter ParameterMaxVersionLimitExceeded Name=/full Value=y OVER
		DeleteParameter ParameterNotFound Name=/other
		GetParameterHistory ParameterNotFound Name=/other
		GetParameterHistory InvalidNextToken Name=/mine NextToken=made-up
		LabelParameterVersion ParameterNotFound Name=/other Labels=["a"]
		LabelParameterVersion ParameterVersionNotFound Name=/mine ParameterVersion=7 Labels=["a"]
		LabelParameterVersion ParameterVersionLabelLimitExceeded Name=/labelled Labels=["a"]
		UnlabelParameterVersion ParameterNotFound Name=/other Labels=["a"] ParameterVersion=1
		UnlabelParameterVersion ParameterVersionNotFound Name=/mine ParameterVersion=7 Labels=["a"]
		AddTagsToResource InvalidResourceType ResourceType=Document ResourceId=/mine Tags=[]
		AddTagsToResource InvalidResourceId ResourceType=Parameter ResourceId=/other Tags=[]
		AddTagsToResource TooManyTagsError ResourceType=Parameter ResourceId=/mine Tags=MANY
		AddTagsToResource ValidationException ResourceType=Parameter ResourceId=/mine Tags=[{"Key":"aws:a","Value":"b"}]
		RemoveTagsFromResource InvalidResourceType ResourceType=Document ResourceId=/mine TagKeys=[]
		RemoveTagsFromResource InvalidResourceId ResourceType=Parameter ResourceId=/other TagKeys=[]
		ListTagsForResource InvalidResourceType ResourceType=Document ResourceId=/mine
		ListTagsForResource InvalidResourceId ResourceType=Parameter ResourceId=/other
	`)
	var many []model.Parameter
	for i := range 10_000 {
		many = append(many, model.Parameter{Name: fmt.Sprint("/many/", i), Versions: []model.ParameterVersion{{Tier: "Standard"}}})
	}
	apitest.Put(w, state.Parameters, many...)
	apitest.Errors(t, w, "ssm", rows+`
		PutParameter ParameterLimitExceeded Name=/one-more Value=x Type=String
	`)
}

// Proves: E1
func TestPublicParametersAreShown(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
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
	api := newAPI(t)
	list := func(path string, recursive bool) (names []string) {
		in := &shape.GetParametersByPathInput{Path: &path, Recursive: &recursive}
		for {
			out, err := api.GetParametersByPath(t.Context(), in)
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

func put(t *testing.T, a *ssm.API, in shape.PutParameterInput) {
	t.Helper()
	if _, err := a.PutParameter(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
}

// value is a parameter's, or why there is none.
func value(t *testing.T, a *ssm.API, name string, decrypted bool) string {
	t.Helper()
	out, err := a.GetParameter(t.Context(), &shape.GetParameterInput{Name: &name, WithDecryption: &decrypted})
	if err != nil {
		return fault.CodeOf(err)
	}
	return *out.Parameter.Value + wire.Val(out.Parameter.Selector)
}

// Proves: IR18
func TestVersionsOfParametersHaveLabels(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	name := wire.Ptr("/app/db")
	put(t, a, shape.PutParameterInput{Name: name, Type: wire.Ptr("String"), Value: wire.Ptr("one"), Description: wire.Ptr("d")})
	put(t, a, shape.PutParameterInput{Name: name, Value: wire.Ptr("two"), Overwrite: wire.Ptr(true), AllowedPattern: wire.Ptr("t.*")})
	out, err := a.LabelParameterVersion(t.Context(), &shape.LabelParameterVersionInput{
		Name: name, ParameterVersion: wire.Ptr(int64(1)), Labels: []string{"prod", "1st", "aws-x", "prod"},
	})
	if err != nil || !slices.Equal(out.InvalidLabels, []string{"1st", "aws-x"}) || *out.ParameterVersion != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	read := map[string]string{
		"/app/db": "two", "/app/db:1": "one:1", "/app/db:prod": "one:prod", "/app/db:3": "ParameterVersionNotFound",
		"arn:aws:ssm:eu-west-1:123456789012:parameter/app/db:2": "two:2",
	}
	for name, want := range read {
		if got := value(t, a, name, false); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if _, err := a.LabelParameterVersion(t.Context(), &shape.LabelParameterVersionInput{Name: name, Labels: []string{"prod"}}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, a, "/app/db:prod", false); got != "two:prod" {
		t.Errorf("a moved label: %s", got)
	}
	un, err := a.UnlabelParameterVersion(t.Context(), &shape.UnlabelParameterVersionInput{
		Name: name, ParameterVersion: wire.Ptr(int64(2)), Labels: []string{"prod", "none"},
	})
	if err != nil || !slices.Equal(un.RemovedLabels, []string{"prod"}) || !slices.Equal(un.InvalidLabels, []string{"none"}) {
		t.Errorf("%+v, %v", un, err)
	}
	h, err := a.GetParameterHistory(t.Context(), &shape.GetParameterHistoryInput{Name: name})
	if err != nil || len(h.Parameters) != 2 || *h.Parameters[0].Description != "d" || *h.Parameters[1].AllowedPattern != "t.*" {
		t.Errorf("%+v, %v", h, err)
	}
	for i := range 100 {
		put(t, a, shape.PutParameterInput{Name: name, Value: wire.Ptr(fmt.Sprint("t", i)), Overwrite: wire.Ptr(true)})
	}
	if got := value(t, a, "/app/db:2", false) + value(t, a, "/app/db:3", false); got != "ParameterVersionNotFoundt0:3" {
		t.Errorf("the oldest of 102: %s", got)
	}
}

// Proves: IR19
func TestSecureParametersAreShownToWhoAsks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, shape.PutParameterInput{
		Name: wire.Ptr("key"), Type: wire.Ptr("SecureString"), Value: wire.Ptr("hush"), KeyId: wire.Ptr("alias/aws/ssm"),
	})
	if sealed := value(t, a, "key", false); strings.Contains(sealed, "hush") || len(sealed) < 100 || sealed != value(t, a, "key", false) {
		t.Errorf("without decryption: %s", sealed)
	}
	for _, name := range []string{"key", "arn:aws:ssm:eu-west-1:123456789012:parameter/key"} {
		if got := value(t, a, name, true); got != "hush" {
			t.Errorf("%s: %s", name, got)
		}
	}
	out, err := a.DescribeParameters(t.Context(), &shape.DescribeParametersInput{})
	if err != nil || *out.Parameters[0].KeyId != "alias/aws/ssm" ||
		*out.Parameters[0].ARN != "arn:aws:ssm:eu-west-1:123456789012:parameter/key" {
		t.Errorf("%+v, %v", out, err)
	}
}

// Proves: IR20
func TestParametersAreListedByFilters(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for name, kind := range map[string]string{"/a/x": "String", "/a/b/y": "StringList", "/a/b/c/z": "SecureString", "flat": "String"} {
		put(t, a, shape.PutParameterInput{
			Name: &name, Type: &kind, Value: wire.Ptr("v"), Tags: []shape.Tag{{Key: wire.Ptr("team"), Value: wire.Ptr(name[:2])}},
		})
	}
	put(t, a, shape.PutParameterInput{
		Name: wire.Ptr("/a/x"), Value: wire.Ptr(strings.Repeat("x", 5000)), Overwrite: wire.Ptr(true), Tier: wire.Ptr("Intelligent-Tiering"),
	})
	label := &shape.LabelParameterVersionInput{Name: wire.Ptr("/a/b/y"), Labels: []string{"l"}}
	if _, err := a.LabelParameterVersion(t.Context(), label); err != nil {
		t.Fatal(err)
	}
	filter := func(key, option string, values ...string) shape.ParameterStringFilter {
		f := shape.ParameterStringFilter{Key: &key, Values: values}
		if option != "" {
			f.Option = &option
		}
		return f
	}
	for _, c := range []struct {
		by   []shape.ParameterStringFilter
		want string
	}{
		{nil, "/a/b/c/z /a/b/y /a/x flat"},
		{[]shape.ParameterStringFilter{filter("Path", "", "/a")}, "/a/x"},
		{[]shape.ParameterStringFilter{filter("Path", "Recursive", "/a/b/")}, "/a/b/c/z /a/b/y"},
		{[]shape.ParameterStringFilter{filter("Name", "", "flat", "/a/x")}, "/a/x flat"},
		{[]shape.ParameterStringFilter{filter("Name", "BeginsWith", "a/b")}, "/a/b/c/z /a/b/y"},
		{[]shape.ParameterStringFilter{filter("Name", "Contains", "/b/"), filter("Type", "", "StringList")}, "/a/b/y"},
		{[]shape.ParameterStringFilter{filter("KeyId", "", "alias/aws/ssm")}, "/a/b/c/z"},
		{[]shape.ParameterStringFilter{filter("Label", "", "l")}, "/a/b/y"},
		{[]shape.ParameterStringFilter{filter("Tier", "", "Advanced")}, "/a/x"},
		{[]shape.ParameterStringFilter{filter("DataType", "", "text"), filter("tag:team", "", "fl")}, "flat"},
		{[]shape.ParameterStringFilter{filter("tag:none", "")}, ""},
	} {
		out, err := a.DescribeParameters(t.Context(), &shape.DescribeParametersInput{ParameterFilters: c.by})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range out.Parameters {
			names = append(names, *p.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: %s, want %s", c.by, got, c.want)
		}
	}
	out, err := a.GetParametersByPath(t.Context(), &shape.GetParametersByPathInput{
		Path: wire.Ptr("/a/"), Recursive: wire.Ptr(true), ParameterFilters: []shape.ParameterStringFilter{filter("Type", "", "SecureString")},
		WithDecryption: wire.Ptr(true),
	})
	if err != nil || len(out.Parameters) != 1 || *out.Parameters[0].Value != "v" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestParametersAreTaggedAndDeleted(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, shape.PutParameterInput{Name: wire.Ptr("/a"), Type: wire.Ptr("String"), Value: wire.Ptr("v")})
	put(t, a, shape.PutParameterInput{Name: wire.Ptr("/b"), Type: wire.Ptr("String"), Value: wire.Ptr("v")})
	kind, id := wire.Ptr("Parameter"), wire.Ptr("/a")
	tag := func(k string) shape.Tag { return shape.Tag{Key: &k, Value: wire.Ptr("v")} }
	_, err := a.AddTagsToResource(t.Context(), &shape.AddTagsToResourceInput{
		ResourceType: kind, ResourceId: id, Tags: []shape.Tag{tag("x"), tag("y")},
	})
	if err == nil {
		_, err = a.RemoveTagsFromResource(t.Context(), &shape.RemoveTagsFromResourceInput{
			ResourceType: kind, ResourceId: id, TagKeys: []string{"x"},
		})
	}
	list, lerr := a.ListTagsForResource(t.Context(), &shape.ListTagsForResourceInput{ResourceType: kind, ResourceId: id})
	if err != nil || lerr != nil || len(list.TagList) != 1 || *list.TagList[0].Key != "y" {
		t.Errorf("%+v, %v, %v", list, err, lerr)
	}
	out, err := a.DeleteParameters(t.Context(), &shape.DeleteParametersInput{Names: []string{"/a", "/none"}})
	if err != nil || !slices.Equal(out.DeletedParameters, []string{"/a"}) || !slices.Equal(out.InvalidParameters, []string{"/none"}) {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := a.DeleteParameter(t.Context(), &shape.DeleteParameterInput{Name: wire.Ptr("/b")}); err != nil {
		t.Error(err)
	}
	if got := value(t, a, "/a", false) + value(t, a, "/b", false); got != "ParameterNotFoundParameterNotFound" {
		t.Error(got)
	}
}
