package local

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/machine"
)

// metadata is the instance metadata service, version 2 only unless the machine's
// owner lets version 1 in.
type metadata struct {
	spec  machine.Spec
	keys  string // file
	real  clock.Clock
	ids   *ident.Source
	since time.Time
	tree  map[string]string // path below /latest → value

	mu     sync.Mutex
	tokens map[string]time.Time // → end
}

// newMetadata serves the metadata of a machine; keys is the file with its
// role's credentials.
func newMetadata(s machine.Spec, keys string, real clock.Clock, ids *ident.Source) http.Handler {
	m := &metadata{spec: s, keys: keys, real: real, ids: ids, since: real.Now(), tokens: map[string]time.Time{}}
	m.tree = m.leaves()
	return m
}

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxTokenTTL = 21600
)

// ServeHTTP implements http.Handler.
func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	if r.URL.Path == "/latest/api/token" {
		m.token(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed)
		return
	}
	if token := r.Header.Get(tokenHeader); !m.valid(token) && (token != "" || !m.spec.OpenMetadata) {
		fail(w, http.StatusUnauthorized)
		return
	}
	body, ok := m.find(strings.TrimPrefix(path.Clean(r.URL.Path), "/"))
	if !ok {
		fail(w, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(body))
}

func fail(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }

// token gives out a session token. A request that came through a proxy is
// refused, as on EC2.
func (m *metadata) token(w http.ResponseWriter, r *http.Request) {
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	switch {
	case r.Method != http.MethodPut:
		fail(w, http.StatusMethodNotAllowed)
		return
	case r.Header.Get("X-Forwarded-For") != "":
		fail(w, http.StatusForbidden)
		return
	case err != nil || ttl < 1 || ttl > maxTokenTTL:
		fail(w, http.StatusBadRequest)
		return
	}
	t := m.ids.URLSafe(56)
	now := m.real.Now()
	m.mu.Lock()
	for old, end := range m.tokens {
		if end.Before(now) {
			delete(m.tokens, old)
		}
	}
	m.tokens[t] = now.Add(time.Duration(ttl) * time.Second)
	m.mu.Unlock()
	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	_, _ = w.Write([]byte(t))
}

func (m *metadata) valid(token string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.real.Now().Before(m.tokens[token])
}

// find answers a path below "latest": a value, or the names below it.
func (m *metadata) find(p string) (string, bool) {
	p, ok := strings.CutPrefix(p+"/", "latest/")
	if !ok {
		return "", false
	}
	p = strings.TrimSuffix(p, "/")
	tree := m.tree
	if strings.HasPrefix(p, "meta-data") {
		tree = m.withKeys()
	}
	if v, ok := tree[p]; ok {
		return v, true
	}
	return below(tree, p)
}

// below lists what is under a path, folders with a slash.
func below(tree map[string]string, p string) (string, bool) {
	if p != "" {
		p += "/"
	}
	var names []string
	for k := range tree {
		rest, ok := strings.CutPrefix(k, p)
		if !ok {
			continue
		}
		if name, _, folder := strings.Cut(rest, "/"); folder {
			rest = name + "/"
		}
		names = append(names, rest)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n"), len(names) > 0
}

// withKeys adds the role, whose credentials are read anew each time.
func (m *metadata) withKeys() map[string]string {
	b, err := os.ReadFile(m.keys)
	if err != nil || m.spec.RoleName == "" {
		return m.tree
	}
	out := make(map[string]string, len(m.tree)+2)
	for k, v := range m.tree {
		out[k] = v
	}
	out["meta-data/iam/security-credentials/"+m.spec.RoleName] = string(b)
	var k keys
	if json.Unmarshal(b, &k) == nil {
		out["meta-data/iam/info"] = text(map[string]any{"Code": "Success", "LastUpdated": k.LastUpdated, "InstanceProfileArn": m.spec.ProfileARN})
	}
	return out
}

func text(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ") // maps of strings, numbers and times always encode
	return string(b)
}

// leaves are the values that never change.
func (m *metadata) leaves() map[string]string {
	s := m.spec
	name := hostName(s.PrivateIP) + "." + s.Region + ".compute.internal"
	mac := "meta-data/network/interfaces/macs/" + s.MAC + "/"
	out := map[string]string{
		"meta-data/ami-id":                         s.ImageID,
		"meta-data/ami-launch-index":               "0",
		"meta-data/hostname":                       name,
		"meta-data/instance-action":                "none",
		"meta-data/instance-id":                    s.ID,
		"meta-data/instance-type":                  s.Type,
		"meta-data/local-hostname":                 name,
		"meta-data/local-ipv4":                     s.PrivateIP,
		"meta-data/mac":                            s.MAC,
		"meta-data/placement/availability-zone":    s.Zone,
		"meta-data/placement/availability-zone-id": s.ZoneID,
		"meta-data/placement/region":               s.Region,
		"meta-data/services/domain":                "amazonaws.com",
		"meta-data/services/partition":             "aws",
		mac + "device-number":                      "0",
		mac + "interface-id":                       s.Interface,
		mac + "local-hostname":                     name,
		mac + "local-ipv4s":                        s.PrivateIP,
		mac + "mac":                                s.MAC,
		mac + "owner-id":                           s.Account,
		mac + "security-group-ids":                 strings.Join(s.SecurityGroups, "\n"),
		mac + "subnet-id":                          s.Subnet,
		mac + "subnet-ipv4-cidr-block":             s.SubnetCIDR,
		mac + "vpc-id":                             s.VPC,
		"dynamic/instance-identity/document":       m.document(),
	}
	if data, err := base64.StdEncoding.DecodeString(s.UserData); err == nil && len(data) > 0 {
		out["user-data"] = string(data)
	}
	for k, v := range s.Tags {
		if !strings.ContainsAny(k, "/ ") {
			out["meta-data/tags/instance/"+k] = v
		}
	}
	return out
}

// document is the instance identity document.
func (m *metadata) document() string {
	s := m.spec
	return text(map[string]any{
		"accountId": s.Account, "architecture": s.Architecture, "availabilityZone": s.Zone, "imageId": s.ImageID, "instanceId": s.ID,
		"instanceType": s.Type, "pendingTime": m.since.UTC().Truncate(time.Second), "privateIp": s.PrivateIP, "region": s.Region,
		"version": "2017-09-30",
	})
}
