package front

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strconv"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
)

// identify says who the caller says to be. A key that Berth handed out must
// verify, and is its role's session. Any other caller is the account's root,
// unless the listener is strict; the key is nil then.
func (x *exchange) identify(sig *wire.Signature) (*ident.Key, error) {
	if sig == nil {
		if x.l.Strict {
			return nil, fault.New(fault.Denied, "MissingAuthentication", "Missing Authentication Token")
		}
		x.call.Principal = ident.Root(x.f.Place)
		return nil, nil
	}
	x.call.AccessKey = sig.AccessKey
	if err := x.scopeFits(sig); err != nil {
		return nil, err
	}
	if x.l.Dated {
		if err := x.current(sig); err != nil {
			return nil, err
		}
	}
	k, known, err := x.f.Keys.Key(x.r.Context(), sig.AccessKey, sig.Token)
	switch {
	case err != nil:
		return nil, err
	case !known && x.l.Strict:
		return nil, fault.New(fault.Denied, "InvalidClientTokenId", "The security token included in the request is invalid.")
	case !known:
		x.call.Principal = ident.Root(x.f.Place)
		return nil, nil
	}
	return &k, nil
}

// verify holds a signature against a key of ours, if it is of one. The key's own
// end is held against the control plane's clock, by which it was made.
func (x *exchange) verify(sig *wire.Signature, k *ident.Key) error {
	if k == nil {
		return nil
	}
	if subtle.ConstantTimeCompare([]byte(k.Token), []byte(sig.Token)) != 1 {
		return fault.New(fault.Denied, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	if !k.Expires.IsZero() && !x.call.At.Before(k.Expires) {
		return fault.New(fault.Denied, "ExpiredToken", "The security token included in the request is expired")
	}
	if err := sig.Verify(x.r, x.body, k.Secret); err != nil {
		return err
	}
	x.call.Principal = k.Principal
	if k.Expires.IsZero() {
		x.f.Keys.Used(x.r.Context(), sig.AccessKey, x.call.At, sig.Service, sig.Region)
	}
	return nil
}

// mostSkew is how far a caller's clock may be from ours: "a request must reach
// AWS within five minutes of the time stamp in the request" (IAM User Guide).
const mostSkew = 5 * time.Minute

// stamp is how AWS writes the time of a signature.
const stamp = "20060102T150405Z"

// current refuses a signature that is too old or from the future, by the real
// clock: the control plane's may run ahead of the caller's by days.
func (x *exchange) current(sig *wire.Signature) error {
	now := x.f.Real.Now().UTC()
	first, last, allowed := now.Add(-mostSkew), now.Add(mostSkew), "5 min."
	if sig.Presigned && sig.Expires > 0 {
		first, allowed = now.Add(-sig.Expires), strconv.Itoa(int(sig.Expires.Seconds()))+" s"
	}
	const (
		early = "Signature expired: %s is now earlier than %s (%s - %s)"
		late  = "Signature not yet current: %s is still later than %s (%s + 5 min.)"
	)
	at, present := sig.At.Format(stamp), now.Format(stamp)
	switch {
	case sig.At.Before(first) && x.to.protocol == wire.EC2, sig.At.After(last) && x.to.protocol == wire.EC2:
		return fault.New(fault.Denied, "RequestExpired", "Request has expired.")
	case sig.At.Before(first):
		return fault.New(fault.Denied, "SignatureDoesNotMatch", early, at, first.Format(stamp), present, allowed)
	case sig.At.After(last):
		return fault.New(fault.Denied, "SignatureDoesNotMatch", late, at, last.Format(stamp), present)
	default:
		return nil
	}
}

// scopeFits refuses a credential scope of another Region, and where a key is
// wanted, of another service.
func (x *exchange) scopeFits(sig *wire.Signature) error {
	if name := x.to.service.SigningName; x.l.Strict && x.to.op != nil && sig.Service != name {
		return fault.New(fault.Denied, "CredentialScope", "Credential should be scoped to correct service: '%s'. ", name)
	}
	return x.regionFits(sig)
}

// regionFits refuses a credential scope of another Region: the caller thinks
// to be elsewhere, and would look for its resources there.
func (x *exchange) regionFits(sig *wire.Signature) error {
	here := x.f.Place.Region
	if sig.Region == here || x.to.service.GlobalEndpoint != "" && sig.Region == "us-east-1" || sig.Region == "" || sig.Region == "aws-global" {
		return nil
	}
	return fault.New(fault.Denied, "CredentialScope",
		"Credential should be scoped to a valid Region, not '%s'. This server is Region %s: set AWS_REGION=%s (AWS_DEFAULT_REGION for the AWS "+
			"CLI version 1, or --region), or start the server with --region %s.",
		sig.Region, here, here, sig.Region)
}

// actions are the IAM actions that are not called like their operation.
var actions = map[string]string{"lambda:Invoke": "lambda:InvokeFunction"}

// prefixes are the services whose IAM prefix is not their signing name.
var prefixes = map[string]string{"monitoring": "cloudwatch"}

// Action is the IAM action of an operation.
func Action(op *wire.Operation) string {
	p := prefix(op.Service)
	if a, ok := actions[p+":"+op.Name]; ok {
		return a
	}
	return p + ":" + op.Name
}

// prefix is a service's name in IAM actions and in ARNs.
func prefix(s *wire.Service) string {
	if p, ok := prefixes[s.SigningName]; ok {
		return p
	}
	return s.SigningName
}

func (f *Front) authorize(ctx context.Context, r *served, op *wire.Operation, in any) error {
	c := wire.CallFrom(ctx)
	if c.Principal.Root || r.open(op.Name) {
		return nil
	}
	resources, err := r.resources(f.Place, c.Principal, op, in)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	return f.Auth.Authorize(ctx, c.Principal, Action(op), resources, f.keys(c))
}

// keys are the condition keys that every call has.
func (f *Front) keys(c wire.Call) map[string]string {
	k := map[string]string{
		"aws:RequestedRegion": f.Place.Region,
		"aws:CurrentTime":     c.At.UTC().Format(time.RFC3339),
		"aws:EpochTime":       strconv.FormatInt(c.At.Unix(), 10),
		"aws:SecureTransport": strconv.FormatBool(c.Secure),
		"aws:UserAgent":       c.Agent,
	}
	for key, v := range map[string]string{"aws:SourceVpce": c.Endpoint, "aws:SourceVpc": c.VPC, "aws:SourceIp": c.Source} {
		if v != "" {
			k[key] = v
		}
	}
	return k
}

// Authenticate says who signed a request that another handler serves (see
// Handle), such as a web socket's handshake. A key that is not ours is refused.
func (f *Front) Authenticate(r *http.Request) (ident.Principal, error) {
	c, err := f.authenticate(Listener{Strict: true}, r)
	return c.Principal, err
}

// authenticate says who sent a request without a body.
func (f *Front) authenticate(l Listener, r *http.Request) (wire.Call, error) {
	x := &exchange{f: f, l: l, r: r, call: f.bareCall(l, r), to: fallbackTarget(r)}
	sig, err := wire.ReadSignature(r)
	if err != nil {
		return x.call, err
	}
	k, err := x.identify(sig)
	if err != nil {
		return x.call, err
	}
	return x.call, x.verify(sig, k)
}

// admitTo decides whether a request of a strict listener may go to a handler
// that wants an action: whoever may read, on the machine itself anything.
func (f *Front) admitTo(l Listener, r *http.Request, action string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return fault.New(fault.Denied, "AccessDenied", "%s %s is for root on the server's own machine.", r.Method, r.URL.Path)
	}
	c, err := f.authenticate(l, r)
	if err != nil || c.Principal.Root {
		return err
	}
	return f.Auth.Authorize(r.Context(), c.Principal, action, []string{"*"}, f.keys(c))
}
