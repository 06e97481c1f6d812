package agent

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecr"
)

// pull brings the images of the containers that have not been started, side
// by side. A failure is the container's own: it will not start.
func (t *task) pull(ctx context.Context) {
	var missing []*run
	for _, r := range t.runs {
		if !r.ran() && r.broken == nil {
			missing = append(missing, r)
		}
	}
	if len(missing) == 0 || t.halted() {
		return
	}
	t.note(func(r *record) {
		if r.PullStart.IsZero() {
			r.PullStart = t.agent.Clock.Now()
		}
	})
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-t.stop:
			cancel()
		case <-pctx.Done():
		}
	}()
	var wg sync.WaitGroup
	var brought atomic.Bool
	for _, r := range missing {
		wg.Go(func() {
			news, err := r.pull(pctx)
			if err != nil && !t.halted() {
				r.broken = err
			}
			if news {
				brought.Store(true)
			}
		})
	}
	wg.Wait()
	t.note(func(r *record) { r.PullStop = t.agent.Clock.Now() })
	// So that the revision's digests are known early. Without a revision, and
	// with all images here, the report of RUNNING comes soon enough.
	if t.resolved() && (brought.Load() || t.def.ServiceName != "") {
		t.queueReport("PENDING")
	}
}

// resolved tells whether a tag was turned into a digest.
func (t *task) resolved() bool {
	for _, r := range t.runs {
		if !strings.Contains(r.def.Image, "@") && t.look(r.def.Name).Digest != "" {
			return true
		}
	}
	return false
}

// pull brings one image. One named by digest that is here is not asked for
// again; a tag may have moved. news says that the machine had another or none.
func (r *run) pull(ctx context.Context) (news bool, err error) {
	a := r.task.agent
	had, err := a.Images.Get(r.def.Image)
	img := had
	if err != nil || !strings.Contains(r.def.Image, "@") {
		if img, err = r.fetch(ctx); err != nil {
			return false, err
		}
	}
	a.touch(r.def.Image, a.Clock.Now())
	r.task.note(func(t *record) {
		c := t.Containers[r.def.Name]
		c.Image, c.Digest, c.ImageID = img.Ref, img.Digest, img.ID
	})
	return img.Digest != had.Digest, nil
}

func pullFailed(err error) error {
	if err == nil || fault.CodeOf(err) != "" {
		return err
	}
	return &fault.Error{Class: fault.ClassOf(err), Code: image.PullCode, Message: err.Error(), Cause: err}
}

// fetch pulls the image. A registry token serves every task of its role, as
// with the stock agent; one that is refused may have ended, so that another is
// asked for once.
func (r *run) fetch(ctx context.Context) (image.Image, error) {
	a := r.task.agent
	auth := r.def.RegistryAuth
	if auth == nil || auth.Type != acs.RegistryECR || auth.ECR == nil {
		img, err := r.task.pullOnce(ctx, r.def.Image, r.auth)
		return img, pullFailed(err)
	}
	of := token{region: auth.ECR.Region, registry: auth.ECR.RegistryID}
	if k := r.task.keys(acs.RoleExecution); k != nil {
		of.role = k.RoleARN
	}
	a.mu.Lock()
	l, kept := a.tokens[of]
	a.mu.Unlock()
	for {
		if !kept {
			var err error
			if l.user, l.password, err = r.login(ctx, auth.ECR); err != nil {
				return image.Image{}, err
			}
			a.mu.Lock()
			a.tokens[of] = l
			a.mu.Unlock()
		}
		img, err := r.task.pullOnce(ctx, r.def.Image, l)
		if !kept || !fault.Is(err, fault.Denied) {
			return img, pullFailed(err)
		}
		kept = false
	}
}

// pullOnce pulls an image once for all tasks that ask for it meanwhile with
// the same login. It goes on for the others when one of them stops.
func (t *task) pullOnce(ctx context.Context, ref string, l login) (image.Image, error) {
	a := t.agent
	way, err := t.outside()
	if err != nil {
		return image.Image{}, err
	}
	o := image.PullOptions{Username: l.user, Password: l.password, Transport: a.via(ref, way.Transport, l)}
	done := a.pulls.DoChan(strings.Join([]string{ref, o.Username, o.Password}, "\x00"), func() (any, error) {
		return a.Images.Pull(a.context, ref, o)
	})
	select {
	case r := <-done:
		img, _ := r.Val.(image.Image)
		return img, r.Err
	case <-ctx.Done():
		return image.Image{}, ctx.Err()
	}
}

// token names a registry token by who may use it and where.
type token struct{ role, region, registry string }

type login struct{ user, password string }

// login gets a registry token with the execution role's keys, or the
// machine's own if the task has no execution role.
func (r *run) login(ctx context.Context, auth *acs.ECRAuth) (user, password string, err error) {
	a := r.task.agent
	k, err := r.serviceKeys(ctx)
	if err != nil {
		return "", "", err
	}
	way, err := r.task.outside()
	if err != nil {
		return "", "", err
	}
	var out *ecr.GetAuthorizationTokenOutput
	err = a.retry(ctx, 3, func() (err error) {
		out, err = ecr.Client{Caller: way.as(auth.Region, k)}.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
		return err
	})
	switch {
	case fault.Is(err, fault.Denied):
		return "", "", fault.New(
			fault.Denied, image.PullCode,
			"The task can't pull the image. Check that the role has the permissions to pull images from the registry. %s", fault.MessageOf(err),
		)
	case err != nil:
		a.Log.Warn("no registry token", "task", r.task.id(), "error", err)
		return "", "", fault.New(
			fault.Unavailable, "ResourceInitializationError",
			"The task cannot pull registry authentication from Amazon ECR. There is a connection issue between the task and Amazon ECR. Check "+
				"your task network configuration.",
		)
	case len(out.AuthorizationData) == 0:
		return "", "", fault.New(fault.Unavailable, image.PullCode, "Amazon ECR gave no authorization data")
	}
	b, err := base64.StdEncoding.DecodeString(wire.Val(out.AuthorizationData[0].AuthorizationToken))
	user, password, ok := strings.Cut(string(b), ":")
	if err != nil || !ok {
		return "", "", fault.New(fault.Unavailable, image.PullCode, "Amazon ECR gave a token that cannot be read")
	}
	return user, password, nil
}

// serviceKeys are those with which the agent acts for the task.
func (r *run) serviceKeys(ctx context.Context) (ident.Key, error) {
	if k := r.task.keys(acs.RoleExecution); k != nil {
		return keyOf(k), nil
	}
	k, err := r.task.agent.api.own(ctx)
	if err != nil {
		return k, fault.New(fault.Unavailable, "ResourceInitializationError", "no credentials for the task's resources: %s", err)
	}
	return k, nil
}

// retry tries up to n times what may pass.
func (a *Agent) retry(ctx context.Context, n int, do func() error) error {
	wait := time.Second
	for {
		err := do()
		n--
		if err == nil || n == 0 || ctx.Err() != nil || !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Throttled) {
			return err
		}
		if err := clock.Sleep(ctx, a.Clock, wait); err != nil {
			return err
		}
		wait *= 2
	}
}
