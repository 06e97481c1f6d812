package explain_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
)

// Why the agent of an instance of the user's own did not come is told by what it
// says of its start, with the cure.
func TestTheStartOfAnInstanceOfOnesOwn(t *testing.T) {
	profile := "arn:aws:iam::1:instance-profile/p"
	for name, c := range map[string]struct {
		in   model.Instance
		boot model.Boot
		says string
		cure string
	}{
		"user data failed": {
			model.Instance{ProfileARN: profile}, model.Boot{
				UserData: model.UserDataEnded, Failures: []model.BootFailure{
					{Part: "part-001", Exit: 3, Last: "no such file"}, {Part: "part-002", Last: "it is cloud-config"},
				},
			}, "part-001 failed with exit 3; the last that it wrote: no such file", "",
		},
		"they run":   {model.Instance{}, model.Boot{UserData: model.UserDataRuns}, "", "still run"},
		"held":       {model.Instance{}, model.Boot{Held: true}, "", "stopped the agent"},
		"no profile": {model.Instance{}, model.Boot{Refused: "no"}, "", "no instance profile"},
		"no cluster": {
			model.Instance{ProfileARN: profile}, model.Boot{Cluster: "lost", Refused: "Cluster not found.", RefusedCode: "ClientException"}, "",
			"there is no cluster lost",
		},
		"not allowed": {
			model.Instance{ProfileARN: profile}, model.Boot{Cluster: "c", Refused: "not authorized", RefusedCode: "AccessDeniedException"}, "",
			"attach AmazonEC2ContainerServiceforEC2Role",
		},
		"no way": {
			model.Instance{ProfileARN: profile, Subnet: "subnet-1", ENI: "eni-1"}, model.Boot{Cluster: "c", Refused: "timeout"}, "", "reach",
		},
		"joined": {
			model.Instance{ProfileARN: profile, Status: model.ContainerInstanceActive, Cluster: "default"},
			model.Boot{Trouble: []string{"ECS_X is not known"}}, "joined the cluster default", "",
		},
	} {
		in := c.in
		in.ID, in.Kind, in.State, in.Goal, in.LaunchedAt = "i-8", model.KindEC2, model.InstanceRunning, model.GoalRun, now.Add(-time.Second)
		in.AvailabilityZone = "ap-northeast-1a"
		v := world(t, nil, put(state.Instances, in)).View()
		a, ok := explain.Find(v, "i-8", now)
		if !ok {
			t.Fatal("it is not found")
		}
		explain.Started(v, &a, c.boot)
		if said := strings.Join(a.Say, "\n"); !strings.Contains(said, c.says) || !strings.Contains(a.Cure, c.cure) {
			t.Errorf("%s: %q, cure %q", name, said, a.Cure)
		}
	}
	a := explain.Answer{Subject: "i-lost", Kind: "instance"}
	explain.Started(world(t, nil).View(), &a, model.Boot{Held: true})
	if len(a.Say) > 0 || a.Cure != "" {
		t.Errorf("of nothing: %+v", a)
	}
}
