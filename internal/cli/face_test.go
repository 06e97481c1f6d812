package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"berth/internal/cli"
)

// alone runs a command line where there is no server.
func alone(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Main(t.Context(), cli.Hooks{Version: "1.2.3"}, args, &o, &e)
	return code, o.String(), e.String()
}

// What a new user does wrong is answered with what would be right.
func TestMistakesOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"stack.yaml": "x", "notes.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	for _, c := range []struct{ args, want string }{
		{"statu", "berth: berth has no command \"statu\"; did you mean `berth status`?\n  `berth -h` lists them\n"},
		{"deploy", "berth: berth has no command \"deploy\"; did you mean `berth up`?\n  `berth -h` lists them\n"},
		{"frobnicate", "berth: berth has no command \"frobnicate\"\n  `berth -h` lists them\n"},
		{"clock advnce", "berth: berth clock has no command \"advnce\"; did you mean `berth clock advance`?\n  `berth clock -h` lists them\n"},
		{"image psh", "berth: berth image has no command \"psh\"; did you mean `berth image push`?\n  `berth image -h` lists them\n"},
		{"status --wach", "berth: unknown flag: --wach; did you mean --watch?\n  `berth status -h` lists the flags\n"},
		{"up --paramter A=b", "berth: unknown flag: --paramter; did you mean --parameter?\n  `berth up -h` lists the flags\n"},
		{"up --speed fast", "berth: invalid argument \"fast\" for \"--speed\" flag: not a number\n  `berth up -h` lists the flags\n"},
		{
			"image push web",
			"berth: berth image push: SOURCE is missing\n  usage: berth image push NAME[:TAG] SOURCE\n  as in: berth image push web ./cmd/web\n",
		},
		{
			"image push",
			"berth: berth image push: NAME[:TAG] and SOURCE are missing\n  usage: berth image push NAME[:TAG] SOURCE\n  as in: berth image push " +
				"web ./cmd/web\n",
		},
		{"status web", "berth: berth status: \"web\" is one word too many\n  usage: berth status\n  as in: berth status\n"},
		{"clock advance soon", "berth: \"soon\" is no time to advance by: write days, hours, minutes or seconds, as in 14d, 1d12h, 90m or 30s\n"},
		{"clock advance 5", "berth: \"5\" is no time to advance by: write days, hours, minutes or seconds, as in 14d, 1d12h, 90m or 30s\n"},
		{"clock advance -- -5m", "berth: \"-5m\" does not lead ahead, and time does not run backwards\n"},
		{"up -p Version", "berth: -p Version: write a parameter's name and value, as in -p Version=v2\n"},
		{"up --image web", "berth: --image web: write the repository and its source, as in --image web=./cmd/web or --image web:v2=./bin\n"},
		{"up DIR/stac.yaml", "berth: there is no template DIR/stac.yaml; did you mean stack.yaml?\n"},
		{"up DIR", "berth: DIR is a folder: name a template in it, as in berth up DIR/stack.yaml\n"},
		{
			"status --data DIR",
			"berth: no server runs from DIR\n  `berth up --data DIR` starts one and deploys the example; `berth server --data DIR` starts " +
				"one alone\n",
		},
		{"stop --data DIR", "berth: DIR is no data folder of Berth: nothing was stopped or removed\n"},
		{
			"logs server --data EMPTY",
			"berth: there is no EMPTY/server.log: a server that `berth up` starts writes one, `berth server` writes to its terminal\n",
		},
		{
			"status --endpoint http://127.0.0.1:1 --data DIR",
			"berth: no server answers at http://127.0.0.1:1: nobody listens there\n  without --endpoint the server of DIR is asked; `berth up` " +
				"starts one\n",
		},
	} {
		place := strings.NewReplacer("DIR", dir, "EMPTY", empty)
		code, out, errs := alone(t, strings.Fields(place.Replace(c.args))...)
		if code != 1 || out != "" || errs != place.Replace(c.want) {
			t.Errorf("berth %s: code %d, printed %q, said\n%s\nwant\n%s", c.args, code, out, errs, place.Replace(c.want))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Errorf("berth stop --data took a folder away that is not Berth's: %v", err)
	}
}

// A server that ended left its address in the folder.
func TestAServerThatEnded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.json"), []byte(`{"endpoint":"http://127.0.0.1:1","pid":4194305}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, errs := alone(t, "status", "--data", dir); !strings.Contains(errs, "has ended; it answered at http://127.0.0.1:1") ||
		!strings.Contains(errs, "berth server --data "+dir) {
		t.Errorf("%s", errs)
	}
}

