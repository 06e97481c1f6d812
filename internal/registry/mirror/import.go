package mirror

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"berth/internal/fault"
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// Import brings the image of a name into a repository of another store: a
// list as it is, an image with its layers, under a tag or none, with a login or
// the user's own. It goes on when
// who asked has gone, so that the next to ask finds it.
func (m *Mirror) Import(ctx context.Context, image string, login registry.Login, to *registry.Store, as registry.Repo, tag string) error {
	ref, err := reference.Parse(image)
	if err != nil {
		return err
	}
	from := m.wants(ref, login)
	key := "import " + from.key() + " " + as.Account + "/" + as.Name
	_, err = m.once(ctx, key, func(ctx context.Context) (any, error) { return nil, m.bring(ctx, from, to, as, tag) })
	return err
}

func (m *Mirror) bring(ctx context.Context, from wanted, to *registry.Store, as registry.Repo, tag string) error {
	got, err := m.manifest(ctx, from)
	if err != nil {
		return err
	}
	parts, err := got.Read()
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pullJobs)
	for _, b := range parts.Blobs {
		if _, ok := to.HasBlob(as, b.Digest); !ok {
			g.Go(func() error { return m.handOver(gctx, from, b, to, as) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = to.PutManifest(as, got.Body, registry.PutOptions{Tag: tag, MediaType: got.MediaType, Partial: true})
	return err
}

// handOver copies one blob from this store into the other.
func (m *Mirror) handOver(ctx context.Context, from wanted, b registry.Named, to *registry.Store, as registry.Repo) error {
	if err := m.blob(ctx, from, b); err != nil {
		return err
	}
	f, _, err := m.store.Blob(repo(from), b.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	id, err := to.StartUpload(as)
	if err != nil {
		return err
	}
	if _, err = to.Append(as, id, 0, registry.During(ctx, f)); err == nil {
		err = to.Finish(ctx, as, id, b.Digest)
	}
	if err != nil {
		return errors.Join(fault.Wrap(fault.Unavailable, err, "keep %s of %s", b.Digest, from), to.CancelUpload(as, id))
	}
	return nil
}
