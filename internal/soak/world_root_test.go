//go:build root

package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/kernel"
	"berth/internal/soak"
)

// The stack listens where nobody else does, so that its address stays.
const (
	pagePort = "4880"
	testPort = "4888"
	tempo    = "60"
)

// world is one server under soak.
type world struct {
	t        *testing.T
	bin      string
	data     string
	addr     string
	template string
	outages  *soak.Outages
	log      *os.File
	params   map[string]string // of the stack, as last taken
	ledger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, bin: os.Getenv("BERTH_BIN"), data: filepath.Join(t.TempDir(), "data"), addr: setting("SOAK_LISTEN", "127.0.0.1:4816"),
		outages: &soak.Outages{},
		params:  map[string]string{"Version": "v0", "BakeMinutes": "0", "DesiredCount": "2", "Image": "hello:latest"},
		ledger:  ledger{known: map[string]bool{}},
	}
	if err := os.MkdirAll(w.data, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(setting("SOAK_LOG", filepath.Join(os.TempDir(), "berth-soak.log")))
	if err != nil {
		t.Fatal(err)
	}
	w.log = log
	w.template = changed(t, read(t, "../example/template.yaml"),
		"      Port: 80\n      Protocol: HTTP\n      DefaultActions", "      Port: "+pagePort+"\n      Protocol: HTTP\n      DefaultActions",
		"      Port: 8080\n", "      Port: "+testPort+"\n",
		"FromPort: 80, ToPort: 80, CidrIp", "FromPort: "+pagePort+", ToPort: "+pagePort+", CidrIp",
		"FromPort: 8080, ToPort: 8080, CidrIp", "FromPort: "+testPort+", ToPort: "+testPort+", CidrIp",
		"${Balancer.DNSName}:8080\n", "${Balancer.DNSName}:"+testPort+"\n",
		"MinCapacity: 1", "MinCapacity: 2",
		"        Strategy: BLUE_GREEN\n", "        Strategy: BLUE_GREEN\n        DeploymentCircuitBreaker: {Enable: true, Rollback: true}\n",
		`return {"hookStatus": "SUCCEEDED" if whole else "FAILED"}`, `names = [json.loads(a.data)["Version"] for a in answers]
              if names[0].startswith("slow"):
                  import time
                  time.sleep(3)
              return {"hookStatus": "SUCCEEDED" if whole and not names[0].startswith("bad") else "FAILED"}`)
	return w
}

func setting(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// changed replaces pairs that must be there.
func changed(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the template has no %q any more", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// serve starts the server and returns how long it took to answer.
func (w *world) serve() time.Duration {
	began := time.Now()
	cmd := exec.Command(w.bin, "server", "--data", w.data, "--listen", w.addr, "--speed", tempo) // it outlives this call
	cmd.Stdout, cmd.Stderr = w.log, w.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	if err := await(30*time.Second, 5*time.Millisecond, func() error { return w.get("/_berth/health", nil) }); err != nil {
		w.t.Fatalf("the server does not answer: %v", err)
	}
	return time.Since(began)
}

// idle lets real time pass: when a blow falls is the round's to say.
func (w *world) idle(d time.Duration) {
	over, cancel := context.WithCancel(context.Background())
	defer cancel()
	_ = clock.Sleep(over, clock.Real(over), d)
}

// await polls until there is no error any more.
func await(limit, every time.Duration, look func() error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return fmt.Errorf("after %v: %w", limit, err)
		case <-tick.C:
		}
	}
}

// run is a command of the program.
func (w *world) run(limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, append(args, "--data", w.data)...)
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("berth %s: %w: %s%s", strings.Join(args, " "), err, out.String(), trouble.String())
	}
	return out.String(), nil
}

var api = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (w *world) get(path string, out any) error {
	res, err := api.Get("http://" + w.addr + path)
	if err != nil {
		return err
	}
	return decode(res, out)
}

