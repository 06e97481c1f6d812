package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"berth/internal/fault"
)

// What there may be of uploads that nobody has finished, in all repositories.
// ECR publishes no such number; each takes of the disk that all share.
const (
	maxUploads    = 1000
	maxUnfinished = 2 * MaxLayer // bytes
)

// unfinished counts the uploads that are under way.
type unfinished struct {
	mu     sync.Mutex
	number int
	bytes  int64
	taken  map[string]bool // those that a request works on
}

// take gives an upload to one request until release: nothing may be written
// behind bytes whose digest is taken, nor after they have become a blob. code
// is the API's for one that another request works on.
func (u *unfinished) take(id, code string) (release func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.taken[id] {
		return nil, fault.New(fault.Conflict, code, "Another request is at work on the upload with upload id '%s'.", id)
	}
	if u.taken == nil {
		u.taken = map[string]bool{}
	}
	u.taken[id] = true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.taken, id)
	}, nil
}

// count finds what an earlier process left.
func (s *Store) count() error {
	files, err := os.ReadDir(s.uploads())
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && isUpload(f.Name()) {
			s.unfinished.number++
			s.unfinished.bytes += info.Size()
		}
	}
	return nil
}

func (u *unfinished) begins() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.number >= maxUploads {
		return fault.New(
			fault.Throttled, "", "There are %d unfinished uploads: finish or cancel some; a day after their last part they go.", u.number,
		)
	}
	u.number++
	return nil
}

func (u *unfinished) ends(size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.number--
	u.bytes -= size
}

func (u *unfinished) grows(n int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes += n
	if u.bytes > maxUnfinished {
		u.bytes -= n
		return fault.New(
			fault.Throttled, "", "The unfinished uploads have %d MiB together: finish or cancel some; a day after their last part they go.", u.bytes>>20,
		)
	}
	return nil
}

// counted counts what is read to be written to an upload.
type counted struct {
	r  io.Reader
	of *unfinished
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if refused := c.of.grows(int64(n)); refused != nil {
		return 0, refused
	}
	return n, err
}

// The parts of ECR's API, as its quotas have them
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html: layer
// parts, minimum layer part size): each but the last has at least minPart bytes.
const (
	maxParts = 4200
	minPart  = 5 << 20
)

// parts are those of an upload that came through the API.
type parts struct {
	Number int
	Last   int64 // bytes
	Small  bool  // whether one before the last is below minPart
}

func (s *Store) parts(id string) (p parts) {
	if b, err := os.ReadFile(s.upload(id) + ".parts"); err == nil {
		_ = json.Unmarshal(b, &p) // what is not there has no parts
	}
	return p
}

// AppendPart is Append for a part of ECR's API, which bounds how many there are.
func (s *Store) AppendPart(r Repo, id string, at int64, data io.Reader, size int64) (int64, error) {
	release, err := s.unfinished.take(id, "InvalidLayerPartException")
	if err != nil {
		return 0, err
	}
	defer release()
	if _, err := s.UploadSize(r, id); err != nil {
		return 0, err
	}
	p := s.parts(id)
	if p.Number++; p.Number > maxParts {
		return 0, fault.New(fault.Invalid, "LimitExceededException", "A layer has at most %d parts", maxParts)
	}
	p.Small = p.Small || p.Number > 1 && p.Last < minPart
	p.Last = size
	all, err := s.extend(r, id, at, data)
	if err != nil {
		return all, err
	}
	b, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(s.upload(id)+".parts", b, 0o600)
	}
	if err != nil {
		return all, fmt.Errorf("note a part: %w", err)
	}
	return all, nil
}

// CheckParts refuses an upload with a small part that is not its last.
func (s *Store) CheckParts(id string) error {
	if !isUpload(id) {
		return nil
	}
	if p := s.parts(id); p.Small {
		return fault.New(fault.Invalid, "LayerPartTooSmallException", "Layer parts must be at least %d bytes in size", minPart)
	}
	return nil
}

// StartUpload begins an upload and returns its id.
func (s *Store) StartUpload(r Repo) (string, error) {
	if err := s.unfinished.begins(); err != nil {
		return "", err
	}
	id := s.IDs.UUID()
	data, err := json.Marshal(r)
	if err == nil {
		err = write(s.upload(id)+".repo", data)
	}
	if err == nil {
		err = write(s.upload(id), nil)
	}
	if err != nil {
		s.unfinished.ends(0)
		return "", fmt.Errorf("begin upload: %w", err)
	}
	return id, nil
}

