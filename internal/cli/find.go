package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// running is what a server writes into its data folder.
type running struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Account  string `json:"account"`
	Socket   string `json:"socket"` // of root, where the endpoint wants keys
	PID      int    `json:"pid"`
}

func (a *app) lookup() (running, bool) {
	b, err := os.ReadFile(filepath.Join(a.data, "server.json"))
	if err != nil {
		return running{}, false
	}
	var r running
	return r, json.Unmarshal(b, &r) == nil && r.Endpoint != ""
}

// client finds the server and asks it for its health.
func (a *app) client(ctx context.Context) (*client, error) {
	base, r, err := a.address()
	if err != nil {
		return nil, err
	}
	c, err := a.reach(ctx, base, r.Socket)
	switch {
	case err == nil && (r.PID == 0 || a.owns(c.now)):
		return c, nil
	case err == nil: // another server has the address now
		return nil, a.ended(c.base)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, a.silent(c.base, r, err)
}

// address says where a server should answer, and what the data folder knows
// of it if the address is from there.
func (a *app) address() (string, running, error) {
	if a.endpoint != "" {
		return a.endpoint, running{}, nil
	}
	r, ok := a.lookup()
	switch {
	case ok:
		return r.Endpoint, r, nil
	case a.named: // whoever names a folder does not mean another server
		return "", r, fmt.Errorf(
			"no server runs from %s\n  `berth up%s` starts one and deploys the example; `berth server%s` starts one alone", a.data, a.folder(),
			a.folder(),
		)
	case os.Getenv("AWS_ENDPOINT_URL") != "":
		return os.Getenv("AWS_ENDPOINT_URL"), r, nil
	default:
		return DefaultListen, r, nil
	}
}

// folder is the flag that commands for the same data folder need.
func (a *app) folder() string {
	if a.data == defaultData() {
		return ""
	}
	return " --data " + a.data
}

// silent says why no server answers, and what to do.
func (a *app) silent(base string, r running, err error) error {
	switch why := reason(err); {
	case r.Socket != "" && errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the server at %s wants keys, and its data folder is another user's\n  try it with sudo", base)
	case a.endpoint != "":
		return fmt.Errorf("no server answers at %s: %s\n  without --endpoint the server of %s is asked; `berth up` starts one", base, why, a.data)
	case r.PID != 0 && !alive(r.PID):
		return a.ended(base)
	case r.PID != 0:
		return fmt.Errorf(
			"the server of %s (pid %d) does not answer at %s: %s\n  `berth logs server%s` shows what it says", a.data, r.PID, base, why, a.folder(),
		)
	case os.Getenv("AWS_ENDPOINT_URL") != "":
		return fmt.Errorf(
			"no server answers at %s, which AWS_ENDPOINT_URL names: %s\n  `unset AWS_ENDPOINT_URL`, then `berth up` starts one and deploys "+
				"the example",
			base, why,
		)
	default:
		return errors.New("no server runs on this machine\n  `berth up` starts one and deploys the example; `berth server` starts one alone")
	}
}

func (a *app) ended(base string) error {
	return fmt.Errorf(
		"the server of %s has ended; it answered at %s\n  `berth server%s` takes up what it left running, `berth stop%s` ends that", a.data, base,
		a.folder(), a.folder(),
	)
}

// owns says that a server that answers is that of our data folder.
func (a *app) owns(h health) bool {
	ours, err := os.Stat(a.data)
	theirs, err2 := os.Stat(h.Data)
	return h.Data == "" || err == nil && err2 == nil && os.SameFile(ours, theirs)
}

// reason is what keeps a server from answering, in few words.
func reason(err error) string {
	var dns *net.DNSError
	var odd *json.SyntaxError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	case errors.As(err, &dns):
		return "there is no host " + dns.Name
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	case errors.As(err, &odd), errors.Is(err, errAnswer):
		return "what answers there is not Berth"
	default:
		return err.Error()
	}
}

// reach asks the server at an address for its health; by its socket, if it has
// one.
func (a *app) reach(ctx context.Context, base, socket string) (*client, error) {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	c := &client{base: strings.TrimRight(base, "/"), http: through(socket)}
	h, err := c.health(ctx)
	if err != nil {
		return c, err
	}
	c.region, c.now = h.Region, h
	return c, nil
}

// through is a client that goes by a socket, whatever the address; "" is none.
// Who may open it is asked for no key.
func through(socket string) *http.Client {
	if socket == "" {
		return &http.Client{}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DialTLSContext: dial}}
}
