//go:build root

package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"berth/internal/await"
)

// kinds are what people push: an image, one for several machines, one whose
// layer is compressed with zstd, and an artifact that is no image.
func kinds(t *testing.T) map[string]v1.ImageIndex {
	t.Helper()
	image := func(arch string) v1.Image {
		img, err := random.Image(2000, 2)
		if err == nil {
			img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
		return img
	}
	var small bytes.Buffer
	w, err := zstd.NewWriter(&small)
	if err == nil {
		_, err = io.WriteString(w, strings.Repeat("z", 5000))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	oci := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	squeezed, err := mutate.AppendLayers(oci, static.NewLayer(small.Bytes(), types.OCILayerZStd))
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := mutate.AppendLayers(
		mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json"),
		static.NewLayer([]byte("a chart"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
	)
	if err != nil {
		t.Fatal(err)
	}
	one := func(img v1.Image) v1.ImageIndex {
		return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	}
	both := bare(t, mutate.AppendManifests(
		mutate.IndexMediaType(empty.Index, types.OCIImageIndex), // so that the document says so
		mutate.IndexAddendum{Add: image("amd64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: image("arm64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
	))
	return map[string]v1.ImageIndex{
		"plain": one(image("amd64")), "zstd": one(squeezed), "chart": one(artifact),
		"several": mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: both}),
	}
}

type index = v1.ImageIndex

// plainly is a list with a document of its own.
type plainly struct {
	index
	raw []byte
}

// RawManifest implements v1.ImageIndex.
func (p plainly) RawManifest() ([]byte, error) { return p.raw, nil }

// Size implements v1.ImageIndex.
func (p plainly) Size() (int64, error) { return int64(len(p.raw)), nil }

// Digest implements v1.ImageIndex.
func (p plainly) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(p.raw))
	return h, err
}

// bare is a list whose entries have no artifactType, which skopeo 1.9 does not
// keep.
func bare(t *testing.T, list v1.ImageIndex) v1.ImageIndex {
	t.Helper()
	m, err := list.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	m = m.DeepCopy()
	for i := range m.Manifests {
		m.Manifests[i].ArtifactType = ""
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return plainly{list, raw}
}

// TestRootSkopeoCopiesInAndOut has the stock tool of Debian copy into the
// built-in ECR and out of it: what comes out is what went in.
//
// Proves: IR2
func TestRootSkopeoCopiesInAndOut(t *testing.T) {
	h := &hello{berth: start(t)}
	h.serve()
	skopeo := func(args ...string) {
		t.Helper()
		out, err := exec.CommandContext(await.Context(t), "skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	dir := t.TempDir()
	for kind, made := range kinds(t) {
		in, out := filepath.Join(dir, kind), filepath.Join(dir, kind+"-out")
		if _, err := layout.Write(in, made); err != nil {
			t.Fatal(err)
		}
		h.json("AmazonEC2ContainerRegistry_V20150921.CreateRepository", map[string]any{"repositoryName": kind})
		there := "docker://" + h.addr + "/" + kind + ":v1"
		skopeo("copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci:"+in, there)
		skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", there, "oci:"+out+":v1")
		want, got := topOf(t, in), topOf(t, out)
		described := list(h.json("AmazonEC2ContainerRegistry_V20150921.DescribeImages", map[string]any{
			"repositoryName": kind, "imageIds": []any{map[string]any{"imageTag": "v1"}},
		})["imageDetails"])
		if want != got || len(described) != 1 || text(described[0]["imageDigest"]) != want {
			t.Errorf("%s: %s went in, %s came out, ECR has %v", kind, want, got, described)
		}
	}
	h.finish()
}

// topOf is the digest of what a layout has.
func topOf(t *testing.T, dir string) string {
	t.Helper()
	at, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := at.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Fatalf("%s: %v, %v", dir, m, err)
	}
	return m.Manifests[0].Digest.String()
}
