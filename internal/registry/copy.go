package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/internal/fault"
)

// Part is a file of a registry, by its name below the folder.
type Part struct {
	Name string
	// Body is what a small file has; a blob is at Path instead.
	Body []byte
	Path string
	// Digest is that of a blob, in hexadecimal.
	Digest string
}

// Parts are the files that a copy of the registry needs, as they are at one
// moment: what the repositories have, then their blobs. Uploads under way are
// none. Blobs stay until Collect.
func (s *Store) Parts(ctx context.Context) ([]Part, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var parts []Part
	blobs := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(s.Dir, "repos"), func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.Dir, path)
		if kind := filepath.Base(filepath.Dir(path)); kind == "_layers" || kind == "_manifests" {
			blobs[d.Name()] = true
		}
		parts = append(parts, Part{Name: name, Body: body})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the registry: %w", err)
	}
	names := make([]string, 0, len(blobs))
	for h := range blobs {
		names = append(names, h)
	}
	slices.Sort(names)
	for _, h := range names {
		if !isDigest("sha256:" + h) {
			return nil, fault.New(fault.Invalid, "", "the registry has a link to %q, which is no digest", h)
		}
		parts = append(parts, Part{Name: "blobs/" + h[:2] + "/" + h, Path: s.blob("sha256:" + h), Digest: h})
	}
	return parts, nil
}

// Verify calls fn with a sentence for everything of the registry that is damaged
// or missing: an entry of a repository that cannot be read, a blob that is not what
// its name says. It returns how many blobs there are. A tag that was removed is
// not missed by anything.
func (s *Store) Verify(ctx context.Context, fn func(problem string)) (blobs int, err error) {
	return s.verify(ctx, false, fn)
}

// VerifyParts is Verify for a store that has not all layers of its images.
func (s *Store) VerifyParts(ctx context.Context, fn func(problem string)) (blobs int, err error) {
	return s.verify(ctx, true, fn)
}

func (s *Store) verify(ctx context.Context, partial bool, fn func(problem string)) (blobs int, err error) {
	parts, err := s.Parts(ctx)
	if err != nil {
		return 0, err
	}
	has := map[string]bool{}
	for _, p := range parts {
		has[p.Name] = true
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return blobs, err
		}
		if p.Path == "" {
			s.verifyEntry(p, has, partial, fn)
			continue
		}
		blobs++
		if err := sameSum(p.Path, p.Digest); err != nil {
			fn(err.Error())
		}
	}
	return blobs, nil
}

// verifyEntry looks whether what an entry of a repository names is there.
func (s *Store) verifyEntry(p Part, has map[string]bool, partial bool, fn func(problem string)) {
	kind, repo := filepath.Base(filepath.Dir(p.Name)), filepath.Dir(filepath.Dir(p.Name))
	path := filepath.Join(s.Dir, p.Name)
	switch kind {
	case "_tags":
		if h, ok := strings.CutPrefix(string(p.Body), "sha256:"); !ok || !has[filepath.Join(repo, "_manifests", h)] {
			fn(fmt.Sprintf("%s names the image %.80q, which is not there", path, p.Body))
		}
	case "_manifests":
		var img Image
		if err := json.Unmarshal(p.Body, &img); err != nil || img.Digest != "sha256:"+filepath.Base(p.Name) {
			fn(path + " cannot be read")
			return
		}
		needs := []string{filepath.Base(p.Name)} // its own: without that it would be collected
		if !partial {
			needs = append(needs, s.named(img)...)
		}
		for _, h := range needs {
			if !has[filepath.Join(repo, "_layers", h)] {
				fn(fmt.Sprintf("%s names the layer %s, which the repository has not", path, h))
			}
		}
	}
}

// named are the blobs that an image names; of one that cannot be read none.
func (s *Store) named(img Image) (digests []string) {
	body, err := os.ReadFile(s.blob(img.Digest))
	var d document
	if err != nil || json.Unmarshal(body, &d) != nil {
		return nil // the blob is told of by its digest
	}
	for _, ref := range append(d.Layers, d.Config) {
		if h, ok := strings.CutPrefix(ref.Digest, "sha256:"); ok && len(ref.URLs) == 0 {
			digests = append(digests, h)
		}
	}
	return digests
}

func sameSum(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%s is damaged: it is not what its name says", path)
	}
	return nil
}
