//go:build root

package e2e_test

import (
	"testing"
)

// TestRootScaleInAndDrainingDropNothing takes away tasks and an instance under
// constant traffic.
func TestRootScaleInAndDrainingDropNothing(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0")
	h.desire(8)
	h.rests(8)
	t.Run("scale in from 8 to 1", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		h.desire(1)
		h.rests(1)
		h.until("one instance is left", func(p picture) bool { return len(p.Clusters[0].Instances) == 1 })
		traffic.endWithout(t, "scale in from 8 to 1")
	})
	t.Run("drain", func(t *testing.T) {
		h.desire(2)
		before := h.rests(2).Clusters[0].Instances
		traffic := underLoad(t, h.url)
		for _, i := range before {
			out := h.ecs("UpdateContainerInstancesState", map[string]any{
				"cluster": "hello", "containerInstances": []any{h.instanceARN(i.ID)}, "status": "DRAINING",
			})
			if len(list(out["failures"])) > 0 || len(list(out["containerInstances"])) != 1 {
				t.Fatalf("UpdateContainerInstancesState: %v", out)
			}
			h.until("tasks have left the draining instance", func(p picture) bool {
				for _, j := range p.Clusters[0].Instances {
					if j.ID == i.ID {
						return false
					}
				}
				return p.Clusters[0].Services[0].Running == 2 && len(h.pages()) == 2
			})
		}
		traffic.endWithout(t, "drain every instance that there was")
		if now := h.rests(2).Clusters[0].Instances; now[0].ID == before[0].ID {
			t.Errorf("still on %+v", now)
		}
	})
	h.finish()
}

// instanceARN is the container instance of a machine.
func (h *hello) instanceARN(id string) string {
	h.t.Helper()
	arns := h.ecs("ListContainerInstances", map[string]any{"cluster": "hello"})["containerInstanceArns"]
	for _, c := range list(
		h.ecs("DescribeContainerInstances", map[string]any{"cluster": "hello", "containerInstances": arns})["containerInstances"],
	) {
		if text(c["ec2InstanceId"]) == id {
			return text(c["containerInstanceArn"])
		}
	}
	h.t.Fatalf("no container instance for %s", id)
	return ""
}
