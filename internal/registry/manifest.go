package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
)

// Media types of manifests.
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// maxManifest bounds a manifest, as other registries do.
const maxManifest = 4 << 20

// Image is one manifest of a repository.
type Image struct {
	Digest            string    `json:"digest"`
	MediaType         string    `json:"mediaType"`
	ArtifactMediaType string    `json:"artifactMediaType,omitempty"`
	Size              int64     `json:"size"` // of the layers, compressed
	PushedAt          time.Time `json:"pushedAt"`
	Subject           string    `json:"subject,omitempty"`
	Tags              []string  `json:"-"`
}

// Manifest is an image with its document.
type Manifest struct {
	Image
	Body []byte
}

// document is what a manifest or a list says.
type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
	Subject       *descriptor  `json:"subject"`
	Annotations   any          `json:"annotations,omitempty"`
}

type descriptor struct {
	MediaType    string   `json:"mediaType"`
	Digest       string   `json:"digest"`
	Size         int64    `json:"size"`
	ArtifactType string   `json:"artifactType,omitempty"`
	Annotations  any      `json:"annotations,omitempty"`
	URLs         []string `json:"urls,omitempty"`
}

// PutOptions say how a manifest may be put.
type PutOptions struct {
	Tag       string // "" is untagged
	Digest    string // what the body must have; "" is unchecked
	MediaType string // "" is what the body says
	Immutable bool   // a tag that names another image is refused
	// Partial takes a manifest before what it names: a cache fetches that when
	// it is asked for.
	Partial bool
}

// PutManifest checks a manifest and keeps it. Errors carry the codes of ECR's
// PutImage.
func (s *Store) PutManifest(r Repo, body []byte, o PutOptions) (Image, error) {
	img, d, err := describe(body, o)
	if err != nil {
		return Image{}, err
	}
	img.PushedAt = s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !o.Partial {
		if err := s.checkReferences(r, d); err != nil {
			return Image{}, err
		}
	}
	if err := s.checkTag(r, img.Digest, o); err != nil {
		return Image{}, err
	}
	if old, err := s.image(r, img.Digest); err == nil {
		img.PushedAt = old.PushedAt
	}
	if err := s.keep(r, img, body); err != nil {
		return Image{}, err
	}
	if o.Tag != "" {
		if err := os.MkdirAll(s.repo(r, "_tags"), 0o755); err != nil {
			return Image{}, fmt.Errorf("make folder of tags: %w", err)
		}
		if err := write(s.repo(r, "_tags", o.Tag), []byte(img.Digest)); err != nil {
			return Image{}, err
		}
		img.Tags = []string{o.Tag}
	}
	return img, nil
}

