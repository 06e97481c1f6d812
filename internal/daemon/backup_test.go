package daemon_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/audit"
	"berth/internal/backup"
	"berth/internal/clock"
	"berth/internal/daemon"
	"berth/internal/disk"
	"berth/internal/endpoint"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/registry"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

var (
	repo   = registry.Repo{Account: "000000000000", Name: "team/web"}
	config = []byte(`{"architecture":"amd64","os":"linux"}`)
)

// parts are what a data folder has, opened as a server opens it.
type parts struct {
	kv     *pebble.KV
	db     *state.DB
	series *series.Store
	images *registry.Store
	code   *function.Store
}

func opened(t *testing.T, data string) *parts {
	t.Helper()
	d := disk.Open(data, func(string) {})
	kv, err := pebble.Open(filepath.Join(data, "state"), pebble.Options{Disk: d})
	must(t, err)
	p := &parts{kv: kv}
	p.db, err = state.Open(t.Context(), kv, false)
	must(t, err)
	p.series, err = series.Open(filepath.Join(data, "series"), series.Options{Disk: d})
	must(t, err)
	real := clock.Real(t.Context())
	p.images, err = registry.Open(registry.Deps{Dir: filepath.Join(data, "registry"), Clock: real, IDs: ident.Crypto()})
	must(t, err)
	p.code, err = function.OpenStore(filepath.Join(data, "functions"))
	must(t, err)
	_, err = endpoint.OpenCA(filepath.Join(data, "ca"), real)
	must(t, err)
	return p
}

