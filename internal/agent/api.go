package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"berth/internal/acs"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// callTimeout bounds one call, in real time.
const callTimeout = 30 * time.Second

// api calls AWS's JSON services and instance metadata.
type api struct {
	Deps
	http *http.Client

	mu    sync.Mutex
	token string
	until time.Time // of the token
	keys  ident.Key
	ends  time.Time // of the keys
}

func newAPI(d Deps) *api {
	return &api{
		Deps: d,
		http: &http.Client{Transport: d.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// metadata reads a path of instance metadata. Errors: fault.NotFound,
// fault.Unavailable.
func (a *api) metadata(ctx context.Context, path string) (string, error) {
	token, err := a.session(ctx)
	if err != nil {
		return "", err
	}
	return a.ask(ctx, http.MethodGet, path, "X-aws-ec2-metadata-token", token)
}

const sessionLife = 6 * time.Hour

func (a *api) session(ctx context.Context) (string, error) {
	a.mu.Lock()
	token, until := a.token, a.until
	a.mu.Unlock()
	if now := a.Clock.Now(); token != "" && now.Before(until.Add(-time.Minute)) {
		return token, nil
	}
	token, err := a.ask(
		ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", fmt.Sprint(int(sessionLife.Seconds())),
	)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.until = token, a.Clock.Now().Add(sessionLife)
	return token, nil
}

func (a *api) ask(ctx context.Context, method, path, header, value string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.Metadata+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set(header, value)
	resp, err := a.http.Do(r)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "ask instance metadata")
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Unavailable, err, "ask instance metadata")
	case resp.StatusCode == http.StatusUnauthorized:
		a.mu.Lock()
		a.token = "" // the service was started again
		a.mu.Unlock()
		return "", fault.New(fault.Unavailable, "", "instance metadata %s: %s", path, resp.Status)
	case resp.StatusCode == http.StatusNotFound:
		return "", fault.New(fault.NotFound, "", "instance metadata %s: %s", path, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return "", fault.New(fault.Unavailable, "", "instance metadata %s: %s", path, resp.Status)
	}
	return string(b), nil
}

// own returns the keys of the machine's role. They are asked for again well
// before they end, and often enough to see that they were replaced.
func (a *api) own(ctx context.Context) (ident.Key, error) {
	a.mu.Lock()
	k, ends := a.keys, a.ends
	a.mu.Unlock()
	if k.ID != "" && a.Clock.Now().Before(ends) {
		return k, nil
	}
	role, err := a.metadata(ctx, "/latest/meta-data/iam/security-credentials/")
	if err != nil {
		return k, err
	}
	text, err := a.metadata(ctx, "/latest/meta-data/iam/security-credentials/"+strings.TrimSpace(role))
	if err != nil {
		return k, err
	}
	var got struct {
		AccessKeyId, SecretAccessKey, Token string // the service's names
		Expiration                          time.Time
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return k, fault.Wrap(fault.Unavailable, err, "read the machine's keys")
	}
	k = ident.Key{ID: got.AccessKeyId, Secret: got.SecretAccessKey, Token: got.Token}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = k
	a.ends = a.Clock.Now().Add(min(time.Minute, got.Expiration.Sub(a.Clock.Now())/2))
	return k, nil
}

// stale makes the next call read the machine's keys anew.
func (a *api) stale() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ends = time.Time{}
}

// keyOf turns a task's keys into those that sign.
func keyOf(c *acs.RoleCredentials) ident.Key {
	return ident.Key{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken}
}

// machine makes calls with the machine's own keys.
func (a *api) machine() wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, o *wire.Operation, in any) (any, error) {
		k, err := a.own(ctx)
		if err != nil {
			return nil, err
		}
		out, err := a.call(ctx, o, a.Region, k, in)
		if fault.Is(err, fault.Denied) {
			a.stale()
		}
		return out, err
	})
}

// ecs is ECS, called with the machine's own keys.
func (a *api) ecs() ecs.Client { return ecs.Client{Caller: a.machine()} }

// as makes calls of a Region with a key.
func (a *api) as(region string, k ident.Key) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, o *wire.Operation, in any) (any, error) {
		return a.call(ctx, o, region, k, in)
	})
}

// call makes one signed call. A connection that fails is fault.Unavailable;
// an answer that is an error has AWS's code and message.
func (a *api) call(ctx context.Context, o *wire.Operation, region string, k ident.Key, in any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, body, err := o.NewRequest(ctx, "https://"+o.Service.EndpointPrefix+"."+region+".amazonaws.com/", in)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Amazon ECS Agent/"+Version+" (berth)")
	wire.Sign(r, body, k, region, o.Service.SigningName, a.Clock.Now())
	resp, err := a.http.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "call %s", o.Name)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "call %s", o.Name)
	}
	if resp.StatusCode/100 != 2 {
		return nil, refusal(o.Name, resp, b)
	}
	return o.ReadOutput(b)
}

// refusal reads an error answer of the JSON protocol.
func refusal(operation string, resp *http.Response, body []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Upper   string `json:"Message"`
	}
	_ = json.Unmarshal(body, &e)
	code := e.Type[strings.LastIndexByte(e.Type, '#')+1:]
	if code == "" {
		code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	}
	message := e.Message + e.Upper
	if e.Message != "" {
		message = e.Message
	}
	if message == "" {
		message = operation + " answered " + resp.Status
	}
	class := fault.Invalid
	switch {
	case strings.Contains(code, "Throttl") || strings.HasPrefix(code, "Limit"):
		class = fault.Throttled
	case resp.StatusCode >= 500:
		class = fault.Unavailable
	case strings.Contains(code, "AccessDenied") || strings.Contains(code, "Unrecognized") || strings.Contains(code, "Expired") ||
		strings.Contains(code, "Signature") || resp.StatusCode == http.StatusForbidden:
		class = fault.Denied
	case strings.Contains(code, "NotFound"):
		class = fault.NotFound
	}
	return fault.New(class, code, "%s", message)
}
