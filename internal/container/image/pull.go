package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"berth/internal/clock"
	"berth/internal/fault"
)

// PullCode is the code of every error of Pull that a task is told of; the
// message is worded as ECS words it, without that prefix.
const PullCode = "CannotPullContainerError"

const (
	defaultAttempts = 5
	layerJobs       = 3
	firstBackoff    = time.Second
)

// Pull fetches what ref names and unpacks what is not there yet. Errors that
// concern the image carry PullCode.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Image, error) {
	r, err := ParseRef(ref, o.Insecure)
	if err != nil {
		return Image{}, fault.New(faultClass(err), PullCode, "failed to resolve ref %s: %s", ref, err)
	}
	// Collect must not run between unpacking and the record.
	release, err := lockFile(ctx, filepath.Join(s.locks(), "all"), false, s.Clock)
	if err != nil {
		return Image{}, err
	}
	defer release()
	var (
		out Image
		img v1.Image
	)
	err = s.retry(ctx, o, "pull image manifest", func() error {
		out, img, err = s.resolve(ctx, r, o)
		return err
	})
	if err != nil {
		return Image{}, err
	}
	if have, ok := s.current(ref, out); ok {
		have.PulledAt = s.Clock.Now()
		return have, nil
	}
	held := &held{charge: s.charge}
	defer held.release(s.mine)
	err = s.retry(ctx, o, "ref pull", func() error { return s.unpackAll(ctx, img, &out, o, held) })
	if err != nil {
		return Image{}, err
	}
	out.Ref, out.PulledAt = ref, s.Clock.Now()
	return out, s.record(out)
}

// current is what this owner has of a reference, if it is still what the
// registry names: then nothing else need be asked for. The record keeps the
// moment at which the image came.
func (s *Store) current(ref string, now Image) (Image, bool) {
	have, err := s.Get(ref)
	if err != nil || have.Digest != now.Digest || have.ID != now.ID {
		return Image{}, false
	}
	for _, l := range have.Layers {
		if !exists(l) {
			return Image{}, false
		}
	}
	return have, true
}

// resolve finds the manifest for the platform.
func (s *Store) resolve(ctx context.Context, r name.Reference, o PullOptions) (Image, v1.Image, error) {
	desc, err := remote.Get(r, o.remote(ctx)...)
	if err != nil {
		return Image{}, nil, fmt.Errorf("failed to resolve ref %s: %w", canonical(r), unsent(r, err))
	}
	img, err := desc.Image()
	if err != nil {
		return Image{}, nil, fmt.Errorf("failed to resolve ref %s: %w", canonical(r), err)
	}
	m, err := img.Manifest() // its configuration is a blob like the layers, and comes with them
	if err != nil {
		return Image{}, nil, fmt.Errorf("failed to resolve ref %s: %w", canonical(r), err)
	}
	return Image{Digest: desc.Digest.String(), ID: m.Config.Digest.String()}, img, nil
}

// unsent words a request that found nobody as containerd does: the library
// asks for the registry's version first, and words that.
func unsent(r name.Reference, err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	host := strings.Replace(r.Context().RegistryStr(), name.DefaultRegistry, "registry-1.docker.io", 1)
	at := url.URL{Scheme: r.Context().Scheme(), Host: host, Path: "/v2/" + r.Context().RepositoryStr() + "/manifests/" + r.Identifier()}
	return fmt.Errorf("failed to do request: Head %q: %w", at.String(), u.Err)
}

func (o PullOptions) remote(ctx context.Context) []remote.Option {
	rt := o.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	var auth authn.Authenticator = authn.Anonymous
	if o.Username != "" {
		auth = &authn.Basic{Username: o.Username, Password: o.Password}
	}
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(rt), remote.WithAuth(auth), remote.WithPlatform(platform(o.Architecture)),
		remote.WithUserAgent("berth"), remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }), remote.WithRetryStatusCodes(),
	}
}

// retry tries again what may pass, and words the last failure as ECS does.
func (s *Store) retry(ctx context.Context, o PullOptions, what string, f func() error) error {
	attempts := cmp.Or(o.Attempts, defaultAttempts)
	wait := firstBackoff
	for n := 1; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		class := faultClass(err)
		if class != fault.Unavailable || n == attempts {
			return pullError(class, what, n, err)
		}
		s.Log.WarnContext(ctx, "image pull is tried again", "attempt", n, "error", err)
		if err := clock.Sleep(ctx, s.Clock, wait); err != nil {
			return err
		}
		wait *= 2
	}
}

