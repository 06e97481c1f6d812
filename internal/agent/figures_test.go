package agent_test

import (
	"testing"

	"berth/internal/model"
)

// Proves: D60
func TestTheMetadataEndpointHasFiguresAndTheTaskWithItsTags(t *testing.T) {
	w := newWorld(t)
	w.start()
	arn := w.task("t1", app("x:1"))
	id := w.reaches(arn, model.TaskActivating).Containers[0].RuntimeID
	figures := w.metadataOf("t1", "/v4/"+id+"/stats")
	if cpu, _ := figures["cpu_stats"].(map[string]any); figures["id"] != id || cpu["cpu_usage"] == nil || figures["memory_stats"] == nil {
		t.Errorf("figures of the container: %v", figures)
	}
	all := w.metadataOf("t1", "/v4/"+id+"/task/stats")
	if of, _ := all[id].(map[string]any); len(all) != 1 || of["cpu_stats"] == nil {
		t.Errorf("figures of the task: %v", all)
	}
	task := w.metadataOf("t1", "/v4/"+id+"/taskWithTags")
	if containers, _ := task["Containers"].([]any); task["TaskARN"] != arn || len(containers) != 1 {
		t.Errorf("task with tags: %v", task)
	}
	for _, c := range task["Containers"].([]any) {
		if networks, _ := c.(map[string]any)["Networks"].([]any); len(networks) != 1 || networks[0].(map[string]any)["NetworkMode"] != "awsvpc" {
			t.Errorf("networks: %v", c)
		}
	}
}
