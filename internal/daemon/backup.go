package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth/internal/backup"
	"berth/internal/clock"
	"berth/internal/disk"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store/pebble"
)

// The sets of pairs in a backup.
const (
	setState  = "state"
	setSeries = "series"
)

// source is what a backup is made of. What a server makes again by itself is not
// in it: unpacked images and code, networks, machines, the edge's configuration,
// the session, logs of the server itself.
type source struct {
	data          string
	region, owner string
	kv            *pebble.KV
	series        *series.Store
	images        *registry.Store
	now           time.Time
}

// write writes the backup: the state at one revision, then logs and metrics, the
// images of the repositories, functions' code and the authority. What comes later
// is newer, so that what the state names is there.
func (s source) write(ctx context.Context, out io.Writer) (err error) {
	snap, err := s.kv.Snapshot()
	if err != nil {
		return err
	}
	logs := s.series.Snapshot()
	defer func() { err = errors.Join(err, snap.Close(), logs.Close()) }()
	w, err := backup.NewWriter(out, backup.Header{
		Version: Version, At: s.now, Region: s.region, Account: s.owner, State: state.Format, Revision: snap.Revision,
	})
	if err != nil {
		return err
	}
	if err := s.all(ctx, w, snap, logs); err != nil {
		w.Abandon()
		return err
	}
	return w.Close()
}

func (s source) all(ctx context.Context, w *backup.Writer, snap *pebble.Snapshot, logs *series.Snapshot) error {
	if err := w.Pairs(setState, until(ctx, snap.Each)); err != nil {
		return err
	}
	if err := w.Pairs(setSeries, until(ctx, logs.Each)); err != nil {
		return err
	}
	return s.files(ctx, w)
}

// until has a walk over pairs end with ctx.
func until(ctx context.Context, each func(func(k, v []byte) error) error) func(func(k, v []byte) error) error {
	return func(put func(k, v []byte) error) error {
		return each(func(k, v []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return put(k, v)
		})
	}
}

func (s source) files(ctx context.Context, w *backup.Writer) error {
	parts, err := s.images.Parts(ctx)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.Path == "" {
			err = w.File("registry/"+p.Name, int64(len(p.Body)), strings.NewReader(string(p.Body)))
		} else {
			err = addFile(ctx, w, "registry/"+p.Name, p.Path)
		}
		if err != nil {
			return err
		}
	}
	for _, pattern := range []string{"functions/zip/*.zip", "ca/*.pem"} {
		found, err := filepath.Glob(filepath.Join(s.data, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := addFile(ctx, w, filepath.Dir(pattern)+"/"+filepath.Base(path), path); err != nil {
				return err
			}
		}
	}
	return nil
}

// addFile adds a file, which must be what its name says that it is.
func addFile(ctx context.Context, w *backup.Writer, name, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := w.File(name, info.Size(), io.TeeReader(f, sum)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if want, ok := named(name); ok && hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%s is damaged: it is not what its name says\n  push the image, or upload the function, again", path)
	}
	return nil
}

// named is the digest that a file is named by.
func named(name string) (digest string, ok bool) {
	digest = strings.TrimSuffix(filepath.Base(name), ".zip")
	return digest, strings.HasPrefix(name, "registry/blobs/") || strings.HasPrefix(name, "functions/zip/")
}

// backup writes a backup of what the server has. Nothing that it names is removed
// meanwhile.
func (s *server) backup(ctx context.Context, out io.Writer) error {
	s.copying.RLock()
	defer s.copying.RUnlock()
	return source{
		data: s.cfg.Data, region: s.cfg.Place.Region, owner: s.cfg.Place.Account, kv: s.kv, series: s.series, images: s.images,
		now: s.sys.Real.Now(),
	}.write(ctx, out)
}

// stalled is how long a backup waits for who takes it.
const stalled = time.Minute

// backupTo answers with a backup. One that does not come to its end has no last
// line, and no reader takes it for whole.
func (o *own) backupTo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &pressed{w: w, c: http.NewResponseController(w), real: clock.Real(r.Context())}
	if err := o.backup(r.Context(), out); err != nil {
		o.log.Warn("a backup did not come to its end", slog.String("error", err.Error()))
		w.Header().Set(http.TrailerPrefix+"Berth-Trouble", strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

// pressed is an answer whose reader may not stall.
type pressed struct {
	w    io.Writer
	c    *http.ResponseController
	real clock.Clock
}

// Write implements io.Writer.
func (p *pressed) Write(b []byte) (int, error) {
	if err := p.c.SetWriteDeadline(p.real.Now().Add(stalled)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// Backup writes a backup of a data folder that has no server.
func Backup(ctx context.Context, data string, out io.Writer) (err error) {
	data, err = filepath.Abs(data)
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, data)
	if err != nil {
		return err
	}
	defer unlock()
	d := disk.Open(data, func(string) {})
	kv, err := pebble.Open(filepath.Join(data, "state"), pebble.Options{Disk: d})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kv.Close()) }()
	if _, err := kv.Load(ctx, func(string, []byte) error { return nil }); err != nil {
		return err
	}
	logs, err := series.Open(filepath.Join(data, "series"), series.Options{Disk: d})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	real := clock.Real(ctx)
	images, err := registry.Open(registry.Deps{Dir: filepath.Join(data, "registry"), Clock: real, IDs: ident.Crypto()})
	if err != nil {
		return err
	}
	s := source{data: data, kv: kv, series: logs, images: images, now: real.Now()}
	s.region, s.owner = lastPlace(data)
	return s.write(ctx, out)
}

// lastPlace is the Region and account of the folder's last server.
func lastPlace(data string) (region, account string) {
	var was struct{ Region, Account string }
	b, err := os.ReadFile(filepath.Join(data, "server.json"))
	if err == nil {
		err = json.Unmarshal(b, &was)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", ""
	}
	return was.Region, was.Account
}
