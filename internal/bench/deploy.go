package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"
)

// stackCase is one stack that is deployed.
type stackCase struct {
	name       string
	args       []string
	production int
	test       int
}

// deploys measures from `berth up`, on a server that runs, to the first page
// on the test port and on the production port.
func deploys(ctx context.Context, b *bench) error {
	cases := []stackCase{{name: "the example", production: 80, test: 8080}}
	if b.template != "" {
		cases = append(cases, stackCase{
			filepath.Base(b.template), []string{b.template, "--stack", "second", "--image", b.image + "=" + b.page}, 80, 8080,
		})
	}
	for _, s := range cases {
		for _, speed := range []string{"1", "20"} {
			var test, production, done []float64
			for i := range min(3, b.rounds) {
				l, err := b.server(ctx, fmt.Sprintf("deploy-%s-%d", speed, i), speed)
				if err != nil {
					return err
				}
				t, p, d, err := l.deploy(ctx, s)
				if end := l.stop(); err == nil {
					err = end
				}
				if err != nil {
					return err
				}
				test, production, done = append(test, t), append(production, p), append(done, d)
			}
			work := fmt.Sprintf("deploy %s, --speed %s", s.name, speed)
			b.table.add(work, "first page on the test port", "seconds", test, nil)
			b.table.add(work, "first page on the production port", "seconds", production, nil)
			b.table.add(work, "CREATE_COMPLETE", "seconds", done, nil)
		}
	}
	return nil
}

func (l *lab) deploy(ctx context.Context, s stackCase) (test, production, done float64, err error) {
	began := time.Now()
	end := make(chan error, 1)
	go func() { end <- l.up(s.args...) }()
	seen := map[int]float64{}
	running := true
	var failed error
	err = until(ctx, 10*time.Minute, 10*time.Millisecond, "pages on both ports", func() (bool, error) {
		if running {
			select {
			case err := <-end:
				running, done = false, time.Since(began).Seconds()
				if failed = err; failed != nil {
					return true, nil //nolint:nilerr // waiting on is of no use; failed tells
				}
			default:
			}
		}
		for _, at := range l.listeners() {
			if seen[at.Port] == 0 && page(ctx, at.Host, at.HostPort) {
				seen[at.Port] = time.Since(began).Seconds()
			}
		}
		return !running && seen[s.test] > 0 && seen[s.production] > 0, nil
	})
	return seen[s.test], seen[s.production], done, errors.Join(err, failed)
}

// listener is where a load balancer answers on the host.
type listener struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	HostPort int    `json:"hostPort"`
}

func (l *lab) listeners() []listener {
	r, _ := http.NewRequest(http.MethodGet, "http://"+l.b.listen+"/_berth/listeners", nil) //nolint:noctx // loopback
	var all []listener
	if b, err := do(r); err == nil {
		_ = json.Unmarshal(b, &all)
	}
	return all
}

func page(ctx context.Context, host string, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		return false
	}
	r.Host = host
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}