// Another server may have taken the address of one that ended.
func TestAnotherServerAtTheAddress(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_berth/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"ok","region":"eu-west-1","data":%q}`, other)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	if err := os.WriteFile(filepath.Join(dir, "server.json"), fmt.Appendf(nil, `{"endpoint":%q,"pid":1}`, srv.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := alone(t, "env", "--data", dir); code != 1 || out != "" ||
		!strings.Contains(errs, "the server of "+dir+" has ended") {
		t.Errorf("code %d, printed %q, said %q", code, out, errs)
	}
}

// A server that has only just started answers before its folder says where:
// `berth up` takes it for what it is, and starts no second one.
func TestUpFindsTheServerOfItsFolder(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	up := func(data string) string {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /_berth/health", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"status":"ok","region":"eu-west-1","data":%q}`, data)
		})
		srv := httptest.NewServer(mux)
		defer srv.Close()
		_, out, errs := alone(t, "up", "--data", dir, "--listen", strings.TrimPrefix(srv.URL, "http://"))
		return out + errs
	}
	if said := up(dir); !strings.Contains(said, "a server answers at http://127.0.0.1:") || strings.Contains(said, "another server") {
		t.Errorf("its own: %s", said)
	}
	if said := up(other); !strings.Contains(said, "another server answers at http://127.0.0.1:") || !strings.Contains(said, "data in "+other) {
		t.Errorf("another's: %s", said)
	}
}

// What is said to be done next can be typed as it stands: after make up, the
// program is in no folder of PATH.
func TestTheProgramIsNamedAsTheShellKnowsIt(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if got := cli.Program("bin/berth"); got != "bin/berth" {
		t.Errorf("not in PATH: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "berth"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := cli.Program("bin/berth"); got != "berth" {
		t.Errorf("in PATH: %s", got)
	}
}

// Every command has help with an example, and fits a terminal of 80 columns.
func TestHelp(t *testing.T) {
	_, root, _ := alone(t, "-h")
	names := regexp.MustCompile(`(?m)^  ([a-z]+) {2,}[A-Z]`).FindAllStringSubmatch(root, -1)
	if len(names) < 11 {
		t.Fatalf("%d commands in\n%s", len(names), root)
	}
	for _, args := range append(names, []string{"", "image push"}, []string{"", "clock advance"}, []string{"", "clock speed"}, []string{
		"", "",
	}) {
		code, out, _ := alone(t, append(strings.Fields(args[1]), "-h")...)
		if code != 0 || !strings.Contains(out, "Examples:\n  ") || !strings.Contains(out, "Usage: berth") {
			t.Errorf("berth %s -h: code %d\n%s", args[1], code, out)
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(line)) - 1; n > 80 && !strings.Contains(line, "(default") {
				t.Errorf("berth %s -h: %d columns: %s", args[1], n, line)
			}
		}
	}
	if _, out, _ := alone(t, "--version"); out != "berth 1.2.3\n" {
		t.Errorf("--version printed %q", out)
	}
}

// refusing is a server whose CloudFormation says no to a template, or knows a
// stack in some state.
func refusing(message, status string) http.Handler {
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		op := r.Form.Get("Action")
		body := map[string]string{
			"GetTemplateSummary": "<Parameters><member><ParameterKey>Name</ParameterKey><ParameterType>String</ParameterType><Description>what " +
				"it is called</Description></member>" +
				"<member><ParameterKey>Other</ParameterKey><ParameterType>Number</ParameterType><DefaultValue>1</DefaultValue></member></Parameters>",
			"DescribeStacks": "<Stacks><member><StackName>t</StackName><StackStatus>" + status + "</StackStatus></member></Stacks>",
		}[op]
		if op == "DescribeStacks" && status == "" {
			body = ""
		}
		if op == "GetTemplateSummary" && message != "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>%s</Message></Error></ErrorResponse>", message)
			return
		}
		fmt.Fprintf(w, "<%sResponse><%sResult>%s</%sResult></%sResponse>", op, op, body, op, op)
	})
	return mux
}

