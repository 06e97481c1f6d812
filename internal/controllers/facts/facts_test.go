package facts_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/internal/controllers/facts"
	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

var start = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

// fixture is a state with a definition and two clusters.
func fixture(t interface{ Fatal(...any) }) *state.DB {
	db, err := state.Open(context.Background(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, func(tx *store.Tx) error {
		for _, c := range []string{"c", "d"} {
			if err := state.Clusters.Put(tx, model.Cluster{Name: c, DefaultStrategy: []model.StrategyItem{{Provider: "p", Weight: 1}}}); err != nil {
				return err
			}
		}
		return state.TaskDefinitions.Put(tx, model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc", CPU: 256, Memory: 512})
	})
	return db
}

func write(t interface{ Fatal(...any) }, db *state.DB, fn func(*store.Tx) error) {
	if _, err := db.DB.Update(context.Background(), nil, fn); err != nil {
		t.Fatal(err)
	}
}

// whole is what is read of a cluster by who keeps nothing.
func whole(r store.Reader, cluster string) placement.Facts {
	f := placement.Facts{
		Definition: func(arn string) *model.TaskDefinition { return state.TaskDefinitions.Ref(r, arn) },
		Zone: func(subnet string) string {
			s, _ := state.Subnets.Get(r, subnet)
			return s.AvailabilityZone
		},
	}
	c, _ := state.Clusters.Get(r, cluster)
	f.Default = c.DefaultStrategy
	for i := range state.Instances.Each(r, "cluster", cluster) {
		f.Instances = append(f.Instances, i)
	}
	for task := range state.Tasks.Each(r, "cluster", cluster) {
		f.Tasks = append(f.Tasks, task)
	}
	return f
}

// draw is one of a few.
func draw[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "of") }

func task(t *rapid.T) model.Task {
	cluster := draw(t, "c", "d")
	return model.Task{
		ARN: "task/" + cluster + draw(t, "1", "2", "3", "4"), Cluster: cluster, Group: draw(t, "service:a", "service:b"),
		Service: draw(t, "a", "b", ""), TaskDefinition: "td",
		CPU: draw(t, int64(0), 1024), CreatedAt: start.Add(draw(t, time.Second, time.Minute)), CapacityProvider: draw(t, "", "p", "q"),
		Instance:      draw(t, "", "arn/"+cluster+"1", "arn/"+cluster+"2"),
		LastStatus:    draw(t, model.TaskProvisioning, model.TaskRunning, model.TaskStopped),
		DesiredStatus: draw(t, model.TaskRunning, model.TaskRunning, model.TaskStopped), StoppedAt: start.Add(draw(t, time.Hour, 0)),
		Network: model.NetworkConfiguration{Subnets: []string{"s1", "s2"}},
	}
}

func change(t *rapid.T) func(*store.Tx) error {
	switch draw(t, "task", "task", "task", "task gone", "instance", "subnet", "subnet gone") {
	case "task gone":
		return func(tx *store.Tx) error { return state.Tasks.Delete(tx, task(t).ARN) }
	case "instance":
		cluster := draw(t, "c", "d")
		id := cluster + draw(t, "1", "2")
		return func(tx *store.Tx) error {
			return state.Instances.Put(tx, model.Instance{
				ID: id, ARN: "arn/" + id, Cluster: cluster, Goal: model.GoalRun, Status: model.ContainerInstanceActive, Connected: true,
				Registered: model.Resources{CPU: 2048, Memory: 4096, ENIs: 4},
			})
		}
	case "subnet":
		return func(tx *store.Tx) error {
			return state.Subnets.Put(tx, model.Subnet{ID: draw(t, "s1", "s2"), AvailabilityZone: draw(t, "a", "c")})
		}
	case "subnet gone":
		return func(tx *store.Tx) error { return state.Subnets.Delete(tx, draw(t, "s1", "s2")) }
	default:
		return func(tx *store.Tx) error { return state.Tasks.Put(tx, task(t)) }
	}
}

// What is kept by difference is what would be read from nothing, after any
// sequence of changes and however many of them come between two looks.
func TestKeptEqualsFromNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := fixture(t)
		k := facts.New(db)
		for range rapid.IntRange(1, 10).Draw(t, "looks") {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				write(t, db, change(t))
			}
			for _, cluster := range []string{"c", "d"} {
				same(t, whole(db.View(), cluster), k.Of(db.View(), cluster))
			}
		}
	})
}

func same(t *rapid.T, want, got placement.Facts) {
	opts := cmp.Options{cmpopts.IgnoreUnexported(placement.Ask{}, placement.Node{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want.Now(), got.Now(), opts); diff != "" {
		t.Fatal("now: " + diff)
	}
	if diff := cmp.Diff(want.Soon(), got.Soon(), opts); diff != "" {
		t.Fatal("soon: " + diff)
	}
	if diff := cmp.Diff(want.Asks(), got.Asks(), opts); diff != "" {
		t.Fatal("asks: " + diff)
	}
	for _, i := range want.Instances {
		if diff := cmp.Diff(want.Learn().Load(i.ARN), got.Learn().Load(i.ARN), opts); diff != "" {
			t.Fatal("load: " + diff)
		}
		if diff := cmp.Diff(want.Learn().On(i.ARN), got.Learn().On(i.ARN), opts); diff != "" {
			t.Fatal("on: " + diff)
		}
	}
}

// grow puts n tasks one by one on instances of twenty, each while all others
// of the world stand, and counts what is made for it.
func grow(t *testing.T, n int) float64 {
	db := fixture(t)
	k := facts.New(db)
	for i := range n {
		task := model.Task{
			ARN: fmt.Sprint("task/", i), Cluster: "c", TaskDefinition: "td", LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning,
		}
		write(t, db, func(tx *store.Tx) error { return state.Tasks.Put(tx, task) })
		k.Of(db.View(), "c")
		task.Instance = fmt.Sprint("arn/", i/20)
		write(t, db, func(tx *store.Tx) error { return state.Tasks.Put(tx, task) })
		k.Of(db.View(), "c")
	}
	return float64(k.Made()) / float64(n)
}

func TestWhatATaskMakesDoesNotGrowWithTheWorld(t *testing.T) {
	few, many := grow(t, 100), grow(t, 1000)
	if many > 1.5*few || few > 3 {
		t.Errorf("%.2f parts a task with 100, %.2f with 1,000", few, many)
	}
}
