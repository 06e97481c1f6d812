package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"berth/internal/acs"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Keys of task roles live for six hours of the control plane's time and are
// replaced when a quarter of that is left.
const (
	keyLife    = 6 * time.Hour
	keyRefresh = keyLife / 4
)

// roles of a task: by the type that the protocol names.
func roles(def model.TaskDefinition) map[string]string {
	out := map[string]string{}
	if def.TaskRoleARN != "" {
		out[acs.RoleApplication] = def.TaskRoleARN
	}
	if def.ExecutionRoleARN != "" {
		out[acs.RoleExecution] = def.ExecutionRoleARN
	}
	return out
}

// credentialsID is the same for all keys of one task and kind of role, also
// after a restart: an agent replaces keys by it.
func credentialsID(task, kind string) string {
	h := sha256.Sum256([]byte("credentials|" + task + "|" + kind))
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// grant is a task's key for one of its roles.
type grant struct {
	task model.Task
	kind string
	cred model.Credential
}

func (d *Gateway) wireGrant(g grant) *acs.RoleCredentials {
	return &acs.RoleCredentials{
		CredentialsID: credentialsID(g.task.ARN, g.kind), RoleARN: g.cred.Role, AccessKeyID: g.cred.AccessKeyID,
		SecretAccessKey: g.cred.Secret, SessionToken: g.cred.Token, Expiration: d.realTime(g.cred.Expires).UTC().Format(time.RFC3339),
	}
}

// grants returns the keys of all of a task's roles: those that are recorded
// and last long enough, else new ones. An error names the role that ECS may
// not assume.
func (d *Gateway) grants(ctx context.Context, t model.Task) ([]grant, error) {
	view := d.DB.View()
	def, _ := state.TaskDefinitions.Get(view, t.TaskDefinition)
	all := roles(def)
	var out []grant
	for _, kind := range []string{acs.RoleApplication, acs.RoleExecution} {
		role := all[kind]
		if role == "" {
			continue
		}
		cred, ok := kept(view, t.ARN, role, d.Clock.Now())
		if !ok {
			if _, err := d.Access.Assume(view, control.Assumption{
				Service: "ecs-tasks.amazonaws.com", Role: role, Session: t.ID, For: t.ARN,
			}); err != nil {
				return nil, assumeFailed(err, role)
			}
			var err error
			if cred, err = d.Minter.Mint(ctx, role, t.ID, t.ARN, keyLife); err != nil {
				return nil, assumeFailed(err, role)
			}
		}
		out = append(out, grant{t, kind, cred})
	}
	return out, nil
}

func assumeFailed(err error, role string) error {
	if c := fault.ClassOf(err); c != fault.Denied && c != fault.NotFound && c != fault.Invalid {
		return err
	}
	return &fault.Error{
		Class: fault.Denied, Cause: err,
		Message: "ECS was unable to assume the role '" + role + "' that was provided for this task. Please verify that the role being passed " +
			"has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.",
	}
}

// kept finds a recorded key with more than the refresh margin left; of
// several the one that lasts longest.
func kept(r store.Reader, task, role string, now time.Time) (model.Credential, bool) {
	var best model.Credential
	for _, c := range state.Credentials.By(r, "for", task) {
		if c.Role == role && c.Expires.Sub(now) > keyRefresh && c.Expires.After(best.Expires) {
			best = c
		}
	}
	return best, best.AccessKeyID != ""
}

// fail ends a task that cannot be handed to its agent at all.
func (d *Gateway) fail(ctx context.Context, t model.Task, reason string) error {
	now := d.Clock.Now()
	return d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		cur, ok := state.Tasks.Get(tx, t.ARN)
		if !ok || cur.LastStatus != model.TaskPending {
			return nil
		}
		if err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
			if t.DesiredStatus != model.TaskStopped {
				stop(t, codeFailedToStart, reason, now)
			}
			stopped(t, TaskReport{}, now, false)
			t.Version++
			return nil
		}); err != nil {
			return err
		}
		t, _ := state.Tasks.Get(tx, t.ARN)
		return note(tx, t, cur.LastStatus, now)
	})
}
