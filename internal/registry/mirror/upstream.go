package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"berth/internal/fault"
	"berth/internal/registry"
)

// upstream reaches one repository of one registry, with its login.
type upstream struct {
	repo   name.Repository
	puller *remote.Puller
	wire   *http.Transport
	made   time.Time
}

func (u *upstream) close() { u.wire.CloseIdleConnections() }

// keep is how long a login is used, and maxUpstreams how many there are.
const (
	keep         = time.Minute
	maxUpstreams = 16
)

// upstreams are where a repository may be found, in the order in which they
// are asked: a mirror that the user named for the registry, and the registry.
func (m *Mirror) upstreams(r wanted) ([]*upstream, error) {
	var out []*upstream
	if at := m.Mirrors[r.Registry]; at != "" {
		u, err := url.Parse(at)
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "the registry mirror %q is not a URL", at)
		}
		one, err := m.upstream(u.Host, r.Repository, u.Scheme == "http", wanted{})
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	one, err := m.upstream(r.Registry, r.Repository, false, r)
	return append(out, one), err
}

func (m *Mirror) upstream(host, path string, plain bool, who wanted) (*upstream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key, now := host+"/"+path+" "+who.whose, m.Real.Now()
	if u := m.pullers[key]; u != nil && now.Sub(u.made) < keep {
		return u, nil
	}
	for k, u := range m.pullers {
		if len(m.pullers) >= maxUpstreams || now.Sub(u.made) >= keep {
			u.close()
			delete(m.pullers, k)
		}
	}
	u, err := m.dialUp(host, path, plain, m.keychain(who))
	if err != nil {
		return nil, err
	}
	m.pullers[key] = u
	return u, nil
}

func (m *Mirror) dialUp(host, path string, plain bool, keys authn.Keychain) (*upstream, error) {
	var opts []name.Option
	if plain {
		opts = append(opts, name.Insecure)
	}
	reg, err := name.NewRegistry(host, opts...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "registry %s", host)
	}
	u := &upstream{repo: reg.Repo(path), wire: m.transport(reg.RegistryStr()), made: m.Real.Now()}
	u.puller, err = remote.NewPuller(
		remote.WithTransport(guard{next: u.wire, named: reg.RegistryStr()}), remote.WithAuthFromKeychain(keys),
		remote.WithUserAgent("berth"), remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }), remote.WithRetryStatusCodes(),
	)
	if err != nil {
		return nil, fmt.Errorf("reach registry %s: %w", host, err)
	}
	return u, nil
}

// each asks one upstream after another until one has it.
func (m *Mirror) each(r wanted, ask func(*upstream) error) error {
	all, err := m.upstreams(r)
	if err != nil {
		return err
	}
	for i, u := range all {
		if err = ask(u); err == nil {
			return nil
		}
		if i < len(all)-1 {
			m.Log.Warn("a registry mirror does not have it", "image", r.String(), "mirror", u.repo.RegistryStr(), "error", err)
		}
	}
	return said(r, err)
}

// ask gets a manifest.
func (m *Mirror) ask(ctx context.Context, r wanted) (body []byte, media string, err error) {
	err = m.each(r, func(u *upstream) error {
		var ref name.Reference = u.repo.Tag(r.Tag)
		if r.Digest != "" {
			ref = u.repo.Digest(r.Digest)
		}
		got, err := u.puller.Get(ctx, ref)
		if err != nil {
			return err
		}
		if got.MediaType.IsSchema1() {
			return fault.New(fault.NotImplemented, "", "its manifest is of Docker's first schema, which is not built in Berth")
		}
		body, media = got.Manifest, string(got.MediaType)
		return nil
	})
	return body, media, err
}

// same asks whether a tag still means what it did, which registries do not
// count as a pull.
func (m *Mirror) same(ctx context.Context, r wanted, digest string) bool {
	if r.Digest != "" || digest == "" {
		return false
	}
	err := m.each(r, func(u *upstream) error {
		d, err := u.puller.Head(ctx, u.repo.Tag(r.Tag))
		if err == nil && d.Digest.String() != digest {
			err = fault.New(fault.Conflict, "", "the tag has moved to %s", d.Digest)
		}
		return err
	})
	return err == nil
}

// fetchBlob brings a blob into the store, which checks its digest.
func (m *Mirror) fetchBlob(ctx context.Context, r wanted, b registry.Named) error {
	err := m.each(r, func(u *upstream) error {
		layer, err := u.puller.Layer(ctx, u.repo.Digest(b.Digest))
		if err != nil {
			return err
		}
		in, err := layer.Compressed()
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		return m.keepBlob(ctx, r, b, in)
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	if m.bytes >= 0 {
		m.bytes += b.Size
	}
	m.mu.Unlock()
	return m.shrink(ctx)
}

func (m *Mirror) keepBlob(ctx context.Context, r wanted, b registry.Named, in io.Reader) error {
	id, err := m.store.StartUpload(repo(r))
	if err != nil {
		return err
	}
	n, err := m.store.Append(repo(r), id, 0, io.LimitReader(in, b.Size+1))
	if err == nil && n != b.Size {
		err = fault.New(fault.Invalid, "", "%s has %d bytes or more, and its manifest says %d", b.Digest, n, b.Size)
	}
	if err == nil {
		err = m.store.Finish(ctx, repo(r), id, b.Digest)
	}
	if err != nil {
		return errors.Join(err, m.store.CancelUpload(repo(r), id))
	}
	return nil
}

// said gives what a registry answered a class, and the words that it used.
func said(r wanted, err error) error {
	var te *transport.Error
	var fe *fault.Error
	switch {
	case errors.As(err, &fe):
		return fault.New(fe.Class, "", "%s: %s", r, fe.Message)
	case !errors.As(err, &te):
		return fault.New(fault.Unavailable, "", "%s: %s", r, oneLine(err))
	}
	switch class, text := classes[te.StatusCode], oneLine(err); {
	case te.StatusCode == http.StatusUnauthorized || te.StatusCode == http.StatusForbidden:
		return fault.New(
			fault.NotFound, "", "%s: pull access denied, repository does not exist or may require authorization: server message: %s", r, text,
		)
	case te.StatusCode >= http.StatusInternalServerError:
		return fault.New(fault.Unavailable, "", "%s: %s", r, text)
	default:
		return fault.New(class, "", "%s: %s", r, text)
	}
}

// classes are those of a registry's statuses; others are fault.Internal's.
var classes = map[int]fault.Class{
	http.StatusBadRequest: fault.Invalid, http.StatusNotFound: fault.NotFound, http.StatusTooManyRequests: fault.Throttled,
}

// maxSaid bounds the words of a registry that are passed on.
const maxSaid = 500

func oneLine(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return s
}
