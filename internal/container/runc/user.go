package runc

import (
	"bufio"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// opener opens a file of the image, such as "etc/passwd".
type opener func(name string) (io.ReadCloser, error)

// inLayers looks from the highest layer down, as the overlay does.
func inLayers(layers []string) opener {
	return func(name string) (io.ReadCloser, error) {
		for _, dir := range slices.Backward(layers) {
			f, err := inRoot(dir)(name)
			if err == nil {
				return f, nil
			}
		}
		return nil, fs.ErrNotExist
	}
}

// inRoot opens below dir and never outside of it, whatever links say.
func inRoot(dir string) opener {
	return func(name string) (io.ReadCloser, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }()
		// Not blocking: in a running container it may have become a pipe.
		f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fs.ErrNotExist // a whiteout, or nothing we should read
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		return f, nil
	}
}

// lookupUser reads "", uid, name, uid:gid, name:group, as an image's USER may
// say, with the image's own passwd and group files.
func lookupUser(user string, open opener) (specs.User, error) {
	who, group, hasGroup := strings.Cut(user, ":")
	if who == "" {
		who = "0"
	}
	var out specs.User
	entry := findLine(open, "etc/passwd", func(f []string) bool { return len(f) >= 4 && (f[0] == who || f[2] == who) })
	name := ""
	switch {
	case entry != nil:
		name = entry[0]
		out.UID, out.GID = number(entry[2]), number(entry[3])
	case isNumber(who):
		out.UID = number(who)
	default:
		return out, fault.New(fault.Invalid, "", "unable to find user %s: no matching entries in passwd file", who)
	}
	if hasGroup && group != "" {
		g := findLine(open, "etc/group", func(f []string) bool { return len(f) >= 3 && (f[0] == group || f[2] == group) })
		switch {
		case g != nil:
			out.GID = number(g[2])
		case isNumber(group):
			out.GID = number(group)
		default:
			return out, fault.New(fault.Invalid, "", "unable to find group %s: no matching entries in group file", group)
		}
		return out, nil // an explicit group replaces the user's further ones
	}
	if name != "" {
		eachLine(open, "etc/group", func(f []string) {
			if len(f) >= 4 && slices.Contains(strings.Split(f[3], ","), name) {
				out.AdditionalGids = append(out.AdditionalGids, number(f[2]))
			}
		})
	}
	return out, nil
}

func findLine(open opener, file string, match func([]string) bool) []string {
	var found []string
	eachLine(open, file, func(f []string) {
		if found == nil && match(f) {
			found = f
		}
	})
	return found
}

func eachLine(open opener, file string, f func([]string)) {
	r, err := open(file)
	if err != nil {
		return
	}
	defer func() { _ = r.Close() }()
	for s := bufio.NewScanner(io.LimitReader(r, 4<<20)); s.Scan(); {
		f(strings.Split(strings.TrimSpace(s.Text()), ":"))
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}
