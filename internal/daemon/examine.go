package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/doctor"
	"berth/internal/endpoint"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/registry/mirror"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

// Examine reads every file that a data folder without a server keeps, to its end,
// and says what is damaged. It writes nothing.
func Examine(ctx context.Context, data string) ([]doctor.Finding, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(data, "state")); errors.Is(err, fs.ErrNotExist) {
		if _, marked := os.Stat(filepath.Join(data, "state.mark")); errors.Is(marked, fs.ErrNotExist) {
			return []doctor.Finding{{Check: "data", Status: doctor.OK, Says: data + " is new"}}, nil
		}
	}
	e := &examination{ctx: ctx, data: data}
	e.lock()
	db := e.state()
	e.series()
	e.registry(nil)
	e.code(db)
	e.authority()
	e.mirror()
	e.audit()
	return e.found, ctx.Err()
}

// examine is Examine for who has the folder open.
func (s *server) examine(ctx context.Context) []doctor.Finding {
	s.copying.RLock()
	defer s.copying.RUnlock()
	e := &examination{ctx: ctx, data: s.cfg.Data}
	snap, err := s.kv.Snapshot()
	if err == nil {
		n := 0
		err = errors.Join(snap.Each(func(_, _ []byte) error { n++; return ctx.Err() }), snap.Close())
		e.say("state", err, fmt.Sprintf("%d records at revision %d", n, snap.Revision))
	} else {
		e.say("state", err, "")
	}
	e.readSeries(s.series)
	e.registry(s.images)
	e.code(s.sys.DB)
	e.authority()
	e.mirror()
	e.audit()
	return e.found
}

// examined answers with what examine finds.
func (o *own) examined(w http.ResponseWriter, r *http.Request) { answer(w, o.examine(r.Context())) }

// examination is one way through a data folder.
type examination struct {
	ctx   context.Context // of one call, as long as it lives
	data  string
	found []doctor.Finding
}

// say adds what came of a check: an error carries its cure behind its first line.
func (e *examination) say(check string, err error, good string) {
	if err == nil {
		e.found = append(e.found, doctor.Finding{Check: check, Status: doctor.OK, Says: good})
		return
	}
	says, cure, _ := strings.Cut(err.Error(), "\n")
	cure = strings.Join(strings.Fields(cure), " ")
	if cure == "" {
		cure = "`berth restore` makes a folder of a backup"
	}
	e.found = append(e.found, doctor.Finding{Check: check, Status: doctor.Bad, Says: says, Cure: cure})
}

func (e *examination) warn(check string) func(text string) {
	return func(text string) {
		e.found = append(e.found, doctor.Finding{
			Check: check, Status: doctor.Warn, Says: text, Cure: "nothing, if nothing is missing; a start of the server writes it again",
		})
	}
}

func (e *examination) lock() {
	path := filepath.Join(e.data, "server.lock")
	if _, err := os.Stat(path); err != nil {
		e.say("data", fmt.Errorf("%s is missing: no server takes the folder\n  make an empty file of that name", path), "")
	}
}

// state reads all records, and decodes them.
func (e *examination) state() *state.DB {
	kv, err := pebble.Open(filepath.Join(e.data, "state"), pebble.Options{ReadOnly: true, Warn: e.warn("state")})
	if err != nil {
		e.say("state", err, "")
		return nil
	}
	db, err := state.Open(e.ctx, unwritten{kv}, false)
	if err == nil {
		e.say("state", kv.Close(), fmt.Sprintf("readable, at revision %d", db.View().Revision()))
		return db
	}
	e.say("state", errors.Join(err, kv.Close()), "")
	return nil
}

func (e *examination) series() {
	s, err := series.Open(filepath.Join(e.data, "series"), series.Options{ReadOnly: true, Warn: e.warn("logs and metrics")})
	if err != nil {
		e.say("logs and metrics", err, "")
		return
	}
	e.readSeries(s)
	if err := s.Close(); err != nil {
		e.say("logs and metrics", err, "")
	}
}

func (e *examination) readSeries(s *series.Store) {
	n, snap := 0, s.Snapshot()
	err := errors.Join(snap.Each(func(_, _ []byte) error { n++; return e.ctx.Err() }), snap.Close())
	e.say("logs and metrics", err, fmt.Sprintf("%d records", n))
}

// registry reads all images; without a store, it is that of a folder without a
// server.
func (e *examination) registry(s *registry.Store) {
	dir := filepath.Join(e.data, "registry")
	if s == nil {
		if _, err := os.Stat(filepath.Join(dir, "repos")); err != nil {
			e.say("images", fmt.Errorf("%w\n  push the images again; a start of the server makes the folder", err), "")
			return
		}
		real := clock.Real(e.ctx)
		s = &registry.Store{Deps: registry.Deps{Dir: dir, Clock: real, Real: real, IDs: ident.Crypto()}}
	}
	whole := true
	n, err := s.Verify(e.ctx, func(problem string) {
		whole = false
		e.say("images", errors.New(problem+"\n  push the image again"), "")
	})
	if err != nil || whole {
		e.say("images", err, fmt.Sprintf("%d layers and manifests are what their names say", n))
	}
}

// code reads the package of each function of a state.
func (e *examination) code(db *state.DB) {
	if db == nil {
		return
	}
	s := function.StoreAt(filepath.Join(e.data, "functions"))
	all, whole := state.Functions.All(db.View()), true
	for _, fn := range all {
		if err := s.Verify(fn.CodeSHA256); err != nil {
			whole = false
			e.say("functions", fmt.Errorf("the package of function %s: %w\n  upload it again with UpdateFunctionCode", fn.Name, err), "")
		}
	}
	if whole {
		e.say("functions", nil, fmt.Sprintf("%d packages are what their names say", len(all)))
	}
}

func (e *examination) authority() {
	err := endpoint.CheckCA(filepath.Join(e.data, "ca"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.warn("authority")(fmt.Sprintf("%v: the next server makes it", err))
	case err != nil:
		dir := filepath.Join(e.data, "ca")
		e.say("authority", fmt.Errorf("%w\n  remove %s: the next server makes another, which only new instances trust", err, dir), "")
	default:
		e.say("authority", nil, "its key and certificate belong together")
	}
}

// mirror reads the images of other registries.
func (e *examination) mirror() {
	whole := true
	n, err := mirror.Verify(e.ctx, filepath.Join(e.data, "mirror"), func(problem string) {
		whole = false
		e.say("image cache", errors.New(problem+"\n  `berth image rm` the image, or `berth image gc` all: they come again; what was pushed, push again"), "")
	})
	if err != nil || whole {
		e.say("image cache", err, fmt.Sprintf("%d layers and manifests are what their names say", n))
	}
}

// audit reads the log of calls; a server on loopback keeps none.
func (e *examination) audit() {
	whole := true
	n, err := audit.Verify(e.ctx, filepath.Join(e.data, "audit"), func(problem string) {
		whole = false
		e.say("audit log", errors.New(problem+"\n  nothing brings back what is lost; the log goes on behind it"), "")
	})
	if err != nil || whole {
		e.say("audit log", err, fmt.Sprintf("%d calls, one after the other", n))
	}
}

// unwritten is a KV of which nothing is changed.
type unwritten struct{ *pebble.KV }

// Commit implements store.KV.
func (unwritten) Commit(context.Context, int64, []store.Op) error {
	return nil // what an older format becomes is kept in memory
}

// Machine says what of this machine is as Berth needs it.
func Machine(ctx context.Context, q doctor.Question) []doctor.Finding {
	q.Now = clock.Real(ctx).Now()
	return doctor.Judge(doctor.Look(ctx, q))
}
