//go:build root

package kernel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/fault"
	"berth/internal/kernel"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
}

func space(t *testing.T, name string) *kernel.Netns {
	t.Helper()
	needRoot(t)
	path := filepath.Join(t.TempDir(), name)
	n, err := kernel.CreateNetns(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.Close()
		if err := kernel.DeleteNetns(path); err != nil {
			t.Error(err)
		}
		if m, _ := kernel.MountsBelow(path); len(m) > 0 {
			t.Errorf("left mounted: %v", m)
		}
	})
	return n
}

func TestSocketsLiveInTheNamespaceAndTheCallerStaysOutside(t *testing.T) {
	n := space(t, "a")
	l, err := n.Listen(t.Context(), "tcp", "127.0.0.1:8099")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	c, err := n.DialContext(t.Context(), "tcp", "127.0.0.1:8099")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, _ := io.ReadAll(c); string(b) != "hello" {
		t.Errorf("read %q", b)
	}
	if _, err := net.DialTimeout("tcp", "127.0.0.1:8099", time.Second); err == nil {
		t.Error("the host reached a listener inside the namespace")
	}
	if err := n.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/dev")
		if strings.Contains(string(b), "eth0") {
			return errors.New("the host's eth0 is visible inside")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestDialErrorsAreTheKernels(t *testing.T) {
	n := space(t, "a")
	if _, err := n.DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: %v", err)
	}
	if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:1"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("no route: %v", err)
	}
	if _, err := n.DialContext(t.Context(), "tcp", "localhost:80"); err == nil {
		t.Error("a name was accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.DialContext(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err := n.DialContext(ctx, "tcp", "127.0.0.1:1")
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasSuffix(err.Error(), "i/o timeout") {
		t.Errorf("too late: %v", err)
	}
}

func TestPacketsGoBothWays(t *testing.T) {
	n := space(t, "a")
	s, err := n.ListenPacket(t.Context(), "udp", "127.0.0.1:5300")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := n.DialContext(t.Context(), "udp", "127.0.0.1:5300")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	_ = s.SetReadDeadline(await.Deadline(t))
	k, _, err := s.ReadFrom(b)
	if err != nil || string(b[:k]) != "ping" {
		t.Errorf("got %q, %v", b[:k], err)
	}
}

func TestCreateAdoptsAndOpenTellsAbsence(t *testing.T) {
	n := space(t, "a")
	again, err := kernel.CreateNetns(n.Path())
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen(t.Context(), "tcp", "127.0.0.1:8099")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := again.DialContext(t.Context(), "tcp", "127.0.0.1:8099")
	if err != nil {
		t.Fatalf("the second handle is another namespace: %v", err)
	}
	_ = c.Close()
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Do(func() error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("use after Close: %v", err)
	}
	if _, err := kernel.OpenNetns(filepath.Join(t.TempDir(), "none")); !fault.Is(err, fault.NotFound) {
		t.Errorf("absent: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	_ = os.WriteFile(file, nil, 0o600)
	if _, err := kernel.OpenNetns(file); !fault.Is(err, fault.NotFound) {
		t.Errorf("plain file: %v", err)
	}
}

func TestSharedFolderIsOneMountAndGoesWhole(t *testing.T) {
	needRoot(t)
	dir := filepath.Join(t.TempDir(), "run")
	for range 2 {
		if err := kernel.EnsureShared(dir); err != nil {
			t.Fatal(err)
		}
	}
	n, err := kernel.CreateNetns(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	_ = n.Close()
	if m, _ := kernel.MountsBelow(dir); len(m) != 2 {
		t.Errorf("mounts: %v", m)
	}
	if err := kernel.UnmountBelow(dir); err != nil {
		t.Error(err)
	}
	if m, _ := kernel.MountsBelow(dir); len(m) != 0 {
		t.Errorf("left: %v", m)
	}
}

// A network namespace that belongs to a user namespace is used as any other from
// outside; its loopback is up before it is there, and nothing is left of what made
// it.
func TestANetnsThatBelongsToUsers(t *testing.T) {
	const first = 0x7000_0000
	if err := kernel.CheckUsers(first, t.TempDir()); err != nil {
		t.Skipf("skipped: %v", err)
	}
	for path, owned := range map[string]bool{filepath.Join(t.TempDir(), "owned"): true, filepath.Join(t.TempDir(), "plain"): false} {
		users := 0
		if owned {
			users = first
		}
		n, err := kernel.CreateOwnedNetns(path, users)
		if err != nil {
			t.Fatal(err)
		}
		l, err := n.Listen(t.Context(), "tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		owner, err := kernel.NetnsOwner(path)
		if err != nil || (owner != nil) != owned {
			t.Errorf("%s: %v, %v", path, owner, err)
		}
		if owner != nil {
			_ = owner.Close()
		}
		if err := errors.Join(l.Close(), n.Close(), kernel.DeleteNetns(path)); err != nil {
			t.Error(err)
		}
	}
	if owner, err := kernel.NetnsOwner(""); err != nil || owner != nil {
		t.Errorf("of this process: %v, %v", owner, err)
	}
}

// A range that the kernel does not take is said, and leaves nothing.
func TestUsersThatTheKernelDoesNotTake(t *testing.T) {
	dir := t.TempDir()
	if err := kernel.CheckUsers(1<<32-2, dir); err == nil {
		t.Error("ids beyond the last were taken")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
