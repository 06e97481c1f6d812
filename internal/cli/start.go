package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ensure finds the server of the data folder or starts one.
func (a *app) ensure(ctx context.Context, w order) (*client, error) {
	if a.endpoint != "" {
		c, err := a.client(ctx)
		if err != nil {
			return nil, err
		}
		return c, a.agree(ctx, c, w)
	}
	c, err := a.found(ctx, w.server.Listen)
	switch {
	case err == nil && a.owns(c.now):
		fmt.Fprintf(a.note, "%s a server answers at %s (%s)\n", tint(a.note, "green", "✓"), c.base, c.region)
		return c, a.agree(ctx, c, w)
	case err == nil:
		return nil, fmt.Errorf(
			"another server answers at %s, with its data in %s\n  use it with --endpoint %s, or start one beside it with --listen 127.0.0.1:PORT "+
				"--data FOLDER",
			c.base, c.now.Data, c.base,
		)
	case os.Geteuid() != 0:
		return nil, errors.New("a server makes network namespaces and containers and must run as root\n  try: sudo berth up")
	}
	return a.start(ctx, w.server)
}

// found reaches the server of the data folder, or whatever answers where a new
// one would: the folder's own, if it has only just been started.
func (a *app) found(ctx context.Context, listen string) (*client, error) {
	if r, ok := a.lookup(); ok {
		if c, err := a.reach(ctx, r.Endpoint, r.Socket); err == nil && a.owns(c.now) {
			return c, nil
		}
	}
	return a.reach(ctx, listen, "")
}

// agree applies to a server that runs what flags ask of it, or refuses them.
func (a *app) agree(ctx context.Context, c *client, w order) error {
	s := w.server
	for _, f := range []struct{ name, want, has string }{
		{"region", s.Region, c.now.Region}, {"account", s.Account, c.now.Account},
		{"listen", s.Listen, c.base[strings.LastIndexByte(c.base, '/')+1:]},
		{"runtime", s.Runtime, ""}, {"overcommit", "true", ""}, {"verbose", "true", ""}, {"recover", "true", ""},
		{"rate-limits", "true", ""}, {"audit", "true", ""},
		{"allow-host", "true", ""}, {"allow-origin", "true", ""}, {"tls-cert", s.Cert, ""}, {"tls-key", s.Key, ""},
		{"internet", s.Internet, c.now.Internet}, {"image-cache", "true", ""}, {"registry-mirror", "true", ""},
		{"publish", "true", ""}, {"internet-allow", "true", ""},
	} {
		if !w.given(f.name) || f.want == f.has {
			continue
		}
		is := ""
		if f.has != "" {
			is = " (it has " + f.has + ")"
		}
		return fmt.Errorf(
			"--%s is for a server that starts, and one runs already%s\n  leave it out, or end that one first: `berth stop --keep-data%s` keeps "+
				"its state, `berth stop%s` does not",
			f.name, is, a.folder(), a.folder(),
		)
	}
	if !w.given("speed") || s.Speed == c.now.Speed {
		return nil
	}
	if err := c.own(ctx, http.MethodPost, "/_berth/clock", map[string]any{"speed": s.Speed}, nil); err != nil {
		return err
	}
	fmt.Fprintf(a.note, "%s its clock runs at %gx now, before at %gx\n", tint(a.note, "green", "✓"), s.Speed, c.now.Speed)
	return nil
}

// start runs a server in the background and waits until it answers.
func (a *app) start(ctx context.Context, s ServerConfig) (*client, error) {
	if err := os.MkdirAll(a.data, 0o711); errors.Is(err, os.ErrPermission) {
		return nil, notYours(a.data)
	} else if err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	if files, err := os.ReadDir(a.data); err == nil && foreign(files) {
		return nil, fmt.Errorf(
			"--data %s: there are other files in that folder, and `berth stop` would remove them\n  name a folder of its own", a.data,
		)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(a.data, "server.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	end, err := logFile.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	args := []string{
		"server", "--data", a.data, "--listen", s.Listen, "--region", s.Region, "--account", s.Account, "--speed", fmt.Sprint(s.Speed),
	}
	for _, f := range [][2]string{{"--runtime", s.Runtime}, {"--tls-cert", s.Cert}, {"--tls-key", s.Key}} {
		if f[1] != "" {
			args = append(args, f[0], f[1])
		}
	}
	for _, h := range s.Hosts {
		args = append(args, "--allow-host", h)
	}
	for _, o := range s.Origins {
		args = append(args, "--allow-origin", o)
	}
	args = append(args, "--internet", s.Internet, "--image-cache", fmt.Sprint(s.ImageCache))
	for _, p := range s.InternetAllow {
		args = append(args, "--internet-allow", p)
	}
	for _, p := range s.Publish {
		args = append(args, "--publish", p)
	}
	for _, m := range s.RegistryMirrors {
		args = append(args, "--registry-mirror", m)
	}
	if s.Recover {
		args = append(args, "--recover")
	}
	if s.Audit {
		args = append(args, "--audit")
	}
	if s.Limited {
		args = append(args, "--rate-limits")
	}
	if s.Overcommit {
		args = append(args, "--overcommit")
	}
	if s.Verbose {
		args = append(args, "--verbose")
	}
	cmd := exec.Command(self, args...) //nolint:noctx // the server outlives this command
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	done := a.busy("starting a server")
	defer done("")
	c := &client{base: "http://" + s.Listen, http: &http.Client{}}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for time.Since(began) < 30*time.Second {
		select {
		case <-ended:
			done("")
			return nil, fmt.Errorf(
				"the server did not start\n%s%s", strings.ReplaceAll(tail(logPath, end, 12), "  berth: ", "  "), a.lacks(ctx, s),
			)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again.C:
		}
		if r, ok := a.lookup(); ok && r.PID == cmd.Process.Pid && r.Socket != "" {
			c.base, c.http = r.Endpoint, through(r.Socket)
		}
		if h, err := c.health(ctx); err == nil && a.owns(h) {
			done("")
			c.region, c.now = h.Region, h
			fmt.Fprintf(
				a.note, "%s server started at %s in %s (%s, clock at %gx, data in %s)\n", tint(a.note, "green", "✓"), c.base, took(began), c.region,
				s.Speed, a.data,
			)
			return c, nil
		}
	}
	return nil, fmt.Errorf("the server does not answer at %s; see %s:\n%s%s", c.base, logPath, tail(logPath, end, 12), a.lacks(ctx, s))
}

func took(began time.Time) string {
	d := time.Since(began)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// tail is the end of a file, of what was written after a place in it.
func tail(file string, from int64, lines int) string {
	b, err := os.ReadFile(file)
	if err != nil || int64(len(b)) <= from {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(b[from:]), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "  " + strings.Join(all, "\n  ")
}

func pause(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
		return nil
	}
}
