package rollout

import (
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// start plans n more tasks of a rollout.
func (p *pass) start(r *model.Rollout, n, replaced int64) {
	hosts := p.vacant()
	if p.daemon() {
		n = min(n, int64(len(hosts)))
	}
	if n <= 0 || !p.starting {
		return
	}
	var ids []string
	for k := range n {
		t := p.newTask(r)
		if p.daemon() {
			t.Host = hosts[k]
		}
		p.plan.Start = append(p.plan.Start, t)
		p.note(t.ARN, "desired", "%s should have %d tasks of %s", r.ID, p.s.DesiredCount, lastPart(t.TaskDefinition))
		p.tasks = append(p.tasks, p.member(&t))
		ids = append(ids, "(task "+t.ID+")")
	}
	text := "has started " + itoa(n) + " tasks: " + strings.Join(ids, " ") + "."
	if replaced > 0 {
		text += " Amazon ECS replaced " + itoa(replaced) + " tasks due to an unhealthy status."
	}
	p.tell(model.CauseStarted, "%s", text)
	r.UpdatedAt = p.now
}

// newTask makes a task of a rollout's revision, in its first state.
func (p *pass) newTask(r *model.Rollout) model.Task {
	rev, id := p.rev(r.Revision), p.w.IDs()
	def := p.def(rev.TaskDefinition)
	t := model.Task{
		ARN: p.arn("task", id), ID: id, Cluster: p.s.Cluster, Service: p.s.ARN, Revision: rev.ARN,
		Group: "service:" + p.s.Name, StartedBy: r.ID, TaskDefinition: rev.TaskDefinition,
		Network: model.Clone(rev.Network), Strategy: slices.Clone(rev.Strategy), LaunchType: rev.LaunchType,
		LoadBalancers: p.resolved(rev),
		Constraints:   slices.Concat(def.PlacementConstraints, p.s.Constraints), Placement: slices.Clone(p.s.Placement),
		CPU: def.CPUUnits(), Memory: def.MemoryMiB(), Tags: p.taskTags(def), ExecuteCommand: p.s.ExecuteCommand,
		CreatedAt: p.now, DesiredStatus: model.TaskRunning, LastStatus: model.TaskProvisioning, StatusAt: p.now,
		Health: model.HealthUnknown, Version: 1,
	}
	for _, c := range def.Containers {
		image := c.Image
		if digest := rev.Images[c.Name]; digest != "" && c.VersionConsistency != "disabled" {
			image = Pinned(c.Image, digest)
		}
		t.Containers = append(t.Containers, model.TaskContainer{
			Name: c.Name, ARN: p.arn("container", id+"/"+uuid(p.w.IDs())), Image: image, LastStatus: model.ContainerPending,
			Health: model.HealthUnknown, CPU: c.CPU, Memory: c.Memory,
		})
	}
	return t
}

// arn builds the ARN of something in the service's cluster, in its place.
func (p *pass) arn(kind, id string) string {
	head, _, _ := strings.Cut(p.s.ARN, ":service/")
	return head + ":" + kind + "/" + p.s.Cluster + "/" + id
}

// uuid writes 32 hexadecimal digits as a UUID.
func uuid(h string) string {
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

// resolved are the load balancers of a revision with the target groups that
// it really uses.
func (p *pass) resolved(rev model.ServiceRevision) []model.ServiceLoadBalancer {
	out := slices.Clone(rev.LoadBalancers)
	for i := range out {
		if i < len(rev.Groups) {
			out[i].TargetGroupARN = rev.Groups[i]
		}
	}
	return out
}

func (p *pass) taskTags(def model.TaskDefinition) []model.Tag {
	var tags []model.Tag
	switch p.s.PropagateTags {
	case "SERVICE":
		tags = p.s.Tags
	case "TASK_DEFINITION":
		tags = def.Tags
	}
	if p.s.ECSManagedTags {
		tags = model.SetTags(tags, []model.Tag{
			{Key: "aws:ecs:clusterName", Value: p.s.Cluster}, {Key: "aws:ecs:serviceName", Value: p.s.Name},
		})
	}
	return slices.Clone(tags)
}

// Pinned is an image reference at a digest instead of a tag.
func Pinned(image, digest string) string {
	if strings.Contains(image, "@") {
		return image
	}
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image + "@" + digest
}

// unpinned reports whether a container's tag has still to be resolved.
func unpinned(c model.ContainerDefinition, rev model.ServiceRevision) bool {
	return c.VersionConsistency != "disabled" && !strings.Contains(c.Image, "@") && rev.Images[c.Name] == ""
}

// pin writes the digests that tasks found into their revisions: the first
// task of a revision resolves the tags for all that follow (1.3).
func (p *pass) pin() {
	open := map[string]bool{}
	for arn := range p.w.Revisions {
		if p.open(arn) {
			open[arn] = true
		}
	}
	if len(open) == 0 {
		return // as nearly always: no task need be looked at
	}
	for _, m := range p.tasks {
		if !open[m.t.Revision] {
			continue
		}
		rev := p.rev(m.t.Revision)
		for _, c := range p.def(rev.TaskDefinition).Containers {
			i := slices.IndexFunc(m.t.Containers, func(k model.TaskContainer) bool { return k.Name == c.Name })
			if i < 0 || m.t.Containers[i].ImageDigest == "" || !unpinned(c, rev) {
				continue
			}
			rev = model.Clone(rev)
			if rev.Images == nil {
				rev.Images = map[string]string{}
			}
			rev.Images[c.Name] = m.t.Containers[i].ImageDigest
			p.revs[rev.ARN] = rev
		}
	}
}

// scouting reports whether only one task of a rollout may exist until it has
// resolved the image tags; after three failures the rest go unresolved.
func (p *pass) scouting(r *model.Rollout) bool {
	if r.FailedTasks >= 3 {
		return false
	}
	return p.open(r.Revision)
}

// open reports whether a tag of a revision has still to be resolved.
func (p *pass) open(revision string) bool {
	rev := p.rev(revision)
	return slices.ContainsFunc(p.def(rev.TaskDefinition).Containers, func(c model.ContainerDefinition) bool { return unpinned(c, rev) })
}
