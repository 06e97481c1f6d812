// Package mirror has the images of other people's registries: a cache of what
// instances pull from them, behind their VPC's way to the Internet, and what
// the user pushed under such a name.
//
// A Mirror fetches a manifest or a blob when it is asked for one that it does
// not have, once for all who ask meanwhile, checks its digest, and keeps it in
// a registry.Store of its own under the registry's host. One record a
// reference says what it meant last, and when it was used; from these the
// cache is kept within its bound. Everything that a registry says is bounded
// and checked; the places that it may send to are limited (see guard). All
// methods are safe for concurrent use by one process.
package mirror

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// What the cache and an image may come to.
const (
	DefaultBound = 20 << 30
	maxLayers    = 256
	maxManifest  = 4 << 20
)

// fresh is how long a tag means what the registry last said.
const fresh = time.Minute

// Deps are what a Mirror is made of.
type Deps struct {
	Dir  string
	Real clock.Clock // the machine's time
	IDs  *ident.Source
	Log  *slog.Logger
	// Offline keeps everything on this machine: the cache alone serves.
	Offline bool
	// Bound is how many bytes are kept; 0 is DefaultBound.
	Bound int64
	// Mirrors are asked before the registries that they are named for, as
	// https://HOST or http://HOST.
	Mirrors map[string]string
	// Keychain has the credentials; nil is the user's Docker configuration with
	// its credential helpers.
	Keychain authn.Keychain
	// Spare is registry.Deps's.
	Spare func(io.Reader) io.Reader
	// Dial reaches addresses, and Roots are whom to trust; nil is this
	// machine's way and its bundle.
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Roots *x509.CertPool
}

// Mirror is the cache.
type Mirror struct {
	Deps
	store   *registry.Store
	push    http.Handler
	salt    []byte
	flights flights
	// working ends what is being fetched when the mirror is closed.
	working context.Context
	end     context.CancelFunc

	// gate is held for what comes with its record, and by who removes what no
	// record leads to.
	gate sync.RWMutex

	mu      sync.Mutex
	pullers map[string]*upstream // by registry and repository
	bytes   int64                // in the store; -1 is not weighed
	pushed  time.Time            // the last request of a push
}

