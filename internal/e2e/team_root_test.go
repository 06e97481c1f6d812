//go:build root

package e2e_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/wire"
)

// team is a server for a team in a network namespace of its own, and a
// teammate's machine: another namespace, on the same wire.
type team struct {
	*hello
	spaces *kernel.Linux
	client *http.Client
	url    string
	root   ident.Key
}

// The two machines' addresses.
const (
	serverAddress = "192.0.2.1"
	clientAddress = "192.0.2.2"
)

// newTeam makes the two machines and starts the server, which listens on all of
// its addresses.
func newTeam(t *testing.T, flags ...string) *team {
	t.Helper()
	x := &team{hello: &hello{berth: start(t)}, url: "https://" + serverAddress + ":4566"}
	x.connect()
	x.begin(flags...)
	ca, err := os.ReadFile(filepath.Join(x.data, "ca", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	inside, err := kernel.OpenNetns(x.spaces.Path("client"))
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DialContext: inside.DialContext, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	x.client = &http.Client{Transport: tr}
	t.Cleanup(func() { tr.CloseIdleConnections(); _ = inside.Close() })
	return x
}

// connect makes the namespaces, a wire between them and their addresses.
func (x *team) connect() {
	x.t.Helper()
	dir := filepath.Join(x.t.TempDir(), "netns")
	spaces, err := kernel.NewLinux(dir, 0)
	if err != nil {
		x.t.Fatal(err)
	}
	x.spaces = spaces
	var ends []kernel.Space
	for _, name := range []string{"server", "client"} {
		s, err := spaces.Create(name, false)
		if err != nil {
			x.t.Fatal(err)
		}
		ends = append(ends, s)
	}
	x.t.Cleanup(func() {
		for i, name := range []string{"server", "client"} {
			_ = ends[i].Close()
			if err := spaces.Delete(name); err != nil {
				x.t.Error(err)
			}
		}
		if err := spaces.Release(); err != nil {
			x.t.Error(err)
		}
	})
	if err := ends[0].AddLink(kernel.Link{Name: "lan"}, ends[1], kernel.Link{Name: "lan"}); err != nil {
		x.t.Fatal(err)
	}
	for i, at := range []string{serverAddress, clientAddress} {
		if err := ends[i].AddAddress(kernel.Address{Dev: "lan", Prefix: netip.MustParsePrefix(at + "/24")}); err != nil {
			x.t.Fatal(err)
		}
	}
}

// in is a command of the program on one of the machines.
func (x *team) in(space string, args ...string) *exec.Cmd {
	return exec.CommandContext(await.Context(x.t), "nsenter", append([]string{"--net=" + x.spaces.Path(space), x.bin}, args...)...)
}

// begin starts the server and learns the root's key, which is shown once.
func (x *team) begin(flags ...string) {
	x.t.Helper()
	if err := os.MkdirAll(x.data, 0o700); err != nil {
		x.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(x.data, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		x.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("nsenter", append([]string{ // it outlives this call
		"--net=" + x.spaces.Path("server"), x.bin, "server", "--data", x.data, "--listen", "0.0.0.0:4566", "--allow-host", "team.test",
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	x.t.Cleanup(func() { // before the namespaces go
		if out, err := x.in("server", "stop", "--data", x.data).CombinedOutput(); err != nil {
			x.t.Errorf("berth stop: %v\n%s", err, out)
		}
		_ = cmd.Process.Kill() // if the test has not come to its end
		<-done
		nothingLeft(x.t, x.data)
	})
	shown := regexp.MustCompile(`AWS_ACCESS_KEY_ID=(\S+) AWS_SECRET_ACCESS_KEY=(\S+)`)
	x.await("the server shows its root's key", func() bool {
		text, err := os.ReadFile(log.Name())
		m := shown.FindStringSubmatch(string(text))
		if err != nil || m == nil {
			return false
		}
		x.root = ident.Key{ID: m[1], Secret: m[2]}
		return true
	})
}

// call is one call to the team's server.
type call struct {
	op     string // ecs:ListClusters
	with   string // its JSON, or its form
	key    ident.Key
	bare   bool // not signed
	skew   time.Duration
	region string
	host   string
	origin string
}

// versions of the services that are called with forms.
var versions = map[string]string{"iam": versionIAM, "sts": "2011-06-15", "ec2": versionEC2, "elasticloadbalancing": "2015-12-01"}

// do makes the call from the teammate's machine.
func (x *team) do(c call) (status int, body string) {
	x.t.Helper()
	service, op, _ := strings.Cut(c.op, ":")
	text, kind := c.with, "application/x-amz-json-1.1"
	if v, ok := versions[service]; ok {
		text, kind = strings.TrimSuffix("Action="+op+"&Version="+v+"&"+c.with, "&"), "application/x-www-form-urlencoded"
	} else if text == "" {
		text = "{}"
	}
	r, err := http.NewRequestWithContext(await.Context(x.t), http.MethodPost, x.url, strings.NewReader(text))
	if err != nil {
		x.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if target, ok := map[string]string{
		"ecs": "AmazonEC2ContainerServiceV20141113.", "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.",
	}[service]; ok {
		r.Header.Set("X-Amz-Target", target+op)
	}
	if r.Host = serverAddress + ":4566"; c.host != "" {
		r.Host = c.host
	}
	if c.origin != "" {
		r.Header.Set("Origin", c.origin)
	}
	region := "us-east-1"
	if c.region != "" {
		region = c.region
	}
	if !c.bare {
		wire.Sign(r, []byte(text), c.key, region, service, time.Now().Add(c.skew))
	}
	res, err := x.client.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// refusal is the code and the text of an error, in any protocol.
func refusal(body string) (code, message string) {
	var j struct {
		Type, Message string
		Lower         string `json:"message"`
		Code          string `json:"__type"`
	}
	if json.Unmarshal([]byte(body), &j) == nil {
		return j.Code, j.Message + j.Lower
	}
	var x struct {
		Query struct{ Code, Message string } `xml:"Error"`
		EC2   struct{ Code, Message string } `xml:"Errors>Error"`
	}
	_ = xml.Unmarshal([]byte(body), &x)
	return x.Query.Code + x.EC2.Code, x.Query.Message + x.EC2.Message
}

// good makes a call that must succeed.
func (x *team) good(op, with string, key ident.Key) string {
	x.t.Helper()
	status, body := x.do(call{op: op, with: with, key: key})
	if status != http.StatusOK {
		x.t.Fatalf("%s: %d %s", op, status, body)
	}
	return body
}

// user makes a user with a policy and a key.
func (x *team) user(name, policy string) ident.Key {
	x.t.Helper()
	x.good("iam:CreateUser", "UserName="+name, x.root)
	x.good("iam:PutUserPolicy", "UserName="+name+"&PolicyName=p&PolicyDocument="+url.QueryEscape(policy), x.root)
	made := x.good("iam:CreateAccessKey", "UserName="+name, x.root)
	return ident.Key{ID: x.member(made, "AccessKeyId"), Secret: x.member(made, "SecretAccessKey")}
}

// session is one of a role that whoever is of the account may assume.
func (x *team) session() ident.Key {
	x.t.Helper()
	x.good("iam:CreateRole", "RoleName=guest&AssumeRolePolicyDocument="+url.QueryEscape(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`,
	), x.root)
	x.good("iam:PutRolePolicy", "RoleName=guest&PolicyName=p&PolicyDocument="+url.QueryEscape(mayRead), x.root)
	// The root may assume no role, as on AWS: a user does.
	who := x.user("assumer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)
	out := x.good("sts:AssumeRole", "RoleArn=arn:aws:iam::000000000000:role/guest&RoleSessionName=visit&DurationSeconds=900", who)
	return ident.Key{ID: x.member(out, "AccessKeyId"), Secret: x.member(out, "SecretAccessKey"), Token: x.member(out, "SessionToken")}
}

// mayRead is a policy of somebody who may only look.
const mayRead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecs:Describe*","ecs:List*","ec2:Describe*","iam:List*"],` +
	`"Resource":"*"}]}`

// What AWS says of each kind of caller who is not let in, by service: code and
// the beginning of the text.
const (
	notSigned    = "Missing Authentication Token"
	notKnown     = "The security token included in the request is invalid."
	notMatching  = "The request signature we calculated does not match the signature you provided."
	hasExpired   = "The security token included in the request is expired"
	notValidated = "AWS was not able to validate the provided access credentials"
	wrongRegion  = "Credential should be scoped to a valid Region, not 'eu-north-1'."
)

// TestRootATeamBetweenNamespaces calls a server that listens on all of its
// addresses from another machine: who is let in, what the others are told in
// AWS's words, and what the audit log has of each.
func TestRootATeamBetweenNamespaces(t *testing.T) {
	x := newTeam(t)
	x.login()
	reader, guest := x.user("reader", mayRead), x.session()
	x.good("ecs:ListClusters", "", guest)
	x.in("server", "clock", "advance", "16m", "--data", x.data).Run() //nolint:errcheck // the calls below show it
	stranger, wrong := x.root, x.root
	stranger.ID, wrong.Secret = "AKIAIOSFODNN7EXAMPLE", "x"
	const late, early = -5*time.Minute - 30*time.Second, 5*time.Minute + 30*time.Second
	for name, c := range map[string]struct {
		call
		status        int
		code, message string
	}{
		"root":                {call{op: "ecs:ListClusters", key: x.root}, 200, "", ""},
		"root, a user's name": {call{op: "ecs:ListClusters", key: x.root, host: "team.test:4566"}, 200, "", ""},
		"no key":              {call{op: "ecs:ListClusters", bare: true}, 400, "MissingAuthenticationTokenException", notSigned},
		"no key, IAM":         {call{op: "iam:ListUsers", bare: true}, 403, "MissingAuthenticationToken", notSigned},
		"unknown key":         {call{op: "ecs:ListClusters", key: stranger}, 400, "UnrecognizedClientException", notKnown},
		"unknown key, IAM":    {call{op: "iam:ListUsers", key: stranger}, 403, "InvalidClientTokenId", notKnown},
		"unknown key, EC2":    {call{op: "ec2:DescribeVpcs", key: stranger}, 401, "AuthFailure", notValidated},
		"wrong secret":        {call{op: "ecs:ListClusters", key: wrong}, 400, "InvalidSignatureException", notMatching},
		"wrong secret, IAM":   {call{op: "iam:ListUsers", key: wrong}, 403, "SignatureDoesNotMatch", notMatching},
		"wrong secret, EC2":   {call{op: "ec2:DescribeVpcs", key: wrong}, 401, "AuthFailure", notValidated},
		"expired":             {call{op: "ecs:ListClusters", key: guest}, 400, "ExpiredTokenException", hasExpired},
		"expired, IAM":        {call{op: "iam:ListUsers", key: guest}, 403, "ExpiredToken", hasExpired},
		"expired, EC2":        {call{op: "ec2:DescribeVpcs", key: guest}, 400, "RequestExpired", "Request has expired."},
		"clock behind":        {call{op: "ecs:ListClusters", key: x.root, skew: late}, 400, "InvalidSignatureException", "Signature expired: "},
		"clock behind, IAM":   {call{op: "iam:ListUsers", key: x.root, skew: late}, 403, "SignatureDoesNotMatch", "Signature expired: "},
		"clock behind, EC2":   {call{op: "ec2:DescribeVpcs", key: x.root, skew: late}, 400, "RequestExpired", "Request has expired."},
		"clock ahead": {
			call{op: "ecs:ListClusters", key: x.root, skew: early}, 400, "InvalidSignatureException", "Signature not yet current: ",
		},
		"wrong Region":      {call{op: "ecs:ListClusters", key: x.root, region: "eu-north-1"}, 400, "InvalidSignatureException", wrongRegion},
		"wrong Region, IAM": {call{op: "iam:ListUsers", key: x.root, region: "eu-north-1"}, 403, "SignatureDoesNotMatch", wrongRegion},
		"wrong Region, EC2": {call{op: "ec2:DescribeVpcs", key: x.root, region: "eu-north-1"}, 401, "AuthFailure", wrongRegion},
		"wrong Host": {
			call{op: "ecs:ListClusters", key: x.root, host: "rebound.example:4566"}, 400, "AccessDeniedException",
			`Host "rebound.example:4566" is not this server's`,
		},
		"wrong Origin": {
			call{op: "ecs:ListClusters", key: x.root, origin: "https://page.example"}, 400, "AccessDeniedException",
			"Pages of other sites (origin \"https://page.example\") may not call this server",
		},
		"reader reads":     {call{op: "ecs:DescribeClusters", key: reader}, 200, "", ""},
		"reader reads EC2": {call{op: "ec2:DescribeVpcs", key: reader}, 200, "", ""},
		"reader writes": {
			call{op: "ecs:CreateCluster", with: `{"clusterName":"no"}`, key: reader}, 400, "AccessDeniedException",
			"User: arn:aws:iam::000000000000:user/reader is not authorized to perform: ecs:CreateCluster on resource: * because no " +
				"identity-based policy allows the ecs:CreateCluster action",
		},
		"reader writes, IAM": {
			call{op: "iam:CreateUser", with: "UserName=no", key: reader}, 403, "AccessDenied",
			"User: arn:aws:iam::000000000000:user/reader is not authorized to perform: iam:CreateUser on resource: " +
				"arn:aws:iam::000000000000:user/no because no identity-based policy allows the iam:CreateUser action",
		},
		"reader writes, EC2": {
			call{op: "ec2:CreateVpc", with: "CidrBlock=10.9.0.0/16", key: reader}, 403, "UnauthorizedOperation",
			"You are not authorized to perform this operation. User: arn:aws:iam::000000000000:user/reader is not authorized to perform: ec2:CreateVpc",
		},
	} {
		status, body := x.do(c.call)
		code, message := refusal(body)
		if status != c.status || code != c.code || !strings.HasPrefix(message, c.message) {
			t.Errorf("%s: %d %s %q\nwant %d %s %q", name, status, code, message, c.status, c.code, c.message)
		}
	}
	x.throttled("ecs:CreateCluster", `{"clusterName":"c"}`, 400, "ThrottlingException", "Rate exceeded")
	x.throttled("ec2:DeleteVpc", "VpcId=vpc-00000000000000000", 503, "RequestLimitExceeded", "Request limit exceeded.")
	x.audited(reader, stranger)
}

// login makes a teammate's profile, which is theirs alone.
func (x *team) login() {
	x.t.Helper()
	home := x.t.TempDir()
	log, err := os.ReadFile(filepath.Join(x.data, "server.log"))
	if err != nil {
		x.t.Fatal(err)
	}
	mark := regexp.MustCompile(`SHA-256 ([0-9a-f]{64})`).FindSubmatch(log)
	if mark == nil {
		x.t.Fatalf("no fingerprint is shown:\n%s", log)
	}
	for _, c := range []struct{ mark, says string }{
		{strings.Repeat("0", 64), "shows an authority with another SHA-256"}, {string(mark[1]), "profile berth is written"},
	} {
		cmd := x.in("client", "login", x.url, "--fingerprint", c.mark)
		cmd.Env = append(os.Environ(), "HOME="+home, "AWS_ACCESS_KEY_ID="+x.root.ID, "AWS_SECRET_ACCESS_KEY="+x.root.Secret)
		if out, _ := cmd.CombinedOutput(); !bytes.Contains(out, []byte(c.says)) {
			x.t.Errorf("berth login: %s\nwant %s", out, c.says)
		}
	}
	info, err := os.Stat(filepath.Join(home, ".aws", "credentials"))
	if err != nil || info.Mode().Perm() != 0o600 {
		x.t.Errorf("credentials: %v, %v", info, err)
	}
}

// throttled calls until the account's bucket is empty; a stranger's calls
// before took nothing out of it.
func (x *team) throttled(op, with string, status int, code, message string) {
	x.t.Helper()
	for range 100 {
		if s, body := x.do(call{op: op, with: with, bare: true}); s == status && strings.Contains(body, code) {
			x.t.Fatalf("a stranger is throttled: %s", body)
		}
	}
	first := true
	x.await(op+" is throttled", func() bool {
		s, body := x.do(call{op: op, with: with, key: x.root})
		c, m := refusal(body)
		if c != code {
			first = false
			return false
		}
		if first || s != status || m != message {
			x.t.Errorf("%s: %d %s %q (first: %v), want %d %s %q", op, s, c, m, first, status, code, message)
		}
		return true
	})
}

// audited holds what the log has of the calls: each with who made it and what
// came of it, and none of a stranger.
func (x *team) audited(reader, stranger ident.Key) {
	x.t.Helper()
	for _, want := range []struct{ by, value, op, who, code string }{
		{"EventName", "ListClusters", "ListClusters", "arn:aws:iam::000000000000:root", ""},
		{"Username", "reader", "CreateCluster", "arn:aws:iam::000000000000:user/reader", "AccessDenied"},
		{"Username", "reader", "CreateVpc", "arn:aws:iam::000000000000:user/reader", "Client.UnauthorizedOperation"},
		{"Username", "reader", "DescribeClusters", "arn:aws:iam::000000000000:user/reader", ""},
		{"Username", "visit", "ListClusters", "arn:aws:sts::000000000000:assumed-role/guest/visit", ""},
		{"EventName", "CreateCluster", "CreateCluster", "arn:aws:iam::000000000000:root", "ThrottlingException"},
		{"EventName", "DeleteVpc", "DeleteVpc", "arn:aws:iam::000000000000:root", "Client.RequestLimitExceeded"},
		{"AccessKeyId", reader.ID, "DescribeVpcs", "arn:aws:iam::000000000000:user/reader", ""},
	} {
		found := false
		for _, e := range x.events(want.by, want.value) {
			user, _ := e["userIdentity"].(map[string]any)
			found = found || text(e["eventName"]) == want.op && text(user["arn"]) == want.who && text(e["errorCode"]) == want.code &&
				text(e["sourceIPAddress"]) == clientAddress
		}
		if !found {
			x.t.Errorf("the audit log has no %s of %s that ended with %q", want.op, want.who, want.code)
		}
	}
	if got := x.events("AccessKeyId", stranger.ID); len(got) > 0 {
		x.t.Errorf("a stranger is in the audit log: %v", got)
	}
}

// events are what the log has, by one attribute: looked up as fast as one may.
func (x *team) events(key, value string) (out []map[string]any) {
	x.t.Helper()
	in := map[string]any{"LookupAttributes": []any{map[string]any{"AttributeKey": key, "AttributeValue": value}}}
	for more := true; more; {
		b, err := json.Marshal(in)
		if err != nil {
			x.t.Fatal(err)
		}
		var page struct {
			Events    []struct{ CloudTrailEvent string }
			NextToken string
		}
		x.await("events are looked up", func() bool {
			status, body := x.do(call{op: "cloudtrail:LookupEvents", with: string(b), key: x.root})
			code, message := refusal(body)
			if status != http.StatusOK && code != "ThrottlingException" {
				x.t.Fatalf("LookupEvents: %d %s %s", status, code, message)
			}
			return status == http.StatusOK && json.Unmarshal([]byte(body), &page) == nil
		})
		for _, e := range page.Events {
			var record map[string]any
			if err := json.Unmarshal([]byte(e.CloudTrailEvent), &record); err != nil {
				x.t.Fatal(err)
			}
			out = append(out, record)
		}
		in["NextToken"], more = page.NextToken, page.NextToken != ""
	}
	return out
}

// internetFacing makes a load balancer that says "here" on port 8080, and
// returns its security group.
func (x *team) internetFacing() (group string) {
	group, _ = x.balancer("web", "Scheme=internet-facing", "here")
	return group
}

// balancer makes a load balancer in a VPC of its own that says something on port
// 8080, and returns its security group and its name in the DNS.
func (x *team) balancer(name, scheme, says string) (group, host string) {
	x.t.Helper()
	ec2 := func(op, with, name string) string {
		x.t.Helper()
		out := x.good("ec2:"+op, with, x.root)
		if name == "" {
			return ""
		}
		return x.member(out, name)
	}
	vpc := ec2("CreateVpc", "CidrBlock=10.9.0.0/16", "vpcId")
	gateway := ec2("CreateInternetGateway", "", "internetGatewayId")
	ec2("AttachInternetGateway", "VpcId="+vpc+"&InternetGatewayId="+gateway, "")
	table := ec2("CreateRouteTable", "VpcId="+vpc, "routeTableId")
	ec2("CreateRoute", "RouteTableId="+table+"&DestinationCidrBlock=0.0.0.0/0&GatewayId="+gateway, "")
	with := "Name=" + name + "&" + scheme
	for i, zone := range []string{"a", "b"} {
		n := strconv.Itoa(i + 1)
		subnet := ec2("CreateSubnet", "VpcId="+vpc+"&CidrBlock=10.9."+n+".0/24&AvailabilityZone=us-east-1"+zone, "subnetId")
		ec2("AssociateRouteTable", "RouteTableId="+table+"&SubnetId="+subnet, "")
		with += "&Subnets.member." + n + "=" + subnet
	}
	group = ec2("CreateSecurityGroup", "VpcId="+vpc+"&GroupName=web&GroupDescription=web", "groupId")
	made := x.good("elasticloadbalancing:CreateLoadBalancer", with+"&SecurityGroups.member.1="+group, x.root)
	lb := x.member(made, "LoadBalancerArn")
	x.good("elasticloadbalancing:CreateListener", "LoadBalancerArn="+url.QueryEscape(lb)+"&Protocol=HTTP&Port=8080"+
		"&DefaultActions.member.1.Type=fixed-response&DefaultActions.member.1.FixedResponseConfig.StatusCode=200"+
		"&DefaultActions.member.1.FixedResponseConfig.MessageBody="+says, x.root)
	return group, x.member(made, "DNSName")
}

// TestRootATeamReachesPublishedLoadBalancers reads a load balancer's page from
// another machine, at the address that the server's machine publishes: as long
// as the security group lets that machine in, and nobody else.
func TestRootATeamReachesPublishedLoadBalancers(t *testing.T) {
	x := newTeam(t, "--publish", serverAddress)
	group := x.internetFacing()
	page := func() string { return x.page("client", "http://"+serverAddress+":8080/") }
	rule := func(op, from string, port int) { x.rule(group, op, from, port) }
	rule("AuthorizeSecurityGroupIngress", "192.0.2.9/32", 8080)
	rule("AuthorizeSecurityGroupIngress", clientAddress+"/32", 8081)
	if got := page(); got != "nothing" {
		t.Errorf("another machine or another port is let in, and the page says %q", got)
	}
	rule("AuthorizeSecurityGroupIngress", clientAddress+"/32", 8080)
	x.await("the page is there", func() bool { return page() == "here" })
	rule("RevokeSecurityGroupIngress", clientAddress+"/32", 8080)
	x.await("the page is gone", func() bool { return page() == "nothing" })
	out, err := x.in("server", "server", "--data", t.TempDir(), "--listen", "127.0.0.1:4599", "--publish", "192.0.2.77").CombinedOutput()
	if want := "--publish 192.0.2.77: this machine has no such address beside loopback; it has " + serverAddress; err == nil ||
		!strings.Contains(string(out), want) {
		t.Errorf("%v: %s\nwant %s", err, out, want)
	}
}

// unanswered is how long a page is waited for: who is not let in has packets
// dropped, and hears nothing.
const unanswered = 2 * time.Second

// page asks for a page from one of the machines; "nothing" is no answer.
func (x *team) page(space, from string) string {
	x.t.Helper()
	inside, err := kernel.OpenNetns(x.spaces.Path(space))
	if err != nil {
		x.t.Fatal(err)
	}
	defer inside.Close()
	c := &http.Client{Timeout: unanswered, Transport: &http.Transport{DialContext: inside.DialContext, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(await.Context(x.t), http.MethodGet, from, http.NoBody)
	if err != nil {
		x.t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return "nothing"
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// rule adds or takes away a rule of a security group.
func (x *team) rule(group, op, from string, port int) {
	x.t.Helper()
	x.good("ec2:"+op, "GroupId="+group+"&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort="+strconv.Itoa(port)+
		"&IpPermissions.1.ToPort="+strconv.Itoa(port)+"&IpPermissions.1.IpRanges.1.CidrIp="+url.QueryEscape(from), x.root)
}

// TestRootAClientOfTheHostIsOnTheInternet asks for load balancers' pages on the
// server's own machine: two share a port, and each answers at an address of
// its own. Their security group decides, and who is not let in waits in vain.
func TestRootAClientOfTheHostIsOnTheInternet(t *testing.T) {
	x := newTeam(t)
	group := x.internetFacing()
	at := regexp.MustCompile(`http://127\.\d+\.\d+\.\d+:8080/`)
	status := func() string {
		out, err := x.in("server", "--data", x.data, "status").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := status(); !strings.Contains(out, "no rule of "+group+" lets 127.0.0.1 in to port 8080") || at.MatchString(out) {
		t.Errorf("status says\n%s", out)
	}
	x.rule(group, "AuthorizeSecurityGroupIngress", "0.0.0.0/0", 8080)
	var own string
	x.await("status tells of an address", func() bool { own = at.FindString(status()); return own != "" })
	x.await("the page is there", func() bool {
		return x.page("server", own) == "here" && x.page("server", "http://127.0.0.1:8080/") == "here"
	})
	x.rule(group, "RevokeSecurityGroupIngress", "0.0.0.0/0", 8080)
	x.await("the page is gone", func() bool { return x.page("server", own) == "nothing" })
	x.rule(group, "AuthorizeSecurityGroupIngress", "127.0.0.1/32", 8080)
	x.await("the page is there for this machine", func() bool { return x.page("server", own) == "here" })
}