// A template that is refused is told with its place, and a stack that cannot
// be deployed to with what can be done.
func TestUpRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.yaml")
	body := "Parameters:\n  Name: {Type: String}\nResources:\n  A:\n    Type: AWS::ECS::Servise\n    Properties:\n      CidrBlok: !Ref " +
		"Nam\n      Key: !Sub \"${Naming}\"\n"
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ message, status, args, want string }{
		{
			message: "Template format error: YAML not well-formed. (line 5, column 3)",
			want:    "the template was refused: Template format error: YAML not well-formed. (line 5, column 3)\n  FILE:5: Type: AWS::ECS::Servise\n",
		},
		{
			message: "Template format error: Unrecognized resource types: [AWS::ECS::Servise]",
			want:    "\n  FILE:5: Type: AWS::ECS::Servise\n    did you mean AWS::ECS::Service? built of AWS::ECS:: are CapacityProvider, ",
		},
		{
			message: "Template format error: Unrecognized resource types: [AWS::RDS::DBInstance]",
			want:    "\n    nothing of that service is built: take it out for Berth\n",
		},
		{
			message: "Template format error: the template needs what is not built in Berth:\n- the resource type AWS::ECS::Servise (A)\n" +
				"- the property Volumes.Key of AWS::ECS::Servise (A)",
			want: "(A)\n  FILE:5: Type: AWS::ECS::Servise\n  FILE:8: Key: !Sub \"${Naming}\"\n  take it out for Berth: what is not built is " +
				"refused, never ignored (docs/COMPATIBILITY.md)\n",
		},
		{
			message: "Template format error: Unresolved resource dependencies [Nam] in the Resources block of the template",
			want:    "\n  FILE:7: CidrBlok: !Ref Nam\n    did you mean Name?\n",
		},
		{
			message: "Properties validation failed for resource A with message:\n#: extraneous key [CidrBlok] is not permitted",
			want:    "\n  FILE:7: CidrBlok: !Ref Nam\n",
		},
		{
			message: "Invalid template property or properties [services]",
			want:    "this looks like a Compose file; Berth takes CloudFormation templates\n",
		},
		{want: "berth: the template wants a value for what has no default:\n  -p Name=STRING   what it is called\n"},
		{args: "-p Nane=x", want: "berth: -p Nane: the template has no such parameter; did you mean Name?\n  it has: Name, Other\n"},
		{
			status: "CREATE_IN_PROGRESS",
			want: "stack t is being created already\n  `berth status -w` shows it, `berth explain t` says what it waits for\n  `berth down t` " +
				"gives it up\n",
		},
		{status: "UPDATE_IN_PROGRESS", want: "`aws cloudformation cancel-update-stack --stack-name t` gives it up\n"},
		{
			status: "DELETE_FAILED",
			want: "stack t is DELETE_FAILED and cannot be updated: `berth explain stack/t` says why\n  `berth down t` takes it away, then " +
				"deploy again\n",
		},
		{
			status: "CREATE_COMPLETE", args: "-p Name=x --region eu-west-2",
			want: "--region is for a server that starts, and one runs already (it has eu-west-1)\n",
		},
		{status: "CREATE_COMPLETE", args: "-p Name=x --overcommit", want: "--overcommit is for a server that starts, and one runs already\n"},
	} {
		code, _, errs := run(t, refusing(c.message, c.status), append([]string{"up", file}, strings.Fields(c.args)...)...)
		if errs = strings.ReplaceAll(errs, file, "FILE"); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s%s %s: code %d, said\n%s\nwant\n%s", c.message, c.status, c.args, code, errs, c.want)
		}
	}
}

