//go:build root

package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/kernel"
)

// bridged is a task in bridge mode on an instance of the user's own.
type bridged struct {
	*hello
	arn, container, runtime string
	pid                     int
	env                     map[string]string
	own                     *kernel.Netns
	instance                netip.Addr
	port                    int // of the instance, which leads to the container's port 80
}

// bridged runs a task in bridge mode on one instance. What is asked from it is asked
// from its network namespace, and its files are looked at by its own root folder.
func (h *hello) bridged(family, instance string) *bridged {
	h.t.Helper()
	out := h.ecs("RunTask", map[string]any{
		"cluster": "hello", "taskDefinition": family, "launchType": "EC2",
		"placementConstraints": []any{map[string]any{"type": "memberOf", "expression": "ec2InstanceId == " + instance}},
	})
	started := list(out["tasks"])
	if len(started) != 1 {
		h.t.Fatalf("%s does not start: %v", family, out["failures"])
	}
	b := &bridged{hello: h, arn: text(started[0]["taskArn"]), env: map[string]string{}}
	h.poll(50*time.Millisecond, func() bool {
		task := list(h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": []any{b.arn}})["tasks"])[0]
		c := list(task["containers"])[0]
		b.container, b.runtime = text(c["containerArn"]), text(c["runtimeId"])
		if bindings := list(c["networkBindings"]); len(bindings) == 1 {
			port, _ := bindings[0]["hostPort"].(float64)
			b.port = int(port)
		}
		b.pid = h.pages()[b.runtime]
		return task["lastStatus"] == "RUNNING" && b.port != 0 && b.pid != 0
	}, func() string { return family + " does not run:\n" + h.run("explain", b.arn) })
	var err error
	if b.own, err = kernel.OpenNetns(b.proc("ns/net")); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = b.own.Close() })
	h.await("its page is there", func() bool {
		status, _, err := b.request(await.Context(h.t), http.MethodGet, "http://127.0.0.1/healthz")
		return err == nil && status == http.StatusOK
	})
	environment, err := os.ReadFile(b.proc("environ"))
	if err != nil {
		h.t.Fatal(err)
	}
	for v := range strings.SplitSeq(string(environment), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		b.env[name] = value
	}
	b.instance = netip.MustParseAddr(h.member(h.ec2("DescribeInstances", "InstanceId.1", instance), "privateIpAddress"))
	return b
}

func (b *bridged) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", b.pid, name) }

func (b *bridged) id() string { return filepath.Base(b.arn) }

// published is where the instance leads to the task.
func (b *bridged) published() string {
	return "http://" + netip.AddrPortFrom(b.instance, uint16(b.port)).String()
}

// keys is where the task's own containers find its role's keys.
func (b *bridged) keys() string {
	return "http://169.254.170.2" + b.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
}

// asks sends a request out of the task and waits for the answer as long as a test may.
func (b *bridged) asks(method, from string, header ...string) (status int, body string) {
	b.t.Helper()
	status, body, err := b.request(await.Context(b.t), method, from, header...)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, from, err)
	}
	return status, body
}

