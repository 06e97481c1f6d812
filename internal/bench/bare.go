package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bareBundle makes a bundle for the bare runtime from that of a running task,
// without the task's network and users, and returns what runs it once.
func (c *cluster) bareBundle(task string) (func() (cpu, wall float64, err error), error) {
	found, err := c.bundles(task)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("task %s has %d bundles", task, len(found))
	}
	var spec struct{ Layers []string }
	if err := readJSON(filepath.Join(found[0], "spec.json"), &spec); err != nil {
		return nil, err
	}
	config := map[string]any{}
	if err := readJSON(filepath.Join(found[0], "config.json"), &config); err != nil {
		return nil, err
	}
	g, err := group("bare")
	if err != nil {
		return nil, err
	}
	config["root"] = map[string]any{"path": spec.Layers[len(spec.Layers)-1], "readonly": true}
	process, _ := config["process"].(map[string]any)
	process["args"] = []string{"/probe", "exit"}
	linux, _ := config["linux"].(map[string]any)
	linux["cgroupsPath"] = g.Name() + "/c"
	own := slices.DeleteFunc(list(linux["namespaces"]), func(n map[string]any) bool { return n["type"] == "user" })
	for _, n := range own {
		if n["type"] == "network" {
			delete(n, "path")
		}
	}
	linux["namespaces"] = own
	delete(linux, "uidMappings")
	delete(linux, "gidMappings")
	config["mounts"] = slices.DeleteFunc(list(config["mounts"]), func(m map[string]any) bool {
		return m["type"] == "bind" || strings.HasPrefix(fmt.Sprint(m["destination"]), "/etc/")
	})
	dir := filepath.Join(c.b.dir, "bare")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		return nil, err
	}
	n := 0
	return func() (float64, float64, error) {
		n++
		before := used(g)
		t, err := spawn("bare", "runc", "--root", filepath.Join(dir, "state"), "run", "--bundle", dir, "bare-"+strconv.Itoa(n))
		if err != nil {
			return 0, 0, err
		}
		<-t.end
		wall := ms(time.Since(t.began))
		if !t.cmd.ProcessState.Success() {
			return 0, 0, fmt.Errorf("runc run: %s", bytes.TrimSpace(t.said.Bytes()))
		}
		return ms(used(g) - before), wall, nil
	}, nil
}

// bareStarts is the CPU time of ten starts of the bare runtime, as a running
// task has them.
func (c *cluster) bareStarts(arn string) ([]float64, error) {
	bare, err := c.bareBundle(arn[strings.LastIndexByte(arn, '/')+1:])
	if err != nil {
		return nil, err
	}
	var out []float64
	for range 10 {
		cpu, _, err := bare()
		if err != nil {
			return nil, err
		}
		out = append(out, cpu)
	}
	return out, nil
}

// bundles are the folders of a task's containers. They are in the memory of
// its instance, which is seen through one of the instance's processes.
func (c *cluster) bundles(task string) ([]string, error) {
	slice, ok := c.slice()
	if !ok {
		return nil, fmt.Errorf("there is no instance")
	}
	pids, err := slice.Procs()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if found, _ := filepath.Glob(fmt.Sprintf("/proc/%d/root%s/instances/*/memory/runc/c/%s-*", pid, c.data, task)); len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// list is a list of objects in JSON.
func list(v any) []map[string]any {
	var out []map[string]any
	l, _ := v.([]any)
	for _, x := range l {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
