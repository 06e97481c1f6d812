package ecr_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"berth/internal/api/ecr"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

var place = ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

func newAPI(t *testing.T) (*ecr.API, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c, ids, dir := clock.NewStepped(time.Unix(1_800_000_000, 0)), ident.Seeded(1), t.TempDir()
	images, err := registry.Open(registry.Deps{Dir: dir, Clock: c, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := registry.OpenTokens(dir, ids)
	if err != nil {
		t.Fatal(err)
	}
	return ecr.New(ecr.Deps{
		DB: db, Clock: c, IDs: ids, Place: place, Images: images, Tokens: tokens,
		LayerURL: func(r registry.Repo, digest string) string { return "https://layers/" + r.Name + "/" + digest },
	}), db
}

func create(t *testing.T, a *ecr.API, name string, in shape.CreateRepositoryInput) *shape.Repository {
	t.Helper()
	in.RepositoryName = wire.Ptr(name)
	out, err := a.CreateRepository(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Repository
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func digest(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

func upload(t *testing.T, a *ecr.API, repo string, data []byte) {
	t.Helper()
	start, err := a.InitiateLayerUpload(t.Context(), &shape.InitiateLayerUploadInput{RepositoryName: &repo})
	if err != nil {
		t.Fatal(err)
	}
	half := min(int64(len(data)), 5<<20) // the least but of the last
	for _, p := range [][2]int64{{0, half}, {half, int64(len(data))}} {
		if p[0] == p[1] {
			continue
		}
		if _, err := a.UploadLayerPart(t.Context(), &shape.UploadLayerPartInput{
			RepositoryName: &repo, UploadId: start.UploadId, PartFirstByte: wire.Ptr(p[0]), PartLastByte: wire.Ptr(p[1] - 1),
			LayerPartBlob: data[p[0]:p[1]],
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.CompleteLayerUpload(t.Context(), &shape.CompleteLayerUploadInput{
		RepositoryName: &repo, UploadId: start.UploadId, LayerDigests: []string{digest(data)},
	}); err != nil {
		t.Fatal(err)
	}
}

func manifest(config, layer []byte) string {
	return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digest(config) + `","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + digest(layer) + `","size":9}]}`
}

func TestRepositoriesLiveAndDie(t *testing.T) {
	a, _ := newAPI(t)
	r := create(t, a, "team/web", shape.CreateRepositoryInput{Tags: []shape.Tag{{Key: wire.Ptr("k"), Value: wire.Ptr("v")}}})
	if *r.RepositoryArn != "arn:aws:ecr:us-east-1:000000000000:repository/team/web" ||
		*r.RepositoryUri != "000000000000.dkr.ecr.us-east-1.amazonaws.com/team/web" {
		t.Errorf("repository: %s %s", *r.RepositoryArn, *r.RepositoryUri)
	}
	_, err := a.CreateRepository(t.Context(), &shape.CreateRepositoryInput{RepositoryName: wire.Ptr("team/web")})
	wantCode(t, "again", err, "RepositoryAlreadyExistsException")
	_, err = a.CreateRepository(t.Context(), &shape.CreateRepositoryInput{RepositoryName: wire.Ptr("Web")})
	wantCode(t, "bad name", err, "InvalidParameterException")
	for i := range 3 {
		create(t, a, "app-"+string(rune('a'+i)), shape.CreateRepositoryInput{})
	}
	page, err := a.DescribeRepositories(t.Context(), &shape.DescribeRepositoriesInput{MaxResults: wire.Ptr(int64(3))})
	if err != nil || len(page.Repositories) != 3 || page.NextToken == nil {
		t.Fatalf("page: %+v, %v", page, err)
	}
	rest, err := a.DescribeRepositories(t.Context(), &shape.DescribeRepositoriesInput{NextToken: page.NextToken})
	if err != nil || len(rest.Repositories) != 1 || *rest.Repositories[0].RepositoryName != "team/web" {
		t.Errorf("rest: %+v, %v", rest, err)
	}
	tags, err := a.ListTagsForResource(t.Context(), &shape.ListTagsForResourceInput{ResourceArn: r.RepositoryArn})
	if err != nil || len(tags.Tags) != 1 {
		t.Errorf("tags: %+v, %v", tags, err)
	}
	_, err = a.DescribeRepositories(t.Context(), &shape.DescribeRepositoriesInput{RepositoryNames: []string{"none"}})
	wantCode(t, "absent", err, "RepositoryNotFoundException")
}

func TestAnImageIsPushedThroughTheAPI(t *testing.T) {
	a, _ := newAPI(t)
	repo := create(t, a, "web", shape.CreateRepositoryInput{
		ImageTagMutability: wire.Ptr("IMMUTABLE"), ImageScanningConfiguration: &shape.ImageScanningConfiguration{ScanOnPush: wire.Ptr(true)},
	}).RepositoryName
	config, layer := []byte("{}"), bytes.Repeat([]byte("x"), 5<<20+1000)
	body := manifest(config, layer)
	put := &shape.PutImageInput{RepositoryName: repo, ImageManifest: wire.Ptr(body), ImageTag: wire.Ptr("v1")}
	_, err := a.PutImage(t.Context(), put)
	wantCode(t, "without layers", err, "LayersNotFoundException")
	upload(t, a, "web", config)
	upload(t, a, "web", layer)
	out, err := a.PutImage(t.Context(), put)
	if err != nil || *out.Image.ImageId.ImageDigest != digest([]byte(body)) {
		t.Fatalf("put: %+v, %v", out, err)
	}
	_, err = a.PutImage(t.Context(), put)
	wantCode(t, "the same again", err, "ImageAlreadyExistsException")
	other := strings.Replace(body, `"size":9`, `"size":10`, 1)
	_, err = a.PutImage(t.Context(), &shape.PutImageInput{RepositoryName: repo, ImageManifest: &other, ImageTag: wire.Ptr("v1")})
	wantCode(t, "another under the same tag", err, "ImageTagAlreadyExistsException")
	start, err := a.InitiateLayerUpload(t.Context(), &shape.InitiateLayerUploadInput{RepositoryName: repo})
	if err != nil {
		t.Fatal(err)
	}
	complete := &shape.CompleteLayerUploadInput{RepositoryName: repo, UploadId: start.UploadId, LayerDigests: []string{digest(layer)}}
	_, err = a.CompleteLayerUpload(t.Context(), complete)
	wantCode(t, "an empty upload", err, "EmptyUploadException")
	_, err = a.UploadLayerPart(t.Context(), &shape.UploadLayerPartInput{
		RepositoryName: repo, UploadId: start.UploadId, PartFirstByte: wire.Ptr(int64(5)), PartLastByte: wire.Ptr(int64(5)),
		LayerPartBlob: []byte("x"),
	})
	wantCode(t, "a gap", err, "InvalidLayerPartException")
	if _, err = a.UploadLayerPart(t.Context(), &shape.UploadLayerPartInput{
		RepositoryName: repo, UploadId: start.UploadId, PartFirstByte: wire.Ptr(int64(0)), PartLastByte: wire.Ptr(int64(0)),
		LayerPartBlob: []byte("x"),
	}); err != nil {
		t.Error(err)
	}
	_, err = a.CompleteLayerUpload(t.Context(), complete)
	wantCode(t, "a layer that is there", err, "LayerAlreadyExistsException")

	d, err := a.DescribeImages(t.Context(), &shape.DescribeImagesInput{RepositoryName: repo})
	if err != nil || len(d.ImageDetails) != 1 || *d.ImageDetails[0].ImageSizeInBytes != 9 ||
		*d.ImageDetails[0].ImageScanStatus.Status != "FAILED" {
		t.Errorf("describe: %+v, %v", d, err)
	}
	_, err = a.DescribeImages(t.Context(), &shape.DescribeImagesInput{
		RepositoryName: repo, ImageIds: []shape.ImageIdentifier{{ImageTag: wire.Ptr("v9")}},
	})
	wantCode(t, "no image", err, "ImageNotFoundException")
	got, err := a.BatchGetImage(t.Context(), &shape.BatchGetImageInput{
		RepositoryName: repo, ImageIds: []shape.ImageIdentifier{{ImageTag: wire.Ptr("v1")}, {ImageTag: wire.Ptr("v9")}, {}},
	})
	if err != nil || len(got.Images) != 1 || *got.Images[0].ImageManifest != body || len(got.Failures) != 2 ||
		*got.Failures[0].FailureCode != "ImageNotFound" {
		t.Errorf("get: %+v, %v", got, err)
	}
	check, err := a.BatchCheckLayerAvailability(t.Context(), &shape.BatchCheckLayerAvailabilityInput{
		RepositoryName: repo, LayerDigests: []string{digest(layer), digest([]byte("none"))},
	})
	if err != nil || *check.Layers[0].LayerAvailability != "AVAILABLE" || *check.Layers[1].LayerAvailability != "UNAVAILABLE" {
		t.Errorf("check: %+v, %v", check, err)
	}
	_, err = a.DeleteRepository(t.Context(), &shape.DeleteRepositoryInput{RepositoryName: repo})
	wantCode(t, "a repository with images", err, "RepositoryNotEmptyException")
	del, err := a.BatchDeleteImage(t.Context(), &shape.BatchDeleteImageInput{
		RepositoryName: repo, ImageIds: []shape.ImageIdentifier{{ImageTag: wire.Ptr("v1")}},
	})
	if err != nil || len(del.ImageIds) != 1 || len(del.Failures) != 0 {
		t.Errorf("delete: %+v, %v", del, err)
	}
	if _, err := a.DeleteRepository(t.Context(), &shape.DeleteRepositoryInput{RepositoryName: repo}); err != nil {
		t.Error(err)
	}
}

func TestTheTokenNamesTheCaller(t *testing.T) {
	a, _ := newAPI(t)
	who := ident.AsRole("arn:aws:iam::000000000000:role/exec", "s")
	ctx := wire.WithCall(t.Context(), wire.Call{Principal: who})
	out, err := a.GetAuthorizationToken(ctx, &shape.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	password, ok := strings.CutPrefix(string(text), "AWS:")
	if err != nil || !ok {
		t.Fatalf("token: %s, %v", text, err)
	}
	got, err := a.Tokens.Check(password, a.Clock.Now())
	if err != nil || got != who {
		t.Errorf("principal: %+v, %v", got, err)
	}
}

func TestDirectoryAnswersTheDataPlane(t *testing.T) {
	a, db := newAPI(t)
	create(t, a, "web", shape.CreateRepositoryInput{ImageTagMutability: wire.Ptr("IMMUTABLE")})
	d := ecr.Directory{DB: db, Place: place}
	if s, err := d.Repository(t.Context(), registry.Repo{Account: place.Account, Name: "web"}); err != nil || !s.Immutable {
		t.Errorf("settings: %+v, %v", s, err)
	}
	_, err := d.Repository(t.Context(), registry.Repo{Account: place.Account, Name: "none"})
	wantCode(t, "absent", err, "RepositoryNotFoundException")
	_, err = d.Repository(t.Context(), registry.Repo{Account: "111111111111", Name: "web"})
	wantCode(t, "another account", err, "RepositoryNotFoundException")
}

func TestPoliciesOfRepositories(t *testing.T) {
	a, _ := newAPI(t)
	repo := create(t, a, "web", shape.CreateRepositoryInput{}).RepositoryName
	_, err := a.GetLifecyclePolicy(t.Context(), &shape.GetLifecyclePolicyInput{RepositoryName: repo})
	wantCode(t, "there is none", err, "LifecyclePolicyNotFoundException")
	_, err = a.PutLifecyclePolicy(t.Context(), &shape.PutLifecyclePolicyInput{
		RepositoryName: repo, LifecyclePolicyText: wire.Ptr(`{"rules":[]}`),
	})
	wantCode(t, "it would have no effect", err, "InvalidAction")
	for _, bad := range []string{"", "{}", `{"Statement":{"Effect":"Allow","Action":"ecr:*"}}`} {
		_, err = a.SetRepositoryPolicy(t.Context(), &shape.SetRepositoryPolicyInput{RepositoryName: repo, PolicyText: &bad})
		wantCode(t, bad, err, "InvalidParameterException")
	}
	text := `{"Version":"2012-10-17","Statement":[{"Sid":"pull by all","Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}`
	if _, err := a.SetRepositoryPolicy(t.Context(), &shape.SetRepositoryPolicyInput{RepositoryName: repo, PolicyText: &text}); err != nil {
		t.Error(err)
	}
	if got, err := a.GetRepositoryPolicy(t.Context(), &shape.GetRepositoryPolicyInput{RepositoryName: repo}); err != nil ||
		*got.PolicyText != text {
		t.Errorf("get: %+v, %v", got, err)
	}
}

func TestTheListOfBuiltMembersFitsTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{Services: []front.Service{{Meta: shape.Meta, API: &ecr.API{}, Fields: ecr.Fields}}}); err != nil {
		t.Fatal(err)
	}
}
