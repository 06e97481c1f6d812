package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/container"
	csim "berth/internal/container/sim"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func app(image string) model.ContainerDefinition {
	return model.ContainerDefinition{
		Name: "app", Image: image, Essential: true, LogDriver: "awslogs",
		LogOptions: map[string]string{"awslogs-group": "g", "awslogs-region": "ap-northeast-1", "awslogs-stream-prefix": "p"},
	}
}

const ecrImage = "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com/web:latest"

// Proves: D52, D60, D61
func TestATaskFromPayloadToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app(ecrImage))
	got := w.reaches(arn, model.TaskActivating)
	if got.Containers[0].ImageDigest != digest || got.Containers[0].RuntimeID == "" || got.PullStartedAt.IsZero() ||
		got.PullStoppedAt.IsZero() || got.StartedAt.IsZero() {
		t.Errorf("task: %+v", got)
	}
	i, _ := state.Instances.Get(w.db.View(), instanceID)
	if i.Status != model.ContainerInstanceActive || !i.Connected || i.Registered.CPU != 2048 || i.Registered.Memory != 3840 ||
		i.AgentVersion == "" {
		t.Errorf("instance: %+v", i)
	}
	if want := ecrImage + " as AWS:for-exec"; !slices.Contains(w.images.log, want) {
		t.Errorf("pulls: %v", w.images.log)
	}
	w.sent("g p/app/t1 hello")
	w.sent("g p/app/t1 world")
	id := got.Containers[0].RuntimeID
	if doc := w.metadataOf("t1", "/v4/"+id); doc["Name"] != "app" || doc["KnownStatus"] != "RUNNING" {
		t.Errorf("metadata: %v", doc)
	}
	doc := w.metadataOf("t1", "/v4/"+id+"/task")
	if doc["TaskARN"] != arn || doc["Revision"] != "3" || doc["LaunchType"] != "MANAGED_INSTANCES" {
		t.Errorf("task metadata: %v", doc)
	}
	w.halt(arn)
	got = w.reaches(arn, model.TaskDeprovisioning)
	if got.Containers[0].LastStatus != model.ContainerStopped || *got.Containers[0].ExitCode != 143 || got.ExecutionStoppedAt.IsZero() ||
		got.StoppedReason != "bye" {
		t.Errorf("task: %+v", got)
	}
	await.Value(t, "cleaned", func() (int, bool) {
		all, _ := w.driver.List(t.Context())
		left, _ := filepath.Glob(filepath.Join(w.conf.Dir, "tasks", "*"))
		return len(all) + len(left), len(all)+len(left) == 0
	})
}

func TestFiguresComeAsOftenAsTheServersClockWants(t *testing.T) {
	w := newWorld(t)
	w.speed.Store(60) // a minute of it is a second
	w.start()
	w.reaches(w.task("t1", app(ecrImage)), model.TaskActivating)
	began := w.real.Now()
	await.Value(t, "figures of three minutes", func() (int, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.samples), len(w.samples) >= 3
	})
	if took := w.real.Now().Sub(began); took > 50*time.Second { // of its own they are a minute
		t.Errorf("three intervals took %v: the agent kept to its own 20 seconds", took)
	}
}

func TestCredentialsOfTheTaskRole(t *testing.T) {
	w := newWorld(t)
	env := make(chan []string, 1)
	w.program = func(s container.Spec) csim.Program { env <- s.Env; return csim.Program{} }
	w.start()
	w.reaches(w.task("t1", app("x:1")), model.TaskActivating)
	path := ""
	got := <-env
	for _, e := range got {
		if p, ok := strings.CutPrefix(e, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="); ok {
			path = p
		}
	}
	if !slices.Contains(got, "FROM=image") {
		t.Errorf("environment: %v", got)
	}
	if doc := w.metadataOf("t1", path); doc["AccessKeyId"] != "ASIAtask" || doc["RoleArn"] != taskRole {
		t.Errorf("credentials at %q: %v", path, doc)
	}
	if doc := w.metadataOf("t1", "/v2/credentials/other"); doc["code"] != "InvalidIdInRequest" {
		t.Errorf("credentials of another: %v", doc)
	}
}

