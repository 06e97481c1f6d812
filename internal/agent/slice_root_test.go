//go:build root

package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	golog "log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/miekg/dns"

	"berth/internal/await"
	"berth/internal/container/image"
	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
	"berth/internal/machine"
	"berth/internal/machine/local"
	"berth/internal/model"
	"berth/internal/state"
)

// slice is a world whose agent runs in a machine of its own.
type slice struct {
	*world
	data    string
	machine *local.Driver
	spec    machine.Spec
	users   int // user 0 of containers, as the server says it
}

const inside = "10.9.0.2" // where the machine finds everything

func newSlice(t *testing.T) *slice {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("machines are made by root only")
	}
	s := &slice{world: newWorld(t)}
	data, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.data = data
	if err := kernel.EnsureShared(filepath.Join(data, "run", "netns")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.users = local.Users(data)
	if err := kernel.CheckUsers(s.users, data); err != nil {
		t.Log("without user namespaces:", err)
		s.users = 0
	}
	s.machine, err = local.New(local.Deps{
		Data: data, Users: s.users, Instance: []string{self, "instance"}, Agent: []string{self, "agent"}, Clock: s.real, Real: s.real,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.tellLogs()
		}
		if err := s.machine.Terminate(context.Background(), instanceID); err != nil {
			t.Error(err)
		}
		if err := s.machine.Close(); err != nil {
			t.Error(err)
		}
		if _, err := cgroup.Open(local.CgroupRoot(data)); !fault.Is(err, fault.NotFound) {
			t.Errorf("control group left behind: %v", err)
		}
		if err := kernel.UnmountBelow(data); err != nil {
			t.Error(err)
		}
	})
	s.endpoints()
	s.spec = machine.Spec{
		ID: instanceID, Type: "c6a.large", VCPU: 2, MemoryMiB: 1024, ReservedMiB: 128, Interface: "eni-instance", MAC: "02:00:00:00:00:01",
		PrivateIP: "192.168.2.10", RoleName: "ecsInstanceRole", Region: place.Region, Cluster: "c", VPC: "vpc-1", Subnet: "subnet-1",
		ImageID: "ami-1", Nameserver: inside, Account: place.Account,
		CABundle: s.ca,
	}
	return s
}

func (s *slice) tellLogs() {
	for _, f := range []string{"init.log", "agent.log"} {
		b, _ := os.ReadFile(filepath.Join(s.data, "instances", instanceID, f))
		s.t.Logf("%s:\n%s", f, b)
	}
}

func (s *slice) netns(name string) *kernel.Netns {
	s.t.Helper()
	ns, err := kernel.CreateOwnedNetns(filepath.Join(s.data, "run", "netns", name), s.users)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ns.Close() })
	return ns
}

// endpoints puts a resolver, AWS and a registry with one image into the
// machine's namespace.
func (s *slice) endpoints() {
	t := s.t
	ns := s.netns("eni-instance")
	if err := ns.AddLoopback(netip.MustParseAddr(inside)); err != nil {
		t.Fatal(err)
	}
	udp, err := ns.ListenPacket(t.Context(), "udp", inside+":53")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{PacketConn: udp, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			rr, _ := dns.NewRR(q.Question[0].Name + " 5 IN A " + inside)
			a.Answer = append(a.Answer, rr)
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = resolver.ActivateAndServe() }()
	t.Cleanup(func() { _ = resolver.Shutdown() })

	reg, err := stocked()
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := ns.Listen(t.Context(), "tcp", inside+":443")
	if err != nil {
		t.Fatal(err)
	}
	var cert tls.Certificate
	cert, s.ca = certificate(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Host, ".dkr.ecr.") {
			reg.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(tls.NewListener(tcp, &tls.Config{Certificates: []tls.Certificate{cert}})) }() // a test server
	t.Cleanup(func() { _ = srv.Close() })
}

// stocked is a registry that holds one image, of this program and nothing else.
// It is one for all tests: packing takes a while, most of all under the race
// detector.
var stocked = sync.OnceValues(func() (http.Handler, error) {
	reg := registry.New(registry.Logger(golog.New(io.Discard, "", 0)))
	srv := httptest.NewServer(reg)
	defer srv.Close()
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "program"), self, 0o755); err != nil {
		return nil, err
	}
	src, err := image.FromSource(context.Background(), dir, image.SourceOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	ref, err := name.ParseReference(strings.TrimPrefix(srv.URL, "http://") + "/web:latest")
	if err != nil {
		return nil, err
	}
	return reg, remote.Write(ref, src.Image)
})