// Open opens the folder.
func Open(ctx context.Context, d Deps) (*Mirror, error) {
	if d.Bound == 0 {
		d.Bound = DefaultBound
	}
	if d.Keychain == nil {
		d.Keychain = authn.DefaultKeychain
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	store, err := registry.Open(registry.Deps{Dir: d.Dir, Clock: d.Real, IDs: d.IDs, Spare: d.Spare})
	if err != nil {
		return nil, err
	}
	m := &Mirror{Deps: d, store: store, pullers: map[string]*upstream{}, bytes: -1}
	if m.salt, err = salted(d.Dir, d.IDs); err != nil {
		return nil, err
	}
	m.working, m.end = context.WithCancel(ctx)
	m.push = m.pushServer()
	return m, nil
}

// Close ends what is being fetched.
func (m *Mirror) Close() error {
	m.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.pullers {
		u.close()
	}
	clear(m.pullers)
	return nil
}

// manifest is what a reference names. A tag that was asked for a moment ago is
// taken from the cache, and so is one whose registry cannot be reached.
func (m *Mirror) manifest(ctx context.Context, r wanted) (registry.Manifest, error) {
	had, rec, ok := m.have(r)
	if own := (wanted{Ref: r.Ref}); r.whose != "" && !ok {
		// What the user put here is for every task, with a login or without.
		if got, rec, ok := m.have(own); ok && (rec.Pushed || m.Offline) {
			return got, m.use(own, rec)
		}
	}
	if ok && (r.Digest != "" || rec.Pushed || m.Offline || m.Real.Now().Sub(rec.Checked) < fresh) {
		return had, m.use(r, rec)
	}
	if m.Offline {
		return had, missing(r)
	}
	got, err := m.once(ctx, "manifest "+r.key(), func(ctx context.Context) (any, error) { return m.fetchManifest(ctx, r, had.Digest) })
	if err != nil {
		if class := fault.ClassOf(err); ok && class != fault.NotFound && class != fault.Denied {
			m.Log.Warn("a registry is not reached; the cache serves", "image", r.String(), "error", err)
			return had, m.use(r, rec)
		}
		return had, err
	}
	return got.(registry.Manifest), nil
}

// missing says what a server without a network does not have.
func missing(r wanted) error {
	return fault.New(
		fault.NotFound, "", "%s is not in the image cache, and this server keeps off the network (--internet off): berth image push %s SOURCE "+
			"puts it there, or berth image pull %s on a server with --internet images", r, r, r,
	)
}

// have is what the cache has of a reference.
func (m *Mirror) have(r wanted) (registry.Manifest, record, bool) {
	rec, known := m.record(r)
	id := r.Digest
	if id == "" {
		id = rec.Digest
	}
	if id == "" || !known && r.Digest == "" {
		return registry.Manifest{}, rec, false
	}
	got, err := m.store.Manifest(repo(r), id)
	return got, rec, err == nil
}

// once does work once for all who ask meanwhile.
func (m *Mirror) once(ctx context.Context, key string, do func(context.Context) (any, error)) (any, error) {
	return m.flights.once(ctx, m.working, key, do)
}

// fetchManifest asks the registry and keeps what it says.
func (m *Mirror) fetchManifest(ctx context.Context, r wanted, had string) (registry.Manifest, error) {
	now := record{Checked: m.Real.Now()}
	if m.same(ctx, r, had) {
		got, err := m.store.Manifest(repo(r), had)
		now.Digest = had
		return got, errors.Join(err, m.use(r, now))
	}
	body, media, err := m.ask(ctx, r)
	if err != nil {
		return registry.Manifest{}, err
	}
	m.gate.RLock()
	defer m.gate.RUnlock()
	img, err := m.store.PutManifest(repo(r), body, registry.PutOptions{Digest: r.Digest, MediaType: media, Partial: true})
	if err != nil {
		return registry.Manifest{}, fault.New(fault.Invalid, "", "%s: %s", r, fault.MessageOf(err))
	}
	got := registry.Manifest{Image: img, Body: body}
	if err := m.check(r, got); err != nil {
		_, drop := m.store.DeleteManifest(repo(r), img.Digest)
		return got, errors.Join(err, drop)
	}
	now.Digest = img.Digest
	return got, m.use(r, now)
}

// check refuses what cannot be run here, or is more than is kept.
func (m *Mirror) check(r wanted, got registry.Manifest) error {
	parts, err := got.Read()
	if err != nil {
		return err
	}
	if len(parts.Blobs) > maxLayers {
		return fault.New(fault.Invalid, "", "%s has %d layers, more than the %d that are taken", r, len(parts.Blobs)-1, maxLayers)
	}
	var size int64
	for _, b := range parts.Blobs {
		switch {
		case b.Foreign || foreign[b.MediaType]:
			return fault.New(
				fault.NotImplemented, "", "%s has a layer that its maker does not let registries distribute (%s): foreign layers are not built in "+
					"Berth", r, b.MediaType,
			)
		case !reference.IsDigest(b.Digest) || b.Size < 0 || b.Size > m.Bound:
			return fault.New(fault.Invalid, "", "%s has a layer %q of %d bytes, which is not taken", r, b.Digest, b.Size)
		}
		size += b.Size
	}
	if size > m.Bound {
		return fault.New(fault.Invalid, "", "%s has %d bytes, more than the image cache of %d bytes", r, size, m.Bound)
	}
	return nil
}

// foreign are the media types of layers that come from elsewhere.
var foreign = map[string]bool{
	"application/vnd.docker.image.rootfs.foreign.diff.tar":         true,
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": true,
}

// part finds a blob that one of the repository's manifests names: nothing else
// is fetched.
func (m *Mirror) part(r wanted, digest string) (registry.Named, error) {
	images, err := m.store.Images(repo(r))
	if err != nil {
		return registry.Named{}, err
	}
	for _, img := range images {
		got, err := m.store.Manifest(repo(r), img.Digest)
		if err != nil {
			continue
		}
		parts, err := got.Read()
		if err != nil {
			continue
		}
		for _, b := range parts.Blobs {
			if b.Digest == digest {
				return b, nil
			}
		}
	}
	return registry.Named{}, fault.New(fault.NotFound, "", "no image of %s that is known here has the blob %s", r.Name(), digest)
}

// blob sees that the store has a blob of the repository.
func (m *Mirror) blob(ctx context.Context, r wanted, b registry.Named) error {
	if _, ok := m.store.HasBlob(repo(r), b.Digest); ok {
		return nil
	}
	if m.Offline {
		return missing(r)
	}
	_, err := m.once(ctx, "blob "+r.whose+r.Name()+" "+b.Digest, func(ctx context.Context) (any, error) { return nil, m.fetchBlob(ctx, r, b) })
	return err
}
