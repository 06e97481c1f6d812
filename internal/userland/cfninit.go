package userland

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"berth/internal/fault"
)

// configuration is one config of AWS::CloudFormation::Init.
type configuration struct {
	Packages map[string]map[string]json.RawMessage `json:"packages"`
	Groups   map[string]json.RawMessage            `json:"groups"`
	Users    map[string]json.RawMessage            `json:"users"`
	Sources  map[string]string                     `json:"sources"`
	Files    map[string]initFile                   `json:"files"`
	Commands map[string]initCommand                `json:"commands"`
	Services map[string]map[string]initService     `json:"services"`
}

type initFile struct {
	Content  json.RawMessage `json:"content"`
	Source   string          `json:"source"`
	Encoding string          `json:"encoding"`
	Mode     string          `json:"mode"`
	Owner    string          `json:"owner"`
	Group    string          `json:"group"`
	Context  json.RawMessage `json:"context"`
}

type initCommand struct {
	Command      json.RawMessage   `json:"command"` // a text for the shell, or a list
	Env          map[string]string `json:"env"`
	Cwd          string            `json:"cwd"`
	Test         string            `json:"test"`
	IgnoreErrors flag              `json:"ignoreErrors"`
}

type initService struct {
	Enabled       *flag `json:"enabled"`
	EnsureRunning *flag `json:"ensureRunning"`
}

// flag is a boolean that templates write as a text, too.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(strings.Trim(strings.ToLower(string(b)), `"`) == "true")
	return nil
}

// cfnInit is cfn-init: it makes the instance as the metadata of a resource say.
func cfnInit(ctx context.Context, w *world, _ string, args []string) int {
	o, err := readOptions(args, ofResource, "stack", "resource", "region", "url", "configsets", "verbose", "resume")
	if err = cmp.Or(err, o.lacksResource()); err != nil {
		return w.fail(2, "Usage: cfn-init [options]\n\ncfn-init: error: %s", fault.MessageOf(err))
	}
	m, err := w.metadataOf(ctx, o)
	if err != nil {
		return w.fail(1, "%s", textOf(err))
	}
	configs, err := chosen(m["AWS::CloudFormation::Init"], o.values["configsets"])
	for _, c := range configs {
		if err == nil {
			err = w.apply(ctx, c)
		}
	}
	if err != nil {
		w.log("Error encountered during build: %v", err)
		return w.fail(1, "Error occurred during build: %v", err)
	}
	return 0
}

