package mirror

import (
	"cmp"
	"context"
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
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// record is what a reference meant last.
type record struct {
	Ref     string    `json:"ref"`
	Whose   string    `json:"whose,omitempty"` // which login of a task's own it came with
	Digest  string    `json:"digest"`
	Pushed  bool      `json:"pushed,omitempty"` // by the user: it is never asked for elsewhere
	Checked time.Time `json:"checked,omitzero"` // when the registry said so
	Used    time.Time `json:"used"`
	Sum     string    `json:"sum,omitempty"` // of the rest
}

func (m *Mirror) records() string { return filepath.Join(m.Dir, "references") }

func (m *Mirror) file(r wanted) string {
	sum := sha256.Sum256([]byte(r.key()))
	return filepath.Join(m.records(), hex.EncodeToString(sum[:16])+".json")
}

func (m *Mirror) record(r wanted) (record, bool) {
	rec, err := readRecord(m.file(r))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.Log.Warn("what an image's name means is not known any more", "image", r.String(), "error", err)
	}
	return rec, err == nil && rec.Ref == r.String() && rec.Whose == r.whose
}

// use notes that a reference was asked for. An image of a list is its list's.
func (m *Mirror) use(r wanted, rec record) error {
	if r.Digest != "" {
		if in, err := m.store.ListOf(repo(r), r.Digest); err != nil || in != "" {
			return err
		}
		rec.Digest = r.Digest
	}
	now := m.Real.Now()
	if rec.Ref != "" && now.Sub(rec.Used) < fresh {
		return nil
	}
	rec.Ref, rec.Whose, rec.Used = r.String(), r.whose, now
	return m.write(r, rec)
}

func (m *Mirror) write(r wanted, rec record) error {
	rec.Used, rec.Checked = rec.Used.Round(0), rec.Checked.Round(0)
	rec.Sum = rec.sum()
	data, err := json.Marshal(rec)
	if err == nil {
		err = os.MkdirAll(m.records(), 0o755)
	}
	if err != nil {
		return fmt.Errorf("write record of image: %w", err)
	}
	return registry.WriteFile(m.file(r), data)
}

// Entry is one reference of the cache.
type Entry struct {
	Ref    string    `json:"ref"`
	Login  bool      `json:"login,omitempty"` // it came with a login of a task's own, and is for such alone
	Digest string    `json:"digest"`
	Bytes  int64     `json:"bytes"` // what is here of it, with what it shares with others
	Pushed bool      `json:"pushed,omitempty"`
	Used   time.Time `json:"used"`
}

// List is what the cache has, what was used last first, and the bytes of all.
func (m *Mirror) List() (entries []Entry, bytes int64, err error) {
	all, err := m.all()
	if err != nil {
		return nil, 0, err
	}
	for _, rec := range all {
		r, ok := rec.wanted()
		if !ok {
			continue
		}
		e := Entry{Ref: rec.Ref, Login: rec.Whose != "", Digest: rec.Digest, Pushed: rec.Pushed, Used: rec.Used}
		for digest := range m.reach(repo(r), rec.Digest) {
			n, _ := m.store.HasBlob(repo(r), digest)
			e.Bytes += n
		}
		entries = append(entries, e)
	}
	bytes, err = m.store.Bytes()
	return entries, bytes, err
}

