// Package userland is what an EC2 instance of the user's own has beside the
// host's programs: its first process, which runs user data as cloud-init does,
// and the commands of an ECS-optimized image that scripts in user data call
// (cfn-signal, cfn-init, ec2-metadata, yum, systemctl and the like). They call
// AWS's APIs through the instance's interface, by the keys that its metadata
// service gives out.
//
// It owns what it writes in the file system that it runs in, which is the
// instance's. What is not there says so, as an image without it would. cmd calls
// Main in the container that the agent makes for it; Install and the names of
// files are the agent's.
package userland

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"berth/internal/clock"
)

// Program is where this program is mounted in the instance.
const Program = "/opt/berth/berth"

// Path is the PATH of user data: commands of ours come before the host's.
const Path = "/opt/berth/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/aws/bin"

// Files of the instance, from its root.
const (
	ConfigFile = "etc/ecs/ecs.config"
	OutputFile = "var/log/cloud-init-output.log" // what user data say
	ResultFile = "run/cloud-init/result.json"    // is there when they have ended
	HeldFile   = "run/berth-ecs-stopped"         // is there while the agent is not to run
)

const (
	scriptsDir = "var/lib/cloud/instance/scripts"
	signalsLog = "var/log/cfn-init.log"
)

// callTimeout bounds one call of an API or of the metadata service.
const callTimeout = time.Minute

// ExitError is the exit status of a command that has said why.
type ExitError struct{ Code int }

// Error names the code.
func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// ExitCode is the code to exit with.
func (e ExitError) ExitCode() int { return e.Code }

// world is what a command runs in.
type world struct {
	root     string // of the file system: "/", or a test's folder
	metadata string // base URL of instance metadata
	out, err io.Writer
	http     *http.Client
	clock    clock.Clock
	path     string // PATH
}

// run is one run of a command: its exit status.
type run func(ctx context.Context, w *world, name string, args []string) int

// table is what the names of commands run. Those of CloudFormation are in
// /opt/aws/bin, as on Amazon Linux, the others in /opt/berth/bin.
func table() map[string]run {
	return map[string]run{
		"cfn-signal": signal, "cfn-init": cfnInit, "cfn-get-metadata": cfnMetadata, "ec2-metadata": ec2Metadata,
		"yum": packages, "dnf": packages, "systemctl": systemctl, "service": service,
		"start": upstart, "stop": upstart, "restart": upstart, "initctl": initctl, "chkconfig": chkconfig,
	}
}

// Main runs a command: "boot", or one of those that Install writes.
func Main(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name a command of the instance")
	}
	w := &world{
		root: "/", metadata: "http://169.254.169.254", out: os.Stdout, err: os.Stderr, http: &http.Client{Timeout: callTimeout},
		clock: clock.Real(ctx), path: os.Getenv("PATH"),
	}
	return w.main(ctx, args[0], args[1:])
}

func (w *world) main(ctx context.Context, name string, args []string) error {
	if name == "boot" {
		return w.boot(ctx)
	}
	do := table()[name]
	if do == nil {
		return fmt.Errorf("%s is no command of an instance", name)
	}
	if code := do(ctx, w, name, args); code != 0 {
		return ExitError{code}
	}
	return nil
}

func (w *world) file(name string) string { return filepath.Join(w.root, name) }

// fail says why a command did not work.
func (w *world) fail(code int, format string, args ...any) int {
	fmt.Fprintf(w.err, format+"\n", args...)
	return code
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(w.out, format+"\n", args...) }

// Install writes into the root of an instance's file system what it has beside
// the host's folders: users, the agent's empty configuration, the commands, and
// more, files by their names. Whatever is there, nothing of it leads out of the root.
func Install(root string, more map[string]string) error {
	files := map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/bash\nec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash\n",
		"etc/group":         "root:x:0:\nec2-user:x:1000:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n", "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
		"etc/resolv.conf": "", ConfigFile: "", Program[1:]: "",
	}
	for name := range table() {
		dir := "opt/berth/bin"
		if name[:3] == "cfn" {
			dir = "opt/aws/bin"
		}
		files[path.Join(dir, name)] = "#!/bin/sh\nexec " + Program + " userland " + name + " \"$@\"\n"
	}
	for name, text := range more {
		files[strings.TrimPrefix(name, "/")] = text
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for _, d := range []string{"root", "home/ec2-user", "mnt", "srv", "run/cloud-init", "var/log", "var/tmp", scriptsDir} {
		if err := r.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(write(r, files), r.Chmod("var/tmp", 0o777|os.ModeSticky))
}

// write writes files, those of commands to be run. What is there already is not
// written to but replaced: it may be a pipe.
func write(r *os.Root, files map[string]string) error {
	for name, text := range files {
		mode := os.FileMode(0o644)
		if path.Base(path.Dir(name)) == "bin" {
			mode = 0o755
		}
		if err := r.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := r.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := r.WriteFile(name, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}