func (p *parts) close(t *testing.T) {
	t.Helper()
	must(t, errors.Join(p.series.Close(), p.kv.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes a data folder that has some of everything.
func folder(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	must(t, os.MkdirAll(data, 0o711))
	must(t, os.WriteFile(filepath.Join(data, "server.lock"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(data, "server.json"), []byte(`{"region":"eu-west-1","account":"000000000000"}`), 0o600))
	must(t, daemon.KeepPrivate(data))
	p := opened(t, data)
	defer p.close(t)
	for i := range 40 {
		must(t, p.db.Update(t.Context(), "test", func(tx *store.Tx) error {
			return state.Clusters.Put(tx, model.Cluster{Name: fmt.Sprintf("c%d", i), ARN: strings.Repeat("x", 10_000)})
		}))
	}
	at := time.Unix(1e9, 0)
	must(t, p.series.CreateStream("g", "s", at))
	must(t, p.series.Append("g", "s", at, []series.Event{{At: at, Message: "hello"}}))
	must(t, p.series.Put(t.Context(), series.Datum{
		Metric: series.Metric{Namespace: "N", Name: "m"}, At: at, Set: series.Observed([]float64{5}, nil),
	}))
	image(t, p.images)
	_, err := p.code.Put(zipped(t))
	must(t, err)
	cached(t, data)
	called(t, data)
	return data
}

// cached has an image of another registry.
func cached(t *testing.T, data string) {
	t.Helper()
	s, err := registry.Open(registry.Deps{Dir: filepath.Join(data, "mirror"), Clock: clock.Real(t.Context()), IDs: ident.Crypto()})
	must(t, err)
	image(t, s)
}

// called has an audit log.
func called(t *testing.T, data string) {
	t.Helper()
	l, err := audit.Open(filepath.Join(data, "audit"))
	must(t, err)
	for i := range 3 {
		must(t, l.Append(audit.Event{ID: fmt.Sprint("e", i), Source: "ecs.amazonaws.com", Name: "RunTask"}))
	}
	must(t, l.Close())
}

// image pushes a small one.
func image(t *testing.T, s *registry.Store) {
	t.Helper()
	layer := bytes.Repeat([]byte("layer "), 1000)
	for _, blob := range [][]byte{config, layer} {
		id, err := s.StartUpload(repo)
		must(t, err)
		_, err = s.Append(repo, id, 0, bytes.NewReader(blob))
		must(t, err)
		must(t, s.Finish(t.Context(), repo, id, digest(blob)))
	}
	_, err := s.PutManifest(repo, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		digest(config), len(config), digest(layer), len(layer)), registry.PutOptions{Tag: "v1"})
	must(t, err)
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func zipped(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	_, err := z.Create("main.py")
	must(t, errors.Join(err, z.Close()))
	return out.Bytes()
}

// written writes a backup of a folder.
func written(t *testing.T, data string) string {
	t.Helper()
	var out bytes.Buffer
	must(t, daemon.Backup(t.Context(), data, &out))
	file := filepath.Join(t.TempDir(), "b")
	must(t, os.WriteFile(file, out.Bytes(), 0o600))
	return file
}

// kept are the files that a restored folder should have as they were, and all
// records.
func kept(t *testing.T, data string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"registry", "functions", "ca"} {
		must(t, filepath.WalkDir(filepath.Join(data, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			out[strings.TrimPrefix(path, data)] = string(b)
			return err
		}))
	}
	p := opened(t, data)
	defer p.close(t)
	snap, err := p.kv.Snapshot()
	must(t, err)
	logs := p.series.Snapshot()
	out["revision"] = fmt.Sprint(snap.Revision)
	must(t, snap.Each(func(k, v []byte) error { out["state "+string(k)] = string(v); return nil }))
	must(t, logs.Each(func(k, v []byte) error { out["series "+string(k)] = string(v); return nil }))
	must(t, errors.Join(snap.Close(), logs.Close()))
	return out
}

func TestABackupBringsAllBack(t *testing.T) {
	t.Parallel()
	data := folder(t)
	file := written(t, data)
	if info, err := os.Stat(file); err != nil || info.Size() > 20_000 {
		t.Errorf("400 KB of repetition and little else take %d bytes: %v", info.Size(), err)
	}
	for name, to := range map[string]string{"new": filepath.Join(t.TempDir(), "new"), "empty": t.TempDir()} {
		h, err := daemon.Restore(t.Context(), file, to, func(int64, int64) {})
		if err != nil || h.Region != "eu-west-1" || h.Revision != 40 {
			t.Fatalf("%s: %+v: %v", name, h, err)
		}
		if d := cmp.Diff(kept(t, data), kept(t, to)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for path, mode := range modes(t, to) {
			if mode&0o077 != 0 {
				t.Errorf("%s: %s is %o", name, path, mode)
			}
		}
		if _, err := daemon.Restore(t.Context(), file, to, nil); err == nil || !strings.Contains(err.Error(), "is not empty") ||
			!strings.Contains(err.Error(), "berth stop --data "+to) {
			t.Errorf("%s: again: %v", name, err)
		}
	}
}

// A backup that is not whole, or that has what it should not, writes nothing.
func TestABadBackupWritesNothing(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(written(t, folder(t)))
	must(t, err)
	changed := bytes.Clone(good)
	changed[len(changed)/2] ^= 4
	bad := map[string][]byte{
		"it was cut":                       good[:len(good)-100],
		"it was changed: its checksum is":  changed,
		"it is no backup of Berth":         []byte("hello"),
		`it has a file "etc/x"`:            file(t, "etc/x", ""),
		`it has a file "functions/zip/x`:   file(t, "functions/zip/x.zip", ""),
		"is not what its name says":        file(t, "functions/zip/"+strings.Repeat("0", 64)+".zip", "x"),
		`it has a record "k" of elsewhere`: pairs(t, "elsewhere", "k", "v"),
		`"q" is no record of logs`:         pairs(t, "series", "q", "v"),
		`it has a record "\x00revision"`:   pairs(t, "state", "\x00revision", "v"),
		"unknown table":                    pairs(t, "state", "nothing\x00x", "{}"),
	}
	for want, b := range bad {
		from, to := filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "to")
		must(t, os.WriteFile(from, b, 0o600))
		if _, err := daemon.Restore(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the folder is there: %v", want, err)
		}
	}
}

// file is a backup with one file, pairs one with a pair.
func file(t *testing.T, name, body string) []byte {
	t.Helper()
	return wrote(t, func(w *backup.Writer) error { return w.File(name, int64(len(body)), strings.NewReader(body)) })
}

func pairs(t *testing.T, set, key, value string) []byte {
	t.Helper()
	return wrote(t, func(w *backup.Writer) error {
		return w.Pairs(set, func(put func(k, v []byte) error) error { return put([]byte(key), []byte(value)) })
	})
}

func wrote(t *testing.T, do func(*backup.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Header{State: state.Format})
	must(t, errors.Join(err, do(w), w.Close()))
	return out.Bytes()
}

// What is damaged already is told, and not backed up as if it were whole.
func TestDamageIsNotBackedUp(t *testing.T) {
	t.Parallel()
	data := folder(t)
	blob := filepath.Join(data, "registry", "blobs", digest(config)[7:9], digest(config)[7:])
	must(t, os.WriteFile(blob, bytes.Repeat([]byte("x"), len(config)), 0o600))
	if err := daemon.Backup(t.Context(), data, io.Discard); err == nil || !strings.Contains(err.Error(), blob+" is damaged") {
		t.Error(err)
	}
	must(t, os.Remove(blob))
	if err := daemon.Backup(t.Context(), data, io.Discard); err == nil || !strings.Contains(err.Error(), blob) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := daemon.Backup(ctx, folder(t), io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
