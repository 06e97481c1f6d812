//go:build root

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// small is a mount namespace with a small file system in it, which is there as
// long as a process that holds it.
type small struct {
	*hello
	holder int
	place  string // where the file system is seen from outside
}

// smallDisk makes a file system of 160 MiB for the server's folder.
func smallDisk(t *testing.T) *small {
	t.Helper()
	h := &hello{berth: start(t)}
	h.data = filepath.Join(t.TempDir(), "small", "data")
	disk := filepath.Dir(h.data)
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `mount -t tmpfs -o size=160m tmpfs "$0" && echo made && exec cat`, disk) // until its input ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatalf("no small file system: %v", err)
	}
	return &small{h, cmd.Process.Pid, filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "root", disk)}
}

// inside is a command of the program in the namespace.
func (s *small) inside(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-m", "-t", strconv.Itoa(s.holder), s.bin, "--data", s.data}, args...)...)
}

// begin starts the server in the namespace and returns its process.
func (s *small) begin() *exec.Cmd {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.t.TempDir(), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.t.Cleanup(func() {
		if text, err := os.ReadFile(log.Name()); err == nil && s.t.Failed() {
			s.t.Logf("%s", last(string(text), 20))
		}
	})
	cmd := s.inside("server", "--listen", s.addr) // ended by who began it
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill() }) // if the test has not come to its end
	s.await("the server answers", func() bool { return s.listed() != nil })
	return cmd
}

// listed are the clusters that there are; nil if the server does not answer.
func (s *small) listed() map[string]bool {
	out, err := callECS(context.Background(), s.addr, "ListClusters", map[string]any{"maxResults": 100})
	if err != nil {
		return nil
	}
	all := map[string]bool{}
	arns, _ := out["clusterArns"].([]any)
	for _, arn := range arns {
		_, name, _ := strings.Cut(text(arn), "cluster/")
		all[name] = true
	}
	return all
}

// fill takes all space that is left.
func (s *small) fill() {
	s.t.Helper()
	f, err := os.Create(filepath.Join(s.place, "filler"))
	if err != nil {
		s.t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if cerr := f.Close(); !errors.Is(err, unix.ENOSPC) || cerr != nil {
		s.t.Fatal(err, cerr)
	}
}

// ends tells the server to end and waits until it has.
func (s *small) ends(cmd *exec.Cmd) {
	s.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.await("the server has ended", func() bool { return len(ended) > 0 })
	if err := <-ended; err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// TestRootAFullDisk fills the disk of a server's folder while clients write, and
// starts a server on a full disk: what was acknowledged is there, writes are
// refused and say why, reads go on, SIGTERM and berth stop end it, and once there is space
// writes are taken by themselves.
func TestRootAFullDisk(t *testing.T) {
	s := smallDisk(t)
	server, made := s.begin(), map[string]bool{}
	write := func() error {
		name := fmt.Sprintf("c%d", len(made))
		_, err := callECS(t.Context(), s.addr, "CreateCluster", map[string]any{"clusterName": name})
		if err == nil {
			made[name] = true
		}
		return err
	}
	for len(made) < 20 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"while it runs", "when it starts"} {
		if when == "while it runs" {
			s.fill()
		} else {
			s.ends(server)
			s.fill()
			server = s.begin()
		}
		var refused error
		s.await("a write is refused", func() bool { refused = write(); return refused != nil })
		if !strings.Contains(refused.Error(), "503") || !strings.Contains(refused.Error(), "is full") {
			t.Errorf("%s: %v", when, refused)
		}
		there := s.listed()
		for name := range made {
			if !there[name] {
				t.Errorf("%s: %s was acknowledged and is lost", when, name)
			}
		}
		if err := os.Remove(filepath.Join(s.place, "filler")); err != nil {
			t.Fatal(err)
		}
		s.await("writes are taken again", func() bool { return write() == nil })
		t.Logf("%s: %d clusters; %v", when, len(made), refused)
	}
	s.fill()
	s.ends(server)
	if out, err := s.inside("stop", "--keep-data").CombinedOutput(); err != nil {
		t.Errorf("berth stop on a full disk: %v\n%s", err, out)
	}
	if left := append(s.ours("edge"), s.ours("server")...); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}