// Proves: D54
// A task of no service waits for nobody who needs its digests early.
func TestATaskWhoseImageIsHereReportsOnceLess(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, want := range [][]string{{"PENDING", "RUNNING"}, {"RUNNING"}} {
		arn := w.task(fmt.Sprint("t", len(want)), app(ecrImage))
		w.reaches(arn, model.TaskActivating)
		if got := w.reported(arn); !slices.Equal(got, want) {
			t.Errorf("reported %v, not %v", got, want)
		}
	}
}

func TestAnEssentialExitIsReportedAfterRunning(t *testing.T) {
	w := newWorld(t)
	w.program = func(container.Spec) csim.Program { return csim.Program{Runs: time.Millisecond, ExitCode: 3} }
	w.start()
	got := w.reaches(w.task("t1", app("x:1")), model.TaskDeprovisioning)
	if got.StartedAt.IsZero() || got.StopCode != "EssentialContainerExited" || got.StoppedReason != "Essential container in task exited" ||
		*got.Containers[0].ExitCode != 3 {
		t.Errorf("task: %+v", got)
	}
}

func TestARegistryTokenServesUntilItIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	for n, want := range []string{"AWS:for-exec", "AWS:for-exec", "AWS:for-exec-2"} {
		if n == 2 {
			w.images.mu.Lock()
			w.images.refused = "for-exec"
			w.images.mu.Unlock()
		}
		w.reaches(w.task(fmt.Sprint("t", n), app(ecrImage)), model.TaskActivating)
		if log := w.images.log; len(log) != n+1 || log[n] != ecrImage+" as "+want {
			t.Errorf("pulls: %v", log)
		}
	}
}

// Proves: MI69, D55
func TestFailuresReadAsOnAWS(t *testing.T) {
	for name, c := range map[string]struct {
		image   string
		prepare func(*world)
		reason  string
	}{
		"image": {
			"missing:1", nil, "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref missing:1",
		},
		"registry": {
			ecrImage, func(w *world) { w.deny["GetAuthorizationToken"] = "AccessDeniedException" },
			"CannotPullContainerError: The task can't pull the image. Check that the role has the permissions to pull images from the registry.",
		},
		"log group": {
			"x:1", func(w *world) { w.noGroup = true },
			"ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch log group defined in the " +
				"task definition.",
		},
		"start": {"x:1", func(w *world) {
			w.program = func(container.Spec) csim.Program { return csim.Program{Fail: "exec: not found"} }
		}, "CannotStartContainerError: exec: not found"},
		"role": {
			"x:1", func(w *world) { w.access.deny[taskRole] = true },
			"ECS was unable to assume the role '" + taskRole + "' that was provided for this task.",
		},
		"log service": {
			"x:1", func(w *world) { w.deny["CreateLogStream"] = "AccessDeniedException" },
			"ResourceInitializationError: failed to initialize logging driver",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.start()
			got := w.reaches(w.task("t1", app(c.image)), model.TaskDeprovisioning)
			if got.StopCode != "TaskFailedToStart" || !strings.HasPrefix(got.StoppedReason, c.reason) {
				t.Errorf("%s: %s\nwant %s", got.StopCode, got.StoppedReason, c.reason)
			}
		})
	}
}

