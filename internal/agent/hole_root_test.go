//go:build root

package agent_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// stockHole puts an image of one file that is all hole into the registry: some
// KB to push and pull, and as many bytes as said once it is unpacked.
func (s *slice) stockHole(ref string, size int64) {
	s.t.Helper()
	reg, err := stocked()
	if err != nil {
		s.t.Fatal(err)
	}
	srv := httptest.NewServer(reg)
	defer srv.Close()
	to, err := name.ParseReference(strings.TrimPrefix(srv.URL, "http://") + "/" + ref)
	if err != nil {
		s.t.Fatal(err)
	}
	img, err := holed(size)
	if err == nil {
		err = remote.Write(to, img)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func holed(size int64) (v1.Image, error) {
	data, err := hole(size)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(empty.Image, l)
}

// hole is the archive: the records of a sparse file in PAX's form, and the file.
func hole(size int64) ([]byte, error) {
	var records string
	for _, r := range []string{
		"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=hole", "GNU.sparse.numblocks=1",
		fmt.Sprintf("GNU.sparse.size=%d", size), fmt.Sprintf("GNU.sparse.map=%d,0", size),
	} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r) // two digits, a space and the line's end
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{Name: "x", Typeflag: 'y', Size: int64(len(records))})
	if err == nil {
		_, err = io.WriteString(w, records)
	}
	if err == nil {
		err = w.WriteHeader(&tar.Header{Name: "hole", Typeflag: tar.TypeReg, Mode: 0o644})
	}
	if err == nil {
		err = w.Close()
	}
	b := buf.Bytes()
	if err != nil {
		return nil, err
	}
	b[156] = tar.TypeXHeader // which the writer does not take from others
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b, nil
}
