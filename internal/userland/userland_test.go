package userland_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/userland"
)

// lab plays what an instance reaches.
type lab struct {
	userland.Subject
	data, metadata string // user data; metadata of the stack's resource
	role           string
	calls          []string
	handle         string // what was put to the wait condition's address
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{role: "web"}
	srv := httptest.NewServer(http.HandlerFunc(l.answer))
	t.Cleanup(srv.Close)
	l.Subject = userland.Subject{Root: t.TempDir(), Metadata: srv.URL, Path: "/opt/berth/bin", Client: srv.Client()}
	t.Cleanup(srv.Client().CloseIdleConnections)
	if err := userland.Install(l.Root, nil); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) answer(w http.ResponseWriter, r *http.Request) {
	leaves := map[string]string{
		"/latest/api/token": "t", "/latest/user-data": l.data, "/latest/meta-data/instance-id": "i-1",
		"/latest/meta-data/iam/security-credentials/":         l.role,
		"/latest/meta-data/iam/security-credentials/" + "web": `{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T"}`,
	}
	switch v := leaves[r.URL.Path]; {
	case v != "":
		fmt.Fprint(w, v)
	case r.URL.Path == "/large":
		_, _ = w.Write(make([]byte, 8<<20+1))
	case r.URL.Path == "/handle":
		b, _ := io.ReadAll(r.Body)
		l.handle = string(b)
	case r.Method == http.MethodPost && r.URL.Path == "/cfn":
		l.cloudFormation(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (l *lab) cloudFormation(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	l.calls = append(l.calls, fmt.Sprint(r.Form.Get("Action"), " ", r.Form.Get("LogicalResourceId"), " ", r.Form.Get("Status"), " ",
		r.Form.Get("UniqueId"), " ", strings.Contains(r.Header.Get("Authorization"), "/cloudformation/aws4_request")))
	if r.Form.Get("StackName") != "s" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack lost does not exist</Message></Error></ErrorResponse>")
		return
	}
	escaped := strings.NewReplacer("<", "&lt;", "&", "&amp;").Replace(l.metadata)
	fmt.Fprintf(w, "<R><DescribeStackResourceResult><StackResourceDetail><Metadata>%s</Metadata></StackResourceDetail>"+
		"</DescribeStackResourceResult></R>", escaped)
}

// User data are taken apart as cloud-init does.
func TestUserDataIsTakenApart(t *testing.T) {
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	_, _ = g.Write([]byte("#!/bin/sh\n"))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	archive := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"==B==\"\r\n\r\n--==B==\r\n" +
		"Content-Type: text/cloud-config; charset=\"us-ascii\"\r\n\r\npackages: [jq]\r\n--==B==\r\n" +
		"Content-Type: text/x-shellscript; charset=\"us-ascii\"\r\nContent-Transfer-Encoding: base64\r\n\r\nIyEvYmluL3NoCg==\r\n--==B==\r\n" +
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n#!/bin/sh=0A\r\n--==B==--\r\n"
	for data, want := range map[string]string{
		"#!/bin/sh\n":                    `part-001 text/x-shellscript "#!/bin/sh\n";`,
		"\n#cloud-config\nruncmd: []":    `part-001 text/cloud-config "\n#cloud-config\nruncmd: []";`,
		"ECS_CLUSTER=x":                  `part-001 text/x-not-multipart "ECS_CLUSTER=x";`,
		"#cloud-boothook\n#!/bin/sh":     `part-001 text/cloud-boothook "#cloud-boothook\n#!/bin/sh";`,
		z.String():                       `part-001 text/x-shellscript "#!/bin/sh\n";`,
		"Content-Type: text/plain\n\n#!": `part-001 text/x-shellscript "#!";`,
		archive: `part-001 text/cloud-config "packages: [jq]";part-002 text/x-shellscript "#!/bin/sh\n";` +
			`part-003 text/x-shellscript "#!/bin/sh\n";`,
		"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n#!x\n--b--\n\n--a--\n": `part-001 ` +
			`text/x-shellscript "#!x";`,
	} {
		if got, err := userland.Kinds([]byte(data)); err != nil || got != want {
			t.Errorf("%.40q:\n%s\nwant\n%s\n%v", data, got, want, err)
		}
	}
	for _, bad := range []string{"\x1f\x8bno", "Content-Type: multipart/mixed; boundary=a\n\n--a\nbroken", "Content-Type: x\nbad"} {
		if got, err := userland.Kinds([]byte(bad)); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

// FuzzUserData holds that no user data make more of themselves than the bound.
func FuzzUserData(f *testing.F) {
	for _, s := range []string{"#!/bin/sh\n", "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n#!x\n--a--\n", "\x1f\x8b\x08"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := userland.Kinds(data); err == nil && len(got) > 64<<20 {
			t.Errorf("%d bytes of %d", len(got), len(data))
		}
	})
}

// Scripts run one after the other, boot hooks first; what fails and what is not
// run is said, and keeps no other from running.
//
// Proves: E20, E21
func TestUserDataRuns(t *testing.T) {
	l := newLab(t)
	l.data = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho second; echo why >&2; exit 3\n--a\n" +
		"Content-Type: text/cloud-config\n\nruncmd: [x]\nusers: []\n--a\nContent-Type: text/x-shellscript\n\n#!/bin/sh\nkill -9 $$\n--a\n" +
		"Content-Type: text/x-shellscript\n\n#!/nowhere\n--a\nContent-Type: text/cloud-boothook\n\n#cloud-boothook\n#!/bin/sh\necho first\n--a--\n"
	r, out, err := l.UserData(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []userland.Failure{
		{Part: "part-001", Exit: 3, Last: "why"},
		{Part: "part-002", Last: "part-002 is text/cloud-config, which this instance does not have: it runs scripts only: runcmd, users"},
		{Part: "part-003", Exit: 137}, {Part: "part-004", Exit: 127},
	}
	for i, f := range r.Failures {
		if i < len(want) && f.Part == want[i].Part && f.Exit == want[i].Exit && (want[i].Last == "" || f.Last == want[i].Last) {
			continue
		}
		t.Errorf("failure %d: %+v", i, f)
	}
	if len(r.Failures) != len(want) || !strings.HasPrefix(out, "first\nsecond\nwhy\ncloud-init: Failed running /var/lib/cloud/") {
		t.Errorf("%+v\n%s", r, out)
	}
	var stored userland.Result
	if b, err := os.ReadFile(filepath.Join(l.Root, userland.ResultFile)); err != nil || json.Unmarshal(b, &stored) != nil ||
		len(stored.Failures) != len(want) {
		t.Errorf("%s: %v", b, err)
	}
	cut := "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n#!/bin/sh\necho long\n--a\n\n#!/bin/sh\n" +
		": >" + userland.OutputFile + "; exit 1\n--a--\n"
	for data, failures := range map[string]int{"": 0, cut: 1, "ECS_CLUSTER=x": 1, "\x1f\x8b": 1} {
		l.data = data
		if r, out, err := l.UserData(t.Context()); err != nil || len(r.Failures) != failures {
			t.Errorf("%q: %+v, %s, %v", data, r, out, err)
		}
	}
}

// The commands of an image answer as there, or say what they have not.
func TestCommandsOfAnImage(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"ec2-metadata --instance-id", 0, "instance-id: i-1\n"},
		{"ec2-metadata -q -i -p", 0, "i-1\nnot available\n"},
		{"ec2-metadata", 0, "ami-id: not available\n"},
		{"ec2-metadata --colour", 1, "unrecognized option"},
		{"yum install -y aws-cfn-bootstrap", 0, "Nothing to do"},
		{"dnf install -y yum", 0, "Package yum already installed"},
		{"yum -y install httpd", 1, "No package httpd available"},
		{"yum update -y", 0, "No packages marked for update"},
		{"yum upgrade -y httpd", 1, "No package httpd"},
		{"yum install", 1, "Need to pass"},
		{"yum clean all", 0, "no enabled repos"},
		{"yum history", 1, "not built"},
		{"yum", 1, "some command"},
		{"systemctl daemon-reload", 0, ""},
		{"systemctl enable --now --no-block ecs.service", 0, ""},
		{"systemctl stop ecs", 0, ""},
		{"systemctl is-active ecs", 3, "inactive\n"},
		{"start ecs", 0, "ecs start/running"},
		{"systemctl status docker", 0, "active"},
		{"systemctl is-enabled ecs", 0, "enabled"},
		{"systemctl stop docker", 1, "cannot be stopped"},
		{"systemctl disable docker", 0, ""},
		{"systemctl start httpd", 5, "Unit httpd.service not found"},
		{"systemctl enable httpd", 1, "Unit file httpd.service does not exist"},
		{"systemctl sing ecs", 1, "Unknown operation sing"},
		{"systemctl start", 1, "Too few"},
		{"service docker restart", 0, ""},
		{"service ecs", 1, "Usage"},
		{"initctl stop ecs", 0, "ecs stop/waiting"},
		{"initctl dance ecs", 1, "start, stop or restart"},
		{"chkconfig ecs on", 0, ""},
		{"chkconfig ecs", 1, "usage"},
		{"stop httpd", 1, "Unknown job"},
		{"stop", 1, "missing job"},
		{"cfn-init --stack s", 2, "error: You must specify a stack name and a logical resource id"},
		{"cfn-init --fast", 2, "error: no such option: --fast"},
		{"cfn-get-metadata", 2, "error: You must specify a stack name and a logical resource id"},
		{"nothing", -1, "nothing is no command"},
	} {
		words := strings.Fields(c.line)
		if code, said := l.Run(t.Context(), words[0], words[1:]...); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.line, code, said, c.code, c.says)
		}
	}
	if err := userland.Main(t.Context(), nil); err == nil {
		t.Error("no command was run")
	}
}

