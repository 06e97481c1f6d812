// Package daemon connects: it makes the drivers, assembles the system and runs it
// as a server, and answers Berth's own few paths. It is the only package that sees
// everything, and it decides nothing about AWS's nouns.
package daemon

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/balancer"
	"berth/internal/cli"
	"berth/internal/clock"
	"berth/internal/controllers/fargate"
	"berth/internal/doctor"
	"berth/internal/explain"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/registry/mirror"
	"berth/internal/state"
	"berth/internal/store"
)

// own answers Berth's own paths: health, the stream of events and decisions,
// explanations, the clock and backups. To set the clock and to have a backup takes
// the session's token.
type own struct {
	cfg    Config
	db     *state.DB
	clock  *clock.Running
	settle func(ctx context.Context)
	// changed is called after the clock was set.
	changed func(ctx context.Context) error
	// session is the token that calls which change something carry.
	session string
	// backup writes a backup.
	backup func(ctx context.Context, out io.Writer) error
	// examine reads every file of the data folder.
	examine func(ctx context.Context) []doctor.Finding
	// lacks are sentences about what the host cannot keep apart.
	lacks []string
	log   *slog.Logger
	// mirror has the images of other registries.
	mirror *mirror.Mirror
	// edge weighs the load balancer's process.
	edge func(ctx context.Context, collect bool) (kernel.Figures, error)
	// boot is what the agent of an instance of the user's own says of its start.
	boot func(ctx context.Context, id string) model.Boot
	// report is what that process said last.
	report func() (r balancer.Report, current, ok bool)
}

func (o *own) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_berth/health", o.health)
	mux.HandleFunc("GET /_berth/events", o.events)
	mux.HandleFunc("GET /_berth/explain", o.explain)
	mux.HandleFunc("GET /_berth/listeners", o.listeners)
	mux.HandleFunc("GET /_berth/clock", o.time)
	mux.HandleFunc("POST /_berth/clock", o.inSession(o.setTime))
	mux.HandleFunc("POST /_berth/interrupt", o.inSession(o.interrupt))
	mux.HandleFunc("POST /_berth/examine", o.inSession(o.examined))
	mux.HandleFunc("POST /_berth/backup", o.inSession(o.backupTo))
	mux.HandleFunc("GET /_berth/images", o.images)
	mux.HandleFunc("POST /_berth/images/pull", o.inSession(o.pullImage))
	mux.HandleFunc("POST /_berth/images/remove", o.inSession(o.removeImage))
	mux.HandleFunc("POST /_berth/images/shrink", o.inSession(o.shrinkImages))
	mux.HandleFunc("GET /_berth/debug", o.debug)
	mux.HandleFunc("GET /_berth/debug/{profile}", profile)
	return mux
}

// inSession asks for the token of this server's session before h, which changes
// something or tells secrets. Who may read the data folder has it; a web page has not.
func (o *own) inSession(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(cli.SessionHeader)), []byte(o.session)) != 1 {
			http.Error(
				w, fmt.Sprintf("%s %s wants the header %s with what is in %s", r.Method, r.URL.Path, cli.SessionHeader,
					filepath.Join(o.cfg.Data, cli.SessionFile)), http.StatusForbidden,
			)
			return
		}
		h(w, r)
	}
}

// newSession writes a token for this server's time into its data folder, to be
// read by its own user alone.
func newSession(data string, ids *ident.Source) (string, error) {
	token, file := ids.Hex(32), filepath.Join(data, cli.SessionFile)
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
		return "", err
	}
	return token, os.Rename(file+".new", file)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have gone; nothing is left to do
}

func (o *own) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"status": "ok", "region": o.cfg.Place.Region, "account": o.cfg.Place.Account, "data": o.cfg.Data, "version": Version,
		"pid": os.Getpid(), "now": o.clock.Now(), "speed": o.clock.Speed(), "revision": o.db.View().Revision(),
		"lacks": o.lacks, "internet": o.cfg.Internet,
	})
}

// debug says what the server and the edge hold at this moment; with ?collect,
// after both have collected their garbage.
func (o *own) debug(w http.ResponseWriter, r *http.Request) {
	collect := r.URL.Query().Has("collect")
	out := map[string]any{"server": kernel.Self(collect)}
	if f, err := o.edge(r.Context(), collect); err != nil {
		out["trouble"] = err.Error()
	} else {
		out["edge"] = f
	}
	answer(w, out)
}

// profile writes one of the Go runtime's profiles of the server: goroutine as
// text, heap and the others as pprof reads them.
func profile(w http.ResponseWriter, r *http.Request) {
	p := pprof.Lookup(r.PathValue("profile"))
	if p == nil {
		http.Error(w, "there is no such profile", http.StatusNotFound)
		return
	}
	text := 0
	if p.Name() == "goroutine" {
		text = 1
	}
	_ = p.WriteTo(w, text) // the client may have gone; nothing is left to do
}

func (o *own) time(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"now": o.clock.Now(), "speed": o.clock.Speed()})
}

