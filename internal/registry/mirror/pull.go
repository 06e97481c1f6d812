package mirror

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"berth/internal/fault"
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// pullJobs is how many layers come at once.
const pullJobs = 3

// Pull brings an image whole into the cache, for this machine's platform, and
// tells how many bytes of it are here.
func (m *Mirror) Pull(ctx context.Context, ref reference.Ref, progress func(done, total int64)) (registry.Manifest, error) {
	r := wanted{Ref: ref}
	top, err := m.manifest(ctx, r)
	if err != nil {
		return top, err
	}
	img, err := m.forPlatform(ctx, r, top, 0)
	if err != nil {
		return top, err
	}
	parts, err := img.Read()
	if err != nil {
		return top, err
	}
	var (
		mu          sync.Mutex // progress is told by one at a time
		done, total int64
	)
	for _, b := range parts.Blobs {
		total += b.Size
	}
	progress(0, total)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pullJobs)
	for _, b := range parts.Blobs {
		g.Go(func() error {
			err := m.blob(gctx, r, b)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done += b.Size
			progress(done, total)
			return nil
		})
	}
	return top, g.Wait()
}

// maxNested is how deep lists of lists are followed.
const maxNested = 3

// forPlatform follows lists to the image for this machine.
func (m *Mirror) forPlatform(ctx context.Context, r wanted, top registry.Manifest, depth int) (registry.Manifest, error) {
	if top.MediaType != registry.OCIIndex && top.MediaType != registry.DockerList {
		return top, nil
	}
	var list struct {
		Manifests []struct {
			Digest    string `json:"digest"`
			MediaType string `json:"mediaType"`
			Platform  struct {
				OS           string `json:"os"`
				Architecture string `json:"architecture"`
			} `json:"platform"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(top.Body, &list); err != nil || depth == maxNested {
		return top, fault.New(fault.Invalid, "", "%s has a list of images that cannot be read", r)
	}
	for _, x := range list.Manifests {
		inner := x.MediaType == registry.OCIIndex || x.MediaType == registry.DockerList
		if !inner && (x.Platform.OS != "linux" || x.Platform.Architecture != runtime.GOARCH) {
			continue
		}
		got, err := m.manifest(ctx, wanted{Ref: reference.Ref{Registry: r.Registry, Repository: r.Repository, Digest: x.Digest}})
		if err != nil {
			return got, err
		}
		return m.forPlatform(ctx, r, got, depth+1)
	}
	return top, fault.New(fault.NotFound, "", "%s: no match for platform in manifest: linux/%s", r, runtime.GOARCH)
}