// failing is a server on which a deployment fails, and which can explain why.
func failing(posts *[]url.Values) http.Handler {
	mux := health(http.NewServeMux())
	event := func(id, logical, kind, status, reason string) string {
		return "<member><EventId>" + id + "</EventId><LogicalResourceId>" + logical +
			"</LogicalResourceId><PhysicalResourceId>arn:aws:ecs:r:1:service/c/" + logical + "</PhysicalResourceId><ResourceType>" + kind +
			"</ResourceType><ResourceStatus>" + status + "</ResourceStatus><ResourceStatusReason>" + reason + "</ResourceStatusReason></member>"
	}
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); target != "" {
			_, _ = io.WriteString(w, map[string]string{
				"DescribeLogGroups": `{"logGroups":[{"logGroupName":"/aws/lambda/hook"}]}`,
				"FilterLogEvents":   `{"events":[{"timestamp":1,"message":"START RequestId: 1","logStreamName":"s","eventId":"1"},{"timestamp":2,"message":"the page has no title\r","logStreamName":"s","eventId":"2"},{"timestamp":3,"message":"END RequestId: 1","logStreamName":"s","eventId":"3"}]}`,
			}[target[strings.LastIndexByte(target, '.')+1:]])
			return
		}
		_ = r.ParseForm()
		*posts = append(*posts, r.Form)
		op := r.Form.Get("Action")
		if op == "DescribeStacks" && r.Form.Get("StackName") == "" {
			_, _ = io.WriteString(w, "<R><DescribeStacksResult><Stacks></Stacks></DescribeStacksResult></R>")
			return
		}
		fmt.Fprintf(w, "<%sResponse><%sResult>%s</%sResult></%sResponse>", op, op, map[string]string{
			"CreateChangeSet":   "<Id>cs</Id><StackId>arn:stack/t</StackId>",
			"DescribeChangeSet": "<Status>CREATE_COMPLETE</Status>",
			"DescribeStacks":    "<Stacks><member><StackName>t</StackName><StackStatus>ROLLBACK_COMPLETE</StackStatus></member></Stacks>",
			"DescribeStackEvents": "<StackEvents>" + event("5", "Logs", "AWS::Logs::LogGroup", "DELETE_COMPLETE", "") + event(
				"4", "t", "AWS::CloudFormation::Stack", "ROLLBACK_IN_PROGRESS", "",
			) +
				event(
					"3", "Web", "AWS::ECS::Service", "CREATE_FAILED",
					"Resource handler returned message: &#34;the deployment failed&#34; (RequestToken: x, HandlerErrorCode: y)",
				) +
				event("2", "Logs", "AWS::Logs::LogGroup", "CREATE_COMPLETE", "") + event(
				"1", "t", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated",
			) + "</StackEvents>",
		}[op], op, op)
	})
	mux.HandleFunc("GET /_berth/explain", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("id") != "arn:stack/t" {
			http.Error(w, "nothing", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(
			w,
			`{"kind":"stack","say":["ROLLBACK_COMPLETE","Web (AWS::ECS::Service) CREATE_FAILED: Resource handler returned message: \"the deployment failed\"","the hook refused it"],"cure":"mend the page: berth logs hook shows why","log":"hook"}`,
		)
	})
	return mux
}

// A deployment that fails ends with its cause, the last words of who failed
// and the cure; what a rollback takes away is not listed.
func TestAFailedDeploymentEndsWithItsCause(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(file, []byte("Resources: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var posts []url.Values
	code, out, errs := run(t, failing(&posts), "up", file)
	took := regexp.MustCompile(` +[0-9.]+m?s\b`)
	out, errs = took.ReplaceAllString(out, " TIME"), took.ReplaceAllString(errs, " TIME")
	wantOut := "  creating stack t\n" +
		"✓ TIME  Logs                     Logs::LogGroup\n" +
		"✗ TIME  Web                      CREATE_FAILED ECS::Service\n" +
		"  rolling back stack t\n"
	wantErr := "berth: stack t is ROLLBACK_COMPLETE after TIME\n" +
		"  ✗ Web (AWS::ECS::Service): the deployment failed\n" +
		"    the hook refused it\n" +
		"  the last lines of hook:\n" +
		"    │ the page has no title\n" +
		"  → mend the page: berth logs hook shows why\n"
	if code != 1 || out != wantOut || errs != wantErr {
		t.Errorf("code %d, printed\n%s\nsaid\n%s\nwant\n%s\n%s", code, out, errs, wantOut, wantErr)
	}
	if strings.Contains(out+errs, "\x1b") {
		t.Errorf("there are escape codes in what no terminal shows: %q", out+errs)
	}
	// With --json the output is for machines alone.
	if _, out, _ := run(t, failing(&posts), "up", file, "--json"); out != "" {
		t.Errorf("--json printed %q", out)
	}
}

func TestDownOfAWrongName(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(
			w,
			"<R><DescribeStacksResult><Stacks><member><StackName>hello</StackName></member><member><StackName>web</StackName></member></Stacks></DescribeStacksResult></R>",
		)
	})
	code, _, errs := run(t, mux, "down", "hell")
	if want := "berth: there is no stack hell; did you mean hello?\n  there are: hello, web\n"; code != 1 || errs != want {
		t.Errorf("code %d, said %q, want %q", code, errs, want)
	}
}