func describe(body []byte, o PutOptions) (Image, document, error) {
	invalid := func(format string, args ...any) (Image, document, error) {
		return Image{}, document{}, fault.New(
			fault.Invalid, "InvalidParameterException", "Invalid parameter at 'imageManifest' failed to satisfy constraint: '"+format+"'", args...,
		)
	}
	if len(body) > maxManifest {
		return invalid("the manifest is larger than %d bytes", maxManifest)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil || d.SchemaVersion != 2 {
		return invalid("Invalid JSON syntax")
	}
	if d.MediaType != "" && o.MediaType != "" && d.MediaType != o.MediaType {
		return invalid("media type %s is not that of the document, %s", o.MediaType, d.MediaType)
	}
	media := cmp.Or(o.MediaType, d.MediaType)
	if media == "" {
		media = OCIManifest
		if d.Manifests != nil {
			media = OCIIndex
		}
	}
	if !slices.Contains([]string{OCIManifest, OCIIndex, DockerManifest, DockerList}, media) {
		return invalid("media type %s is not supported", media)
	}
	if o.Tag != "" && !isTag(o.Tag) {
		return Image{}, d, fault.New(
			fault.Invalid, "InvalidParameterException",
			"Invalid parameter at 'imageTag' failed to satisfy constraint: 'must satisfy regular expression '[a-zA-Z0-9-_.]+''",
		)
	}
	sum := sha256.Sum256(body)
	img := Image{
		Digest: "sha256:" + hex.EncodeToString(sum[:]), MediaType: media, ArtifactMediaType: cmp.Or(d.ArtifactType, d.Config.MediaType),
	}
	if o.Digest != "" && o.Digest != img.Digest {
		return Image{}, d, fault.New(
			fault.Invalid, "ImageDigestDoesNotMatchException", "The provided digest '%s' does not match the digest of the image manifest '%s'",
			o.Digest, img.Digest,
		)
	}
	for _, l := range d.Layers {
		img.Size += l.Size
	}
	if d.Subject != nil {
		img.Subject = d.Subject.Digest
	}
	return img, d, nil
}

func (s *Store) checkReferences(r Repo, d document) error {
	needs := d.Layers
	if d.Config.Digest != "" {
		needs = append(slices.Clone(needs), d.Config)
	}
	for _, b := range needs {
		if len(b.URLs) > 0 {
			continue // a layer that its maker does not let others distribute
		}
		if _, ok := s.HasBlob(r, b.Digest); !ok {
			return fault.New(
				fault.Invalid, "LayersNotFoundException",
				"Layer with digest '%s' required for pushing image into repository with name '%s' in the registry with id '%s' does not exist",
				b.Digest, r.Name, r.Account,
			)
		}
	}
	for _, m := range d.Manifests {
		if _, err := s.image(r, m.Digest); err != nil {
			return fault.New(
				fault.Invalid, "ReferencedImagesNotFoundException",
				"Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
				m.Digest, r.Name, r.Account,
			)
		}
	}
	return nil
}

func (s *Store) checkTag(r Repo, digest string, o PutOptions) error {
	if o.Tag == "" || !o.Immutable {
		return nil
	}
	if now, err := s.resolve(r, o.Tag); err == nil && now != digest {
		return fault.New(
			fault.Conflict, "ImageTagAlreadyExistsException",
			"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", o.Tag, r.Name,
		)
	}
	return nil
}

func (s *Store) keep(r Repo, img Image, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.blob(img.Digest)), 0o755); err != nil {
		return fmt.Errorf("make folder of manifest: %w", err)
	}
	if err := write(s.blob(img.Digest), body); err != nil {
		return err
	}
	if err := s.addLink(r, img.Digest); err != nil {
		return err
	}
	if err := os.MkdirAll(s.repo(r, "_manifests"), 0o755); err != nil {
		return fmt.Errorf("make folder of manifests: %w", err)
	}
	data, err := json.Marshal(img)
	if err != nil {
		return fmt.Errorf("encode image: %w", err)
	}
	return write(s.record(r, img.Digest), data)
}

func (s *Store) record(r Repo, digest string) string {
	return s.repo(r, "_manifests", strings.TrimPrefix(digest, "sha256:"))
}

// resolve finds the digest that a tag or digest names.
func (s *Store) resolve(r Repo, ref string) (string, error) {
	if isDigest(ref) {
		return ref, nil
	}
	if !isTag(ref) {
		return "", notFound(r, ref)
	}
	data, err := os.ReadFile(s.repo(r, "_tags", ref))
	if err != nil {
		return "", notFound(r, ref)
	}
	return string(data), nil
}

func notFound(r Repo, ref string) error {
	id := "imageTag:'" + ref
	if strings.HasPrefix(ref, "sha256:") {
		id = "imageDigest:'" + ref
	}
	if !strings.HasPrefix(ref, "sha256:") {
		id += "', imageDigest:'null'"
	} else {
		id = "imageTag:'null', " + id + "'"
	}
	return fault.New(
		fault.NotFound, "ImageNotFoundException",
		"The image with imageId {%s} does not exist within the repository with name '%s' in the registry with id '%s'", id, r.Name, r.Account,
	)
}

func (s *Store) image(r Repo, digest string) (Image, error) {
	var img Image
	if !isDigest(digest) {
		return img, notFound(r, digest)
	}
	data, err := os.ReadFile(s.record(r, digest))
	if errors.Is(err, fs.ErrNotExist) {
		return img, notFound(r, digest)
	}
	if err == nil {
		err = json.Unmarshal(data, &img)
	}
	if err != nil {
		return img, fmt.Errorf("read image record: %w", err)
	}
	return img, nil
}

// Manifest finds an image by tag or digest.
func (s *Store) Manifest(r Repo, ref string) (Manifest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	digest, err := s.resolve(r, ref)
	if err != nil {
		return Manifest{}, err
	}
	img, err := s.image(r, digest)
	if err != nil {
		return Manifest{}, err
	}
	body, err := os.ReadFile(s.blob(digest))
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	tags, err := s.tags(r)
	if err != nil {
		return Manifest{}, err
	}
	img.Tags = tags[digest]
	return Manifest{img, body}, nil
}

// tags by digest.
func (s *Store) tags(r Repo) (map[string][]string, error) {
	names, err := list(s.repo(r, "_tags"))
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, n := range names {
		if digest, err := s.resolve(r, n); err == nil {
			out[digest] = append(out[digest], n)
		}
	}
	return out, nil
}

