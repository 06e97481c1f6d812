package image

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"berth/internal/fault"
)

func fromLayout(dir string, o SourceOptions) (*Source, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read OCI layout %s", dir)
	}
	img, err := forPlatform(index, platform(o.Architecture))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read OCI layout %s", dir)
	}
	return &Source{Image: img, Kind: KindLayout}, nil
}

// forPlatform finds the image for the platform, in lists of lists too.
func forPlatform(index v1.ImageIndex, p v1.Platform) (v1.Image, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var others []string
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			if img, err := forPlatform(inner, p); err == nil {
				return img, nil
			}
		case d.MediaType.IsImage() && (d.Platform == nil || d.Platform.Satisfies(p)):
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			if c, err := img.ConfigFile(); err == nil && (c.Architecture == "" || c.Architecture == p.Architecture) {
				return img, nil
			}
		}
		if d.Platform != nil {
			others = append(others, d.Platform.String())
		}
	}
	return nil, fmt.Errorf("no image for %s (there are: %s)", p.String(), strings.Join(others, ", "))
}