// interrupt takes the slice of a task of Fargate Spot away.
func (o *own) interrupt(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Task string `json:"task"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil {
		http.Error(w, "interrupt: "+err.Error(), http.StatusBadRequest)
		return
	}
	now := o.clock.Now()
	switch err := (fargate.Controller{DB: o.db}).Interrupt(r.Context(), now, in.Task); {
	case fault.Is(err, fault.NotFound):
		http.Error(w, fault.MessageOf(err), http.StatusNotFound)
	case fault.Is(err, fault.Invalid):
		http.Error(w, fault.MessageOf(err), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		answer(w, map[string]any{"task": in.Task, "takenAwayAt": now.Add(fargate.Notice)})
	}
}

// mostAdvance is how far the clock may jump at once.
const mostAdvance = 10 * 365 * 24 * time.Hour

func (o *own) setTime(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Speed          float64 `json:"speed"`
		AdvanceSeconds float64 `json:"advanceSeconds"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil {
		http.Error(w, "clock: "+err.Error(), http.StatusBadRequest)
		return
	}
	switch {
	case in.Speed < 0 || in.Speed > 100_000 || in.AdvanceSeconds < 0 || in.AdvanceSeconds > mostAdvance.Seconds():
		http.Error(w, "clock: speed is above 0 and up to 100000; time runs forwards, by up to ten years at once", http.StatusBadRequest)
		return
	case in.Speed > 0:
		o.clock.SetSpeed(in.Speed)
	case in.AdvanceSeconds > 0:
		o.clock.Advance(time.Duration(in.AdvanceSeconds*float64(time.Second)), func(time.Time) { o.settle(r.Context()) })
	}
	if err := errors.Join(saveClock(r.Context(), o.db, o.clock.Setting()), o.changed(r.Context())); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	o.time(w, r)
}

func (o *own) explain(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	v := o.db.View()
	a, ok := explain.Find(v, id, o.clock.Now())
	if !ok {
		question := ""
		if near := explain.Near(v, id); len(near) > 0 {
			question = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		http.Error(
			w,
			fmt.Sprintf(
				"nothing here is called %q%s\n  give a task, instance, service, deployment, target, target group, load balancer, capacity provider, "+
					"cluster, stack,\n  subnet or network interface, by ARN, id or name",
				id, question,
			),
			http.StatusNotFound,
		)
		return
	}
	explain.Started(v, &a, o.boot(r.Context(), a.Subject))
	answer(w, a)
}

// events writes decisions, service events and stack events as JSON lines in
// order of time, and goes on as they come unless follow=false.
func (o *own) events(w http.ResponseWriter, r *http.Request) {
	follow := r.URL.Query().Get("follow") != "false"
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	view, watch := o.db.Watch()
	defer watch.Stop()
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	for _, d := range past(view) {
		if d.Seq == 0 || d.Seq > after {
			if e.Encode(d) != nil {
				return
			}
		}
	}
	for follow {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		cs, err := watch.Next(r.Context())
		if err != nil {
			return
		}
		for _, c := range cs {
			for _, d := range fresh(c) {
				if e.Encode(d) != nil {
					return
				}
			}
		}
	}
}

func past(v store.Reader) []model.Decision {
	out := state.Decisions.All(v)
	for _, s := range state.Services.All(v) {
		for _, e := range slices.Backward(s.Events) { // they are kept newest first
			out = append(out, serviceEvent(s, e))
		}
	}
	for _, e := range state.StackEvents.All(v) {
		out = append(out, stackEvent(e))
	}
	slices.SortStableFunc(out, func(a, b model.Decision) int { return a.At.Compare(b.At) })
	return out
}

func fresh(c store.Change) []model.Decision {
	switch n := c.New.(type) {
	case *model.Decision:
		return []model.Decision{*n}
	case *model.StackEvent:
		return []model.Decision{stackEvent(*n)}
	case *model.Service:
		var o model.Service
		if old, ok := c.Old.(*model.Service); ok {
			o = *old
		}
		var out []model.Decision
		for _, e := range n.Events {
			if slices.ContainsFunc(o.Events, func(x model.ServiceEvent) bool { return x.ID == e.ID }) {
				break
			}
			out = append(out, serviceEvent(*n, e))
		}
		slices.Reverse(out)
		return out
	case *model.Task:
		var was model.TaskStatus
		if o, ok := c.Old.(*model.Task); ok {
			was = o.LastStatus
		}
		if was != n.LastStatus {
			steps := slices.DeleteFunc([]string{string(was), string(n.LastStatus)}, func(s string) bool { return s == "" })
			return []model.Decision{
				{
					At: n.StatusAt, By: "task", Subject: n.ARN, Verb: "state",
					Reason: strings.Join(steps, " → "), Cluster: n.Cluster, Service: n.Service,
				},
			}
		}
	}
	return nil
}

func serviceEvent(s model.Service, e model.ServiceEvent) model.Decision {
	return model.Decision{At: e.At, By: "service", Subject: s.ARN, Verb: "event", Reason: e.Message, Cluster: s.Cluster, Service: s.Name}
}

func stackEvent(e model.StackEvent) model.Decision {
	reason := e.LogicalID + " " + e.Type
	if e.Reason != "" {
		reason += ": " + e.Reason
	}
	return model.Decision{At: e.At, By: "stack", Subject: e.Stack, Verb: string(e.Status), Reason: reason}
}

func saveClock(ctx context.Context, db *state.DB, s clock.Setting) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return db.Update(ctx, "daemon", func(tx *store.Tx) error {
		return state.Settings.Put(tx, state.Setting{Name: "clock", Value: string(b)})
	})
}

// openClock carries on with the clock that the state remembers, at the speed
// that is asked now.
func openClock(ctx context.Context, db *state.DB, speed float64) (*clock.Running, error) {
	s, ok := state.Settings.Get(db.View(), "clock")
	var c *clock.Running
	if ok {
		var set clock.Setting
		if err := json.Unmarshal([]byte(s.Value), &set); err != nil {
			return nil, fmt.Errorf("read the clock from the state: %w", err)
		}
		c = clock.Resume(ctx, set)
		if speed > 0 {
			c.SetSpeed(speed)
		}
	} else {
		c = clock.Start(ctx, speed)
	}
	return c, saveClock(ctx, db, c.Setting())
}
