package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/cli"
)

// run runs one command line against a server.
func run(t *testing.T, h http.Handler, args ...string) (code int, out, errs string) {
	t.Helper()
	return runWith(t, h, cli.Hooks{}, args...)
}

func runWith(t *testing.T, h http.Handler, hooks cli.Hooks, args ...string) (code int, out, errs string) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	var o, e bytes.Buffer
	args = append(args, "--data", t.TempDir(), "--endpoint", srv.URL)
	code = cli.Main(t.Context(), hooks, args, &o, &e)
	return code, o.String(), e.String()
}

func health(mux *http.ServeMux) *http.ServeMux {
	mux.HandleFunc("GET /_berth/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"ok","region":"eu-west-1","speed":20,"now":"2026-01-02T03:04:05Z","lacks":["instances have no limit of disk"]}`)
	})
	return mux
}

func TestEnvPointsTheClientsHere(t *testing.T) {
	code, out, _ := run(t, health(http.NewServeMux()), "env")
	if code != 0 || !strings.Contains(out, "export AWS_ENDPOINT_URL=http://127.0.0.1:") ||
		!strings.Contains(out, "export AWS_REGION=eu-west-1\n") {
		t.Errorf("%d %s", code, out)
	}
}

// What changes something carries the token from the server's data folder.
func TestTheClockIsSetInTheSession(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, cli.SessionFile), []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_berth/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"ok","region":"eu-west-1","data":%q}`, data)
	})
	sent := ""
	mux.HandleFunc("POST /_berth/clock", func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get(cli.SessionHeader)
		_, _ = io.WriteString(w, `{"now":"2026-01-16T03:04:05Z","speed":5}`)
	})
	if code, _, errs := run(t, mux, "clock", "speed", "5"); code != 0 || sent != "token" {
		t.Errorf("%d %s: sent %q", code, errs, sent)
	}
}

func TestDaysAreADuration(t *testing.T) {
	for arg, want := range map[string]float64{"14d": 14 * 86400, "1d12h": 129600, "90m": 5400} {
		var got float64
		mux := health(http.NewServeMux())
		mux.HandleFunc("POST /_berth/clock", func(w http.ResponseWriter, r *http.Request) {
			var in struct{ AdvanceSeconds float64 }
			_ = json.NewDecoder(r.Body).Decode(&in)
			got = in.AdvanceSeconds
			_, _ = io.WriteString(w, `{"now":"2026-01-16T03:04:05Z","speed":20}`)
		})
		code, out, errs := run(t, mux, "clock", "advance", arg)
		if code != 0 || got != want || out != "2026-01-16T03:04:05Z at 20x\n" {
			t.Errorf("%s: code %d, sent %v seconds, printed %q %q", arg, code, got, out, errs)
		}
	}
	if code, _, errs := run(t, health(http.NewServeMux()), "clock", "advance", "soon"); code == 0 || errs == "" {
		t.Errorf("a word was taken for a duration")
	}
}

func TestNoServerSaysHowToStartOne(t *testing.T) {
	var o, e bytes.Buffer
	code := cli.Main(t.Context(), cli.Hooks{}, []string{"status", "--data", t.TempDir(), "--endpoint", "http://127.0.0.1:1"}, &o, &e)
	if code != 1 || !strings.Contains(e.String(), "berth up") {
		t.Errorf("%d %s", code, e.String())
	}
}

func TestExplainShowsTheCure(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("GET /_berth/explain", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("id") != "i-1 2" {
			http.Error(w, "nothing", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"subject":"i-1","kind":"instance","say":["it does not register"],"cure":"open port 443"}`)
	})
	code, out, _ := run(t, mux, "explain", "i-1 2")
	if code != 0 || !strings.Contains(out, "it does not register") || !strings.Contains(out, "→ open port 443") {
		t.Errorf("%d %s", code, out)
	}
}

// The picture is drawn from what any client of the AWS APIs can see.
func TestStatusDrawsWhatTheAPIsSay(t *testing.T) {
	answers := map[string]string{
		"ListClusters":               `{"clusterArns":["arn:aws:ecs:eu-west-1:1:cluster/c"]}`,
		"DescribeClusters":           `{"clusters":[{"clusterName":"c","capacityProviders":["cp"]}]}`,
		"ListContainerInstances":     `{"containerInstanceArns":["arn:ci"]}`,
		"DescribeContainerInstances": `{"containerInstances":[{"containerInstanceArn":"arn:ci","ec2InstanceId":"i-0","status":"ACTIVE","agentConnected":true,"attributes":[{"name":"ecs.instance-type","value":"c6a.large"},{"name":"ecs.availability-zone","value":"eu-west-1a"}],"registeredResources":[{"name":"CPU","integerValue":2048}],"remainingResources":[{"name":"CPU","integerValue":1792}]}]}`,
		"ListTasks":                  `{"taskArns":["arn:aws:ecs:eu-west-1:1:task/c/0123456789abcdef0123456789abcdef"]}`,
		"DescribeTasks":              `{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:1:task/c/0123456789abcdef0123456789abcdef","group":"service:web","lastStatus":"RUNNING","desiredStatus":"RUNNING","containerInstanceArn":"arn:ci","taskDefinitionArn":"arn:td/web:3","attachments":[{"details":[{"name":"privateIPv4Address","value":"10.0.0.9"}]}]},{"taskArn":"arn:aws:ecs:eu-west-1:1:task/c/fedcba98","group":"service:web","lastStatus":"RUNNING","launchType":"FARGATE","taskDefinitionArn":"arn:td/web:4"}]}`,
		"ListServices":               `{"serviceArns":["arn:svc"]}`,
		"DescribeServices":           `{"services":[{"serviceArn":"arn:svc","serviceName":"web","status":"ACTIVE","desiredCount":1,"runningCount":1,"deploymentConfiguration":{"strategy":"BLUE_GREEN"}}]}`,
		"ListServiceDeployments":     `{"serviceDeployments":[{"serviceDeploymentArn":"arn:dep"}]}`,
		"DescribeServiceDeployments": `{"serviceDeployments":[{"status":"IN_PROGRESS","lifecycleStage":"BAKE_TIME","targetServiceRevision":{"arn":"rev/123456789","runningTaskCount":1,"requestedTaskCount":1,"requestedProductionTrafficWeight":100.0}}]}`,
	}
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); target != "" {
			_, _ = io.WriteString(w, answers[target[strings.LastIndexByte(target, '.')+1:]])
			return
		}
		_, _ = io.WriteString(
			w,
			`<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>web</StackName><StackStatus>CREATE_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
		)
	})
	mux.HandleFunc("GET /_berth/listeners", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"loadBalancer":"arn:lb","host":"lb.test","protocol":"HTTP","port":80,"hostPort":80}]`)
	})
	code, out, errs := run(t, mux, "status")
	if code != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{
		"this host: instances have no limit of disk", "load balancer  http://lb.test/\n",
		"stack web  CREATE_COMPLETE", "i-0  c6a.large", "256/2048", "10.0.0.9", "BLUE_GREEN IN_PROGRESS BAKE_TIME", "production ██████████ 100 %",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(out, "  Fargate\n      fedcba98  web") || strings.Contains(out, "waiting for an instance") {
		t.Errorf("a task of Fargate waits for no instance:\n%s", out)
	}
	if _, out, _ := run(t, mux, "status", "--json"); !json.Valid([]byte(out)) {
		t.Errorf("not JSON: %s", out)
	}
}