func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{
			"*.ap-northeast-1.amazonaws.com", "api.ecr.ap-northeast-1.amazonaws.com", "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com",
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (s *slice) launch() machine.Machine {
	s.t.Helper()
	m, err := s.machine.Launch(s.t.Context(), s.spec)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.machine.SetCredentials(s.t.Context(), instanceID, machine.Credentials{
		AccessKeyID: "ASIAecsInstanceRole", Secret: "secret-ecsInstanceRole", Token: "t", Expires: s.real.Now().Add(time.Hour),
	}); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// Proves: MI41, D60, D61
func TestATaskInAMachine(t *testing.T) {
	s := newSlice(t)
	began := time.Now()
	s.launch()
	await.Value(t, "connected", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(s.db.View(), instanceID)
		return i, i.Connected
	})
	t.Logf("launch to connected: %s", time.Since(began))
	s.netns("eni-t1")
	c := app(ecrImage)
	c.EntryPoint = []string{"/program", "contained"}
	c.Memory, c.CPU = 128, 256
	began = time.Now()
	arn := s.task("t1", c)
	got := s.reaches(arn, model.TaskActivating)
	t.Logf("payload to running: %s; pull %s", time.Since(began), got.PullStoppedAt.Sub(got.PullStartedAt))
	s.sent("g p/app/t1 family web key <nil>")
	s.sent("g p/app/t1 family <nil> key ASIAtask")
	s.sent("g p/app/t1 nameserver 192.168.0.2;search ap-northeast-1.compute.internal")
	s.halt(arn)
	got = s.reaches(arn, model.TaskDeprovisioning)
	if *got.Containers[0].ExitCode != 7 {
		t.Errorf("container: %+v", got.Containers[0])
	}
	s.sent("g p/app/t1 bye")
}

func TestTasksOutliveTheirAgentAndDieWithTheMachine(t *testing.T) {
	s := newSlice(t)
	s.launch()
	s.netns("eni-t1")
	c := app(ecrImage)
	c.EntryPoint = []string{"/program", "contained"}
	arn := s.task("t1", c)
	s.reaches(arn, model.TaskActivating)
	g, err := cgroup.Open(local.CgroupRoot(s.data) + "/" + instanceID)
	if err != nil {
		t.Fatal(err)
	}
	find := func(arg string) []int {
		pids, _ := g.Procs()
		var out []int
		for _, pid := range pids {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.Contains(string(b), "\x00"+arg+"\x00") {
				out = append(out, pid)
			}
		}
		return out
	}
	// The runtime is done a moment before the container's program is there.
	before := await.Value(t, "the container's process", func() ([]int, bool) {
		now := find("contained")
		return now, len(now) == 1
	})
	agents := find("agent")
	if len(agents) != 1 {
		t.Fatalf("agents %v", agents)
	}
	_ = syscall.Kill(agents[0], syscall.SIGKILL)
	await.Value(t, "another agent", func() ([]int, bool) {
		now := find("agent")
		return now, len(now) == 1 && now[0] != agents[0]
	})
	await.Value(t, "connected again", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(s.db.View(), instanceID)
		return i, i.Connected
	})
	if now := find("contained"); len(now) != 1 || now[0] != before[0] {
		t.Fatalf("the container changed from %v to %v", before, now)
	}
	_ = syscall.Kill(before[0], syscall.SIGTERM)
	got := s.reaches(arn, model.TaskDeprovisioning)
	if *got.Containers[0].ExitCode != 7 {
		t.Errorf("container: %+v", got.Containers[0])
	}
	s.netns("eni-t2")
	s.reaches(s.task("t2", c), model.TaskActivating)
	if err := s.machine.Terminate(t.Context(), instanceID); err != nil {
		t.Fatal(err)
	}
	if left, _ := g.Procs(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestManyTasksAtOnce logs the machine's CPU time for each task, from payload
// to RUNNING: agent, parents, runtime and all.
func TestManyTasksAtOnce(t *testing.T) {
	const many = 20
	s := newSlice(t)
	s.launch()
	c := app(ecrImage)
	c.EntryPoint = []string{"/program", "contained"}
	s.netns("eni-first")
	s.reaches(s.task("first", c), model.TaskActivating)
	for n := range many {
		s.netns(fmt.Sprintf("eni-t%d", n))
	}
	g, err := cgroup.Open(local.CgroupRoot(s.data) + "/" + instanceID)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := g.Stats()
	began := time.Now()
	var arns []string
	for n := range many {
		arns = append(arns, s.task(fmt.Sprintf("t%d", n), c))
	}
	for _, arn := range arns {
		s.reaches(arn, model.TaskActivating)
	}
	after, _ := g.Stats()
	t.Logf(
		"%d tasks in %s, %s of CPU each", many, time.Since(began).Round(time.Millisecond),
		(time.Duration(after.CPUNanos-before.CPUNanos) / many).Round(100*time.Microsecond),
	)
}
