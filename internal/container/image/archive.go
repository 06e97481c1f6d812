package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"berth/internal/fault"
)

// fromPipe keeps what comes (docker save | berth image push web /dev/stdin) in
// a file: an archive is read more than once.
func fromPipe(path string, o SourceOptions) (*Source, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = in.Close() }()
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return nil, fmt.Errorf("make folder for archive: %w", err)
	}
	clean := func() error { return os.RemoveAll(dir) }
	file := filepath.Join(dir, "image.tar")
	out, err := os.Create(file)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), clean())
	}
	s, err := fromFile(file, o)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	inner := s.close
	s.close = func() error {
		if inner != nil {
			return errors.Join(inner(), clean())
		}
		return clean()
	}
	return s, nil
}

// openTar opens an archive that may be compressed.
func openTar(path string) (*tar.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	magic := make([]byte, 2)
	_, _ = f.ReadAt(magic, 0)
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return tar.NewReader(f), f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return tar.NewReader(z), f, nil
}

func tarNames(path string) (map[string]bool, error) {
	tr, c, err := openTar(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	names := map[string]bool{}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) && len(names) > 0 {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names[strings.TrimPrefix(h.Name, "./")] = true
	}
}

func fromLayoutArchive(path string, o SourceOptions) (*Source, error) {
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return nil, fmt.Errorf("make folder for archive: %w", err)
	}
	clean := func() error { return os.RemoveAll(dir) }
	if err := extract(path, dir); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Invalid, err, "read OCI archive %s", path), clean())
	}
	s, err := fromLayout(dir, o)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	s.close = clean
	return s, nil
}

// extract writes the archive's plain files; an OCI layout has no others.
func extract(path, dir string) error {
	tr, c, err := openTar(path)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := extractOne(root, h, tr); err != nil {
			return err
		}
	}
}

func extractOne(root *os.Root, h *tar.Header, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(h.Name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(h.Name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