func (b *bridged) request(ctx context.Context, method, from string, header ...string) (status int, body string, err error) {
	c := &http.Client{Transport: &http.Transport{DialContext: b.own.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, method, from, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// connects tells which of the addresses take a connection from the task.
func (b *bridged) connects(addresses []string) (open []string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), unanswered)
	defer cancel()
	var mu sync.Mutex
	var g sync.WaitGroup
	for _, at := range addresses {
		g.Go(func() {
			c, err := b.own.DialContext(ctx, "tcp", at)
			if err != nil {
				return
			}
			_ = c.Close()
			mu.Lock()
			defer mu.Unlock()
			open = append(open, at)
		})
	}
	g.Wait()
	return open
}

// who is the task that answers at a page.
func (b *bridged) who(page string) (task, address string) {
	b.t.Helper()
	var f struct{ Task, Address string }
	if status, body := b.asks(http.MethodGet, page+"/json"); status != http.StatusOK || json.Unmarshal([]byte(body), &f) != nil {
		b.t.Fatalf("%s: %d %s", page, status, body)
	}
	return f.Task, f.Address
}

// TestRootATaskInBridgeModeAttacks has a task in bridge mode on an instance of the
// user's own go for its neighbours, for the machine, for the agent and for another
// instance; what it may do there, as on EC2, is held too, so that the line is seen.
func TestRootATaskInBridgeModeAttacks(t *testing.T) {
	h, out := ownStack(t)
	h.group(out, "hosts", "ecsInstanceRole-hello", joins, 2)
	h.until("two instances have joined", func(p picture) bool {
		n := 0
		for _, i := range p.Clusters[0].Instances {
			if i.Connected && i.Status == "ACTIVE" {
				n++
			}
		}
		return n == 2
	})
	described := h.ecs("DescribeTaskDefinition", map[string]any{"taskDefinition": out["Definition"]})["taskDefinition"].(map[string]any)
	for _, family := range []string{"attacker", "victim"} {
		h.iam("CreateRole", "RoleName", family, "AssumeRolePolicyDocument",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
		h.ecs("RegisterTaskDefinition", map[string]any{
			"family": family, "networkMode": "bridge", "requiresCompatibilities": []any{"EC2"},
			"executionRoleArn": described["executionRoleArn"], "taskRoleArn": "arn:aws:iam::000000000000:role/" + family,
			"containerDefinitions": []any{map[string]any{
				"name": "page", "image": list(described["containerDefinitions"])[0]["image"], "memory": 128,
				"portMappings": []any{map[string]any{"containerPort": 80}},
			}},
		})
	}
	ids := h.members("hosts")
	attacker, near, far := h.bridged("attacker", ids[0]), h.bridged("victim", ids[0]), h.bridged("victim", ids[1])
	attacker.may(near)
	attacker.findsNoKeys(near, far)
	attacker.reachesNoMachine()
	attacker.reachesNoOtherInstance(far, out["Group"])
	attacker.seesNoOther(near)
	h.ended("hosts")
	h.finish()
}

// may holds what a task in bridge mode may: its own keys, its instance's role, and
// its neighbours on the bridge.
func (b *bridged) may(near *bridged) {
	b.t.Helper()
	for _, x := range []*bridged{b, near} {
		if status, body := x.asks(http.MethodGet, x.keys()); status != http.StatusOK || !strings.Contains(body, `"AccessKeyId"`) {
			b.t.Errorf("a task's own keys: %d %s", status, body)
		}
	}
	const imds = "http://169.254.169.254/latest/"
	status, token := b.asks(http.MethodPut, imds+"api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if status != http.StatusOK {
		b.t.Errorf("a token of the instance: %d %s", status, token)
	}
	const role = "ecsInstanceRole-hello"
	status, body := b.asks(http.MethodGet, imds+"meta-data/iam/security-credentials/"+role, "X-aws-ec2-metadata-token", token)
	if status != http.StatusOK || !strings.Contains(body, `"AccessKeyId"`) {
		b.t.Errorf("the role of the instance: %d %s", status, body)
	}
	task, address := b.who(near.published())
	if task != near.arn {
		b.t.Errorf("the neighbour's port leads to %s, not %s", task, near.arn)
	}
	if again, _ := b.who("http://" + address); again != near.arn {
		b.t.Errorf("the neighbour's address %s is that of %s, not %s", address, again, near.arn)
	}
}

// guesses are paths under which keys or metadata of a task might be, by what others
// can know of it.
func (b *bridged) guesses() (paths []string) {
	known := []string{"page", b.id(), b.arn, url.PathEscape(b.arn), b.container, url.PathEscape(b.container), b.runtime}
	known = append(known, filepath.Base(b.container))
	for _, of := range []string{b.arn, b.id(), b.container, b.runtime} {
		for _, text := range []string{of, "credentials|" + of + "|TaskApplication", "credentials|" + of + "|TaskExecution"} {
			sum := sha256.Sum256([]byte(text))
			x := hex.EncodeToString(sum[:16])
			known = append(known, hex.EncodeToString(sum[:]), x, x[:8]+"-"+x[8:12]+"-"+x[12:16]+"-"+x[16:20]+"-"+x[20:])
		}
	}
	for _, id := range known {
		for _, path := range []string{
			"/v2/credentials/" + id, "/v2/metadata/" + id, "/v2/stats/" + id, "/v3/" + id, "/v3/" + id + "/task",
			"/v4/" + id, "/v4/" + id + "/task", "/v4/" + id + "/stats", "/v4/" + id + "/task/stats",
			"/v1/tasks?taskarn=" + id, "/v1/credentials?id=" + id,
		} {
			paths = append(paths, "http://169.254.170.2"+path)
		}
	}
	return paths
}

// findsNoKeys asks for the keys and the metadata of others.
func (b *bridged) findsNoKeys(near, far *bridged) {
	b.t.Helper()
	paths := slices.Concat(near.guesses(), far.guesses())
	for _, path := range []string{
		"", "/", "/v1/metadata", "/v1/tasks", "/v2/credentials", "/v2/credentials/", "/v2/metadata", "/v2/metadata/", "/v3/", "/v4/",
		"/v4/../v2/credentials/", "/v4/%2e%2e/", "/v2/credentials/*", "/v2/credentials/?id=" + near.id(),
	} {
		paths = append(paths, "http://169.254.170.2"+path)
	}
	own := b.env["ECS_CONTAINER_METADATA_URI_V4"]
	for _, x := range []*bridged{near, far} {
		paths = append(paths, own+"/../"+x.runtime, own+"/"+x.id(), own+"/task/../../"+x.id(), own+"/task?taskarn="+url.QueryEscape(x.arn))
	}
	// Another instance knows no path of this one, not even one that was drawn.
	paths = append(paths, far.keys(), far.env["ECS_CONTAINER_METADATA_URI_V4"], far.env["ECS_CONTAINER_METADATA_URI_V4"]+"/task")
	for _, path := range paths {
		_, body := b.asks(http.MethodGet, path)
		for _, secret := range []string{"AccessKeyId", near.arn, far.arn, near.runtime, far.runtime} {
			// What is refused may name what was asked for, and a list nobody's.
			if strings.Contains(body, secret) && !strings.Contains(path, secret) && !strings.Contains(path, url.PathEscape(secret)) {
				b.t.Errorf("%s answers with %s: %s", path, secret, body)
			}
		}
		if strings.Contains(body, `"DockerId"`) && !strings.Contains(body, b.runtime) || strings.Contains(body, `"SecretAccessKey"`) {
			b.t.Errorf("%s answers %s", path, body)
		}
	}
	mine, theirs := b.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], near.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
	if mine == theirs || own == near.env["ECS_CONTAINER_METADATA_URI_V4"] {
		b.t.Errorf("two tasks have the same paths: %s, %s", mine, theirs)
	}
}

// reachesNoMachine goes for whatever listens on this machine, on the instance and in
// the agent.
func (b *bridged) reachesNoMachine() {
	b.t.Helper()
	all, err := net.Listen("tcp", ":0") // on every address of this machine
	if err != nil {
		b.t.Fatal(err)
	}
	defer all.Close()
	_, api, err := net.SplitHostPort(b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	ports := []string{api, strconv.Itoa(all.Addr().(*net.TCPAddr).Port), "80", "8080"}
	var addresses, targets []string
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, a := range interfaces {
		if p := netip.MustParsePrefix(a.String()); p.Addr().Is4() {
			addresses = append(addresses, p.Addr().String())
		}
	}
	for _, a := range append(addresses, "127.0.0.1", "0.0.0.0", "169.254.255.1", "169.254.255.2", "[::1]") {
		for _, port := range ports {
			// Its own page listens on port 80 of all of its own addresses.
			if mine := a == "127.0.0.1" || a == "0.0.0.0" || a == "[::1]"; !mine || port != "80" {
				targets = append(targets, a+":"+port)
			}
		}
	}
	// The agent's ports, those of Amazon's agent and of Docker, and SSH.
	for _, a := range []string{"172.17.0.1", b.instance.String()} {
		for _, port := range []string{api, "22", "53", "80", "111", "2375", "2376", "51677", "51678", "51679", "51680"} {
			targets = append(targets, a+":"+port)
		}
	}
	targets = append(targets, "169.254.170.2:51678", "169.254.169.254:51678", "169.254.170.2:22", "169.254.169.254:22")
	if open := b.connects(targets); len(open) > 0 {
		b.t.Errorf("of %d addresses of machine, instance and agent these take a connection: %v", len(targets), open)
	}
	names, err := os.ReadFile(b.proc("net/unix"))
	if err != nil {
		b.t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(names)), "\n"); len(lines) > 1 {
		b.t.Errorf("its network has sockets: %s", names)
	}
	if _, err := os.Lstat(b.proc("root") + b.data); !os.IsNotExist(err) {
		b.t.Errorf("it sees the data folder: %v", err)
	}
	err = filepath.WalkDir(b.proc("root")+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if rest := strings.TrimPrefix(path, b.proc("root")); rest == "/proc" || rest == "/sys" {
			return fs.SkipDir
		}
		if d.Type()&fs.ModeSocket != 0 {
			b.t.Errorf("it sees the socket %s", path)
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
}

// reachesNoOtherInstance goes for a task of another instance, before and after the
// security group lets it in.
func (b *bridged) reachesNoOtherInstance(far *bridged, group string) {
	b.t.Helper()
	at := netip.AddrPortFrom(far.instance, uint16(far.port)).String()
	_, address := far.who("http://127.0.0.1")
	// Addresses on the bridge are each instance's own: that of the other's task may be a neighbour's.
	if status, body, err := b.timed("http://" + address + "/json"); err == nil && strings.Contains(body, far.arn) {
		b.t.Errorf("a container of another instance answers at %s: %d %s", address, status, body)
	}
	others := []string{at, net.JoinHostPort(far.instance.String(), "51679"), net.JoinHostPort(far.instance.String(), "80")}
	if open := b.connects(others); len(open) > 0 {
		b.t.Errorf("without a rule the other instance takes connections: %v", open)
	}
	rule := []string{
		"GroupId", group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", strconv.Itoa(far.port),
		"IpPermissions.1.ToPort", strconv.Itoa(far.port), "IpPermissions.1.Groups.1.GroupId", group,
	}
	b.ec2("AuthorizeSecurityGroupIngress", rule...)
	b.await("the rule lets it in", func() bool { return len(b.connects([]string{at})) == 1 })
	if task, _ := b.who(far.published()); task != far.arn {
		b.t.Errorf("the other instance's port leads to %s, not %s", task, far.arn)
	}
	b.ec2("RevokeSecurityGroupIngress", rule...)
	b.await("the rule is gone", func() bool { return len(b.connects([]string{at})) == 0 })
}

// timed asks for as long as an answer of who is not let in is waited for.
func (b *bridged) timed(from string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), unanswered)
	defer cancel()
	return b.request(ctx, http.MethodGet, from)
}

// seesNoOther looks at the processes, namespaces and mounts that the task has.
func (b *bridged) seesNoOther(near *bridged) {
	b.t.Helper()
	there, err := os.ReadDir(b.proc("root/proc"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, d := range there {
		if n, err := strconv.Atoi(d.Name()); err == nil && n != 1 {
			b.t.Errorf("it sees process %d", n)
		}
	}
	others := []int{near.pid, os.Getpid()}
	for _, agent := range b.ours("agent") {
		others = append(others, agent.pid)
	}
	for _, kind := range []string{"net", "mnt", "pid", "ipc", "uts", "cgroup"} {
		mine, err := os.Readlink(b.proc("ns/" + kind))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, pid := range others {
			if other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err != nil || other == mine {
				b.t.Errorf("it shares the namespace %s with process %d: %v", other, pid, err)
			}
		}
	}
	mounts, err := os.ReadFile(b.proc("mountinfo"))
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		root, point, options := f[3], f[4], f[5]
		for _, other := range []string{near.id(), near.runtime} {
			if strings.Contains(line, other) {
				b.t.Errorf("a mount of another task: %s", line)
			}
		}
		// Where control groups have several trees, their parent is a file system of the container's own.
		if strings.HasPrefix(point, "/sys") && !strings.Contains(line, " - tmpfs ") && !slices.Contains(strings.Split(options, ","), "ro") {
			b.t.Errorf("it may write to %s: %s", point, line)
		}
		given := []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/berth/ca-bundle.pem"}
		if root != "/" && !slices.Contains(given, point) &&
			!strings.HasPrefix(point, "/proc/") && !strings.HasPrefix(point, "/dev/") && !strings.HasPrefix(point, "/sys/") {
			b.t.Errorf("a folder of the machine is mounted: %s", line)
		}
	}
}
