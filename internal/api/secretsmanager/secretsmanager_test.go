package secretsmanager_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/api/secretsmanager"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/secretsmanager"
)

var place = ident.Place{Partition: "aws", Region: "eu-west-3", Account: "123456789012"}

func newAPI(t *testing.T) (*secretsmanager.API, *clock.Stepped, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := clock.NewStepped(time.Unix(1_800_000_000, 0))
	return secretsmanager.New(secretsmanager.Deps{DB: db, Clock: c, IDs: ident.Seeded(1), Place: place}), c, db
}

func create(t *testing.T, a *secretsmanager.API, name, text string) *shape.CreateSecretOutput {
	t.Helper()
	out, err := a.CreateSecret(t.Context(), &shape.CreateSecretInput{Name: &name, SecretString: &text})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read is the value of a version; "" with an error's code if there is none.
func read(t *testing.T, a *secretsmanager.API, in shape.GetSecretValueInput) string {
	t.Helper()
	out, err := a.GetSecretValue(t.Context(), &in)
	if err != nil {
		return fault.MessageOf(err)
	}
	return wire.Val(out.SecretString) + string(out.SecretBinary)
}

// Proves: IR9
func TestVersionsAndTheirLabels(t *testing.T) {
	a, _, _ := newAPI(t)
	made := create(t, a, "team/db", "one")
	if arn := *made.ARN; !strings.HasPrefix(arn, "arn:aws:secretsmanager:eu-west-3:123456789012:secret:team/db-") || len(arn) != len(
		"arn:aws:secretsmanager:eu-west-3:123456789012:secret:team/db-")+6 {
		t.Errorf("arn %s", arn)
	}
	for _, id := range []string{"team/db", *made.ARN, strings.TrimSuffix(*made.ARN, (*made.ARN)[len(*made.ARN)-7:])} {
		if got := read(t, a, shape.GetSecretValueInput{SecretId: &id}); got != "one" {
			t.Errorf("%s: %s", id, got)
		}
	}
	id := wire.Ptr("team/db")
	put, err := a.PutSecretValue(t.Context(), &shape.PutSecretValueInput{SecretId: id, SecretBinary: []byte("two")})
	if err != nil || !slices.Equal(put.VersionStages, []string{"AWSCURRENT"}) {
		t.Fatalf("%+v, %v", put, err)
	}
	if _, err := a.PutSecretValue(t.Context(), &shape.PutSecretValueInput{
		SecretId: id, SecretString: wire.Ptr("trial"), VersionStages: []string{"trial"},
	}); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[[2]string]string{
		{"", ""}: "two", {"", "AWSPREVIOUS"}: "one", {"", "trial"}: "trial", {*made.VersionId, ""}: "one",
		{*made.VersionId, "AWSCURRENT"}: "You provided a VersionStage that is not associated to the provided VersionId.",
		{"none", ""}:                    "Secrets Manager can't find the specified secret value for VersionId: none.",
		{"", "none"}:                    "Secrets Manager can't find the specified secret value for staging label: none.",
	} {
		if got := read(t, a, shape.GetSecretValueInput{SecretId: id, VersionId: some(in[0]), VersionStage: some(in[1])}); got != want {
			t.Errorf("%v: %q, want %q", in, got, want)
		}
	}
	up, err := a.UpdateSecret(t.Context(), &shape.UpdateSecretInput{SecretId: id, SecretString: wire.Ptr("three"), Description: wire.Ptr("d")})
	if err != nil || up.VersionId == nil {
		t.Fatalf("%+v, %v", up, err)
	}
	d, err := a.DescribeSecret(t.Context(), &shape.DescribeSecretInput{SecretId: id})
	want := map[string][]string{*up.VersionId: {"AWSCURRENT"}, *put.VersionId: {"AWSPREVIOUS"}}
	if err != nil || *d.Description != "d" || len(d.VersionIdsToStages) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	for v, stages := range want {
		if !slices.Equal(d.VersionIdsToStages[v], stages) {
			t.Errorf("%s has %v, want %v", v, d.VersionIdsToStages[v], stages)
		}
	}
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func TestATokenMakesOneVersion(t *testing.T) {
	a, _, _ := newAPI(t)
	token := wire.Ptr("0123456789012345678901234567890123")
	in := &shape.CreateSecretInput{Name: wire.Ptr("a"), SecretString: wire.Ptr("x"), ClientRequestToken: token}
	first, err := a.CreateSecret(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.CreateSecret(t.Context(), in); err != nil || *again.ARN != *first.ARN || *again.VersionId != *token {
		t.Errorf("%+v, %v", again, err)
	}
	put := &shape.PutSecretValueInput{SecretId: in.Name, SecretString: wire.Ptr("x"), ClientRequestToken: token}
	if _, err := a.PutSecretValue(t.Context(), put); err != nil {
		t.Error(err)
	}
	put.SecretString = wire.Ptr("y")
	if _, err := a.PutSecretValue(t.Context(), put); fault.CodeOf(err) != "ResourceExistsException" {
		t.Errorf("another value: %v", err)
	}
	for i := range 120 {
		put := &shape.PutSecretValueInput{SecretId: in.Name, SecretString: wire.Ptr(fmt.Sprint(i))}
		if _, err := a.PutSecretValue(t.Context(), put); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, a, shape.GetSecretValueInput{SecretId: in.Name, VersionStage: wire.Ptr("AWSPREVIOUS")}); got != "118" {
		t.Errorf("after many versions: %s", got)
	}
}

// Proves: IR10
func TestADeletedSecretComesBackWithinItsWindow(t *testing.T) {
	a, c, db := newAPI(t)
	create(t, a, "keep", "one")
	create(t, a, "gone", "one")
	out, err := a.DeleteSecret(t.Context(), &shape.DeleteSecretInput{SecretId: wire.Ptr("keep"), RecoveryWindowInDays: wire.Ptr(int64(7))})
	if err != nil || !out.DeletionDate.Equal(c.Now().AddDate(0, 0, 7)) {
		t.Fatalf("%+v, %v", out, err)
	}
	if got := read(t, a, shape.GetSecretValueInput{SecretId: wire.Ptr("keep")}); !strings.Contains(got, "it was marked for deletion") {
		t.Error(got)
	}
	if list, err := a.ListSecrets(t.Context(), &shape.ListSecretsInput{}); err != nil || len(list.SecretList) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	list, err := a.ListSecrets(t.Context(), &shape.ListSecretsInput{IncludePlannedDeletion: wire.Ptr(true), SortOrder: wire.Ptr("asc")})
	if err != nil || len(list.SecretList) != 2 || list.SecretList[1].DeletedDate == nil {
		t.Errorf("%+v, %v", list, err)
	}
	c.Advance(6 * 24 * time.Hour)
	if _, err := a.RestoreSecret(t.Context(), &shape.RestoreSecretInput{SecretId: wire.Ptr("keep")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, a, shape.GetSecretValueInput{SecretId: wire.Ptr("keep")}); got != "one" {
		t.Error(got)
	}
	if _, err := a.DeleteSecret(t.Context(), &shape.DeleteSecretInput{SecretId: wire.Ptr("gone")}); err != nil {
		t.Fatal(err)
	}
	c.Advance(31 * 24 * time.Hour)
	if _, err := a.RestoreSecret(t.Context(), &shape.RestoreSecretInput{SecretId: wire.Ptr("gone")}); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the window: %v", err)
	}
	create(t, a, "gone", "two")
	if _, err := a.DeleteSecret(t.Context(), &shape.DeleteSecretInput{
		SecretId: wire.Ptr("gone"), ForceDeleteWithoutRecovery: wire.Ptr(true),
	}); err != nil {
		t.Fatal(err)
	}
	if all := state.Secrets.All(db.View()); len(all) != 1 || all[0].Name != "keep" {
		t.Errorf("the state has %+v", all)
	}
}

// Proves: IR15
func TestRandomPasswordsAreAsAskedFor(t *testing.T) {
	a, _, _ := newAPI(t)
	for _, c := range []struct {
		in   shape.GetRandomPasswordInput
		n    int
		only string
		each []string
	}{
		{shape.GetRandomPasswordInput{}, 32, "", []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"}},
		{shape.GetRandomPasswordInput{
			PasswordLength: wire.Ptr(int64(200)), ExcludePunctuation: wire.Ptr(true), ExcludeUppercase: wire.Ptr(true),
			ExcludeLowercase: wire.Ptr(true), ExcludeCharacters: wire.Ptr("0189"),
		}, 200, "234567", nil},
		{shape.GetRandomPasswordInput{PasswordLength: wire.Ptr(int64(5)), IncludeSpace: wire.Ptr(true)}, 5, "", []string{" ", "0123456789"}},
		{shape.GetRandomPasswordInput{
			PasswordLength: wire.Ptr(int64(1)), RequireEachIncludedType: wire.Ptr(false), ExcludeNumbers: wire.Ptr(true),
		}, 1, "", nil},
	} {
		out, err := a.GetRandomPassword(t.Context(), &c.in)
		if err != nil {
			t.Fatal(err)
		}
		got := *out.RandomPassword
		if len(got) != c.n || c.only != "" && strings.Trim(got, c.only) != "" {
			t.Errorf("%+v: %q", c.in, got)
		}
		for _, one := range c.each {
			if !strings.ContainsAny(got, one) {
				t.Errorf("%q has none of %s", got, one)
			}
		}
	}
}

func TestLabelsAreMovedByHand(t *testing.T) {
	a, c, _ := newAPI(t)
	made := create(t, a, "db", "one")
	c.Advance(time.Second)
	put, err := a.PutSecretValue(t.Context(), &shape.PutSecretValueInput{
		SecretId: made.ARN, SecretString: wire.Ptr("two"), VersionStages: []string{"AWSPENDING"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.UpdateSecretVersionStage(t.Context(), &shape.UpdateSecretVersionStageInput{
		SecretId: made.ARN, VersionStage: wire.Ptr("AWSCURRENT"), MoveToVersionId: put.VersionId,
	})
	if err == nil || !strings.Contains(err.Error(), "is currently attached to version "+*made.VersionId) {
		t.Errorf("without its holder: %v", err)
	}
	for _, in := range []shape.UpdateSecretVersionStageInput{
		{VersionStage: wire.Ptr("AWSCURRENT"), MoveToVersionId: put.VersionId, RemoveFromVersionId: made.VersionId},
		{VersionStage: wire.Ptr("AWSPENDING"), RemoveFromVersionId: put.VersionId},
		{VersionStage: wire.Ptr("AWSCURRENT"), MoveToVersionId: put.VersionId},
	} {
		in.SecretId = made.ARN
		if _, err := a.UpdateSecretVersionStage(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
	}
	out, err := a.ListSecretVersionIds(t.Context(), &shape.ListSecretVersionIdsInput{SecretId: made.ARN})
	if err != nil || len(out.Versions) != 2 || !slices.Equal(out.Versions[0].VersionStages, []string{"AWSCURRENT"}) ||
		!slices.Equal(out.Versions[1].VersionStages, []string{"AWSPREVIOUS"}) || *out.Versions[0].VersionId != *put.VersionId {
		t.Errorf("%+v, %v", out, err)
	}
	if got := read(t, a, shape.GetSecretValueInput{SecretId: made.ARN}); got != "two" {
		t.Errorf("the value is %s", got)
	}
	if _, err := a.UpdateSecretVersionStage(t.Context(), &shape.UpdateSecretVersionStageInput{
		SecretId: made.ARN, VersionStage: wire.Ptr("AWSPREVIOUS"), RemoveFromVersionId: made.VersionId,
	}); err != nil {
		t.Fatal(err)
	}
	for deprecated, want := range map[bool]int{false: 1, true: 2} {
		out, err := a.ListSecretVersionIds(t.Context(), &shape.ListSecretVersionIdsInput{SecretId: made.ARN, IncludeDeprecated: &deprecated})
		if err != nil || len(out.Versions) != want {
			t.Errorf("%v: %+v, %v", deprecated, out, err)
		}
	}
}

func TestSecretsAreTagged(t *testing.T) {
	a, _, _ := newAPI(t)
	made := create(t, a, "db", "one")
	tag := func(k, v string) shape.Tag { return shape.Tag{Key: &k, Value: &v} }
	_, err := a.TagResource(t.Context(), &shape.TagResourceInput{SecretId: made.ARN, Tags: []shape.Tag{tag("a", "1"), tag("b", "2")}})
	if err == nil {
		_, err = a.UntagResource(t.Context(), &shape.UntagResourceInput{SecretId: made.ARN, TagKeys: []string{"a", "none"}})
	}
	d, derr := a.DescribeSecret(t.Context(), &shape.DescribeSecretInput{SecretId: made.ARN})
	if err != nil || derr != nil || len(d.Tags) != 1 || *d.Tags[0].Key != "b" {
		t.Errorf("%+v, %v, %v", d, err, derr)
	}
	if out, err := a.DeleteSecret(t.Context(), &shape.DeleteSecretInput{
		SecretId: wire.Ptr("none"), ForceDeleteWithoutRecovery: wire.Ptr(true),
	}); err != nil || *out.Name != "none" {
		t.Errorf("by force, though there is none: %+v, %v", out, err)
	}
}

// Proves: IR8
func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	const token = "0123456789012345678901234567890123"
	w.Must("secretsmanager", "CreateSecret", apitest.In{"Name": "web", "SecretString": "x", "ClientRequestToken": token})
	w.Must("secretsmanager", "CreateSecret", apitest.In{"Name": "ending", "SecretString": "x"})
	w.Must("secretsmanager", "DeleteSecret", apitest.In{"SecretId": "ending"})
	full := model.Secret{Name: "full"}
	for i := range 100 {
		full.Versions = append(full.Versions, model.SecretVersion{ID: fmt.Sprintf("%032d", i), Stages: []string{fmt.Sprint("s", i)}})
	}
	apitest.Put(w, state.Secrets, full)
	var tags []string
	for i := range 51 {
		tags = append(tags, fmt.Sprintf(`{"Key":"k%d","Value":"v"}`, i))
	}
	rows := strings.NewReplacer(
		"WEB", "SecretId=web", "LOST", "SecretId=lost", "ENDING", "SecretId=ending", "MANY", "["+strings.Join(tags, ",")+"]",
		"TOKEN", "ClientRequestToken="+token, "VERSION", token,
	).Replace(`
		CreateSecret InvalidParameterException Name=new SecretString=x SecretBinary=AAAA
		CreateSecret InvalidParameterException Name=a*b SecretString=x
		CreateSecret InvalidRequestException Name=ending SecretString=x
		CreateSecret ResourceExistsException Name=web SecretString=x
		CreateSecret LimitExceededException Name=new Tags=MANY
		GetSecretValue ResourceNotFoundException LOST
		GetSecretValue InvalidRequestException ENDING
		PutSecretValue InvalidParameterException WEB SecretString=x SecretBinary=AAAA
		PutSecretValue InvalidRequestException WEB
		PutSecretValue ResourceNotFoundException LOST SecretString=x
		PutSecretValue ResourceExistsException WEB SecretString=y TOKEN
		PutSecretValue LimitExceededException SecretId=full SecretString=y VersionStages=["new"]
		UpdateSecret InvalidParameterException WEB SecretString=x SecretBinary=AAAA
		UpdateSecret InvalidRequestException ENDING SecretString=x
		UpdateSecret ResourceNotFoundException LOST SecretString=x
		UpdateSecret ResourceExistsException WEB SecretString=y TOKEN
		UpdateSecret LimitExceededException SecretId=full SecretString=y
		DescribeSecret ResourceNotFoundException LOST
		ListSecrets InvalidNextTokenException NextToken=made-up
		DeleteSecret InvalidParameterException WEB RecoveryWindowInDays=3
		DeleteSecret InvalidParameterException WEB RecoveryWindowInDays=7 ForceDeleteWithoutRecovery=true
		DeleteSecret ResourceNotFoundException LOST
		DeleteSecret InvalidRequestException ENDING
		RestoreSecret ResourceNotFoundException LOST
		GetRandomPassword InvalidParameterException PasswordLength=3
		GetRandomPassword InvalidParameterException ExcludeNumbers=true ExcludePunctuation=true ExcludeUppercase=true ExcludeLowercase=true
		ListSecretVersionIds ResourceNotFoundException LOST
		ListSecretVersionIds InvalidNextTokenException WEB NextToken=made-up
		UpdateSecretVersionStage ResourceNotFoundException LOST VersionStage=x MoveToVersionId=VERSION
		UpdateSecretVersionStage ResourceNotFoundException WEB VersionStage=x MoveToVersionId=00000000000000000000000000000000
		UpdateSecretVersionStage ResourceNotFoundException WEB VersionStage=x RemoveFromVersionId=00000000000000000000000000000000
		UpdateSecretVersionStage InvalidParameterException WEB VersionStage=x
		UpdateSecretVersionStage InvalidParameterException WEB VersionStage=AWSCURRENT RemoveFromVersionId=VERSION
		UpdateSecretVersionStage InvalidParameterException WEB VersionStage=x RemoveFromVersionId=VERSION
		UpdateSecretVersionStage InvalidParameterException SecretId=full VersionStage=s1 MoveToVersionId=00000000000000000000000000000000
		UpdateSecretVersionStage InvalidRequestException ENDING VersionStage=x MoveToVersionId=VERSION
		TagResource ResourceNotFoundException LOST Tags=[]
		TagResource InvalidRequestException ENDING Tags=[]
		TagResource InvalidParameterException WEB Tags=MANY
		UntagResource ResourceNotFoundException LOST TagKeys=[]
		UntagResource InvalidRequestException ENDING TagKeys=[]
	`)
	apitest.Errors(t, w, "secretsmanager", rows)
}
