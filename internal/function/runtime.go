package function

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/internal/container/hostroot"
	"berth/internal/fault"
	"berth/internal/model"
)

//go:embed runtime/bootstrap.py runtime/bootstrap.cjs all:runtime/standin
var files embed.FS

const (
	taskRoot   = "/var/task"
	runtimeDir = "/var/runtime"
	// hostModules is where the host has modules for all: AWS's SDK is there if
	// it was installed so. Python finds those of the host's own folders by itself.
	hostModules = ":/usr/local/lib/node_modules:/usr/lib/node_modules:/usr/share/nodejs"
	libPath     = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
)

// entry is how a runtime is started.
type entry struct {
	args    []string
	version string // for INIT_START
}

// Supported reports whether a runtime identifier is one that can be run.
func Supported(runtime string) bool {
	return strings.HasPrefix(runtime, "python3.") || strings.HasPrefix(runtime, "nodejs") || strings.HasPrefix(runtime, "provided")
}

// interpreters in the order in which they are tried. The system's own come
// first: one in a home folder cannot be read from a sandbox.
var interpreters = map[string][]string{
	"python": {"/usr/bin/python3", "/usr/local/bin/python3"},
	"nodejs": {"/usr/bin/node", "/usr/local/bin/node", "/usr/bin/nodejs"},
}

// find chooses the program for a runtime; fault.Invalid says what to install.
func find(fn model.Function) (entry, error) {
	family := "provided"
	for f := range interpreters {
		if strings.HasPrefix(fn.Runtime, f) {
			family = f
		}
	}
	if family == "provided" {
		if !strings.HasPrefix(fn.Runtime, "provided") {
			return entry{}, fault.New(fault.NotImplemented, "", "runtime %s is not implemented by Berth", fn.Runtime)
		}
		return entry{args: []string{taskRoot + "/bootstrap"}, version: fn.Runtime}, nil
	}
	for _, p := range interpreters[family] {
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return started(family, p), nil
		}
	}
	return entry{}, fault.New(
		fault.Invalid, "", "Couldn't find valid bootstrap(s): this host has none of %s, which runtime %s needs",
		strings.Join(interpreters[family], ", "), fn.Runtime,
	)
}

func started(family, program string) entry {
	if family == "nodejs" {
		return entry{args: []string{program, runtimeDir + "/bootstrap.cjs"}, version: "nodejs, this host's " + program}
	}
	// The version is in the name that the program's link has.
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		real = program
	}
	return entry{args: []string{program, "-u", runtimeDir + "/bootstrap.py"}, version: filepath.Base(real) + ", this host's " + program}
}

// skeleton writes the sandbox's lowest layer: empty folders to mount on, the
// links of the host's root, a user, and the bootstraps.
func skeleton(dir string) error {
	if err := hostroot.Make(dir); err != nil {
		return err
	}
	for _, d := range []string{"var/task", "var/runtime"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
		"etc/group":         "root:x:0:\nsbx_user1051:x:990:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"etc/resolv.conf":   "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return fs.WalkDir(files, "runtime", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, "var", p)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}