// What an instance wrote to its console is shown, the last lines of it.
func TestLogsShowsAConsole(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("InstanceId") {
		case "i-1":
			_, _ = io.WriteString(w, "<GetConsoleOutputResponse><output>b25lCnR3bwo=</output></GetConsoleOutputResponse>")
		case "i-2":
			_, _ = io.WriteString(w, "<GetConsoleOutputResponse></GetConsoleOutputResponse>")
		case "i-3":
			_, _ = io.WriteString(w, "<GetConsoleOutputResponse><output>%</output></GetConsoleOutputResponse>")
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>no i-4</Message></Error></Errors></Response>")
		}
	})
	for args, want := range map[string]string{
		"i-1": "one\ntwo\n", "i-1 -n 1": "two\n", "i-2": "i-2 has written nothing", "i-3": "read the console", "i-4": "no i-4",
	} {
		if _, out, errs := run(t, mux, append([]string{"logs"}, strings.Fields(args)...)...); !strings.Contains(out+errs, want) {
			t.Errorf("%s: %q %q", args, out, errs)
		}
	}
}

// A log is found by a service's name, and what has none is told what is near.
func TestLogsFindsTheGroup(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		target := r.Header.Get("X-Amz-Target")
		switch op := target[strings.LastIndexByte(target, '.')+1:]; {
		case op == "DescribeServices" && strings.Contains(string(b), `"web"`):
			_, _ = io.WriteString(w, `{"services":[{"taskDefinition":"td"}]}`)
		case op == "FilterLogEvents":
			_, _ = fmt.Fprintf(
				w, `{"events":[{"timestamp":1000,"message":"hello\n","logStreamName":"page/web/0123456789abcdef0123456789abcdef","eventId":"1"}]}`,
			)
		default:
			_, _ = io.WriteString(w, map[string]string{
				"DescribeLogGroups":      `{"logGroups":[{"logGroupName":"/ecs/pages"},{"logGroupName":"/aws/lambda/web-hook"}]}`,
				"ListClusters":           `{"clusterArns":["c"]}`,
				"DescribeTaskDefinition": `{"taskDefinition":{"containerDefinitions":[{"logConfiguration":{"options":{"awslogs-group":"/ecs/pages"}}}]}}`,
			}[op]+map[bool]string{true: "{}"}[op == "DescribeServices"])
		}
	})
	if _, out, errs := run(t, mux, "logs", "web"); out != "00:00:01.000 page/web/01234567  hello\n" {
		t.Errorf("printed %q %q", out, errs)
	}
	if _, out, _ := run(
		t, mux, "logs", "web", "--json",
	); out != `{"at":"1970-01-01T00:00:01Z","group":"/ecs/pages","stream":"page/web/0123456789abcdef0123456789abcdef","message":"hello"}`+"\n" {
		t.Errorf("printed %q", out)
	}
	code, _, errs := run(t, mux, "logs", "paegs")
	if want := "berth: nothing that has a log is called \"paegs\"; did you mean pages?\n  there are the log groups /ecs/pages " +
		"/aws/lambda/web-hook\n"; code != 1 || errs != want {
		t.Errorf("code %d, said %q, want %q", code, errs, want)
	}
}

// Events away from a terminal are whole lines; those of stacks keep the
// columns, and -n has the last ones.
func TestEvents(t *testing.T) {
	mux := health(http.NewServeMux())
	mux.HandleFunc("GET /_berth/events", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"at":"2026-01-02T03:04:05Z","by":"controllers/task","subject":"arn:aws:ecs:r:1:task/c/0123456789abcdef0123456789abcdef","verb":"placed","reason":"i-1 has capacity"}
{"at":"2026-01-02T03:04:06Z","by":"stack","subject":"arn:aws:cloudformation:r:1:stack/web/0-1-2","verb":"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS","reason":"web AWS::CloudFormation::Stack"}
`)
	})
	task := "03:04:05  placed      task/01234567            i-1 has capacity\n"
	stack := "03:04:06  stack       stack/web                UPDATE_COMPLETE_CLEANUP_IN_PROGRESS web AWS::CloudFormation::Stack\n"
	if _, out, errs := run(t, mux, "events"); out != task+stack {
		t.Errorf("printed\n%s%s", out, errs)
	}
	if _, out, _ := run(t, mux, "events", "-n", "1"); out != stack {
		t.Errorf("the last one is\n%s", out)
	}
}
