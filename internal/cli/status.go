package cli

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// picture is what `berth status` shows.
type picture struct {
	Now      time.Time        `json:"now"`
	Speed    float64          `json:"speed"`
	Region   string           `json:"region"`
	Clusters []clusterPicture `json:"clusters"`
	Stacks   []stackPicture   `json:"stacks,omitempty"`
}

type stackPicture struct {
	Name   string `json:"name"`
	Status string `json:"status"`
}

type clusterPicture struct {
	Name      string            `json:"name"`
	Providers []string          `json:"capacityProviders"`
	Instances []instancePicture `json:"instances"`
	Services  []servicePicture  `json:"services"`
	Waiting   []taskPicture     `json:"waiting,omitempty"`
}

type instancePicture struct {
	ID        string        `json:"id"`
	Type      string        `json:"type"`
	Zone      string        `json:"zone"`
	Status    string        `json:"status"`
	Connected bool          `json:"connected"`
	CPU       [2]int        `json:"cpu"`    // used, registered; units
	Memory    [2]int        `json:"memory"` // used, registered; MiB
	Tasks     []taskPicture `json:"tasks"`
}

type taskPicture struct {
	ID       string `json:"id"`
	Group    string `json:"group"`
	Status   string `json:"status"`
	Desired  string `json:"desired"`
	Revision string `json:"revision"`
	Address  string `json:"address,omitempty"`
	Health   string `json:"health,omitempty"`
}

