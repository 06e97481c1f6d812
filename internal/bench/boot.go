package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

// boots measures from the start of the server to its first answer to an API
// call, and what it then holds in memory, idle.
func boots(ctx context.Context, b *bench) error {
	for _, n := range []int{0, 10_000} {
		var took, cpu, rss, private []float64
		for i := range b.rounds {
			l := &lab{b: b, data: filepath.Join(b.dir, fmt.Sprintf("boot-%d-%d", n, i)), speed: "1"}
			if n > 0 {
				if err := fill(ctx, filepath.Join(l.data, "state"), n); err != nil {
					return err
				}
				// As a server's: others are refused.
				if err := os.WriteFile(filepath.Join(l.data, "server.lock"), nil, 0o600); err != nil {
					return err
				}
			}
			if err := l.start(ctx); err != nil {
				return err
			}
			took, cpu = append(took, ms(time.Since(l.began))), append(cpu, ms(usedBy(l.cmd.Process.Pid)))
			if n == 0 {
				if err := rest(ctx, time.Second); err != nil {
					return err
				}
			}
			r, p, err := memory(l.cmd.Process.Pid)
			if err != nil {
				return err
			}
			rss, private = append(rss, r), append(private, p)
			if n > 0 {
				l.kill() // before it looks for instances that there never were
			}
			if err := l.stop(); err != nil {
				return err
			}
		}
		work, what := "server: start to first answer", fmt.Sprintf("berth, %d tasks of state", n)
		b.table.add(work, what, "ms", took, atMost(150, "≤ 150"))
		b.table.add(work, what, "CPU ms", cpu, nil)
		if n == 0 {
			b.table.add("memory, idle, nothing deployed", "berth server", "MiB resident", rss, atMost(60, "≤ 60"))
			b.table.add("memory, idle, nothing deployed", "berth server", "MiB private", private, nil)
		} else {
			b.table.add("memory at the first answer", what, "MiB resident", rss, nil)
		}
	}
	return nil
}

// fill writes the state of n running tasks of one service on instances of
// twenty tasks each. They have no network interfaces: the kernel's work after
// the first answer is not what is measured.
func fill(ctx context.Context, dir string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	kv, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return err
	}
	db, err := state.Open(ctx, kv, false)
	if err != nil {
		return err
	}
	at := time.Now().UTC()
	arn := func(kind, id string) string {
		return fmt.Sprintf("arn:aws:ecs:%s:000000000000:%s/big/%s", region, kind, id)
	}
	err = db.Update(ctx, "api/ecs", func(tx *store.Tx) error {
		if err := state.Clusters.Put(tx, model.Cluster{
			Name: "big", ARN: "arn:aws:ecs:" + region + ":000000000000:cluster/big", Status: model.ClusterActive, CreatedAt: at,
		}); err != nil {
			return err
		}
		for i := range n {
			id := fmt.Sprintf("%032x", i)
			on := fmt.Sprintf("%032x", i/20)
			if i%20 == 0 {
				if err := state.Instances.Put(tx, model.Instance{
					ID: fmt.Sprintf("i-%017x", i/20), ARN: arn("container-instance", on), Cluster: "big", Type: "c6a.2xlarge",
					AvailabilityZone: region + "a", Goal: model.GoalRun, State: model.InstanceRunning, Status: model.ContainerInstanceActive, WantedAt: at,
					LaunchedAt: at, RegisteredAt: at,
				}); err != nil {
					return err
				}
			}
			if err := state.Tasks.Put(tx, model.Task{
				ARN: arn("task", id), ID: id, Cluster: "big", Group: "family:web",
				TaskDefinition: "arn:aws:ecs:" + region + ":000000000000:task-definition/web:1", CPU: 256, Memory: 512, CreatedAt: at, StartedAt: at,
				DesiredStatus: model.TaskRunning, LastStatus: model.TaskRunning, StatusAt: at, Instance: arn("container-instance", on),
				AvailabilityZone: region + "a", PlacedAt: at, Health: model.HealthUnknown, Connectivity: model.Connected,
				Containers: []model.TaskContainer{
					{
						Name: "web", ARN: arn("container", id), Image: "web:latest", RuntimeID: id + "-1", LastStatus: model.ContainerRunning,
						Health: model.HealthUnknown,
					},
				},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.Close()
}
