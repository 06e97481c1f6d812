//go:build root

package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/internal/container/image"
)

// others plays the Internet's registries on loopback: TLS with a certificate
// that nobody knows, a login, and a proxy as the only way to it.
type others struct {
	t     *testing.T
	tls   *httptest.Server
	proxy *httptest.Server
	dir   string
}

// elsewhere is the name under which the registry is known, as one of the
// Internet is; nobody resolves it but the proxy.
const elsewhere = "registry.example"

func outside(t *testing.T) *others {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{elsewhere},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	o := &others{t: t, dir: t.TempDir()}
	quiet := log.New(io.Discard, "", 0)
	images := registry.New(registry.Logger(quiet))
	o.tls = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	o.tls.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	o.proxy = httptest.NewServer(http.HandlerFunc(o.connect))
	for _, s := range []*httptest.Server{o.tls, o.proxy} {
		s.Config.ErrorLog = quiet
	}
	o.tls.StartTLS()
	t.Cleanup(o.end)
	o.file("bundle.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	o.file("config.json", `{"auths":{"`+elsewhere+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:secret"))+`"}}}`)
	return o
}

func (o *others) end() {
	o.proxy.CloseClientConnections()
	o.proxy.Close()
	o.tls.CloseClientConnections()
	o.tls.Close()
}

func (o *others) file(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// connect leads whatever is asked for to the registry.
func (o *others) connect(w http.ResponseWriter, _ *http.Request) {
	there, err := net.Dial("tcp", o.tls.Listener.Addr().String())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n") // the client may have gone
	go func() {
		_, _ = io.Copy(there, rest)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// environment is what a server has that is to reach it.
func (o *others) environment() []string {
	return []string{
		"HTTPS_PROXY=http://" + o.proxy.Listener.Addr().String(), "SSL_CERT_FILE=" + filepath.Join(o.dir, "bundle.pem"),
		"DOCKER_CONFIG=" + o.dir,
	}
}

// put pushes the example's page.
func (o *others) put(ref string) (digest string) {
	o.t.Helper()
	src, err := image.FromSource(o.t.Context(), "../example/page", image.SourceOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	to, err := name.ParseReference(ref)
	if err != nil {
		o.t.Fatal(err)
	}
	tr := o.tls.Client().Transport.(*http.Transport).Clone()
	defer tr.CloseIdleConnections()
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, o.tls.Listener.Addr().String())
	}
	login := authn.FromConfig(authn.AuthConfig{Username: "me", Password: "secret"})
	if err := remote.Write(to, src.Image, remote.WithTransport(tr), remote.WithAuth(login)); err != nil {
		o.t.Fatal(err)
	}
	h, err := src.Image.Digest()
	if err != nil {
		o.t.Fatal(err)
	}
	return h.String()
}

// ways has one subnet of each kind: with a public way out, behind a NAT
// gateway, and with none.
const ways = `
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.30.0.0/16}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.30.0.0/24}}
  Behind: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.30.1.0/24}}
  Closed: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.30.2.0/24}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  PublicTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PublicRoute:
    Type: AWS::EC2::Route
    DependsOn: Attached
    Properties: {RouteTableId: !Ref PublicTable, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  PublicPart: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {RouteTableId: !Ref PublicTable, SubnetId: !Ref Public}}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {AllocationId: !GetAtt Address.AllocationId, SubnetId: !Ref Public}}
  BehindTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  BehindRoute:
    Type: AWS::EC2::Route
    Properties: {RouteTableId: !Ref BehindTable, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}
  BehindPart: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {RouteTableId: !Ref BehindTable, SubnetId: !Ref Behind}}
  Cluster: {Type: AWS::ECS::Cluster, Properties: {ClusterName: ways}}
  Page:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: page
      Cpu: "256"
      Memory: "512"
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions: [{Name: page, Image: registry.example/team/page:v1}]
Outputs:
  Public: {Value: !Ref Public}
  Behind: {Value: !Ref Behind}
  Closed: {Value: !Ref Closed}
`

// task starts one task in a subnet.
func (h *hello) task(subnet, public string) (arn string) {
	h.t.Helper()
	out := h.ecs("RunTask", map[string]any{
		"cluster": "ways", "taskDefinition": "page", "launchType": "FARGATE",
		"networkConfiguration": map[string]any{"awsvpcConfiguration": map[string]any{"subnets": []any{subnet}, "assignPublicIp": public}},
	})
	return text(list(out["tasks"])[0]["taskArn"])
}

// comesTo waits until a task is RUNNING or STOPPED.
func (h *hello) comesTo(arn string) map[string]any {
	h.t.Helper()
	var last map[string]any
	h.poll(50*time.Millisecond, func() bool {
		last = list(h.ecs("DescribeTasks", map[string]any{"cluster": "ways", "tasks": []any{arn}})["tasks"])[0]
		return last["lastStatus"] == "RUNNING" || last["lastStatus"] == "STOPPED"
	}, func() string { return "the task has not started: " + text(last["lastStatus"]) })
	return last
}

// TestRootImagesOfOthersComeByTheVPCsWayOut has a registry of the Internet, on
// TLS, with a login, behind a proxy, and tasks in subnets with and without a way
// to it. Then the Internet is gone, and the cache serves.
//
// Proves: IR1
func TestRootImagesOfOthersComeByTheVPCsWayOut(t *testing.T) {
	h := &hello{berth: start(t)}
	internet := outside(t)
	want := internet.put(elsewhere + "/team/page:v1")
	h.env = internet.environment()
	template := filepath.Join(t.TempDir(), "ways.yaml")
	if err := os.WriteFile(template, []byte(ways), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("up", template, "--stack", "ways", "--listen", h.addr)
	out := h.outputs("ways")
	closed := h.task(out["Closed"], "DISABLED")
	for why, arn := range map[string]string{
		"a public address and an internet gateway": h.task(out["Public"], "ENABLED"), "a NAT gateway": h.task(out["Behind"], "DISABLED"),
	} {
		got := h.comesTo(arn)
		if c := list(got["containers"])[0]; got["lastStatus"] != "RUNNING" || c["imageDigest"] != want {
			t.Errorf("%s: %v %v, %v; want %s", why, got["lastStatus"], got["stoppedReason"], c, want)
		}
	}
	got := h.comesTo(closed)
	for _, w := range []string{
		"CannotPullContainerError: pull image manifest has been retried", "failed to resolve ref registry.example/team/page:v1", "i/o timeout",
	} {
		if reason := text(got["stoppedReason"]); !strings.Contains(reason, w) {
			t.Errorf("no %q in %q", w, reason)
		}
	}
	if said := h.run("explain", closed); !strings.Contains(said, "has no route 0.0.0.0/0: add one to a NAT gateway") {
		t.Errorf("explained as %s", said)
	}
	internet.end()
	if got := h.comesTo(h.task(out["Public"], "ENABLED")); got["lastStatus"] != "RUNNING" {
		t.Errorf("the Internet is gone: %v %v", got["lastStatus"], got["stoppedReason"])
	}
	if said := h.run("image", "ls"); !strings.Contains(said, elsewhere+"/team/page:v1") {
		t.Errorf("the cache has %s", said)
	}
	if out, err := h.try("image", "pull", elsewhere+"/team/other:v1"); err == nil || !strings.Contains(out, elsewhere+"/team/other:v1: ") {
		t.Errorf("another image, with the Internet gone: %v, %s", err, out)
	}
	h.finish()
}
