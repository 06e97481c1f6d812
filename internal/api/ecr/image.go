package ecr

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"

	"berth/internal/fault"
	"berth/internal/page"
	"berth/internal/registry"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

// partSize is what clients should cut layers into (as ECR answers).
const partSize = 20 << 20

func encodeUser(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + password))
}

// open finds the repository and its settings.
func (a *API) open(registryID, name *string) (registry.Repo, registry.Settings, error) {
	rec, err := a.find(a.DB.View(), registryID, name)
	return a.repo(rec.Name), registry.Settings{Immutable: rec.TagMutability == immutable}, err
}

// PutImage keeps a manifest. Errors: ImageAlreadyExistsException,
// ImageTagAlreadyExistsException, LayersNotFoundException,
// ReferencedImagesNotFoundException, ImageDigestDoesNotMatchException,
// InvalidParameterException, RepositoryNotFoundException.
func (a *API) PutImage(_ context.Context, in *shape.PutImageInput) (*shape.PutImageOutput, error) {
	repo, settings, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	tag, body := wire.Val(in.ImageTag), []byte(wire.Val(in.ImageManifest))
	if tag != "" {
		if old, err := a.Images.Manifest(repo, tag); err == nil && bytes.Equal(old.Body, body) {
			return nil, fault.New(
				fault.Conflict, "ImageAlreadyExistsException",
				"Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", old.Digest, tag,
				repo.Name, repo.Account,
			)
		}
	}
	img, err := a.Images.PutManifest(repo, body, registry.PutOptions{
		Tag: tag, Digest: wire.Val(in.ImageDigest), MediaType: wire.Val(in.ImageManifestMediaType), Immutable: settings.Immutable,
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutImageOutput{Image: imageShape(repo, registry.Manifest{Image: img, Body: body}, tag)}, nil
}

func imageShape(repo registry.Repo, m registry.Manifest, tag string) *shape.Image {
	return &shape.Image{
		RegistryId: wire.Ptr(repo.Account), RepositoryName: wire.Ptr(repo.Name), ImageId: identify(m.Digest, tag),
		ImageManifest: wire.Ptr(string(m.Body)), ImageManifestMediaType: wire.Ptr(m.MediaType),
	}
}

func identify(digest, tag string) *shape.ImageIdentifier {
	id := &shape.ImageIdentifier{}
	if digest != "" {
		id.ImageDigest = wire.Ptr(digest)
	}
	if tag != "" {
		id.ImageTag = wire.Ptr(tag)
	}
	return id
}

// reference is the tag or digest of an identifier; a digest wins.
func reference(id shape.ImageIdentifier) string {
	if d := wire.Val(id.ImageDigest); d != "" {
		return d
	}
	return wire.Val(id.ImageTag)
}

// lookUp finds what an identifier means; both parts, if given, must fit.
func (a *API) lookUp(repo registry.Repo, id shape.ImageIdentifier) (registry.Manifest, *shape.ImageFailure) {
	fail := func(code, reason string) (registry.Manifest, *shape.ImageFailure) {
		return registry.Manifest{}, &shape.ImageFailure{ImageId: &id, FailureCode: wire.Ptr(code), FailureReason: wire.Ptr(reason)}
	}
	if reference(id) == "" {
		return fail("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
	}
	m, err := a.Images.Manifest(repo, reference(id))
	if err != nil {
		return fail("ImageNotFound", "Requested image not found")
	}
	if t := wire.Val(id.ImageTag); t != "" && !slices.Contains(m.Tags, t) {
		return fail("ImageTagDoesNotMatchDigest", "Tag does not match the digest")
	}
	return m, nil
}

// BatchGetImage shows manifests. Errors: RepositoryNotFoundException.
func (a *API) BatchGetImage(_ context.Context, in *shape.BatchGetImageInput) (*shape.BatchGetImageOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &shape.BatchGetImageOutput{Images: []shape.Image{}, Failures: []shape.ImageFailure{}}
	for _, id := range in.ImageIds {
		m, failure := a.lookUp(repo, id)
		switch {
		case failure != nil:
			out.Failures = append(out.Failures, *failure)
		case len(in.AcceptedMediaTypes) > 0 && !slices.Contains(in.AcceptedMediaTypes, m.MediaType):
			out.Failures = append(out.Failures, shape.ImageFailure{
				ImageId: &id, FailureCode: wire.Ptr("ImageNotFound"), FailureReason: wire.Ptr("Requested image not found"),
			})
		default:
			out.Images = append(out.Images, *imageShape(repo, m, wire.Val(id.ImageTag)))
		}
	}
	return out, nil
}

// BatchDeleteImage deletes tags and images. Errors:
// RepositoryNotFoundException.
func (a *API) BatchDeleteImage(_ context.Context, in *shape.BatchDeleteImageInput) (*shape.BatchDeleteImageOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &shape.BatchDeleteImageOutput{ImageIds: []shape.ImageIdentifier{}, Failures: []shape.ImageFailure{}}
	for _, id := range in.ImageIds {
		if _, failure := a.lookUp(repo, id); failure != nil {
			out.Failures = append(out.Failures, *failure)
			continue
		}
		gone, err := a.deleteOne(repo, id)
		if err != nil {
			out.Failures = append(out.Failures, shape.ImageFailure{
				ImageId: &id, FailureCode: wire.Ptr(fault.CodeOf(err)), FailureReason: wire.Ptr(fault.MessageOf(err)),
			})
			continue
		}
		out.ImageIds = append(out.ImageIds, gone...)
	}
	return out, nil
}

func (a *API) deleteOne(repo registry.Repo, id shape.ImageIdentifier) ([]shape.ImageIdentifier, error) {
	if tag := wire.Val(id.ImageTag); tag != "" {
		digest, err := a.Images.DeleteTag(repo, tag)
		return []shape.ImageIdentifier{*identify(digest, tag)}, err
	}
	digest := wire.Val(id.ImageDigest)
	tags, err := a.Images.DeleteManifest(repo, digest)
	if err != nil || len(tags) == 0 {
		return []shape.ImageIdentifier{*identify(digest, "")}, err
	}
	var out []shape.ImageIdentifier
	for _, t := range tags {
		out = append(out, *identify(digest, t))
	}
	return out, nil
}

// ListImages lists identifiers. Errors: RepositoryNotFoundException,
// InvalidParameterException.
func (a *API) ListImages(_ context.Context, in *shape.ListImagesInput) (*shape.ListImagesOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	images, err := a.Images.Images(repo)
	if err != nil {
		return nil, err
	}
	status := ""
	if in.Filter != nil {
		status = wire.Val(in.Filter.TagStatus)
	}
	type row struct{ key, digest, tag string }
	var rows []row
	for _, i := range tagged(images, status) {
		if len(i.Tags) == 0 {
			rows = append(rows, row{imageKey(i), i.Digest, ""})
		}
		for _, t := range i.Tags {
			rows = append(rows, row{page.Key(imageKey(i), t), i.Digest, t})
		}
	}
	rows, next, err := page.Cut(pages, in, rows, func(r row) string { return r.key })
	if err != nil {
		return nil, err
	}
	out := &shape.ListImagesOutput{ImageIds: []shape.ImageIdentifier{}, NextToken: next}
	for _, r := range rows {
		out.ImageIds = append(out.ImageIds, *identify(r.digest, r.tag))
	}
	return out, nil
}

// imageKey is in the order in which images are listed: oldest first.
func imageKey(i registry.Image) string { return page.Key(page.Time(i.PushedAt), i.Digest) }

func tagged(images []registry.Image, status string) []registry.Image {
	return slices.DeleteFunc(images, func(i registry.Image) bool {
		return status == "TAGGED" && len(i.Tags) == 0 || status == "UNTAGGED" && len(i.Tags) > 0
	})
}

// DescribeImages shows what is known of images. Errors:
// RepositoryNotFoundException, ImageNotFoundException,
// InvalidParameterException.
func (a *API) DescribeImages(_ context.Context, in *shape.DescribeImagesInput) (*shape.DescribeImagesOutput, error) {
	rec, err := a.find(a.DB.View(), in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	repo := a.repo(rec.Name)
	images, err := a.Images.Images(repo)
	if err != nil {
		return nil, err
	}
	if len(in.ImageIds) > 0 {
		images = nil
		for _, id := range in.ImageIds {
			m, err := a.Images.Manifest(repo, reference(id))
			if err != nil {
				return nil, err
			}
			images = append(images, m.Image)
		}
	}
	if in.Filter != nil {
		images = tagged(images, wire.Val(in.Filter.TagStatus))
	}
	images, next, err := page.Cut(pages, in, images, imageKey)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeImagesOutput{ImageDetails: []shape.ImageDetail{}, NextToken: next}
	for _, i := range images {
		out.ImageDetails = append(out.ImageDetails, detail(repo, i, rec.ScanOnPush))
	}
	return out, nil
}

func detail(repo registry.Repo, i registry.Image, scan bool) shape.ImageDetail {
	d := shape.ImageDetail{
		RegistryId: wire.Ptr(repo.Account), RepositoryName: wire.Ptr(repo.Name), ImageDigest: wire.Ptr(i.Digest), ImageTags: i.Tags,
		ImageSizeInBytes: wire.Ptr(i.Size), ImagePushedAt: wire.Ptr(i.PushedAt), ImageManifestMediaType: wire.Ptr(i.MediaType),
		ImageStatus: wire.Ptr("ACTIVE"),
	}
	if i.ArtifactMediaType != "" {
		d.ArtifactMediaType = wire.Ptr(i.ArtifactMediaType)
	}
	if i.Subject != "" {
		d.SubjectManifestDigest = wire.Ptr(i.Subject)
	}
	if scan {
		d.ImageScanStatus = &shape.ImageScanStatus{Status: wire.Ptr("FAILED"), Description: wire.Ptr("Berth does not scan images.")}
	}
	return d
}

// BatchCheckLayerAvailability says which layers a repository has. Errors:
// RepositoryNotFoundException.
func (a *API) BatchCheckLayerAvailability(
	_ context.Context, in *shape.BatchCheckLayerAvailabilityInput,
) (*shape.BatchCheckLayerAvailabilityOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &shape.BatchCheckLayerAvailabilityOutput{Layers: []shape.Layer{}, Failures: []shape.LayerFailure{}}
	for _, d := range in.LayerDigests {
		l := shape.Layer{LayerDigest: wire.Ptr(d), LayerAvailability: wire.Ptr("UNAVAILABLE"), LayerSize: wire.Ptr(int64(0))}
		if size, ok := a.Images.HasBlob(repo, d); ok {
			l.LayerAvailability, l.LayerSize = wire.Ptr("AVAILABLE"), wire.Ptr(size)
		}
		out.Layers = append(out.Layers, l)
	}
	return out, nil
}

// GetDownloadUrlForLayer gives a signed address in the layer bucket. Errors:
// LayersNotFoundException, RepositoryNotFoundException.
func (a *API) GetDownloadUrlForLayer(
	_ context.Context, in *shape.GetDownloadUrlForLayerInput,
) (*shape.GetDownloadUrlForLayerOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	digest := wire.Val(in.LayerDigest)
	if _, ok := a.Images.HasBlob(repo, digest); !ok {
		return nil, fault.New(
			fault.NotFound, "LayersNotFoundException",
			"The layer with digest '%s' does not exist in the repository with name '%s' in the registry with id '%s'", digest, repo.Name,
			repo.Account,
		)
	}
	return &shape.GetDownloadUrlForLayerOutput{DownloadUrl: wire.Ptr(a.LayerURL(repo, digest)), LayerDigest: in.LayerDigest}, nil
}

// InitiateLayerUpload begins an upload. Errors: RepositoryNotFoundException.
func (a *API) InitiateLayerUpload(_ context.Context, in *shape.InitiateLayerUploadInput) (*shape.InitiateLayerUploadOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	id, err := a.Images.StartUpload(repo)
	if err != nil {
		return nil, err
	}
	return &shape.InitiateLayerUploadOutput{UploadId: wire.Ptr(id), PartSize: wire.Ptr(int64(partSize))}, nil
}

// UploadLayerPart adds a part to an upload. Errors: UploadNotFoundException,
// InvalidLayerPartException, LimitExceededException, RepositoryNotFoundException.
func (a *API) UploadLayerPart(_ context.Context, in *shape.UploadLayerPartInput) (*shape.UploadLayerPartOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	first, last := wire.Val(in.PartFirstByte), wire.Val(in.PartLastByte)
	if last-first+1 != int64(len(in.LayerPartBlob)) {
		return nil, fault.New(
			fault.Invalid, "InvalidLayerPartException", "The layer part size is not valid: bytes %d to %d were announced, %d came", first, last,
			len(in.LayerPartBlob),
		)
	}
	size, err := a.Images.AppendPart(repo, wire.Val(in.UploadId), first, bytes.NewReader(in.LayerPartBlob), last-first+1)
	if err != nil {
		return nil, err
	}
	return &shape.UploadLayerPartOutput{
		RegistryId: wire.Ptr(repo.Account), RepositoryName: in.RepositoryName, UploadId: in.UploadId, LastByteReceived: wire.Ptr(size - 1),
	}, nil
}

// CompleteLayerUpload checks an upload's digest and keeps it. Errors:
// UploadNotFoundException, InvalidLayerException, EmptyUploadException,
// LayerPartTooSmallException, LayerAlreadyExistsException,
// RepositoryNotFoundException.
func (a *API) CompleteLayerUpload(ctx context.Context, in *shape.CompleteLayerUploadInput) (*shape.CompleteLayerUploadOutput, error) {
	repo, _, err := a.open(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	id, digest := wire.Val(in.UploadId), ""
	if len(in.LayerDigests) > 0 {
		digest = in.LayerDigests[0]
	}
	size, err := a.Images.UploadSize(repo, id)
	switch {
	case err != nil:
		return nil, err
	case size == 0:
		return nil, fault.New(fault.Invalid, "EmptyUploadException", "The upload with upload id '%s' has no layer parts.", id)
	}
	if err := a.Images.CheckParts(id); err != nil {
		return nil, err
	}
	if _, ok := a.Images.HasBlob(repo, digest); ok {
		if err := a.Images.CancelUpload(repo, id); err != nil {
			return nil, err
		}
		return nil, fault.New(
			fault.Conflict, "LayerAlreadyExistsException",
			"Layer with digest '%s' already exists in repository with name '%s' in the registry with id '%s'", digest, repo.Name, repo.Account,
		)
	}
	if err := a.Images.Finish(ctx, repo, id, digest); err != nil {
		return nil, err
	}
	return &shape.CompleteLayerUploadOutput{
		RegistryId: wire.Ptr(repo.Account), RepositoryName: in.RepositoryName, UploadId: in.UploadId, LayerDigest: wire.Ptr(digest),
	}, nil
}
