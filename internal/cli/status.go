package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/model"
)

// picture is what `berth status` shows.
type picture struct {
	Now      time.Time        `json:"now"`
	Speed    float64          `json:"speed"`
	Region   string           `json:"region"`
	Lacks    []string         `json:"lacks,omitempty"` // what the host cannot keep apart
	Internet string           `json:"internet"`        // what leaves this machine: off, images or on
	Clusters []clusterPicture `json:"clusters"`
	Stacks   []stackPicture   `json:"stacks,omitempty"`
	// Balancers is how the load balancers are reached that no service stands
	// behind.
	Balancers []string `json:"loadBalancers,omitempty"`
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
	Fargate   []taskPicture     `json:"fargate,omitempty"`
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

	revisions []revisionPicture
	balancers []string // ARNs
	URLs      []string `json:"urls,omitempty"`
	LastEvent string   `json:"lastEvent,omitempty"`
}

// revisionPicture is a revision that a deployment is about.
type revisionPicture struct {
	id, running, of  string
	production, test float64 // percent of the traffic
	tests            bool    // there is a listener for test traffic
}

func (a *app) status() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show stacks, instances with their tasks, and deployments",
		Long: "Shows stacks, clusters, instances with the tasks packed in them, and services with the stage and the traffic of their " +
			"deployments. What waits or failed: berth explain ID.",
		Example: "  berth status\n  berth status -w   # live; Ctrl-C leaves\n  berth status --json | jq '.clusters[].services[].deployment'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if watch && !a.asJSON && terminal(a.out) {
				return a.watch(cmd.Context(), c)
			}
			for {
				p, err := look(cmd.Context(), c)
				if err != nil {
					return err
				}
				if a.asJSON {
					err = a.print(p)
				} else {
					a.draw(a.out, p)
				}
				if err != nil || !watch {
					return err
				}
				if err := pause(cmd.Context(), time.Second); err != nil {
					return nil //nolint:nilerr // the user ended the watch
				}
				if !a.asJSON {
					fmt.Fprintln(a.out)
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw again every second")
	return cmd
}

// leaving words what leaves this machine.
func leaving(internet string) string {
	switch internet {
	case "on":
		return "internet on: tasks' packets and pulls of images leave this machine"
	case "off":
		return "internet off: nothing leaves this machine"
	default:
		return "internet images: pulls of images leave this machine, tasks' packets do not"
	}
}

// look asks the server for the whole picture.
func look(ctx context.Context, c *client) (picture, error) {
	h, err := c.health(ctx)
	if err != nil {
		return picture{}, err
	}
	p := picture{Now: h.Now, Speed: h.Speed, Region: h.Region, Lacks: h.Lacks, Internet: h.Internet}
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
	p.Balancers = p.otherBalancers(ctx, c)
	return p, nil
}

// otherBalancers says how the load balancers are reached that no service shows.
func (p picture) otherBalancers(ctx context.Context, c *client) []string {
	shown := map[string]bool{}
	for _, cl := range p.Clusters {
		for _, s := range cl.Services {
			for _, arn := range s.balancers {
				shown[arn] = true
			}
		}
	}
	rows, err := allListeners(ctx, c)
	if err != nil {
		return nil // an older server does not say
	}
	return urls(slices.DeleteFunc(rows, func(l listening) bool { return shown[l.LoadBalancer] }))
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
	for _, desired := range []model.TaskStatus{model.TaskRunning, model.TaskStopped} {
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
			if str(d, "lastStatus") == string(model.TaskStopped) {
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
			} else if str(d, "launchType") == model.LaunchFargate {
				cl.Fargate = append(cl.Fargate, t)
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
			s.URLs, s.balancers = serviceURLs(ctx, c, d)
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
	out, err = c.call(ctx, "ecs", "DescribeServiceDeployments", map[string]any{
		"serviceDeploymentArns": []string{str(deps[0], "serviceDeploymentArn")},
	})
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
			w := fmt.Sprintf(
				"…%s %s/%s running, production %s %%", id[max(0, len(id)-6):], str(r, "runningTaskCount"), str(r, "requestedTaskCount"),
				trim(str(r, "requestedProductionTrafficWeight")),
			)
			if t := trim(str(r, "requestedTestTrafficWeight")); t != "" && t != "0" {
				w += ", test " + t + " %"
			}
			s.Weights = append(s.Weights, w)
			s.revisions = append(s.revisions, revisionPicture{
				id: id[max(0, len(id)-6):], running: str(r, "runningTaskCount"), of: str(r, "requestedTaskCount"),
				production: percent(r, "requestedProductionTrafficWeight"), test: percent(r, "requestedTestTrafficWeight"),
				tests: r["requestedTestTrafficWeight"] != nil,
			})
		}
	}
	return nil
}

func percent(r map[string]any, key string) float64 {
	f, err := strconv.ParseFloat(str(r, key), 64)
	if err != nil {
		return 0
	}
	return f
}

func trim(n string) string {
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n
}

// serviceURLs finds the URLs of the listeners behind a service's target groups,
// and their load balancers.
func serviceURLs(ctx context.Context, c *client, d map[string]any) (ways, balancers []string) {
	var all []listening
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
				ls, err := listeners(ctx, c, arn)
				if err == nil {
					all = append(all, ls...)
				}
			}
		}
	}
	return urls(all), slices.Sorted(maps.Keys(seen))
}