// Proves: IR11
func TestSecretsAreVariables(t *testing.T) {
	w := newWorld(t)
	env := make(chan []string, 1)
	w.program = func(s container.Spec) csim.Program { env <- s.Env; return csim.Program{} }
	w.start()
	c := app("x:1")
	c.Environment = []model.KeyValue{{Name: "PLAIN", Value: "p"}}
	c.Secrets = []model.KeyValue{
		{Name: "WHOLE", Value: secretARN}, {Name: "DB_USER", Value: secretARN + ":user::"}, {Name: "DB_PORT", Value: secretARN + ":port::"},
		{Name: "OLD", Value: secretARN + "::AWSPREVIOUS:"}, {Name: "KEY", Value: "/app/key"}, {Name: "BYARN", Value: parameterARN},
	}
	w.reaches(w.task("t1", c), model.TaskActivating)
	got := <-env
	for _, want := range []string{
		"PLAIN=p", `WHOLE={"user":"me","port":5432}`, "DB_USER=me", "DB_PORT=5432", "OLD=old", "KEY=of /app/key", "BYARN=of " + parameterARN,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
}

// Proves: IR12
func TestWithoutASecretATaskDoesNotStart(t *testing.T) {
	const failed = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to " +
		"retrieve secret from asm: "
	for from, want := range map[string]string{
		secretARN + ":nobody::":          failed + "retrieved secret from Secrets Manager did not contain json key nobody",
		secretARN + ":user:AWSPREVIOUS:": failed + "retrieved secret from Secrets Manager is not JSON",
		secretARN + "x": failed + "service call has been retried 1 time(s): failed to fetch secret " + secretARN +
			"x from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
	} {
		w := newWorld(t)
		w.start()
		c := app("x:1")
		c.Secrets = []model.KeyValue{{Name: "S", Value: from}}
		got := w.reaches(w.task("t1", c), model.TaskDeprovisioning)
		if got.StopCode != "TaskFailedToStart" || !strings.HasPrefix(got.StoppedReason, want) {
			t.Errorf("%s: %s\nwant %s", got.StopCode, got.StoppedReason, want)
		}
	}
}

// Proves: IR22
func TestWithoutAParameterATaskDoesNotStart(t *testing.T) {
	const failed = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to " +
		"retrieve secrets from ssm: "
	for deny, want := range map[string]string{
		"":                      failed + "invalid parameters: /none",
		"AccessDeniedException": failed + "service call has been retried 1 time(s): AccessDeniedException: ",
	} {
		w := newWorld(t)
		w.deny["GetParameters"] = deny
		w.start()
		c := app("x:1")
		c.Secrets = []model.KeyValue{{Name: "S", Value: "/none"}}
		got := w.reaches(w.task("t1", c), model.TaskDeprovisioning)
		if got.StopCode != "TaskFailedToStart" || !strings.HasPrefix(got.StoppedReason, want) {
			t.Errorf("%s: %s\nwant %s", got.StopCode, got.StoppedReason, want)
		}
	}
}

// Proves: IR13
func TestAPrivateRegistrysLoginIsASecrets(t *testing.T) {
	w := newWorld(t)
	w.start()
	c := app("x:1")
	c.Credentials = loginARN
	w.reaches(w.task("t1", c), model.TaskActivating)
	w.images.mu.Lock()
	defer w.images.mu.Unlock()
	if log := w.images.log; len(log) != 1 || log[0] != "x:1 as robot:hush" {
		t.Errorf("pulls: %v", log)
	}
}

// Proves: IR14
func TestWithoutItsRegistrysLoginATaskDoesNotStart(t *testing.T) {
	const failed = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to " +
		"get registry auth from asm: "
	for from, want := range map[string]string{
		secretARN:           failed + "asm fetching username: AuthorizationData is malformed, empty field",
		loginARN + "-plain": failed + "asm fetching authorization data: unable to unmarshal secret value, invalid schema",
		loginARN + "-half":  failed + "asm fetching password: AuthorizationData is malformed, empty field",
		loginARN + "-empty": failed + "asm fetching authorization data: empty secrets string",
		"lost": failed + "service call has been retried 1 time(s): asm fetching secret from the service for lost: " +
			"ResourceNotFoundException: Secrets Manager can't find the specified secret.",
	} {
		w := newWorld(t)
		w.start()
		c := app("x:1")
		c.Credentials = from
		got := w.reaches(w.task("t1", c), model.TaskDeprovisioning)
		if got.StopCode != "TaskFailedToStart" || !strings.HasPrefix(got.StoppedReason, want) {
			t.Errorf("%s: %s\nwant %s", got.StopCode, got.StoppedReason, want)
		}
	}
}

func TestAMissingLogGroupIsMadeWhenAsked(t *testing.T) {
	w := newWorld(t)
	w.noGroup = true
	w.start()
	c := app("x:1")
	c.LogOptions["awslogs-create-group"] = "true"
	w.reaches(w.task("t1", c), model.TaskActivating)
}

func TestARestartedAgentTakesUpWhatRuns(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	id := w.reaches(arn, model.TaskActivating).Containers[0].RuntimeID
	w.sent("g p/app/t1 world")
	await.Value(t, "remembered as sent", func() (string, bool) {
		b, _ := os.ReadFile(filepath.Join(w.conf.Dir, "tasks", "t1", "task.jsonl"))
		return string(b), strings.Contains(string(b), `"logAt":`)
	})
	w.stop()
	await.Value(t, "disconnected", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(w.db.View(), instanceID)
		return i, !i.Connected
	})
	if st, err := w.driver.State(t.Context(), id); err != nil || st.Status != container.Running {
		t.Fatalf("the container did not outlive its agent: %+v, %v", st, err)
	}
	w.start()
	await.Value(t, "connected again", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(w.db.View(), instanceID)
		return i, i.Connected
	})
	if doc := w.metadataOf("t1", "/v4/"+id); doc["KnownStatus"] != "RUNNING" {
		t.Errorf("metadata: %v", doc)
	}
	w.driver.Kill(id, 9, false)
	got := w.reaches(arn, model.TaskDeprovisioning)
	if *got.Containers[0].ExitCode != 9 || got.StopCode != "EssentialContainerExited" {
		t.Errorf("task: %+v", got)
	}
	n := 0
	for _, l := range w.lines {
		if l == "g p/app/t1 hello" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the line was sent %d times", n)
	}
}