func pullError(class fault.Class, what string, attempts int, err error) error {
	if class == fault.Denied {
		return &fault.Error{
			Class: class, Code: PullCode, Cause: err,
			Message: "The task can't pull the image. Check that the role has the permissions to pull images from the registry.",
		}
	}
	return fault.New(class, PullCode, "%s has been retried %d time(s): %s", what, attempts, oneLine(err))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// faultClass tells what may pass from what will not.
func faultClass(err error) fault.Class {
	var te *transport.Error
	var fe *fault.Error
	switch {
	case errors.As(err, &te):
		switch {
		case te.StatusCode == http.StatusNotFound:
			return fault.NotFound
		case te.StatusCode == http.StatusUnauthorized || te.StatusCode == http.StatusForbidden:
			return fault.Denied
		case te.StatusCode == http.StatusTooManyRequests || te.StatusCode >= 500:
			return fault.Unavailable
		default:
			return fault.Invalid
		}
	case errors.As(err, &fe):
		return fe.Class
	default:
		return fault.Unavailable
	}
}

// canonical is a reference as containerd prints it.
func canonical(r name.Reference) string {
	repo := r.Context().Name()
	repo = strings.Replace(repo, "index.docker.io/", "docker.io/", 1)
	sep := ":"
	if strings.Contains(r.Identifier(), ":") {
		sep = "@"
	}
	return repo + sep + r.Identifier()
}

// unpackAll brings every layer, a few at a time.
func (s *Store) unpackAll(ctx context.Context, img v1.Image, out *Image, o PullOptions, held *held) error {
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("failed to copy: %w", err)
	}
	if config.OS != "" && config.OS != "linux" || config.Architecture != "" && config.Architecture != platform(o.Architecture).Architecture {
		return fault.New(fault.Invalid, PullCode, "image operating system or architecture %q does not match %s: image Manifest does not "+
			"contain descriptor matching platform",
			config.OS+"/"+config.Architecture, "linux/"+platform(o.Architecture).Architecture)
	}
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("failed to copy: %w", err)
	}
	mine, err := s.mine()
	if err != nil {
		return err
	}
	out.Config, out.Layers, out.Size = configOf(config), make([]string, len(layers)), 0
	var done atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(layerJobs)
	for i, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return fmt.Errorf("failed to copy: %w", err)
		}
		size, err := l.Size()
		if err != nil {
			return fmt.Errorf("failed to copy: %w", err)
		}
		out.Size += size
		out.Layers[i] = s.layer(id)
		held.hold(id.Hex)
		g.Go(func() error {
			err := s.bring(gctx, l, id, mine[id.Hex])
			if err == nil {
				err = s.chargeFor(id.Hex)
			}
			if err == nil && o.Progress != nil {
				o.Progress(int(done.Add(1)), len(layers))
			}
			return err
		})
	}
	return g.Wait()
}

// mine are the layers of the images that this owner has.
func (s *Store) mine() (map[string]bool, error) {
	images, err := s.List()
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, i := range images {
		for _, l := range i.Layers {
			out[filepath.Base(l)] = true
		}
	}
	return out, nil
}

// bring unpacks one layer unless its folder is there. A layer that is there
// and that this owner does not have yet is asked for all the same: an
// instance that cannot reach the registry's storage has no image, whatever
// its neighbours on this host have.
func (s *Store) bring(ctx context.Context, l v1.Layer, id v1.Hash, mine bool) error {
	dir := s.layer(id)
	if exists(dir) {
		if mine {
			return nil
		}
		return touch(l)
	}
	release, err := lockFile(ctx, filepath.Join(s.locks(), id.Hex), true, s.Clock)
	if err != nil {
		return err
	}
	defer release()
	if exists(dir) {
		return touch(l)
	}
	r, err := l.Uncompressed()
	if err != nil {
		return fmt.Errorf("failed to copy: httpReadSeeker: failed open: %w", err)
	}
	defer func() { _ = r.Close() }()
	return s.unpackInto(ctx, r, id, dir)
}

// touch asks for a layer and reads its first byte.
func touch(l v1.Layer) error {
	r, err := l.Compressed()
	if err != nil {
		return fmt.Errorf("failed to copy: httpReadSeeker: failed open: %w", err)
	}
	defer func() { _ = r.Close() }()
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		return fmt.Errorf("failed to copy: %w", err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
