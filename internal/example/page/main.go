// Command page is the example's web server: one small page that says which
// task answers, where it runs and which version it is. It stops serving only
// after the requests under way are done.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Berth</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1rem;color:#16191f}
h1{font-size:1.6rem}dt{color:#5f6b7a;float:left;clear:left;width:9rem}dd{margin:0 0 .3rem 9rem;font-family:ui-monospace,monospace}
.v{display:inline-block;background:{{.Color}};color:#fff;border-radius:.3rem;padding:.1rem .6rem}</style>
<h1>It runs. <span class="v">{{.Version}}</span></h1>
<p>This page came through a load balancer's listener rule, the target group that a blue/green deployment put behind it, a security group, a
task's own network interface and a container on a managed instance.</p>
<dl><dt>task</dt><dd>{{.Task}}</dd><dt>address</dt><dd>{{.Address}}</dd><dt>zone</dt><dd>{{.Zone}}</dd>
<dt>cluster</dt><dd>{{.Cluster}}</dd><dt>your path</dt><dd>{{.Path}}</dd></dl>
</html>
`))

type facts struct{ Version, Color, Task, Address, Zone, Cluster, Path string }

func main() {
	f := lookup(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f)
	})
	mux.HandleFunc("GET /busy", busy)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		mine := f
		mine.Path = r.URL.Path
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, mine)
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	srv := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = srv.Shutdown(end)
	}()
	fmt.Printf("page %s listens on port %s\n", f.Version, port)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("page is done")
}

// most is the longest that one request may keep a CPU busy.
const most = 5 * time.Second

// busy keeps a CPU busy for ?ms= milliseconds (200), to see the service scale.
func busy(w http.ResponseWriter, r *http.Request) {
	long := 200 * time.Millisecond
	if ms, err := strconv.Atoi(r.FormValue("ms")); err == nil {
		long = min(time.Duration(ms)*time.Millisecond, most)
	}
	for end := time.Now().Add(long); time.Now().Before(end) && r.Context().Err() == nil; {
	}
	fmt.Fprintf(w, "busy for %v\n", long)
}

// lookup asks the task metadata endpoint who we are; away from ECS the facts
// stay empty.
func lookup(ctx context.Context) facts {
	f := facts{Version: os.Getenv("PAGE_VERSION"), Color: os.Getenv("PAGE_COLOR")}
	if f.Version == "" {
		f.Version = "v1"
	}
	if f.Color == "" {
		f.Color = "#0972d3"
	}
	uri := os.Getenv("ECS_CONTAINER_METADATA_URI_V4")
	if uri == "" {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri+"/task", nil)
	if err != nil {
		return f
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, "metadata:", err)
		return f
	}
	defer res.Body.Close()
	var doc struct {
		Cluster, TaskARN, AvailabilityZone string
		Containers                         []struct {
			Networks []struct{ IPv4Addresses []string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		fmt.Fprintln(os.Stderr, "metadata:", err)
		return f
	}
	f.Task, f.Cluster, f.Zone = doc.TaskARN, doc.Cluster, doc.AvailabilityZone
	for _, c := range doc.Containers {
		for _, n := range c.Networks {
			if len(n.IPv4Addresses) > 0 {
				f.Address = n.IPv4Addresses[0]
			}
		}
	}
	return f
}
