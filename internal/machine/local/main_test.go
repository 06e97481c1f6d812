package local_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"berth/internal/leaktest"

	"berth/internal/machine/local"
)

// TestMain is also the first process of the machines, and their agent: the
// driver runs this very binary. No goroutine outlives the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "instance" {
		if err := local.InstanceMain(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		agent()
	}
	if len(os.Args) > 1 && os.Args[1] == "volume" {
		fmt.Fprintln(os.Stderr, volumeStep(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	leaktest.Main(m)
}

// agent writes what it sees of its machine and stays.
func agent() {
	dir := ""
	for i, a := range os.Args {
		if a == "--dir" {
			dir = os.Args[i+1]
		}
	}
	host, _ := os.Hostname()
	group, _ := os.ReadFile("/proc/self/cgroup")
	readonly := os.WriteFile("/berth-test-file", nil, 0o600)
	report := fmt.Sprintf("pid %d\nhost %s\nroot %v\n%s", os.Getpid(), host, readonly, group)
	_ = os.WriteFile(filepath.Join(dir, "report.new"), []byte(report), 0o600)
	_ = os.Rename(filepath.Join(dir, "report.new"), filepath.Join(dir, "report"))
	_ = exec.Command("/bin/sh", "-c", "sleep 1000 & sleep 0.01").Run() // leaves an orphan
	select {}
}

// volumeStep makes a volume's device up to a step, and stays.
func volumeStep(step, path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if step == "attached" {
		_, err = local.Attach(file)
	} else {
		var control *os.File
		if control, err = os.OpenFile("/dev/loop-control", os.O_RDWR, 0); err == nil {
			err = unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_ADD, local.LastLoop)
		}
	}
	if err != nil {
		return err
	}
	fmt.Println("ok")
	_, err = io.Copy(io.Discard, os.Stdin) // until it is killed
	return err
}