type servicePicture struct {
	Name       string   `json:"name"`
	Status     string   `json:"status"`
	Desired    int      `json:"desired"`
	Running    int      `json:"running"`
	Pending    int      `json:"pending"`
	Strategy   string   `json:"strategy"`
	Deployment string   `json:"deployment,omitempty"` // status of the newest service deployment
	Stage      string   `json:"stage,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Weights    []string `json:"weights,omitempty"`
	URLs       []string `json:"urls,omitempty"`
	LastEvent  string   `json:"lastEvent,omitempty"`
}

func (a *app) status() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show clusters, instances with the tasks packed in them, and deployments",
		Example: "  berth status\n  berth status -w",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			for {
				p, err := look(cmd.Context(), c)
				if err != nil {
					return err
				}
				switch {
				case a.asJSON:
					err = a.print(p)
				case watch && terminal(a.out):
					var b strings.Builder
					a.draw(&b, p)
					fmt.Fprint(a.out, "\x1b[H\x1b[2J"+b.String())
				default:
					a.draw(a.out, p)
				}
				if err != nil || !watch {
					return err
				}
				if err := pause(cmd.Context(), time.Second); err != nil {
					return nil //nolint:nilerr // the user ended the watch
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw again every second")
	return cmd
}

// look asks the server for the whole picture.
func look(ctx context.Context, c *client) (picture, error) {
	h, err := c.health(ctx)
	if err != nil {
		return picture{}, err
	}
	p := picture{Now: h.Now, Speed: h.Speed, Region: h.Region}
	out, err := c.call(ctx, "ecs", "ListClusters", map[string]any{})
	if err != nil {
		return p, err
	}
	for _, arn := range strs(out, "clusterArns") {
		cl, err := lookCluster(ctx, c, arn)
		if err != nil {
			return p, err
		}
		p.Clusters = append(p.Clusters, cl)
	}
	out, err = c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{})
	if err != nil {
		return p, err
	}
	for _, s := range list(out, "Stacks") {
		p.Stacks = append(p.Stacks, stackPicture{str(s, "StackName"), str(s, "StackStatus")})
	}
	return p, nil
}

func lookCluster(ctx context.Context, c *client, arn string) (clusterPicture, error) {
	out, err := c.call(ctx, "ecs", "DescribeClusters", map[string]any{"clusters": []string{arn}})
	if err != nil {
		return clusterPicture{}, err
	}
	cl := clusterPicture{}
	for _, d := range list(out, "clusters") {
		cl.Name, cl.Providers = str(d, "clusterName"), strs(d, "capacityProviders")
	}
	where := map[string]int{}
	out, err = c.call(ctx, "ecs", "ListContainerInstances", map[string]any{"cluster": arn})
	if err != nil {
		return cl, err
	}
	if ids := strs(out, "containerInstanceArns"); len(ids) > 0 {
		out, err = c.call(ctx, "ecs", "DescribeContainerInstances", map[string]any{"cluster": arn, "containerInstances": ids})
		if err != nil {
			return cl, err
		}
		for _, d := range list(out, "containerInstances") {
			in := instancePicture{ID: str(d, "ec2InstanceId"), Status: str(d, "status"), Connected: str(d, "agentConnected") == "true"}
			for _, at := range list(d, "attributes") {
				switch str(at, "name") {
				case "ecs.instance-type":
					in.Type = str(at, "value")
				case "ecs.availability-zone":
					in.Zone = str(at, "value")
				}
			}
			reg, rem := resources(d, "registeredResources"), resources(d, "remainingResources")
			in.CPU = [2]int{reg["CPU"] - rem["CPU"], reg["CPU"]}
			in.Memory = [2]int{reg["MEMORY"] - rem["MEMORY"], reg["MEMORY"]}
			cl.Instances = append(cl.Instances, in)
		}
		sort.Slice(cl.Instances, func(i, j int) bool {
			return cl.Instances[i].Zone+cl.Instances[i].ID < cl.Instances[j].Zone+cl.Instances[j].ID
		})
		for _, d := range list(out, "containerInstances") {
			for i, in := range cl.Instances {
				if in.ID == str(d, "ec2InstanceId") {
					where[str(d, "containerInstanceArn")] = i
				}
			}
		}
	}
	if err := lookTasks(ctx, c, arn, &cl, where); err != nil {
		return cl, err
	}
	return cl, lookServices(ctx, c, arn, &cl)
}

func resources(d map[string]any, key string) map[string]int {
	out := map[string]int{}
	for _, r := range list(d, key) {
		out[str(r, "name")] = num(r, "integerValue")
	}
	return out
}

func lookTasks(ctx context.Context, c *client, arn string, cl *clusterPicture, where map[string]int) error {
	var arns []string
	for _, desired := range []string{"RUNNING", "STOPPED"} {
		out, err := c.call(ctx, "ecs", "ListTasks", map[string]any{"cluster": arn, "desiredStatus": desired})
		if err != nil {
			return err
		}
		arns = append(arns, strs(out, "taskArns")...)
	}
	for len(arns) > 0 {
		n := min(len(arns), 100)
		out, err := c.call(ctx, "ecs", "DescribeTasks", map[string]any{"cluster": arn, "tasks": arns[:n]})
		arns = arns[n:]
		if err != nil {
			return err
		}
		for _, d := range list(out, "tasks") {
			if str(d, "lastStatus") == "STOPPED" {
				continue
			}
			t := taskPicture{
				ID: last(str(d, "taskArn")), Group: str(d, "group"), Status: str(d, "lastStatus"), Desired: str(d, "desiredStatus"),
				Revision: last(str(d, "taskDefinitionArn")), Health: str(d, "healthStatus"),
			}
			for _, at := range list(d, "attachments") {
				for _, kv := range list(at, "details") {
					if str(kv, "name") == "privateIPv4Address" {
						t.Address = str(kv, "value")
					}
				}
			}
			if i, ok := where[str(d, "containerInstanceArn")]; ok {
				cl.Instances[i].Tasks = append(cl.Instances[i].Tasks, t)
			} else {
				cl.Waiting = append(cl.Waiting, t)
			}
		}
	}
	for _, in := range cl.Instances {
		sort.Slice(in.Tasks, func(i, j int) bool { return in.Tasks[i].Group+in.Tasks[i].ID < in.Tasks[j].Group+in.Tasks[j].ID })
	}
	return nil
}

func last(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func lookServices(ctx context.Context, c *client, arn string, cl *clusterPicture) error {
	out, err := c.call(ctx, "ecs", "ListServices", map[string]any{"cluster": arn, "maxResults": 100})
	if err != nil {
		return err
	}
	arns := strs(out, "serviceArns")
	for len(arns) > 0 {
		n := min(len(arns), 10)
		out, err := c.call(ctx, "ecs", "DescribeServices", map[string]any{"cluster": arn, "services": arns[:n]})
		arns = arns[n:]
		if err != nil {
			return err
		}
		for _, d := range list(out, "services") {
			s := servicePicture{
				Name: str(d, "serviceName"), Status: str(d, "status"), Desired: num(d, "desiredCount"), Running: num(d, "runningCount"),
				Pending: num(d, "pendingCount"), Strategy: first(str(sub(d, "deploymentConfiguration"), "strategy"), "ROLLING"),
			}
			if evs := list(d, "events"); len(evs) > 0 {
				s.LastEvent = str(evs[0], "message")
			}
			if err := lookDeployment(ctx, c, str(d, "serviceArn"), &s); err != nil {
				return err
			}
			s.URLs = serviceURLs(ctx, c, d)
			cl.Services = append(cl.Services, s)
		}
	}
	return nil
}

func lookDeployment(ctx context.Context, c *client, service string, s *servicePicture) error {
	out, err := c.call(ctx, "ecs", "ListServiceDeployments", map[string]any{"service": service, "maxResults": 1})
	if err != nil {
		return err
	}
	deps := list(out, "serviceDeployments")
	if len(deps) == 0 {
		return nil
	}
	out, err = c.call(ctx, "ecs", "DescribeServiceDeployments", map[string]any{"serviceDeploymentArns": []string{str(deps[0], "serviceDeploymentArn")}})
	if err != nil {
		return err
	}
	for _, d := range list(out, "serviceDeployments") {
		s.Deployment, s.Stage, s.Reason = str(d, "status"), str(d, "lifecycleStage"), str(d, "statusReason")
		for _, r := range append([]map[string]any{sub(d, "targetServiceRevision")}, list(d, "sourceServiceRevisions")...) {
			if r == nil || r["requestedProductionTrafficWeight"] == nil {
				continue
			}
			id := last(str(r, "arn"))
			w := fmt.Sprintf("…%s %s/%s running, production %s %%", id[max(0, len(id)-6):], str(r, "runningTaskCount"), str(r, "requestedTaskCount"), trim(str(r, "requestedProductionTrafficWeight")))
			if t := trim(str(r, "requestedTestTrafficWeight")); t != "" && t != "0" {
				w += ", test " + t + " %"
			}
			s.Weights = append(s.Weights, w)
		}
	}
	return nil
}

func trim(n string) string {
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n
}

// serviceURLs finds the URLs of the listeners behind a service's target groups.
func serviceURLs(ctx context.Context, c *client, d map[string]any) []string {
	var urls []string
	seen := map[string]bool{}
	for _, lb := range list(d, "loadBalancers") {
		tg := str(lb, "targetGroupArn")
		if tg == "" {
			continue
		}
		out, err := c.call(ctx, "elbv2", "DescribeTargetGroups", map[string]any{"TargetGroupArns": []string{tg}})
		if err != nil {
			continue
		}
		for _, g := range list(out, "TargetGroups") {
			for _, arn := range strs(g, "LoadBalancerArns") {
				if seen[arn] {
					continue
				}
				seen[arn] = true
				us, err := listenerURLs(ctx, c, arn)
				if err == nil {
					urls = append(urls, us...)
				}
			}
		}
	}
	return urls
}

// stage says in a few words where the deployment under way is.
func (a *app) stage(ctx context.Context, c *client) string {
	p, err := look(ctx, c)
	if err != nil {
		return ""
	}
	var parts []string
	for _, cl := range p.Clusters {
		for _, s := range cl.Services {
			if s.Deployment == "IN_PROGRESS" || s.Deployment == "PENDING" || strings.HasPrefix(s.Deployment, "ROLLBACK") {
				parts = append(parts, fmt.Sprintf("%s, %d of %d tasks running", first(s.Stage, s.Deployment), s.Running, s.Desired))
			}
		}
		if len(cl.Waiting) > 0 {
			parts = append(parts, fmt.Sprintf("%d waiting for an instance", len(cl.Waiting)))
		}
	}
	return strings.Join(parts, "; ")
}

// draw writes the picture for people.
func (a *app) draw(w io.Writer, p picture) {
	fmt.Fprintf(w, "%s  %s  clock %s at %gx\n", a.paint("bold", "berth"), p.Region, p.Now.Format("2006-01-02 15:04:05"), p.Speed)
	for _, s := range p.Stacks {
		fmt.Fprintf(w, "stack %s  %s\n", a.paint("bold", s.Name), a.paint(mood(s.Status), s.Status))
	}
	if len(p.Clusters) == 0 {
		fmt.Fprintln(w, "no clusters; `berth up` deploys the example")
	}
	wide := width(a.out)
	for _, cl := range p.Clusters {
		fmt.Fprintf(w, "\ncluster %s  %s\n", a.paint("bold", cl.Name), a.paint("dim", strings.Join(cl.Providers, " ")))
		zone := ""
		for _, in := range cl.Instances {
			if in.Zone != zone {
				zone = in.Zone
				fmt.Fprintf(w, "  %s\n", a.paint("dim", zone))
			}
			conn := ""
			if !in.Connected {
				conn = a.paint("red", " agent disconnected")
			}
			fmt.Fprintf(w, "    %s  %-13s %s%s  cpu %s %d/%d  mem %s %d/%d MiB\n", in.ID, in.Type, a.paint(mood(in.Status), in.Status), conn,
				bar(in.CPU, 8), in.CPU[0], in.CPU[1], bar(in.Memory, 8), in.Memory[0], in.Memory[1])
			for _, t := range in.Tasks {
				a.drawTask(w, t, wide)
			}
		}
		if len(cl.Waiting) > 0 {
			fmt.Fprintf(w, "  %s\n", a.paint("yellow", "waiting for an instance (berth explain TASK says why)"))
			for _, t := range cl.Waiting {
				a.drawTask(w, t, wide)
			}
		}
		for _, s := range cl.Services {
			fmt.Fprintf(w, "  service %s  %s  %d/%d running", a.paint("bold", s.Name), a.paint(mood(s.Status), s.Status), s.Running, s.Desired)
			if s.Pending > 0 {
				fmt.Fprintf(w, ", %d pending", s.Pending)
			}
			fmt.Fprintf(w, "  %s %s", s.Strategy, a.paint(mood(s.Deployment), s.Deployment))
			if s.Stage != "" && (s.Deployment == "IN_PROGRESS" || strings.Contains(s.Deployment, "ROLLBACK_IN")) {
				fmt.Fprintf(w, " %s", a.paint("cyan", s.Stage))
			}
			fmt.Fprintln(w)
			for _, x := range s.Weights {
				fmt.Fprintf(w, "    revision %s\n", x)
			}
			if s.Reason != "" && s.Deployment != "SUCCESSFUL" {
				fmt.Fprintf(w, "    %s\n", clip(s.Reason, wide-4))
			}
			for _, u := range s.URLs {
				fmt.Fprintf(w, "    %s\n", u)
			}
			if s.LastEvent != "" {
				fmt.Fprintf(w, "    %s\n", a.paint("dim", clip(s.LastEvent, wide-4)))
			}
		}
	}
}

func (a *app) drawTask(w io.Writer, t taskPicture, wide int) {
	state := t.Status
	if t.Desired == "STOPPED" && t.Status == "RUNNING" {
		state = "RUNNING→STOPPED"
	}
	line := fmt.Sprintf("      %-12s %-26s %-18s %s", clip(t.ID, 12), clip(strings.TrimPrefix(t.Group, "service:"), 26), clip(t.Revision, 18), t.Address)
	fmt.Fprintf(w, "%s  %s\n", clip(line, wide-16), a.paint(mood(t.Status), state))
}

func clip(s string, n int) string {
	r := []rune(s)
	if n < 4 || len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func bar(v [2]int, n int) string {
	if v[1] <= 0 {
		return strings.Repeat("·", n)
	}
	full := min(n, (v[0]*n+v[1]-1)/v[1])
	return strings.Repeat("█", full) + strings.Repeat("░", n-full)
}