func (s *Store) upload(id string) string { return filepath.Join(s.uploads(), id) }

// UploadSize is how much of an upload has come.
func (s *Store) UploadSize(r Repo, id string) (int64, error) {
	unknown := fault.New(fault.NotFound, "UploadNotFoundException", "The upload with upload id '%s' could not be found.", id)
	if !isUpload(id) {
		return 0, unknown
	}
	data, err := os.ReadFile(s.upload(id) + ".repo")
	if err != nil {
		return 0, unknown
	}
	var owner Repo
	if err := json.Unmarshal(data, &owner); err != nil || owner != r {
		return 0, unknown
	}
	info, err := os.Stat(s.upload(id))
	if err != nil {
		return 0, unknown
	}
	return info.Size(), nil
}

// MaxLayer is how large a layer may be, as ECR says it.
const MaxLayer = 52_000 << 20

// Append adds to an upload. at is where the part begins and must be the size
// so far; -1 leaves that unchecked. It returns the new size. An upload that
// becomes larger than a layer may be is dropped.
func (s *Store) Append(r Repo, id string, at int64, data io.Reader) (int64, error) {
	release, err := s.unfinished.take(id, "InvalidLayerPartException")
	if err != nil {
		return 0, err
	}
	defer release()
	return s.extend(r, id, at, data)
}

// extend is Append for a request that has taken the upload.
func (s *Store) extend(r Repo, id string, at int64, data io.Reader) (int64, error) {
	size, err := s.UploadSize(r, id)
	if err != nil {
		return 0, err
	}
	if at >= 0 && at != size {
		return size, fault.New(fault.Conflict, "InvalidLayerPartException", "the part begins at byte %d, the upload has %d", at, size)
	}
	f, err := os.OpenFile(s.upload(id), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, fmt.Errorf("open upload: %w", err)
	}
	n, err := io.Copy(f, &counted{r: s.Spare(io.LimitReader(data, MaxLayer-size+1)), of: &s.unfinished})
	if err = errors.Join(err, f.Close()); err != nil {
		return size + n, fmt.Errorf("write upload: %w", err)
	}
	if size+n > MaxLayer {
		return 0, errors.Join(fault.New(
			fault.Invalid, "LimitExceededException", "The layer is larger than the maximum layer size of %d MiB", MaxLayer>>20,
		), s.drop(id))
	}
	return size + n, nil
}

// Finish checks the digest and makes the upload a blob of the repository, unless
// ctx ends before all of it was read.
func (s *Store) Finish(ctx context.Context, r Repo, id, digest string) error {
	release, err := s.unfinished.take(id, "InvalidLayerException")
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.UploadSize(r, id); err != nil {
		return err
	}
	if !isDigest(digest) {
		return fault.New(fault.Invalid, "InvalidLayerException", "digest %q is not valid", digest)
	}
	got, err := syncAndSum(ctx, s.upload(id))
	if err != nil {
		return err
	}
	if got != digest {
		return fault.New(
			fault.Invalid, "InvalidLayerException", "Layer digest does not match the provided layer digest: expected %s, got %s", digest, got,
		)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.blob(digest)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("make folder of blob: %w", err)
	}
	size, err := s.UploadSize(r, id)
	if err != nil {
		return err
	}
	if err := os.Rename(s.upload(id), to); err != nil {
		return fmt.Errorf("keep blob: %w", err)
	}
	s.unfinished.ends(size)
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if err := s.addLink(r, digest); err != nil {
		return err
	}
	return s.drop(id)
}

// CancelUpload drops an upload; an absent one is success.
func (s *Store) CancelUpload(_ Repo, id string) error {
	if !isUpload(id) {
		return nil
	}
	release, err := s.unfinished.take(id, "InvalidLayerPartException")
	if err != nil {
		return err
	}
	defer release()
	return s.drop(id)
}

// drop removes an upload that this request has taken.
func (s *Store) drop(id string) error {
	if info, err := os.Stat(s.upload(id)); err == nil {
		if err := os.Remove(s.upload(id)); err != nil {
			return fmt.Errorf("drop upload: %w", err)
		}
		s.unfinished.ends(info.Size())
	}
	for _, p := range []string{s.upload(id) + ".repo", s.upload(id) + ".parts"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop upload: %w", err)
		}
	}
	return nil
}