// all are the records, what was used last first.
func (m *Mirror) all() ([]record, error) {
	files, err := filepath.Glob(filepath.Join(m.records(), "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var out []record
	for _, f := range files {
		if rec, err := readRecord(f); err == nil {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b record) int { return cmp.Or(b.Used.Compare(a.Used), strings.Compare(a.Ref, b.Ref)) })
	return out, nil
}

// reach are the digests that a manifest leads to, with its own.
func (m *Mirror) reach(r registry.Repo, digest string) map[string]bool {
	out := map[string]bool{}
	next := []string{digest}
	for len(next) > 0 && len(out) < maxReach {
		d := next[0]
		next = next[1:]
		got, err := m.store.Manifest(r, d)
		if out[d] || err != nil {
			continue
		}
		out[d] = true
		parts, err := got.Read()
		if err != nil {
			continue
		}
		for _, p := range parts.Manifests {
			next = append(next, p.Digest)
		}
		for _, p := range parts.Blobs {
			out[p.Digest] = true
		}
	}
	return out
}

// maxReach bounds what one image is asked about.
const maxReach = 1 << 14

// Remove forgets a reference, whoever's login it came with, and what no other
// one needs.
func (m *Mirror) Remove(ctx context.Context, r reference.Ref) error {
	all, err := m.all()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(rec record) bool { return rec.Ref != r.String() })
	if len(all) == 0 {
		return fault.New(fault.NotFound, "", "%s is not in the image cache", r)
	}
	for _, rec := range all {
		if err := m.forget(rec); err != nil {
			return err
		}
	}
	return m.sweep(ctx)
}

func (m *Mirror) forget(rec record) error {
	r, ok := rec.wanted()
	if !ok {
		return nil
	}
	if err := os.Remove(m.file(r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image: %w", err)
	}
	return nil
}

// Shrunk says what was taken away.
type Shrunk struct {
	Removed []string `json:"removed"`
	Before  int64    `json:"before"`
	After   int64    `json:"after"`
}

// Shrink takes away what no reference leads to, and then what was not used for
// longest until the cache has at most so many bytes. What the user pushed
// stays.
func (m *Mirror) Shrink(ctx context.Context, bound int64) (Shrunk, error) {
	var out Shrunk
	var err error
	if out.Before, err = m.store.Bytes(); err != nil {
		return out, err
	}
	if err := m.sweep(ctx); err != nil {
		return out, err
	}
	all, err := m.all()
	if err != nil {
		return out, err
	}
	for _, rec := range slices.Backward(all) {
		if out.After = m.weight(); out.After <= bound {
			break
		}
		if rec.Pushed {
			continue
		}
		if err := errors.Join(m.forget(rec), m.sweep(ctx)); err != nil {
			return out, err
		}
		out.Removed = append(out.Removed, rec.Ref)
	}
	out.After = m.weight()
	return out, nil
}

func (m *Mirror) weight() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}

// shrink keeps the cache within its bound after something came.
func (m *Mirror) shrink(ctx context.Context) error {
	m.mu.Lock()
	over, unknown := m.bytes > m.Bound, m.bytes < 0
	m.mu.Unlock()
	if unknown {
		n, err := m.store.Bytes()
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.bytes, over = n, n > m.Bound
		m.mu.Unlock()
	}
	if !over {
		return nil
	}
	out, err := m.Shrink(ctx, m.Bound)
	m.Log.Info("image cache shrunk", "removed", out.Removed, "before", out.Before, "after", out.After)
	return err
}

// pushLasts is how long a push may be between its layers and its manifest.
const pushLasts = 10 * time.Minute

// sweep removes the manifests that no reference leads to, and their blobs.
func (m *Mirror) sweep(ctx context.Context) error {
	m.gate.Lock()
	defer m.gate.Unlock()
	all, err := m.all()
	if err != nil {
		return err
	}
	used := map[registry.Repo]map[string]bool{}
	for _, rec := range all {
		r, ok := rec.wanted()
		if !ok {
			continue
		}
		if used[repo(r)] == nil {
			used[repo(r)] = map[string]bool{}
		}
		for d := range m.reach(repo(r), rec.Digest) {
			used[repo(r)][d] = true
		}
	}
	repos, err := m.store.Repos()
	if err != nil {
		return err
	}
	for _, r := range repos {
		if err := m.dropUnused(r, used[r]); err != nil {
			return err
		}
	}
	m.mu.Lock()
	before := m.Real.Now()
	if before.Sub(m.pushed) < pushLasts {
		before = before.Add(-pushLasts)
	}
	m.mu.Unlock()
	if _, err := m.store.CollectBefore(ctx, before); err != nil {
		return err
	}
	n, err := m.store.Bytes()
	m.mu.Lock()
	m.bytes = n
	m.mu.Unlock()
	return err
}

// dropUnused deletes manifests, lists before what they list.
func (m *Mirror) dropUnused(r registry.Repo, used map[string]bool) error {
	images, err := m.store.Images(r)
	if err != nil {
		return err
	}
	for again := true; again; {
		again = false
		for _, img := range images {
			if used[img.Digest] {
				continue
			}
			if _, err := m.store.DeleteManifest(r, img.Digest); err == nil {
				again = true
			}
		}
	}
	return nil
}