func TestUnsentReportsOutliveTheAgent(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	id := w.reaches(arn, model.TaskActivating).Containers[0].RuntimeID
	w.mu.Lock()
	w.breaking = true
	w.mu.Unlock()
	w.driver.Kill(id, 4, true)
	await.Value(t, "recorded", func() (string, bool) {
		b, _ := os.ReadFile(filepath.Join(w.conf.Dir, "tasks", "t1", "task.jsonl"))
		return string(b), strings.Contains(string(b), `"STOPPED"],"unsent":[`)
	})
	w.stop()
	w.mu.Lock()
	w.breaking = false
	w.mu.Unlock()
	w.start()
	got := w.reaches(arn, model.TaskDeprovisioning)
	if *got.Containers[0].ExitCode != 4 || got.Containers[0].Reason != "OutOfMemoryError: Container killed due to memory usage" {
		t.Errorf("container: %+v", got.Containers[0])
	}
}

// A kill between the two may leave a record of an end that nobody was told.
func TestAnEndThatWasRecordedIsToldByTheNextAgent(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	id := w.reaches(arn, model.TaskActivating).Containers[0].RuntimeID
	w.stop()
	w.driver.Kill(id, 0, false)
	path := filepath.Join(w.conf.Dir, "tasks", "t1", "task.jsonl")
	b, err := kernel.LastRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(b, &record); err != nil {
		t.Fatal(err)
	}
	record["over"] = true
	if b, err = json.Marshal(record); err == nil {
		err = kernel.AppendRecord(path, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	w.reaches(arn, model.TaskDeprovisioning)
}

// Proves: D57
func TestContainersStartAndStopInOrder(t *testing.T) {
	w := newWorld(t)
	w.program = func(s container.Spec) csim.Program {
		if s.Labels["com.amazonaws.ecs.container-name"] == "init" {
			return csim.Program{Runs: 20 * time.Millisecond}
		}
		return csim.Program{Exec: func(container.ExecSpec) int { return 0 }}
	}
	w.start()
	check := &model.HealthCheck{Command: []string{"CMD-SHELL", "true"}, Interval: 1, Timeout: 1, Retries: 1}
	arn := w.task("t1",
		model.ContainerDefinition{
			Name: "app", Image: "x:1", Essential: true,
			DependsOn: []model.Dependency{{Container: "side", Condition: "HEALTHY"}, {Container: "init", Condition: "SUCCESS"}},
		},
		model.ContainerDefinition{Name: "side", Image: "x:1", Essential: true, HealthCheck: check},
		model.ContainerDefinition{Name: "init", Image: "x:1"},
	)
	w.reaches(arn, model.TaskActivating)
	w.until(arn, "healthy", func(t model.Task) bool { return t.Containers[1].Health == model.Healthy })
	started := map[string]time.Time{}
	all, _ := w.driver.List(t.Context())
	for _, st := range all {
		started[st.Labels["com.amazonaws.ecs.container-name"]] = st.StartedAt
		if st.Labels["com.amazonaws.ecs.container-name"] == "init" && !st.FinishedAt.Before(started["app"]) && !started["app"].IsZero() {
			t.Error("the app did not wait for init")
		}
	}
	if !started["app"].After(started["side"]) {
		t.Errorf("started: %v", started)
	}
	w.halt(arn)
	w.reaches(arn, model.TaskDeprovisioning)
}

// Proves: D57
func TestAFailedDependencyFailsTheTask(t *testing.T) {
	w := newWorld(t)
	w.program = func(container.Spec) csim.Program { return csim.Program{Runs: time.Millisecond, ExitCode: 2} }
	w.start()
	got := w.reaches(w.task("t1",
		model.ContainerDefinition{
			Name: "app", Image: "x:1", Essential: true, DependsOn: []model.Dependency{{Container: "init", Condition: "SUCCESS"}},
		},
		model.ContainerDefinition{Name: "init", Image: "x:1"},
	), model.TaskDeprovisioning)
	if !strings.Contains(got.StoppedReason, "dependency on") && !strings.Contains(got.StoppedReason, "did not exit successfully") {
		t.Errorf("reason: %s", got.StoppedReason)
	}
}

func TestATaskToldToStopBeforeItBegan(t *testing.T) {
	w := newWorld(t)
	arn := w.task("t1", app("x:1"))
	w.halt(arn)
	w.start()
	got := w.reaches(arn, model.TaskDeprovisioning)
	if got.StoppedReason != "bye" || !got.StartedAt.IsZero() {
		t.Errorf("task: %+v", got)
	}
}

func TestTasksThatAreGoneFromTheStateAreStopped(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	w.reaches(arn, model.TaskActivating)
	w.stop()
	w.as("controllers/reaper", func(tx *store.Tx) error { return state.Tasks.Delete(tx, arn) })
	w.start()
	await.Value(t, "stopped", func() (int, bool) {
		all, _ := w.driver.List(t.Context())
		return len(all), len(all) == 0
	})
}

func TestWithoutPollPermissionTheAgentIsNotConnected(t *testing.T) {
	w := newWorld(t)
	w.access.deny["ecs:Poll"] = true
	w.start()
	await.Value(t, "registered", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(w.db.View(), instanceID)
		return i, i.Status == model.ContainerInstanceActive
	})
	if i, _ := state.Instances.Get(w.db.View(), instanceID); i.Connected {
		t.Error("connected without permission")
	}
}

func TestAnAgentThatLostItsRecordsSaysSo(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	w.reaches(arn, model.TaskActivating)
	w.stop()
	if err := os.RemoveAll(filepath.Join(w.conf.Dir, "tasks")); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := w.reaches(arn, model.TaskDeprovisioning); got.DesiredStatus != model.TaskStopped {
		t.Errorf("task: %+v", got)
	}
}
