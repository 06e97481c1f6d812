package userland

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
)

// mostAnswer bounds what is read of an answer.
const mostAnswer = 8 << 20

// ask reads a path of instance metadata. Errors: fault.NotFound,
// fault.Unavailable.
func (w *world) ask(ctx context.Context, path string) (string, error) {
	token, err := w.exchange(ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "300")
	if err != nil {
		return "", err
	}
	return w.exchange(ctx, http.MethodGet, path, "X-aws-ec2-metadata-token", token)
}

func (w *world) exchange(ctx context.Context, method, path, header, value string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.metadata+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set(header, value)
	resp, err := w.http.Do(r)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "ask instance metadata")
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Unavailable, err, "ask instance metadata")
	case resp.StatusCode == http.StatusNotFound:
		return "", fault.New(fault.NotFound, "", "instance metadata %s: %s", path, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return "", fault.New(fault.Unavailable, "", "instance metadata %s: %s", path, resp.Status)
	}
	return string(b), nil
}

// keys are those of the role in the instance's profile.
func (w *world) keys(ctx context.Context) (ident.Key, error) {
	const path = "/latest/meta-data/iam/security-credentials/"
	role, err := w.ask(ctx, path)
	if fault.Is(err, fault.NotFound) {
		return ident.Key{}, fault.New(fault.Denied, "NoCredentials", "Unable to locate credentials: the instance has no instance profile")
	}
	if err != nil {
		return ident.Key{}, err
	}
	text, err := w.ask(ctx, path+strings.TrimSpace(role))
	if err != nil {
		return ident.Key{}, err
	}
	var got struct{ AccessKeyId, SecretAccessKey, Token string } // the service's names
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return ident.Key{}, fault.Wrap(fault.Unavailable, err, "read the instance's keys")
	}
	return ident.Key{ID: got.AccessKeyId, Secret: got.SecretAccessKey, Token: got.Token}, nil
}

// leaf is what ec2-metadata shows for an option.
type leaf struct{ short, long, shown, path string }

// leaves are in the order in which all are shown.
var leaves = []leaf{
	{"-a", "--ami-id", "ami-id", "meta-data/ami-id"},
	{"-l", "--ami-launch-index", "ami-launch-index", "meta-data/ami-launch-index"},
	{"-i", "--instance-id", "instance-id", "meta-data/instance-id"},
	{"-t", "--instance-type", "instance-type", "meta-data/instance-type"},
	{"-h", "--local-hostname", "local-hostname", "meta-data/local-hostname"},
	{"-o", "--local-ipv4", "local-ipv4", "meta-data/local-ipv4"},
	{"-z", "--availability-zone", "placement", "meta-data/placement/availability-zone"},
	{"-R", "--region", "region", "meta-data/placement/region"},
	{"-p", "--public-hostname", "public-hostname", "meta-data/public-hostname"},
	{"-v", "--public-ipv4", "public-ipv4", "meta-data/public-ipv4"},
	{"-d", "--user-data", "user-data", "user-data"},
}

// ec2Metadata prints what the options name, all of it without any.
func ec2Metadata(ctx context.Context, w *world, _ string, args []string) int {
	var show []leaf
	quiet := false
	for _, a := range args {
		switch found := find(a); {
		case a == "-q" || a == "--quiet":
			quiet = true
		case a == "--all":
			show = leaves
		case found == nil:
			return w.fail(1, "ec2-metadata: unrecognized option '%s'", a)
		default:
			show = append(show, *found)
		}
	}
	if len(show) == 0 {
		show = leaves
	}
	for _, l := range show {
		v, err := w.ask(ctx, "/latest/"+l.path)
		switch {
		case fault.Is(err, fault.NotFound):
			v = "not available"
		case err != nil:
			return w.fail(1, "ec2-metadata: %v", err)
		}
		if !quiet {
			v = l.shown + ": " + v
		}
		w.say("%s", v)
	}
	return 0
}

func find(option string) *leaf {
	for _, l := range leaves {
		if option == l.short || option == l.long {
			return &l
		}
	}
	return nil
}
