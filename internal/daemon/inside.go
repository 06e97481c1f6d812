package daemon

import (
	"net/http"
	"sync"

	"berth/internal/endpoint"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/registry/mirror"
	"berth/internal/vpc"
)

// behindEndpoints says what each VPC endpoint's service leads to: services of front
// by name, and the paths of its other handlers.
var behindEndpoints = map[string]front.Listener{
	"ecs":                     {Services: []string{"ecs"}},
	"ecs-agent":               {Prefixes: []string{"/ws"}},
	"ecs-telemetry":           {Prefixes: []string{"/ws"}},
	"ecr.api":                 {Services: []string{"ecr"}},
	"ecr.dkr":                 {Prefixes: []string{"/v2/"}},
	"logs":                    {Services: []string{"logs"}},
	"monitoring":              {Services: []string{"monitoring"}},
	"lambda":                  {Services: []string{"lambda"}},
	"sts":                     {Services: []string{"sts"}},
	"ec2":                     {Services: []string{"ec2"}},
	"elasticloadbalancing":    {Services: []string{"elasticloadbalancing"}},
	"cloudformation":          {Services: []string{"cloudformation"}},
	"autoscaling":             {Services: []string{"autoscaling"}},
	"application-autoscaling": {Services: []string{"application-autoscaling"}},
	"secretsmanager":          {Services: []string{"secretsmanager"}},
	"data-servicediscovery":   {Services: []string{"servicediscovery"}},
	"servicediscovery":        {Services: []string{"servicediscovery"}},
	"ssm":                     {Services: []string{"ssm"}},
	"iam":                     {Services: []string{"iam"}},
}

// inside answers what comes through VPC endpoints and, inside the networks,
// through the public addresses of the services. Nobody is the account's root
// there: signatures must be of keys of ours.
type inside struct {
	sys    *System
	mirror http.Handler
	mu     sync.Mutex
	ways   map[endpoint.Via]http.Handler
}

// ServeHTTP implements http.Handler.
func (i *inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	via, ok := endpoint.From(r.Context())
	if !ok {
		http.Error(w, "this way leads nowhere", http.StatusNotFound)
		return
	}
	if via.Service == "s3" {
		if i.sys.Registry.Serves(r) {
			i.sys.Registry.ServeHTTP(w, r)
			return
		}
		if i.sys.Answers.Serves(r) {
			i.sys.Answers.ServeHTTP(w, r)
			return
		}
		http.Error(
			w, "<Error><Code>NotImplemented</Code><Message>Of S3, Berth serves the buckets of image layers and of custom resources' responses only.</Message></Error>",
			http.StatusNotImplemented,
		)
		return
	}
	if via.Service == vpc.Registries().Name {
		if err := i.sys.Gateway.Pulls(r, mirror.Repository(r)); err != nil {
			http.Error(w, fault.MessageOf(err), http.StatusForbidden)
			return
		}
		i.mirror.ServeHTTP(w, r)
		return
	}
	i.way(via).ServeHTTP(w, r)
}

func (i *inside) way(via endpoint.Via) http.Handler {
	i.mu.Lock()
	defer i.mu.Unlock()
	h := i.ways[via]
	if h == nil {
		l := behindEndpoints[via.Service]
		l.Restricted, l.Strict, l.Secure, l.Audited = true, true, true, true
		l.VPC, l.Endpoint = via.VPC, via.Endpoint
		h = i.sys.Front.Handler(l)
		if i.ways == nil {
			i.ways = map[endpoint.Via]http.Handler{}
		}
		i.ways[via] = h
	}
	return h
}
