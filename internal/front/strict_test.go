package front_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/wire"
)

// known is the key that the tests' Keys know.
var known = ident.Key{ID: "ASIAKNOWN", Secret: "s", Token: "t"}

// stamp is how a signature's time is written.
const stamp = "20060102T150405Z"

// signed signs a request as it is.
func signed(r *http.Request, k ident.Key, region, service string, at time.Time) *http.Request {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	wire.Sign(r, body, k, region, service, at)
	return r
}

// form is a call of a Query service or of EC2.
func form(text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// presigned is a GET that is signed in its query string.
func presigned(query, service string, at time.Time, expires time.Duration) *http.Request {
	day, when := at.Format("20060102"), at.Format(stamp)
	scope := day + "/" + place.Region + "/" + service + "/aws4_request"
	q, _ := url.ParseQuery(query)
	for k, v := range map[string]string{
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": known.ID + "/" + scope, "X-Amz-Date": when, "X-Amz-SignedHeaders": "host",
		"X-Amz-Security-Token": known.Token, "X-Amz-Expires": strconv.Itoa(int(expires.Seconds())),
	} {
		q.Set(k, v)
	}
	sum := func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	text := "AWS4-HMAC-SHA256\n" + when + "\n" + scope + "\n" +
		sum("GET\n/\n"+strings.ReplaceAll(q.Encode(), "+", "%20")+"\nhost:berth.test\n\nhost\n"+sum(""))
	key := []byte("AWS4" + known.Secret)
	for _, part := range []string{day, place.Region, service, "aws4_request", text} {
		m := hmac.New(sha256.New, key)
		_, _ = io.WriteString(m, part)
		key = m.Sum(nil)
	}
	r := httptest.NewRequest(http.MethodGet, "/?"+q.Encode()+"&X-Amz-Signature="+hex.EncodeToString(key), nil)
	r.Host = "berth.test"
	return r
}

// notValidated is all that EC2 says of a key or a signature that is wrong.
const notValidated = "AWS was not able to validate the provided access credentials"

// TestWhoIsLetIn holds what a listener of the network answers to callers, in
// each protocol.
func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{Strict: true, Dated: true})
	create := func() *http.Request { return target(`{"clusterName":"c"}`, "CreateCluster") }
	const vpcs, role = "Action=DescribeVpcs&Version=2016-11-15", "Action=GetRole&Version=2010-05-08&RoleName=r"
	stranger, wrong, noToken := known, known, known
	stranger.ID, wrong.Secret, noToken.Token = "AKIASTRANGER", "x", ""
	here := place.Region
	late, early := start.Add(-5*time.Minute-time.Second), start.Add(5*time.Minute+time.Second)
	tests := map[string]struct {
		r      *http.Request
		status int
		has    string
	}{
		"good":              {signed(create(), known, here, "ecs", start), 200, "clusterArn"},
		"good, a bit late":  {signed(create(), known, here, "ecs", late.Add(time.Second)), 200, "clusterArn"},
		"good, a bit early": {signed(create(), known, here, "ecs", early.Add(-time.Second)), 200, "clusterArn"},
		"good form":         {signed(form(role), known, here, "iam", start), 200, "<RoleName>r</RoleName>"},
		"good, presigned":   {presigned(role, "iam", start.Add(-50*time.Second), time.Minute), 200, "<RoleName>r</RoleName>"},
		"not signed":        {create(), 400, "MissingAuthenticationTokenException"},
		"not signed, form":  {form(role), 403, "<Code>MissingAuthenticationToken</Code>"},
		"stranger":          {signed(create(), stranger, here, "ecs", start), 400, "UnrecognizedClientException"},
		"stranger, form":    {signed(form(role), stranger, here, "iam", start), 403, "<Code>InvalidClientTokenId</Code>"},
		"stranger, EC2":     {signed(form(vpcs), stranger, here, "ec2", start), 401, "<Code>AuthFailure</Code><Message>" + notValidated + "<"},
		"wrong secret, EC2": {signed(form(vpcs), wrong, here, "ec2", start), 401, "<Code>AuthFailure</Code><Message>" + notValidated + "<"},
		"Region, EC2":       {signed(form(vpcs), known, "eu-north-1", "ec2", start), 401, "scoped to a valid Region"},
		"not signed, EC2": {
			httptest.NewRequest(http.MethodGet, "/?"+vpcs, http.NoBody), 400, "<Code>MissingParameter</Code><Message>The request must contain the parameter AWSAccessKeyId</Message>",
		},
		"wrong secret":       {signed(create(), wrong, here, "ecs", start), 400, "InvalidSignatureException"},
		"no token":           {signed(create(), noToken, here, "ecs", start), 400, "UnrecognizedClientException"},
		"too late":           {signed(create(), known, here, "ecs", late), 400, "Signature expired: " + late.Format(stamp) + " is now earlier"},
		"too late, form":     {signed(form(role), known, here, "iam", late), 403, "<Code>SignatureDoesNotMatch</Code>"},
		"too late, EC2":      {signed(form(vpcs), known, here, "ec2", late), 400, "<Code>RequestExpired</Code>"},
		"too early":          {signed(create(), known, here, "ecs", early), 400, "Signature not yet current: "},
		"too early, EC2":     {signed(form(vpcs), known, here, "ec2", early), 400, "<Code>RequestExpired</Code>"},
		"presigned, expired": {presigned(role, "iam", start.Add(-61*time.Second), time.Minute), 403, "Signature expired: "},
		"another Region":     {signed(create(), known, "eu-north-1", "ecs", start), 400, "scoped to a valid Region, not 'eu-north-1'"},
		"another service":    {signed(create(), known, here, "iam", start), 400, "Credential should be scoped to correct service: 'ecs'."},
		"expired session":    {signed(create(), ident.Key{ID: "ASIAGONE", Secret: "s"}, here, "ecs", start), 400, "ExpiredTokenException"},
	}
	for name, tt := range tests {
		if status, got := do(h, tt.r); status != tt.status || !strings.Contains(got, tt.has) {
			t.Errorf("%s: %d %s\nwant %d %s", name, status, got, tt.status, tt.has)
		}
	}
}

