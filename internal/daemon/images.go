package daemon

import (
	"encoding/json"
	"net/http"
	"sync"

	"berth/internal/fault"
	"berth/internal/lang/reference"
	"berth/internal/registry/mirror"
)

// maxImageCall bounds what is said of images.
const maxImageCall = 1 << 12

// imageCall is what is asked about images of other registries.
type imageCall struct {
	Image string `json:"image,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
}

// readCall reads what is asked, and the image if one is named.
func readCall(w http.ResponseWriter, r *http.Request) (c imageCall, ref reference.Ref, ok bool) {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxImageCall)).Decode(&c)
	if err == nil && c.Image != "" {
		ref, err = reference.Parse(c.Image)
	}
	if err != nil {
		http.Error(w, fault.MessageOf(err), http.StatusBadRequest)
	}
	return c, ref, err == nil
}

// images lists the cache.
func (o *own) images(w http.ResponseWriter, _ *http.Request) {
	entries, bytes, err := o.mirror.List()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if entries == nil {
		entries = []mirror.Entry{}
	}
	answer(w, map[string]any{"images": entries, "bytes": bytes, "bound": o.cfg.ImageCache, "internet": o.cfg.Internet})
}

// pulled is one line of the answer to a pull.
type pulled struct {
	Done   int64  `json:"done"`
	Total  int64  `json:"total"`
	Digest string `json:"digest,omitempty"` // of the last line, if it went well
	Error  string `json:"error,omitempty"`
}

// pullImage fills the cache and tells how far it is, one line a layer.
func (o *own) pullImage(w http.ResponseWriter, r *http.Request) {
	_, ref, ok := readCall(w, r)
	if !ok {
		return
	}
	var mu sync.Mutex
	var last pulled
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	tell := func(p pulled) {
		_ = enc.Encode(p) // who asked may have gone
		_ = flush.Flush()
	}
	w.Header().Set("Content-Type", "application/jsonl")
	got, err := o.mirror.Pull(r.Context(), ref, func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		last.Done, last.Total = max(last.Done, done), total
		tell(last)
	})
	mu.Lock()
	defer mu.Unlock()
	last.Digest = got.Digest
	if err != nil {
		last.Digest, last.Error = "", fault.MessageOf(err)
	}
	tell(last)
}

// removeImage forgets one image.
func (o *own) removeImage(w http.ResponseWriter, r *http.Request) {
	_, ref, ok := readCall(w, r)
	if !ok {
		return
	}
	if err := o.mirror.Remove(r.Context(), ref); err != nil {
		http.Error(w, fault.MessageOf(err), http.StatusNotFound)
		return
	}
	answer(w, map[string]string{"image": ref.String()})
}

// shrinkImages makes the cache as small as it is told.
func (o *own) shrinkImages(w http.ResponseWriter, r *http.Request) {
	c, _, ok := readCall(w, r)
	if !ok {
		return
	}
	out, err := o.mirror.Shrink(r.Context(), c.Bytes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, out)
}
