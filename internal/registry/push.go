package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/internal/container/image"
	"berth/internal/fault"
)

// PushOptions say what to push where.
type PushOptions struct {
	Endpoint  string // of a server, for example http://127.0.0.1:4566
	Region    string
	Repo, Tag string
	// Registry is another registry, such as docker.io, whose name for the image
	// means what is pushed from then on; "" is the built-in ECR.
	Registry string
	Source   string // see image.FromSource
	// Transport reaches the server; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Password is a token of GetAuthorizationToken; "" sends none, which a
	// server on loopback takes.
	Password string
	// Create makes the repository if it is missing; nil asks the server's ECR
	// API, unsigned.
	Create func(ctx context.Context, repo string) error
	// Progress hears of bytes; may be nil.
	Progress func(done, total int64)
	// Output hears what the Go compiler says; may be nil.
	Output io.Writer
}

// Pushed is what a push made.
type Pushed struct {
	Digest string
	Size   int64 // of the layers, compressed
	Kind   string
}

// Push makes an image of a source and pushes it.
func Push(ctx context.Context, o PushOptions) (Pushed, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" {
		return Pushed{}, fault.New(fault.Invalid, "", "endpoint %q is not a URL", o.Endpoint)
	}
	var opts []name.Option
	if u.Scheme == "http" {
		opts = append(opts, name.Insecure)
	}
	tag, err := name.NewTag(u.Host+"/"+o.Repo+":"+cmp.Or(o.Tag, "latest"), opts...)
	if err != nil || !CheckName(o.Repo) {
		return Pushed{}, fault.New(fault.Invalid, "", "%s:%s is not a repository and a tag", o.Repo, o.Tag)
	}
	src, err := image.FromSource(ctx, o.Source, image.SourceOptions{Output: o.Output, Transport: o.Transport})
	if err != nil {
		return Pushed{}, err
	}
	defer func() { _ = src.Close() }()
	if err := o.create(ctx); err != nil {
		return Pushed{}, err
	}
	if err := o.write(ctx, tag, src.Image); err != nil {
		return Pushed{}, err
	}
	digest, size, err := figures(src.Image)
	return Pushed{Digest: digest, Size: size, Kind: src.Kind}, err
}

func figures(img v1.Image) (digest string, size int64, err error) {
	d, err := img.Digest()
	if err != nil {
		return "", 0, fmt.Errorf("read the image's digest: %w", err)
	}
	m, err := img.Manifest()
	if err != nil {
		return "", 0, fmt.Errorf("read the image's manifest: %w", err)
	}
	for _, l := range m.Layers {
		size += l.Size
	}
	return d.String(), size, nil
}

func (o PushOptions) transport() http.RoundTripper {
	next := o.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	if o.Registry != "" {
		return named{next, o.Registry}
	}
	return next
}

// Login is a user of a registry; without a name it is whom the user of this
// machine is there.
type Login struct{ User, Password string }

// Namespace is the query parameter that names the registry whose image a
// request is for, as mirrors of containerd take it.
const Namespace = "ns"

// named says with each request whose image it is for.
type named struct {
	next     http.RoundTripper
	registry string
}

// RoundTrip implements http.RoundTripper.
func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set(Namespace, n.registry)
	r.URL.RawQuery = q.Encode()
	return n.next.RoundTrip(r)
}

func (o PushOptions) write(ctx context.Context, tag name.Tag, img v1.Image) error {
	opts := []remote.Option{remote.WithContext(ctx), remote.WithTransport(o.transport()), remote.WithUserAgent("berth")}
	if o.Password != "" {
		opts = append(opts, remote.WithAuth(basic{o.Password}))
	}
	if o.Progress == nil {
		return pushError(tag, remote.Write(tag, img, opts...))
	}
	updates := make(chan v1.Update, 16)
	done := make(chan error, 1)
	go func() { done <- remote.Write(tag, img, append(opts, remote.WithProgress(updates))...) }()
	for u := range updates {
		if u.Error == nil {
			o.Progress(u.Complete, u.Total)
		}
	}
	return pushError(tag, <-done)
}

func pushError(tag name.Tag, err error) error {
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "push %s", tag)
	}
	return nil
}

// create makes the repository; that it exists is success.
func (o PushOptions) create(ctx context.Context) error {
	if o.Registry != "" {
		return nil // the mirror keeps images by name
	}
	if o.Create != nil {
		return o.Create(ctx, o.Repo)
	}
	body, err := json.Marshal(map[string]string{"repositoryName": o.Repo})
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.CreateRepository")
	req.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=berth/20260101/"+cmp.Or(o.Region, "us-east-1")+"/ecr/aws4_request, SignedHeaders=host, Signature=0",
	)
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	resp, err := (&http.Client{Transport: o.transport()}).Do(req)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "create repository %s", o.Repo)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "create repository %s", o.Repo)
	}
	if resp.StatusCode == http.StatusOK || strings.Contains(string(answer), "RepositoryAlreadyExistsException") {
		return nil
	}
	return fault.New(fault.Invalid, "", "create repository %s: %s: %s", o.Repo, resp.Status, bytes.TrimSpace(answer))
}

// basic is the user AWS with a token.
type basic struct{ password string }

// Authorization is what go-containerregistry asks an authenticator for.
func (b basic) Authorization() (*authn.AuthConfig, error) {
	return &authn.AuthConfig{Username: "AWS", Password: b.password}, nil
}
