package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"berth/internal/fault"
)

func (x *exchange) manifest() {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		x.getManifest()
	case http.MethodPut:
		x.putManifest()
	case http.MethodDelete:
		x.deleteManifest()
	default:
		x.refuse()
	}
}

func (x *exchange) getManifest() {
	if !x.allow("ecr:BatchGetImage") {
		return
	}
	m, err := x.Store.Manifest(x.repo, x.reference)
	if err != nil {
		x.failWith(err)
		return
	}
	h := x.w.Header()
	h.Set("Content-Type", m.MediaType)
	h.Set("Docker-Content-Digest", m.Digest)
	h.Set("Content-Length", strconv.Itoa(len(m.Body)))
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method == http.MethodGet {
		_, _ = x.w.Write(m.Body)
	}
}

func (x *exchange) putManifest() {
	if !x.allow("ecr:PutImage") {
		return
	}
	body, err := io.ReadAll(io.LimitReader(x.r.Body, maxManifest+1))
	if err != nil {
		x.failWith(fault.Wrap(fault.Invalid, err, "read manifest"))
		return
	}
	o := PutOptions{MediaType: x.r.Header.Get("Content-Type"), Immutable: x.settings.Immutable, Tag: x.reference}
	if strings.Contains(x.reference, ":") {
		o.Tag, o.Digest = "", x.reference
	}
	img, err := x.Store.PutManifest(x.repo, body, o)
	if err != nil {
		x.failWith(err)
		return
	}
	if img.Subject != "" {
		x.w.Header().Set("OCI-Subject", img.Subject)
	}
	x.created("manifests", img.Digest)
}

func (x *exchange) deleteManifest() {
	if !x.allow("ecr:BatchDeleteImage") {
		return
	}
	var err error
	if isDigest(x.reference) {
		_, err = x.Store.DeleteManifest(x.repo, x.reference)
	} else {
		_, err = x.Store.DeleteTag(x.repo, x.reference)
	}
	if err != nil {
		x.failWith(err)
		return
	}
	x.w.WriteHeader(http.StatusAccepted)
}

func (x *exchange) tags() {
	if x.r.Method != http.MethodGet {
		x.refuse()
		return
	}
	if !x.allow("ecr:ListImages") {
		return
	}
	tags, err := x.Store.Tags(x.repo)
	if err != nil {
		x.failWith(err)
		return
	}
	page, next := paginate(tags, x.r.URL.Query())
	if next != "" {
		x.w.Header().Set("Link", "</v2/"+x.repo.Name+"/tags/list?"+next+`>; rel="next"`)
	}
	x.json(map[string]any{"name": x.repo.Name, "tags": page})
}

// paginate takes n tags after last, and says how to ask for more.
func paginate(tags []string, q url.Values) (page []string, next string) {
	page = []string{}
	for _, t := range tags {
		if t > q.Get("last") {
			page = append(page, t)
		}
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n <= 0 || n >= len(page) {
		return page, ""
	}
	page = page[:n]
	return page, url.Values{"n": {strconv.Itoa(n)}, "last": {page[n-1]}}.Encode()
}

func (x *exchange) referrers() {
	if x.r.Method != http.MethodGet {
		x.refuse()
		return
	}
	if !x.allow("ecr:BatchGetImage") {
		return
	}
	all, err := x.Store.Referrers(x.repo, x.reference)
	if err != nil {
		x.failWith(err)
		return
	}
	kind := x.r.URL.Query().Get("artifactType")
	out := []descriptor{}
	for _, i := range all {
		if kind != "" && i.ArtifactMediaType != kind {
			continue
		}
		m, err := x.Store.Manifest(x.repo, i.Digest)
		if err != nil {
			continue
		}
		var d document
		if json.Unmarshal(m.Body, &d) == nil {
			out = append(out, descriptor{
				MediaType: i.MediaType, Digest: i.Digest, Size: int64(len(m.Body)), ArtifactType: i.ArtifactMediaType, Annotations: d.Annotations,
			})
		}
	}
	if kind != "" {
		x.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	x.w.Header().Set("Content-Type", OCIIndex)
	x.json(map[string]any{"schemaVersion": 2, "mediaType": OCIIndex, "manifests": out})
}