// The helper scripts of CloudFormation call its API by the keys of the role.
//
// Proves: E23
func TestHelpersCallCloudFormation(t *testing.T) {
	l := newLab(t)
	at := "--url=" + l.Metadata + "/cfn"
	for _, c := range []struct {
		line, calls string
		code        int
	}{
		{"cfn-signal -e 0 --stack s --resource G " + at, "SignalResource G SUCCESS i-1 true", 0},
		{"cfn-signal --exit-code=1 --stack s --resource G --region x " + at, "SignalResource G FAILURE i-1 true", 0},
		{"cfn-signal --success false -i me --stack s --resource G " + at, "SignalResource G FAILURE me true", 0},
		{"cfn-signal -s true --stack lost --resource G " + at, "SignalResource G SUCCESS i-1 true", 1},
		{"cfn-signal -e 0 --stack s " + at, "", 1},
		{"cfn-signal --what", "", 2},
		{"cfn-signal -e", "", 2},
		{"cfn-get-metadata -s s -r G -k A " + at, "DescribeStackResource G   true", 0},
		{"cfn-get-metadata", "", 2},
	} {
		l.calls, l.metadata = nil, `{"A": "b"}`
		words := strings.Fields(c.line)
		code, said := l.Run(t.Context(), words[0], words[1:]...)
		if got := strings.Join(l.calls, "\n"); code != c.code || got != c.calls {
			t.Errorf("%s: %d %q %q, want %d %q", c.line, code, got, said, c.code, c.calls)
		}
	}
	if code, said := l.Run(t.Context(), "cfn-signal", "-e", "2", "-r", "broken", "-d", "x", l.Metadata+"/handle"); code != 0 ||
		l.handle != `{"Data":"x","Reason":"broken","Status":"FAILURE","UniqueId":"i-1"}` {
		t.Errorf("%d %s %s", code, said, l.handle)
	}
	if code, _ := l.Run(t.Context(), "cfn-signal", l.Metadata+"/lost"); code != 1 {
		t.Errorf("an address that is not there: %d", code)
	}
	l.role = ""
	code, said := l.Run(t.Context(), "cfn-signal", "--stack", "s", "--resource", "G", at)
	if code != 1 || !strings.Contains(said, "no instance profile") {
		t.Errorf("without a profile: %d %s", code, said)
	}
}