// The paths beside AWS's APIs want a caller too, whom IAM lets read, and are
// only read from afar.
func TestOwnPathsWantACaller(t *testing.T) {
	t.Parallel()
	f, asked, _ := newFront(t)
	f.HandleAs("/_berth/", "berth:Read", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	strict, open := f.Handler(front.Listener{Strict: true, Dated: true}), f.Handler(front.Listener{})
	get := func(method string) *http.Request { return httptest.NewRequest(method, "/_berth/health", http.NoBody) }
	if _, got := do(open, get(http.MethodPost)); got != "inside" {
		t.Error("on the machine itself:", got)
	}
	w := httptest.NewRecorder()
	strict.ServeHTTP(w, get(http.MethodGet))
	if w.Code != 403 || w.Body.String() == "inside" || w.Header().Get(front.RegionHeader) != place.Region {
		t.Error("a stranger:", w.Code, w.Body, w.Header())
	}
	_, got := do(strict, signed(get(http.MethodGet), known, place.Region, "berth", start))
	if got != "inside" || asked.asked[0] != "berth:Read *" {
		t.Error("a caller:", got, asked.asked)
	}
	if status, got := do(strict, signed(get(http.MethodPost), known, place.Region, "berth", start)); status != 403 {
		t.Error("a change:", status, got)
	}
}

// A listener of the network is called by its address, too, which no page can
// make its own.
func TestTheAddressThatACallCameTo(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	srv := httptest.NewUnstartedServer(f.Handler(front.Listener{Guard: &front.Guard{}, Strict: true}))
	srv.Listener = named{srv.Listener}
	srv.Start()
	t.Cleanup(srv.Close)
	for host, want := range map[string]int{"192.0.2.7": 400, "192.0.2.7:4566": 400, "192.0.2.8": 403, "evil.example": 403} {
		r := target("{}", "CreateCluster")
		r.RequestURI, r.Host = "", host
		r.URL, _ = url.Parse(srv.URL)
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if refused := strings.Contains(string(b), "is not this server's"); refused != (want == 403) {
			t.Errorf("%s: %s", host, b)
		}
	}
}

// named is a listener whose connections come to an address of the network.
type named struct{ net.Listener }

func (n named) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	return conn{c}, err
}

type conn struct{ net.Conn }

func (conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4566} }
