package agent

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"berth/internal/lang/reference"
	"berth/internal/wire"
)

// registriesHost is the name under which the network has all registries that
// are not ECR. It is outside of every VPC: who has no way to the Internet does
// not reach it.
const registriesHost = "registries.localhost"

// foreign reaches a registry that is not ECR: what is asked of it is asked of
// registriesHost, with the registry's name beside it and the machine's own
// signature.
type foreign struct {
	agent *Agent
	ref   reference.Ref
	way   http.RoundTripper
	login login
}

// RoundTrip implements http.RoundTripper.
func (f foreign) RoundTrip(r *http.Request) (*http.Response, error) {
	a := f.agent
	k, err := a.api.own(r.Context())
	if err != nil {
		return nil, err
	}
	to := r.Clone(r.Context())
	to.URL.Scheme, to.URL.Host, to.Host = "https", registriesHost, registriesHost
	if f.login.user != "" {
		to.Header.Set(loginHeader, f.login.header())
	}
	q := to.URL.Query()
	q.Set("ns", f.ref.Registry)
	to.URL.RawQuery = q.Encode()
	wire.Sign(to, nil, k, a.Region, "ecs", a.Clock.Now())
	resp, err := f.way.RoundTrip(to)
	if err != nil {
		return nil, err
	}
	resp.Request = r // errors name what was asked for
	return resp, nil
}

// loginHeader says as whom a registry is asked, as clients say it to Docker's
// engine.
const loginHeader = "X-Registry-Auth"

func (l login) header() string {
	b, err := json.Marshal(map[string]string{"username": l.user, "password": l.password})
	if err != nil {
		return "" // two strings can be marshaled
	}
	return base64.URLEncoding.EncodeToString(b)
}

// via is how an image's registry is reached, by a way out. A registry that is not
// ECR is asked with the login that the transport adds.
func (a *Agent) via(image string, way http.RoundTripper, l login) http.RoundTripper {
	ref, err := reference.Parse(image)
	if err != nil {
		return way // it will not be pulled
	}
	if _, _, ok := ref.ECR(); ok {
		return way
	}
	return foreign{a, ref, way, l}
}
