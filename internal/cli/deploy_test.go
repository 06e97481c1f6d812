package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// deploying is a server on which a stack with a service and a load balancer
// comes up or goes; what it was asked is noted by operation.
func deploying(asked map[string]url.Values) http.Handler {
	const lb = "arn:lb/web"
	mux := health(http.NewServeMux())
	mux.HandleFunc("GET /_berth/listeners", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `[{"LoadBalancer":%q,"Host":"web.elb.test","Protocol":"HTTP","Port":80,"HostPort":10080,`+
			`"Address":"127.64.0.1","AddressPort":80,"Names":["api.test"],`+
			`"Published":[{"Address":"192.0.2.1"},{"Address":"2001:db8::1","Shared":true},{"Address":"192.0.2.2","Trouble":"it is taken"}]},`+
			`{"LoadBalancer":%q,"Host":"web.elb.test","Protocol":"HTTP","Port":8080,"Trouble":"its port is taken"},`+
			`{"LoadBalancer":%q,"Host":"web.elb.test","Protocol":"HTTP","Port":81,"HostPort":81,"Address":"127.64.0.1","AddressPort":81,`+
			`"Closed":"no rule of sg-1 lets 127.0.0.1 in to port 81"},`+
			`{"LoadBalancer":%q,"Host":"web.elb.test","Protocol":"HTTP","Port":82,"Internal":"it is internal: clients in vpc-1 reach it at 10.0.0.1"},`+
			`{"LoadBalancer":"arn:lb/other","Host":"other.elb.test","Protocol":"HTTP","Port":80,"HostPort":80}]`, lb, lb, lb, lb)
	})
	mux.HandleFunc("GET /_berth/explain", http.NotFound)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); target != "" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		_ = r.ParseForm()
		op := r.Form.Get("Action")
		asked[op] = r.Form
		status := "CREATE_COMPLETE"
		if _, ok := asked["DeleteStack"]; ok {
			status = "DELETE_COMPLETE"
		}
		stack := "<Stacks><member><StackName>web</StackName><StackId>arn:stack/web</StackId><StackStatus>" + status +
			"</StackStatus><Outputs><member><OutputKey>Page</OutputKey><OutputValue>http://web.elb.test</OutputValue></member>" +
			"<member><OutputKey>Bucket</OutputKey><OutputValue>pictures</OutputValue></member></Outputs></member></Stacks>"
		if _, ok := asked["CreateChangeSet"]; !ok && r.Form.Get("StackName") == "" && asked["DeleteStack"] == nil && asked["here"] == nil {
			stack = "<Stacks></Stacks>"
		}
		fmt.Fprintf(w, "<%sResponse><%sResult>%s</%sResult></%sResponse>", op, op, map[string]string{
			"CreateChangeSet":   "<Id>cs</Id><StackId>arn:stack/web</StackId>",
			"DescribeChangeSet": "<Status>CREATE_COMPLETE</Status>",
			"DescribeStacks":    stack,
			"DescribeStackEvents": "<StackEvents><member><EventId>2</EventId><LogicalResourceId>Web</LogicalResourceId><ResourceType>" +
				"AWS::ECS::Service</ResourceType><ResourceStatus>" + status + "</ResourceStatus></member><member><EventId>1</EventId>" +
				"<LogicalResourceId>web</LogicalResourceId><ResourceType>AWS::CloudFormation::Stack</ResourceType><ResourceStatus>" +
				strings.Replace(status, "COMPLETE", "IN_PROGRESS", 1) + "</ResourceStatus></member></StackEvents>",
			"DescribeStackResources": "<StackResources><member><ResourceType>AWS::ElasticLoadBalancingV2::LoadBalancer</ResourceType>" +
				"<PhysicalResourceId>" + lb + "</PhysicalResourceId></member><member><ResourceType>AWS::ECS::Service</ResourceType>" +
				"<PhysicalResourceId>arn:service</PhysicalResourceId></member></StackResources>",
		}[op], op, op)
	})
	return mux
}

func templateFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte("Resources: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var times = regexp.MustCompile(` +[0-9.]+m?s\b`)

// A deployment ends with where it answers, under the names that the
// template's outputs have, and with what may be done now.
func TestADeploymentEndsWithWhereItAnswers(t *testing.T) {
	asked := map[string]url.Values{}
	code, out, errs := run(t, deploying(asked), "up", templateFile(t))
	out, _, _ = strings.Cut(times.ReplaceAllString(out, " TIME"), "\n\n  berth")
	want := "  creating stack web\n" +
		"✓ TIME  Web                      ECS::Service\n" +
		"✓ CREATE_COMPLETE after TIME\n" +
		"\n" +
		"  Page         http://web.elb.test:10080/\n" +
		"               http://127.64.0.1/\n" +
		"               curl -H 'Host: api.test' http://127.64.0.1/\n" +
		"               http://192.0.2.1/\n" +
		"               curl -g -H 'Host: web.elb.test' http://[2001:db8::1]/\n" +
		"               http://192.0.2.2/ does not answer: it is taken\n" +
		"  Url          http://web.elb.test:8080/ does not answer here: its port is taken\n" +
		"  Url          http://web.elb.test:81/ lets no client of this machine in: no rule of sg-1 lets 127.0.0.1 in to port 81\n" +
		"  Url          http://web.elb.test:82/ does not answer here: it is internal: clients in vpc-1 reach it at 10.0.0.1\n" +
		"  Bucket       pictures\n" +
		"  another program has port 80 of this machine: 10,000 higher answers"
	if code != 0 || errs != "" || !strings.HasPrefix(out, want) {
		t.Errorf("code %d, printed\n%s\nsaid %s\nwant\n%s", code, out, errs, want)
	}
	if got := asked["CreateChangeSet"].Get("ChangeSetType"); got != "CREATE" {
		t.Errorf("a change set of type %q", got)
	}
}

func TestADeploymentForMachines(t *testing.T) {
	code, out, errs := run(t, deploying(map[string]url.Values{}), "up", templateFile(t), "--json")
	var got struct {
		Stack string
		URLs  []string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("code %d, %v: printed %q, said %q", code, err, out, errs)
	}
	want := []string{
		"http://web.elb.test:10080/", "http://127.64.0.1/", "curl -H 'Host: api.test' http://127.64.0.1/", "http://192.0.2.1/",
		"curl -g -H 'Host: web.elb.test' http://[2001:db8::1]/",
		"http://192.0.2.2/ does not answer: it is taken", "http://web.elb.test:8080/ does not answer here: its port is taken",
		"http://web.elb.test:81/ lets no client of this machine in: no rule of sg-1 lets 127.0.0.1 in to port 81",
		"http://web.elb.test:82/ does not answer here: it is internal: clients in vpc-1 reach it at 10.0.0.1",
	}
	if got.Stack != "arn:stack/web" || !slices.Equal(got.URLs, want) {
		t.Errorf("%+v", got)
	}
}

func TestDownFollowsAStackToItsEnd(t *testing.T) {
	asked := map[string]url.Values{"here": {}}
	code, out, errs := run(t, deploying(asked), "down", "web")
	want := "  deleting stack web\n" +
		"✓ TIME  Web                      DELETE_COMPLETE ECS::Service\n" +
		"✓ DELETE_COMPLETE after TIME\n"
	if got := times.ReplaceAllString(out, " TIME"); code != 0 || got != want {
		t.Errorf("code %d, printed\n%s\nsaid %s\nwant\n%s", code, got, errs, want)
	}
	if got := asked["DeleteStack"].Get("StackName"); got != "web" {
		t.Errorf("%q was deleted", got)
	}
}

// A source that is none is told what would be one.
func TestAnImageOfNoSource(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct{ name, source, want string }{
		{"Web", empty, "berth: \"Web\" is no name for a repository: write small letters, digits and - _ . / between them, as in web:v2\n"},
		{"web", empty, "\n  a source is a folder with a Go main package or a static binary, an OCI layout, a docker save tar,\n  or an image of " +
			"another registry\n"},
		{"web:v2", filepath.Join(empty, "none.tar"), "berth: image web:v2: "},
	} {
		code, out, errs := run(t, health(http.NewServeMux()), "image", "push", c.name, c.source)
		if code != 1 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("image push %s: code %d, printed %q, said %q, want %q", c.name, code, out, errs, c.want)
		}
	}
}

// A log that nothing was written to is not silence.
func TestAnEmptyLog(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		_, _ = io.WriteString(w, map[string]string{
			"DescribeLogGroups": `{"logGroups":[{"logGroupName":"/ecs/pages"}]}`, "FilterLogEvents": `{"events":[]}`,
			"DescribeServices": "{}", "ListClusters": `{"clusterArns":[]}`,
		}[target[strings.LastIndexByte(target, '.')+1:]])
	})
	if _, out, errs := run(t, mux, "logs", "/ecs/pages"); out != "" || errs != "nothing was written to /ecs/pages yet\n" {
		t.Errorf("printed %q, said %q", out, errs)
	}
}

// Where nothing runs there is nothing to stop.
func TestStopWhereNothingRuns(t *testing.T) {
	dir := t.TempDir()
	if code, out, errs := alone(t, "stop", "--data", filepath.Join(dir, "none")); code != 0 || !strings.HasPrefix(out, "nothing runs from ") {
		t.Errorf("code %d, printed %q, said %q", code, out, errs)
	}
}
