package registry

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func (x *exchange) startUpload() {
	if x.r.Method != http.MethodPost {
		x.refuse()
		return
	}
	if !x.allow("ecr:InitiateLayerUpload") {
		return
	}
	q := x.r.URL.Query()
	if d, from := q.Get("mount"), (Repo{x.repo.Account, q.Get("from")}); d != "" && from.Name != "" &&
		x.Directory.Allow(x.r.Context(), x.who, "ecr:GetDownloadUrlForLayer", from) == nil && x.Store.Mount(from, x.repo, d) {
		x.created("blobs", d)
		return
	}
	id, err := x.Store.StartUpload(x.repo)
	if err != nil {
		x.failWith(err)
		return
	}
	x.reference = id
	if q.Get("digest") != "" {
		x.putUpload()
		return
	}
	x.accepted(0, http.StatusAccepted)
}

func (x *exchange) upload() {
	switch x.r.Method {
	case http.MethodGet:
		size, err := x.Store.UploadSize(x.repo, x.reference)
		if err != nil {
			x.failWith(err)
			return
		}
		x.accepted(size, http.StatusNoContent)
	case http.MethodPatch:
		x.patchUpload()
	case http.MethodPut:
		x.putUpload()
	case http.MethodDelete:
		if _, err := x.Store.UploadSize(x.repo, x.reference); err != nil {
			x.failWith(err)
			return
		}
		if err := x.Store.CancelUpload(x.repo, x.reference); err != nil {
			x.failWith(err)
			return
		}
		x.w.WriteHeader(http.StatusNoContent)
	default:
		x.refuse()
	}
}

func (x *exchange) patchUpload() {
	if !x.allow("ecr:UploadLayerPart") {
		return
	}
	size, err := x.Store.Append(x.repo, x.reference, x.partStart(), x.r.Body)
	if err != nil {
		x.w.Header().Set("Range", byteRange(size))
		x.failWith(err)
		return
	}
	x.accepted(size, http.StatusAccepted)
}

// partStart reads "Content-Range: 100-199"; -1 if it is not given.
func (x *exchange) partStart() int64 {
	from, _, ok := strings.Cut(strings.TrimPrefix(x.r.Header.Get("Content-Range"), "bytes "), "-")
	if n, err := strconv.ParseInt(from, 10, 64); ok && err == nil {
		return n
	}
	return -1
}

func (x *exchange) putUpload() {
	if !x.allow("ecr:UploadLayerPart", "ecr:CompleteLayerUpload") {
		return
	}
	if _, err := x.Store.Append(x.repo, x.reference, x.partStart(), x.r.Body); err != nil {
		x.failWith(err)
		return
	}
	digest := x.r.URL.Query().Get("digest")
	if err := x.Store.Finish(x.r.Context(), x.repo, x.reference, digest); err != nil {
		x.failWith(err)
		return
	}
	x.created("blobs", digest)
}

func byteRange(size int64) string { return fmt.Sprintf("0-%d", max(size-1, 0)) }

func (x *exchange) accepted(size int64, status int) {
	h := x.w.Header()
	h.Set("Location", "/v2/"+x.repo.Name+"/blobs/uploads/"+x.reference)
	h.Set("Docker-Upload-UUID", x.reference)
	h.Set("Range", byteRange(size))
	h.Set("Content-Length", "0")
	x.w.WriteHeader(status)
}

func (x *exchange) created(kind, digest string) {
	h := x.w.Header()
	h.Set("Location", "/v2/"+x.repo.Name+"/"+kind+"/"+digest)
	h.Set("Docker-Content-Digest", digest)
	h.Set("Content-Length", "0")
	x.w.WriteHeader(http.StatusCreated)
}
