package local

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"berth/internal/kernel"
)

// The ids from firstUser on are nobody's on any host that follows systemd's
// assignment: people, packages and other programs' containers have lower ones.
// There are userRanges ranges of them.
const (
	firstUser  = 0x7000_0000
	userRanges = 2048
)

// Users is user 0 of the containers of a data folder on this host, the first of
// kernel.UserIDs: the one that it took last, or one by its name.
func Users(data string) int {
	if b, err := os.ReadFile(usersFile(data)); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && isFirst(n) {
			return n
		}
	}
	h := sha256.Sum256([]byte(filepath.Clean(data)))
	return nth(int(binary.BigEndian.Uint32(h[4:]) % userRanges))
}

func nth(n int) int { return firstUser + n%userRanges*kernel.UserIDs }

func isFirst(id int) bool {
	n := id - firstUser
	return n >= 0 && n%kernel.UserIDs == 0 && n/kernel.UserIDs < userRanges
}

// usersFile is there if the folder's users are not those by its name.
func usersFile(data string) string { return filepath.Join(data, "run", "users") }

// TakeUsers is Users, or others if containers of another data folder that runs
// on this host are those: two folders' names may lead to one range, and then
// root in a container of one would be root in a container of the other.
func TakeUsers(data string) (int, error) { return takeUsers("/proc", data) }

func takeUsers(proc, data string) (int, error) {
	first, others := Users(data), usersOfOthers(proc, data)
	if !others[first] {
		return first, nil
	}
	for n := range userRanges {
		next := nth((first-firstUser)/kernel.UserIDs + n)
		if others[next] {
			continue
		}
		err := errors.Join(os.MkdirAll(filepath.Dir(usersFile(data)), 0o700), os.WriteFile(usersFile(data), fmt.Appendln(nil, next), 0o600))
		return next, err
	}
	return 0, errors.New("all ranges of users are taken")
}

// usersOfOthers are the ranges of other data folders, as the kernel has them: those of
// the processes in their containers, and those that their machines were
// launched with. There is no list of them that could be lost.
func usersOfOthers(proc, data string) map[int]bool {
	out := map[int]bool{}
	processes, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, p := range processes {
		if first, ok := mapped(p); ok && !within(p, CgroupRoot(data)) {
			out[first] = true
		}
		if m, ok := planOf(p); ok && m.Data != filepath.Clean(data) {
			out[m.Users] = true
		}
	}
	return out
}

// mapped is user 0 of a process in a user namespace of Berth's.
func mapped(process string) (first int, ok bool) {
	b, _ := os.ReadFile(filepath.Join(process, "uid_map"))
	f := strings.Fields(string(b))
	if len(f) != 3 {
		return 0, false
	}
	first, err := strconv.Atoi(f[1])
	return first, err == nil && isFirst(first)
}

// within tells whether a process is in a control group or below.
func within(process, group string) bool {
	b, _ := os.ReadFile(filepath.Join(process, "cgroup"))
	for line := range strings.Lines(string(b)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && strings.HasPrefix(f[2]+"/", group+"/") {
			return true
		}
	}
	return false
}

// planOf is the plan of a machine whose first process this is.
func planOf(process string) (p plan, ok bool) {
	b, _ := os.ReadFile(filepath.Join(process, "cmdline"))
	argv := strings.Split(string(b), "\x00")
	for n := range max(0, len(argv)-2) {
		if argv[n] == "instance" && argv[n+1] == "--dir" {
			text, err := os.ReadFile(filepath.Join(argv[n+2], planFile))
			return p, err == nil && json.Unmarshal(text, &p) == nil && isFirst(p.Users)
		}
	}
	return p, false
}
