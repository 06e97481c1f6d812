package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"berth/internal/registry"
)

// sum is over what a record says, so that one that was changed is told from one
// that says something else: who is not told would ask for what was pushed
// elsewhere.
func (r record) sum() string {
	r.Sum = ""
	b, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:8])
}

// readRecord reads a record. One of an older server has no sum.
func readRecord(file string) (rec record, err error) {
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &rec)
	}
	if err == nil && rec.Sum != "" && rec.Sum != rec.sum() {
		err = errors.New("it is not what was written")
	}
	return rec, err
}

// Verify calls fn with a sentence for what of a cache's folder is damaged, and
// returns how many layers and manifests there are. A removed record is not missed
// by anything.
func Verify(ctx context.Context, dir string, fn func(problem string)) (blobs int, err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "references", "*.json"))
	if err != nil {
		return 0, fmt.Errorf("list images: %w", err)
	}
	for _, file := range files {
		if _, err := readRecord(file); err != nil {
			fn(fmt.Sprintf("%s cannot be read: %v", file, err))
		}
	}
	s := registry.Store{Deps: registry.Deps{Dir: dir}}
	return s.VerifyParts(ctx, fn)
}
