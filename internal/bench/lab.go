package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/internal/ident"
	"berth/internal/kernel/cgroup"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// region is where templates with zones of their own are most often at home.
const region = "ap-northeast-1"

// lab is one server with a data folder of its own.
type lab struct {
	b     *bench
	data  string
	speed string
	*tree // the server, the edge and functions; instances are in slice
}

// server starts one; it answers when server returns.
func (b *bench) server(ctx context.Context, name, speed string) (*lab, error) {
	l := &lab{b: b, data: filepath.Join(b.dir, name), speed: speed}
	return l, l.start(ctx)
}

func (l *lab) start(ctx context.Context) (err error) {
	l.tree, err = spawn("server", l.b.bin, "server", "--data", l.data, "--listen", l.b.listen, "--region", region, "--speed", l.speed)
	if err != nil {
		return err
	}
	if err := until(ctx, 30*time.Second, time.Millisecond, "the server answers", func() (bool, error) {
		return l.answers(), nil
	}); err != nil {
		return fmt.Errorf("%w\n%s", err, l.said.String())
	}
	return nil
}

// answers reports whether an ordinary call is answered.
func (l *lab) answers() bool {
	_, err := l.ecs().ListClusters(context.Background(), &ecs.ListClustersInput{})
	return err == nil
}

// slice is the group of all instances; ok is false before there is one.
func (l *lab) slice() (*cgroup.Group, bool) {
	g, err := cgroup.Open("/berth-" + fmt.Sprintf("%x", sha256.Sum256([]byte(l.data)))[:8])
	return g, err == nil
}

// all is every group of the system.
func (l *lab) all() []*cgroup.Group {
	gs := []*cgroup.Group{l.Group}
	if s, ok := l.slice(); ok {
		gs = append(gs, s)
	}
	return gs
}

// stop ends everything and removes the folder.
func (l *lab) stop() error {
	out, err := l.cli("stop")
	l.over()
	if err != nil {
		return fmt.Errorf("berth stop: %w\n%s", err, out)
	}
	return nil
}

// cli runs a command of the program, outside the account.
func (l *lab) cli(args ...string) (string, error) {
	out, err := exec.Command(l.b.bin, append(args, "--data", l.data)...).CombinedOutput() //nolint:noctx // ends by itself
	return string(out), err
}

// up deploys a template ("" is the example).
func (l *lab) up(args ...string) error {
	out, err := l.cli(append([]string{"up"}, args...)...)
	if err != nil {
		return fmt.Errorf("berth up: %w\n%s", err, out)
	}
	return nil
}

// ecs is the server's ECS.
func (l *lab) ecs() ecs.Client { return ecs.Client{Caller: l} }

// Call implements wire.Caller: an unsigned call, which loopback takes.
func (l *lab) Call(ctx context.Context, o *wire.Operation, in any) (any, error) {
	r, _, err := o.NewRequest(ctx, "http://"+l.b.listen+"/", in)
	if err != nil {
		return nil, err
	}
	b, err := do(r)
	if err != nil {
		return nil, err
	}
	return o.ReadOutput(b)
}

func do(r *http.Request) ([]byte, error) {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", r.Header.Get("X-Amz-Target"), res.Status, b)
	}
	return b, err
}

// query calls a query API and decodes its XML.
func (l *lab) query(out any, version, action string, kv ...string) error {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	r, _ := http.NewRequest(http.MethodPost, "http://"+l.b.listen+"/", strings.NewReader(v.Encode())) //nolint:noctx // loopback
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	b, err := do(r)
	if err != nil || out == nil {
		return err
	}
	return xml.Unmarshal(b, out)
}

// key makes a role with every right and assumes it, so that the server has to
// verify signatures and to evaluate policies.
func (l *lab) key() (ident.Key, error) {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`
	if err := l.query(nil, "2010-05-08", "CreateRole", "RoleName", "bench", "AssumeRolePolicyDocument", trust); err != nil {
		return ident.Key{}, err
	}
	rights := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecs:*","logs:*"],"Resource":"*"}]}`
	if err := l.query(nil, "2010-05-08", "PutRolePolicy", "RoleName", "bench", "PolicyName", "all", "PolicyDocument", rights); err != nil {
		return ident.Key{}, err
	}
	var got struct {
		ID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	err := l.query(
		&got, "2011-06-15", "AssumeRole", "RoleArn", "arn:aws:iam::000000000000:role/bench", "RoleSessionName", "bench", "DurationSeconds",
		"3600",
	)
	if err == nil && got.ID == "" {
		err = fmt.Errorf("AssumeRole gave no key")
	}
	return ident.Key{ID: got.ID, Secret: got.Secret, Token: got.Token}, err
}

// signed are n signed requests as bytes, to be sent again and again.
func (l *lab) signed(ctx context.Context, k ident.Key, o *wire.Operation, n int, in func(i int) any) ([][]byte, error) {
	var all [][]byte
	for i := range n {
		r, body, err := o.NewRequest(ctx, "http://"+l.b.listen+"/", in(i))
		if err != nil {
			return nil, err
		}
		wire.Sign(r, body, k, region, o.Service.SigningName, time.Now())
		var raw bytes.Buffer
		if err := r.Write(&raw); err != nil {
			return nil, err
		}
		all = append(all, raw.Bytes())
	}
	return all, nil
}