// cfn-init makes files, runs commands and starts services, or says what it has not.
func TestCfnInit(t *testing.T) {
	l := newLab(t)
	at := "--url=" + l.Metadata + "/cfn"
	const wide = `{"AWS::CloudFormation::Init": {"configSets": {"default": ["one", {"ConfigSet": "more"}], "more": ["two"]},
		"one": {"files": {"/etc/ecs/ecs.config": {"content": "ECS_CLUSTER=x\n", "mode": "000600", "owner": "root", "group": "root"},
			"/etc/x.json": {"content": {"a": 1}}, "/etc/b": {"content": "Yg==", "encoding": "base64"},
			"/etc/l": {"content": "/etc/b", "mode": "120644"}},
			"commands": {"2": {"command": ["sh", "-c", "echo $WHO >> made"], "env": {"WHO": "list"}},
				"1": {"command": "echo text > made"},
				"3": {"command": "echo never > made", "test": "false"}, "4": {"command": "exit 3", "ignoreErrors": "true"}}},
		"two": {"packages": {"yum": {"ecs-init": []}}, "services": {"sysvinit": {"cfn-hup": {"enabled": "true"}},
			"systemd": {"ecs": {"enabled": "true", "ensureRunning": true}, "docker": {"ensureRunning": true}}}}}}`
	l.metadata = wide
	code, said := l.Run(t.Context(), "cfn-init", "-v", "-s", "s", "-r", "G", at)
	if code != 0 || !strings.Contains(said, "cfn-hup is not built") {
		t.Fatalf("%d %s", code, said)
	}
	for name, want := range map[string]string{
		"etc/ecs/ecs.config": "ECS_CLUSTER=x\n", "etc/x.json": `{"a": 1}`, "etc/b": "b", "made": "text\nlist\n",
	} {
		if b, err := os.ReadFile(filepath.Join(l.Root, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	for metadata, says := range map[string]string{
		`{}`:                                "could not find",
		`{"AWS::CloudFormation::Init": {}}`: "no config found",
		`{"AWS::CloudFormation::Init": {"configSets": 1}}`:                                                     "not sets",
		`{"AWS::CloudFormation::Init": {"configSets": {"default": "x"}}}`:                                      "No ConfigSet",
		`{"AWS::CloudFormation::Init": {"configSets": {"default": [1]}}}`:                                      "names nothing",
		`{"AWS::CloudFormation::Init": {"config": 1}}`:                                                         "read config",
		`{"AWS::CloudFormation::Init": {"config": {"users": {"u": {}}}}}`:                                      "not built",
		`{"AWS::CloudFormation::Init": {"config": {"packages": {"rpm": {"x": []}}}}}`:                          "not built",
		`{"AWS::CloudFormation::Init": {"config": {"packages": {"yum": {"httpd": []}}}}}`:                      "No package httpd",
		`{"AWS::CloudFormation::Init": {"config": {"commands": {"c": {"command": "exit 4"}}}}}`:                "exit status 4",
		`{"AWS::CloudFormation::Init": {"config": {"commands": {"c": {}}}}}`:                                   "no command",
		`{"AWS::CloudFormation::Init": {"config": {"files": {"/f": {"context": {}}}}}}`:                        "context",
		`{"AWS::CloudFormation::Init": {"config": {"files": {"/f": {"owner": "me"}}}}}`:                        "others than root",
		`{"AWS::CloudFormation::Init": {"config": {"files": {"/f": {"source": "` + l.Metadata + `/lost"}}}}}`:  "404",
		`{"AWS::CloudFormation::Init": {"config": {"files": {"/g": {"source": "` + l.Metadata + `/large"}}}}}`: "more than 8388608 bytes",
		`{"AWS::CloudFormation::Init": {"config": {"services": {"systemd": {"httpd": {"enabled": true}}}}}}`:   "not found",
		`[`: "read the metadata",
	} {
		l.metadata = metadata
		if code, said := l.Run(t.Context(), "cfn-init", "-s", "s", "-r", "G", at); code != 1 || !strings.Contains(said, says) {
			t.Errorf("%s: %d %s, want %q", metadata, code, said, says)
		}
	}
	if code, _ := l.Run(t.Context(), "cfn-init", "-s", "s"); code != 2 {
		t.Errorf("without a resource: %d", code)
	}
	code, said = l.Run(t.Context(), "cfn-init", "-s", "lost", "-r", "G", at)
	if code != 1 || said != "ValidationError: Stack lost does not exist\n" {
		t.Errorf("of no stack: %d %s", code, said)
	}
}