// log writes a line of cfn-init.log.
func (w *world) log(format string, args ...any) {
	f, err := os.OpenFile(w.file(signalsLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return // the caller says it on its output as well
	}
	defer func() { _ = f.Close() }()
	fmt.Fprintf(f, w.clock.Now().UTC().Format("2006-01-02 15:04:05,000")+" "+format+"\n", args...)
}

// chosen are the configurations of the sets that are named, in order; without a
// name that of the set "default", else the one called "config".
func chosen(section json.RawMessage, names string) ([]configuration, error) {
	var all map[string]json.RawMessage
	if len(section) == 0 || json.Unmarshal(section, &all) != nil {
		return nil, errors.New("could not find 'AWS::CloudFormation::Init' key in template metadata")
	}
	var sets map[string]json.RawMessage
	if s := all["configSets"]; len(s) > 0 && json.Unmarshal(s, &sets) != nil {
		return nil, errors.New("configSets are not sets of names")
	}
	order := []string{"config"}
	if names != "" || sets["default"] != nil {
		order = nil
		for _, n := range strings.Split(cmp.Or(names, "default"), ",") {
			more, err := expand(sets, n, 0)
			if err != nil {
				return nil, err
			}
			order = append(order, more...)
		}
	}
	var out []configuration
	for _, n := range order {
		var c configuration
		if all[n] == nil {
			return nil, fmt.Errorf("no config found with name: %s", n)
		}
		if err := json.Unmarshal(all[n], &c); err != nil {
			return nil, fmt.Errorf("read config %s: %w", n, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// expand lists the configurations of a set, in which other sets may be.
func expand(sets map[string]json.RawMessage, name string, depth int) ([]string, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(sets[name], &items); err != nil || depth > mostDepth {
		return nil, fmt.Errorf("Error: No ConfigSet named %s exists", name)
	}
	var out []string
	for _, i := range items {
		var one string
		var set struct{ ConfigSet string }
		switch {
		case json.Unmarshal(i, &one) == nil:
			out = append(out, one)
		case json.Unmarshal(i, &set) == nil && set.ConfigSet != "":
			more, err := expand(sets, set.ConfigSet, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		default:
			return nil, fmt.Errorf("Error: ConfigSet %s has an item that names nothing", name)
		}
	}
	return out, nil
}

// apply makes one configuration, in the order that CloudFormation documents.
func (w *world) apply(ctx context.Context, c configuration) error {
	steps := []func() error{
		func() error { return w.needPackages(c.Packages) },
		func() error { return lacking(len(c.Groups)+len(c.Users)+len(c.Sources), "groups, users and sources") },
		func() error { return w.makeFiles(ctx, c.Files) },
		func() error { return w.runCommands(ctx, c.Commands) },
		func() error { return w.makeServices(c.Services) },
	}
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func lacking(n int, what string) error {
	if n > 0 {
		return fmt.Errorf("%s of AWS::CloudFormation::Init are not built in Berth", what)
	}
	return nil
}

// needPackages wants those that are there.
func (w *world) needPackages(by map[string]map[string]json.RawMessage) error {
	for _, manager := range slices.Sorted(maps.Keys(by)) {
		if manager != "yum" {
			return fmt.Errorf("packages of %s are not built in Berth", manager)
		}
		if names := slices.Sorted(maps.Keys(by[manager])); len(names) > 0 && w.install(names) != 0 {
			return fmt.Errorf("could not successfully install yum packages: %s", strings.Join(names, ", "))
		}
	}
	return nil
}

func (w *world) makeFiles(ctx context.Context, files map[string]initFile) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := w.makeFile(ctx, path, files[path]); err != nil {
			return fmt.Errorf("make %s: %w", path, err)
		}
		w.log("[INFO] wrote %s", path)
	}
	return nil
}

func (w *world) makeFile(ctx context.Context, path string, f initFile) error {
	if len(f.Context) > 0 {
		return errors.New("files with a context are not built in Berth")
	}
	if f.Owner != "" && f.Owner != "root" || f.Group != "" && f.Group != "root" {
		return errors.New("files of others than root are not built in Berth")
	}
	content, err := w.content(ctx, f)
	if err != nil {
		return err
	}
	mode := number(cmp.Or(f.Mode, "000644"), 8)
	to := w.file(path)
	if mode&0o170000 == 0o120000 { // a link, as its mode says
		_ = os.Remove(to)
		return os.Symlink(string(content), to)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, content, 0o600), os.Chmod(to, os.FileMode(mode&0o777)))
}

// content is a file's: a text, an object as JSON, or what is at an address.
func (w *world) content(ctx context.Context, f initFile) ([]byte, error) {
	if f.Source != "" {
		return w.download(ctx, f.Source)
	}
	var text string
	if json.Unmarshal(f.Content, &text) != nil {
		return f.Content, nil //nolint:nilerr // it is JSON itself
	}
	if f.Encoding == "base64" {
		return base64.StdEncoding.DecodeString(text)
	}
	return []byte(text), nil
}

func (w *world) download(ctx context.Context, from string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "get %s", from)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "", "%s answered %s", from, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	if err == nil && len(b) > mostAnswer {
		err = fault.New(fault.Invalid, "", "%s has more than %d bytes, which is not built in Berth", from, mostAnswer) // no part of a file is one
	}
	return b, err
}

func (w *world) runCommands(ctx context.Context, commands map[string]initCommand) error {
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		c := commands[name]
		if c.Test != "" && w.execute(ctx, c, []string{"/bin/sh", "-c", c.Test}) != nil {
			w.log("[INFO] test of command %s failed: it is not run", name)
			continue
		}
		argv, err := words(c.Command)
		if err == nil {
			err = w.execute(ctx, c, argv)
		}
		if err != nil && !bool(c.IgnoreErrors) {
			return fmt.Errorf("command %s failed: %w", name, err)
		}
		w.log("[INFO] command %s ended: %v", name, err)
	}
	return nil
}

// words are a command's: a text is the shell's.
func words(command json.RawMessage) ([]string, error) {
	var text string
	if json.Unmarshal(command, &text) == nil && text != "" {
		return []string{"/bin/sh", "-c", text}, nil
	}
	var list []string
	if err := json.Unmarshal(command, &list); err != nil || len(list) == 0 {
		return nil, errors.New("it has no command")
	}
	return list, nil
}

// execute runs a command with its output in ours and in cfn-init.log.
func (w *world) execute(ctx context.Context, c initCommand, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = cmp.Or(c.Cwd, w.root), os.Environ()
	for _, k := range slices.Sorted(maps.Keys(c.Env)) {
		cmd.Env = append(cmd.Env, k+"="+c.Env[k])
	}
	out, err := cmd.CombinedOutput()
	_, _ = w.out.Write(out)
	if len(out) > 0 {
		w.log("%s", strings.TrimRight(string(out), "\n"))
	}
	return err
}

// hup looks after changes of metadata on AWS, which nobody does here: it is said,
// since a stack that only has it beside cfn-init would never be made.
const hup = "cfn-hup"

func (w *world) makeServices(by map[string]map[string]initService) error {
	for _, manager := range slices.Sorted(maps.Keys(by)) {
		for _, unit := range slices.Sorted(maps.Keys(by[manager])) {
			s := by[manager][unit]
			if unit == hup {
				fmt.Fprintln(w.err, "cfn-hup is not built in Berth: later changes of the metadata have no effect on this instance")
				continue
			}
			if code := w.makeService(unit, s); code != 0 {
				return fmt.Errorf("could not enable service %s", unit)
			}
		}
	}
	return nil
}

func (w *world) makeService(unit string, s initService) int {
	for _, want := range []*flag{s.Enabled, s.EnsureRunning} {
		if want == nil {
			continue
		}
		verb := "start"
		if !*want {
			verb = "stop"
		}
		if code := w.unit(verb, unit, true); code != 0 {
			return code
		}
	}
	return 0
}