func decode(res *http.Response, out any) error {
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return refusal{fmt.Errorf("%s: %.400s", res.Status, text)}
	}
	switch to := out.(type) {
	case nil:
		return nil
	case *string:
		*to = string(text)
		return nil
	}
	return json.Unmarshal(text, out)
}

// refusal is an answer of the API, rather than a server that is not there.
type refusal struct{ error }

func refused(err error) bool { return errors.As(err, &refusal{}) }

// ecs calls the ECS API; it goes on while the server is away.
func (w *world) ecs(op string, in map[string]any) (out map[string]any, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return out, w.patiently(func() error {
		req, err := http.NewRequest(http.MethodPost, "http://"+w.addr+"/", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+op)
		res, err := api.Do(req)
		if err != nil {
			return err
		}
		return decode(res, &out)
	})
}

const cloudformation, ec2 = "2010-05-15", "2016-11-15"

// query calls an API of the query protocol; it goes on while the server is
// away.
func (w *world) query(version, action string, kv ...string) (out string, err error) {
	form := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	return out, w.patiently(func() error {
		res, err := api.PostForm("http://"+w.addr+"/", form)
		if err != nil {
			return err
		}
		return decode(res, &out)
	})
}

// patiently tries again until the server answers.
func (w *world) patiently(call func() error) error {
	var answer error
	err := await(30*time.Second, 50*time.Millisecond, func() error {
		err := call()
		if refused(err) {
			answer = err
			return nil
		}
		return err
	})
	return errors.Join(answer, err)
}

// picture is the part of `berth status --json` that is looked at.
type picture struct {
	Clusters []struct {
		Instances []struct {
			ID, Type, Zone, Status string
			Connected              bool
			Tasks                  []struct{ ID, Status, Desired string }
		}
		Services []struct {
			Desired, Running, Pending int
			Deployment                string
		}
	}
	Stacks []struct{ Name, Status string }
}

func (w *world) status() (p picture, err error) {
	out, err := w.run(time.Minute, "status", "--json")
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal([]byte(out), &p)
}

var (
	interfaceID = regexp.MustCompile(`<networkInterfaceId>(eni-[0-9a-f]+)<`)
	vpcID       = regexp.MustCompile(`<vpcId>(vpc-[0-9a-f]+)<`)
)

// wanted is what the API says that there is.
func (w *world) wanted() (soak.Wanted, error) {
	out := soak.Wanted{Instances: map[string][]string{}}
	p, err := w.status()
	if err != nil {
		return out, err
	}
	for _, c := range p.Clusters {
		for _, i := range c.Instances {
			out.Instances[i.ID] = []string{}
			for _, task := range i.Tasks {
				out.Instances[i.ID] = append(out.Instances[i.ID], task.ID)
			}
		}
		out.Functions = 2
	}
	enis, err := w.query(ec2, "DescribeNetworkInterfaces", "IncludeManagedResources", "true")
	if err != nil {
		return out, err
	}
	vpcs, err := w.query(ec2, "DescribeVpcs")
	out.Interfaces, out.VPCs = matches(interfaceID, enis), matches(vpcID, vpcs)
	return out, err
}

func matches(re *regexp.Regexp, s string) []string {
	var out []string
	for _, m := range re.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}

// links counts the devices of a namespace without its loopback.
func links(path string) (n int, err error) {
	ns, err := kernel.OpenNetns(path)
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	err = ns.Do(func() error {
		all, err := net.Interfaces()
		n = len(all) - 1
		return err
	})
	return n, err
}

// strays surveys the machine until nothing is left over, or until what is
// left over has had its time to go.
func (w *world) strays() (survey soak.Survey, want soak.Wanted, strays []string) {
	err := await(20*time.Second, 300*time.Millisecond, func() (err error) {
		if want, err = w.wanted(); err != nil {
			return err
		}
		if survey, err = soak.Look(w.data, links); err != nil {
			return err
		}
		if strays = survey.Strays(want); len(strays) > 0 {
			return errors.New("strays")
		}
		return nil
	})
	if err != nil && len(strays) == 0 {
		strays = []string{"survey: " + err.Error()}
	}
	return survey, want, strays
}