// Parts are what a manifest names: the images of a list, or the configuration
// and the layers of an image. A layer that has addresses of its own is none of
// the repository's.
type Parts struct {
	Manifests []Named
	Blobs     []Named
}

// Named is one thing that a manifest names.
type Named struct {
	MediaType string
	Digest    string
	Size      int64
	Foreign   bool
}

// Read reads what a manifest names.
func (m Manifest) Read() (Parts, error) {
	var d document
	if err := json.Unmarshal(m.Body, &d); err != nil {
		return Parts{}, fault.Wrap(fault.Invalid, err, "read manifest %s", m.Digest)
	}
	var out Parts
	for _, x := range d.Manifests {
		out.Manifests = append(out.Manifests, x.named())
	}
	if d.Config.Digest != "" {
		out.Blobs = append(out.Blobs, d.Config.named())
	}
	for _, x := range d.Layers {
		out.Blobs = append(out.Blobs, x.named())
	}
	return out, nil
}

func (d descriptor) named() Named {
	return Named{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Foreign: len(d.URLs) > 0}
}

// Tags lists the repository's tags in order.
func (s *Store) Tags(r Repo) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return list(s.repo(r, "_tags"))
}

// Images lists the repository's images, in the order in which they came.
func (s *Store) Images(r Repo) ([]Image, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names, err := list(s.repo(r, "_manifests"))
	if err != nil {
		return nil, err
	}
	tags, err := s.tags(r)
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, n := range names {
		img, err := s.image(r, "sha256:"+n)
		if err != nil {
			return nil, err
		}
		img.Tags = tags[img.Digest]
		out = append(out, img)
	}
	slices.SortStableFunc(out, func(a, b Image) int { return a.PushedAt.Compare(b.PushedAt) })
	return out, nil
}

// DeleteTag takes a tag away; the image stays, unless that was its last tag
// and it is not part of a list, as on ECR.
func (s *Store) DeleteTag(r Repo, tag string) (digest string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	digest, err = s.resolve(r, tag)
	if err != nil {
		return "", err
	}
	if err := os.Remove(s.repo(r, "_tags", tag)); err != nil {
		return "", fmt.Errorf("delete tag: %w", err)
	}
	tags, err := s.tags(r)
	if err != nil || len(tags[digest]) > 0 {
		return digest, err
	}
	if in, err := s.listed(r, digest); err != nil || in != "" {
		return digest, err
	}
	return digest, s.dropManifest(r, digest)
}

// DeleteManifest takes an image away with its tags. One that a list of the
// repository names stays.
func (s *Store) DeleteManifest(r Repo, digest string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.image(r, digest); err != nil {
		return nil, err
	}
	in, err := s.listed(r, digest)
	if err != nil {
		return nil, err
	}
	if in != "" {
		return nil, fault.New(fault.Conflict, "ImageReferencedByManifestList", "Requested image referenced by manifest list: [%s]", in)
	}
	tags, err := s.tags(r)
	if err != nil {
		return nil, err
	}
	for _, t := range tags[digest] {
		if err := os.Remove(s.repo(r, "_tags", t)); err != nil {
			return nil, fmt.Errorf("delete tag: %w", err)
		}
	}
	return tags[digest], s.dropManifest(r, digest)
}

func (s *Store) dropManifest(r Repo, digest string) error {
	if err := os.Remove(s.record(r, digest)); err != nil {
		return fmt.Errorf("delete image: %w", err)
	}
	return nil
}

// ListOf finds a list of the repository that names the image, or "".
func (s *Store) ListOf(r Repo, digest string) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.listed(r, digest)
}

// listed finds a list of the repository that names the image.
func (s *Store) listed(r Repo, digest string) (string, error) {
	names, err := list(s.repo(r, "_manifests"))
	if err != nil {
		return "", err
	}
	for _, n := range names {
		img, err := s.image(r, "sha256:"+n)
		if err != nil || img.MediaType != OCIIndex && img.MediaType != DockerList {
			continue
		}
		body, err := os.ReadFile(s.blob(img.Digest))
		if err != nil {
			return "", fmt.Errorf("read manifest: %w", err)
		}
		var d document
		if json.Unmarshal(body, &d) == nil && slices.ContainsFunc(d.Manifests, func(m descriptor) bool { return m.Digest == digest }) {
			return img.Digest, nil
		}
	}
	return "", nil
}

// Referrers lists what names an image as its subject.
func (s *Store) Referrers(r Repo, digest string) ([]Image, error) {
	all, err := s.Images(r)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i Image) bool { return i.Subject != digest }), nil
}
