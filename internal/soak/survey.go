package soak

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Survey is what the machine holds for one data folder at a moment.
type Survey struct {
	Procs   []Proc
	Netns   []string            // names below run/netns
	Hidden  map[string][]string // network namespaces without a name, and who holds them
	Mounts  []string            // mount points below the data folder, in the host's mount namespace
	Cgroups []string            // below the server's own, as "i-…/ecs/…", once for all hierarchies
	Links   int                 // devices in the named namespaces, without lo
}

// Group is the name of a data folder's cgroup.
func Group(data string) string {
	return fmt.Sprintf("berth-%x", sha256.Sum256([]byte(data)))[:len("berth-")+8]
}

// Look surveys the machine; links counts the devices of a namespace. Processes
// come and go meanwhile: what cannot be read is gone.
func Look(data string, links func(path string) (int, error)) (Survey, error) {
	s := Survey{Hidden: map[string][]string{}}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return s, err
	}
	if err := s.spaces(data, links); err != nil {
		return s, err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], data+"/") {
			s.Mounts = append(s.Mounts, strings.TrimPrefix(f[4], data+"/"))
		}
	}
	if err := s.processes(data, namedSpaces(string(mounts))); err != nil {
		return s, err
	}
	return s, s.cgroups(data)
}

func (s *Survey) spaces(data string, links func(path string) (int, error)) error {
	dir := filepath.Join(data, "run", "netns")
	all, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, e := range all {
		s.Netns = append(s.Netns, e.Name())
		n, err := links(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("namespace %s: %w", e.Name(), err)
		}
		s.Links += n
	}
	return nil
}

var mountedSpace = regexp.MustCompile(`net:\[\d+\]`)

// namedSpaces are the network namespaces that have a mount, and the host's.
func namedSpaces(mounts string) map[string]bool {
	named := map[string]bool{}
	for _, m := range mountedSpace.FindAllString(mounts, -1) {
		named[m] = true
	}
	if host, err := os.Readlink("/proc/self/ns/net"); err == nil {
		named[host] = true
	}
	return named
}

// Processes are those of the data folder that live.
func Processes(data string) []Proc {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
	var out []Proc
	for _, dir := range dirs {
		if p, ok := readProc(dir, data); ok {
			out = append(out, p)
		}
	}
	return out
}

func (s *Survey) processes(data string, named map[string]bool) error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	mine := map[int]bool{}
	var zombies []Proc
	for _, dir := range dirs {
		p, ok := readProc(dir, data)
		switch {
		case p.Zombie:
			zombies = append(zombies, p)
		case ok:
			mine[p.PID] = true
			s.Procs = append(s.Procs, p)
			s.holds(dir, p, named)
		}
	}
	for _, z := range zombies {
		if mine[z.Parent] {
			s.Procs = append(s.Procs, z)
		}
	}
	return nil
}

// holds notes network namespaces without a name that a process is in, or has
// open.
func (s *Survey) holds(dir string, p Proc, named map[string]bool) {
	threads, _ := filepath.Glob(filepath.Join(dir, "task", "*", "ns", "net"))
	fds, _ := filepath.Glob(filepath.Join(dir, "fd", "*"))
	for _, f := range slices.Concat(threads, fds) {
		if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, "net:[") && !named[to] {
			s.Hidden[to] = append(s.Hidden[to], fmt.Sprintf("%s %d (%s)", p.Kind, p.PID, strings.TrimPrefix(f, dir+"/")))
		}
	}
}

func (s *Survey) cgroups(data string) error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*/" + Group(data))
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, root := range append(roots, "/sys/fs/cgroup/"+Group(data)) {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != root {
				found[strings.TrimPrefix(path, root+"/")] = true
			}
			return nil // a group that goes away meanwhile is gone
		})
	}
	s.Cgroups = slices.Sorted(maps.Keys(found))
	return nil
}
