// Package reference reads the names of images as Docker reads them: nginx is
// docker.io/library/nginx:latest, and so is every other way to write it.
//
// It owns the grammar and the names that it gives to what is left out, and
// looks nothing up. A Ref never changes and may be shared. Everything that
// pulls, keeps or explains images calls it.
package reference

import (
	"cmp"
	"strings"

	"berth/internal/fault"
)

// DockerHub is the registry of names without one; its API answers at dockerAPI.
const (
	DockerHub = "docker.io"
	dockerAPI = "registry-1.docker.io"
	official  = "library/"
	latest    = "latest"
)

// Bounds of names, as Docker has them.
const (
	maxReference = 512
	maxName      = 255
)

// Ref names an image of a registry.
type Ref struct {
	Registry   string // host, with a port if one was written
	Repository string
	Tag        string // "" with a digest alone
	Digest     string // sha256:… or ""
}

// Parse reads a reference. The error is fault.Invalid with Docker's text.
func Parse(s string) (Ref, error) {
	if len(s) > maxReference {
		return Ref{}, invalid("invalid reference format")
	}
	if len(s) == 64 && all(s, isHex) {
		return Ref{}, invalid("invalid repository name (%s), cannot specify 64-byte hexadecimal strings", s)
	}
	name, digest, pinned := strings.Cut(s, "@")
	name, tag, tagged := cutTag(name)
	r := Ref{Tag: tag, Digest: digest}
	r.Registry, r.Repository = split(name)
	switch {
	case pinned && !IsDigest(digest):
		return Ref{}, badDigest(digest)
	case tagged && !IsTag(tag), !isHost(r.Registry):
		return Ref{}, invalid("invalid reference format")
	case strings.ToLower(r.Repository) != r.Repository:
		return Ref{}, invalid("invalid reference format: repository name (%s) must be lowercase", r.Repository)
	case !IsPath(r.Repository):
		return Ref{}, invalid("invalid reference format")
	case len(r.Registry)+1+len(r.Repository) > maxName:
		return Ref{}, invalid("repository name must not be more than %d characters", maxName)
	}
	if !pinned {
		r.Tag = cmp.Or(tag, latest)
	}
	return r, nil
}

func invalid(format string, args ...any) error { return fault.New(fault.Invalid, "", format, args...) }

func badDigest(digest string) error {
	if algorithm, _, ok := strings.Cut(digest, ":"); ok && algorithm == "sha512" {
		return fault.New(fault.NotImplemented, "", "digests of %s are not built in Berth: name the image by its sha256", algorithm)
	}
	return invalid("invalid reference format")
}

// cutTag parts a name from its tag: a colon after the last slash.
func cutTag(s string) (name, tag string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= strings.LastIndexByte(s, '/') {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// split finds the registry. The part before the first slash is one if it
// could not be the part of a repository's name.
func split(name string) (registry, repository string) {
	host, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" && strings.ToLower(host) == host {
		host, rest = DockerHub, name
	}
	if host == "index."+DockerHub || host == dockerAPI {
		host = DockerHub
	}
	if host == DockerHub && !strings.Contains(rest, "/") {
		rest = official + rest
	}
	return host, rest
}

// String writes the reference in full, with its digest rather than its tag if
// it has both, as it is asked for.
func (r Ref) String() string {
	if r.Digest != "" {
		return r.Name() + "@" + r.Digest
	}
	return r.Name() + ":" + r.Tag
}

// Name is the registry and the repository.
func (r Ref) Name() string { return r.Registry + "/" + r.Repository }

// Identifier is what the registry is asked for: the digest, or the tag.
func (r Ref) Identifier() string { return cmp.Or(r.Digest, r.Tag) }

// Host is where the registry's API answers.
func (r Ref) Host() string {
	if r.Registry == DockerHub {
		return dockerAPI
	}
	return r.Registry
}

// ECR reads the registry of an ECR image, ACCOUNT.dkr.ecr.REGION.amazonaws.com
// or its dual-stack name. ok is false for the images of others.
func (r Ref) ECR() (account, region string, ok bool) {
	f := strings.Split(r.Registry, ".")
	switch {
	case len(f) >= 6 && f[1] == "dkr" && f[2] == "ecr" && f[4] == "amazonaws":
		return f[0], f[3], true
	case len(f) == 5 && f[1] == "dkr-ecr" && f[3] == "on" && f[4] == "aws":
		return f[0], f[2], true
	default:
		return "", "", false
	}
}
