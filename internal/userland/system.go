package userland

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// installed are the packages of an ECS-optimized image whose work is done here.
var installed = []string{"aws-cfn-bootstrap", "ecs-init", "amazon-ecs-init", "docker"}

// packages is yum and dnf of an image without repositories: what is there needs
// nothing done, what is not cannot be had. Of other packages the host's programs
// of their names are there.
func packages(_ context.Context, w *world, name string, args []string) int {
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if len(words) == 0 {
		return w.fail(1, "%s: You need to give some command", name)
	}
	switch words[0] {
	case "install", "reinstall":
		return w.install(words[1:])
	case "update", "upgrade":
		if len(words) > 1 {
			return w.install(words[1:])
		}
		w.say("No packages marked for update")
		return 0
	case "clean", "makecache":
		w.say("There are no enabled repos.")
		return 0
	default:
		return w.fail(1, "%s %s is not built in Berth", name, words[0])
	}
}

func (w *world) install(wanted []string) int {
	if len(wanted) == 0 {
		return w.fail(1, "Error: Need to pass a list of pkgs to install")
	}
	code := 0
	for _, p := range wanted {
		if slices.Contains(installed, p) || w.has(p) {
			w.say("Package %s already installed and latest version", p)
			continue
		}
		code = w.fail(1, "No package %s available: there are no enabled repositories, and this machine has no program of that name.", p)
	}
	if code == 0 {
		w.say("Nothing to do")
		return 0
	}
	return w.fail(code, "Error: Nothing to do")
}

// has reports whether a program is in PATH.
func (w *world) has(name string) bool {
	for _, dir := range filepath.SplitList(w.path) {
		if info, err := os.Stat(filepath.Join(w.file(dir), name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// hold keeps the agent from running, or lets it run. It is started when user
// data have ended, as on an ECS-optimized image.
func (w *world) hold(stopped bool) error {
	if stopped {
		return os.WriteFile(w.file(HeldFile), nil, 0o644)
	}
	if err := os.Remove(w.file(HeldFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// held reports whether the agent is kept from running.
func (w *world) held() bool {
	_, err := os.Stat(w.file(HeldFile))
	return err == nil
}

// Units: the agent, and the runtime of containers, which always runs.
const (
	unitECS    = "ecs"
	unitDocker = "docker"
)

// Exit statuses of systemctl.
const (
	unitAbsent   = 5
	unitInactive = 3
)

// systemctl is systemd's for the units that an ECS-optimized image has.
func systemctl(_ context.Context, w *world, _ string, args []string) int {
	now := slices.Contains(args, "--now")
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if len(words) > 0 && (words[0] == "daemon-reload" || words[0] == "daemon-reexec") {
		return 0
	}
	if len(words) < 2 {
		return w.fail(1, "Too few arguments.")
	}
	for _, unit := range words[1:] {
		if code := w.unit(words[0], strings.TrimSuffix(unit, ".service"), now); code != 0 {
			return code
		}
	}
	return 0
}

// unit makes a verb of systemctl so for one unit.
func (w *world) unit(verb, unit string, now bool) int {
	if unit != unitECS && unit != unitDocker {
		if verb == "enable" || verb == "disable" || verb == "mask" {
			return w.fail(1, "Failed to %s unit: Unit file %s.service does not exist.", verb, unit)
		}
		return w.fail(unitAbsent, "Failed to %s %s.service: Unit %s.service not found.", verb, unit, unit)
	}
	switch verb {
	case "start", "restart", "reload", "try-restart", "unmask", "enable":
		return w.let(unit, false)
	case "stop", "disable", "mask":
		if verb == "disable" && !now && unit == unitDocker {
			return 0 // it is on at this boot, and there is no other
		}
		return w.let(unit, true)
	case "is-active", "is-enabled", "status":
		return w.state(verb, unit)
	default:
		return w.fail(1, "Unknown operation %s.", verb)
	}
}

// let starts or stops a unit.
func (w *world) let(unit string, stop bool) int {
	if unit == unitDocker {
		if stop {
			return w.fail(1, "Failed to stop docker.service: the runtime of this instance's containers cannot be stopped.")
		}
		return 0
	}
	if err := w.hold(stop); err != nil {
		return w.fail(1, "%v", err)
	}
	return 0
}

func (w *world) state(verb, unit string) int {
	yes, no := "active", "inactive"
	if verb == "is-enabled" {
		yes, no = "enabled", "disabled"
	}
	if unit == unitECS && w.held() {
		w.say("%s", no)
		return unitInactive
	}
	w.say("%s", yes)
	return 0
}

// service is that of System V: service UNIT VERB.
func service(_ context.Context, w *world, _ string, args []string) int {
	if len(args) < 2 {
		return w.fail(1, "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]")
	}
	return w.unit(args[1], args[0], true)
}

// upstart is start, stop and restart of Amazon Linux 1.
func upstart(_ context.Context, w *world, name string, args []string) int {
	if len(args) != 1 {
		return w.fail(1, "%s: missing job name", name)
	}
	if args[0] != unitECS && args[0] != unitDocker {
		return w.fail(1, "%s: Unknown job: %s", name, args[0])
	}
	code := w.unit(name, args[0], true)
	if code == 0 {
		w.say("%s %s", args[0], map[bool]string{true: "stop/waiting", false: "start/running"}[name == "stop"])
	}
	return code
}

// initctl is upstart's other name: initctl VERB JOB.
func initctl(ctx context.Context, w *world, name string, args []string) int {
	if len(args) != 2 || !slices.Contains([]string{"start", "stop", "restart"}, args[0]) {
		return w.fail(1, "%s: start, stop or restart, and a job", name)
	}
	return upstart(ctx, w, args[0], args[1:])
}

// chkconfig is System V's enable: chkconfig UNIT on.
func chkconfig(_ context.Context, w *world, _ string, args []string) int {
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if len(words) != 2 || words[1] != "on" && words[1] != "off" {
		return w.fail(1, "usage: chkconfig <name> <on|off>")
	}
	return w.unit(map[string]string{"on": "enable", "off": "disable"}[words[1]], words[0], true)
}
