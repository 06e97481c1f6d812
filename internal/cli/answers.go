package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// answers prints what the stack answers to.
func (a *app) answers(ctx context.Context, c *client, stack string) error {
	out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": stack})
	if err != nil {
		return err
	}
	st := list(out, "Stacks")[0]
	here, err := stackListeners(ctx, c, stack)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.print(map[string]any{"stack": str(st, "StackId"), "outputs": list(st, "Outputs"), "urls": urls(here)})
	}
	fmt.Fprintln(a.out)
	shown := map[string]bool{}
	var taken []string
	for _, l := range here {
		name := "Url"
		for _, o := range list(st, "Outputs") {
			if v := str(o, "OutputValue"); strings.TrimRight(v, "/") == strings.TrimRight(l.own(), "/") {
				name, shown[v] = str(o, "OutputKey"), true
			}
		}
		if l.HostPort != 0 && l.HostPort != l.Port {
			taken = append(taken, fmt.Sprint(l.Port))
		}
		fmt.Fprintf(a.out, "  %-12s %s\n", name, a.paint("bold", l.url()))
	}
	for _, o := range list(st, "Outputs") {
		if v := str(o, "OutputValue"); !shown[v] {
			fmt.Fprintf(a.out, "  %-12s %s\n", str(o, "OutputKey"), v)
		}
	}
	if len(taken) > 0 {
		fmt.Fprintf(
			a.out, "  %s\n", a.paint("dim", "another program has port "+strings.Join(taken, " and ")+" of this machine: 10,000 higher answers"),
		)
	}
	a.next(stack)
	return nil
}

// next prints what may be done now, as a shell takes it.
func (a *app) next(stack string) {
	me, f := program(os.Args[0]), a.folder()
	fmt.Fprintln(a.out)
	next := [][2]string{
		{me + " status -w" + f, "what runs, live"}, {"eval $(" + me + " env" + f + ")", "point the AWS CLI here"},
		{me + " down " + stack + f, "delete the stack"}, {me + " stop" + f, "end everything"},
	}
	wide := 0
	for _, n := range next {
		wide = max(wide, len(n[0]))
	}
	for _, n := range next {
		fmt.Fprintf(a.out, "  %-*s  %s\n", wide, n[0], a.paint("dim", n[1]))
	}
}

// program is what a shell knows this program by: its name, or the path that it
// was called by if its folder is not in PATH.
func program(called string) string {
	if _, err := exec.LookPath("berth"); err != nil && filepath.Base(called) == "berth" {
		return called
	}
	return "berth"
}

// stackListeners lists the listeners of a stack's load balancers.
func stackListeners(ctx context.Context, c *client, stack string) ([]listening, error) {
	out, err := c.call(ctx, "cloudformation", "DescribeStackResources", map[string]any{"StackName": stack})
	if err != nil {
		return nil, err
	}
	var all []listening
	for _, r := range list(out, "StackResources") {
		if str(r, "ResourceType") != "AWS::ElasticLoadBalancingV2::LoadBalancer" {
			continue
		}
		ls, err := listeners(ctx, c, str(r, "PhysicalResourceId"))
		if err != nil {
			return nil, err
		}
		all = append(all, ls...)
	}
	return all, nil
}

// listening is one row of /_berth/listeners.
type listening struct {
	LoadBalancer, Host, Protocol, Trouble string
	Port, HostPort                        int
}

// url is where the listener answers on this machine.
func (l listening) url() string {
	if l.HostPort == 0 {
		return fmt.Sprintf("%s://%s:%d/ does not answer here: %s", strings.ToLower(l.Protocol), l.Host, l.Port, l.Trouble)
	}
	return l.at(l.HostPort)
}

// own is the URL with the listener's own port, as templates write it.
func (l listening) own() string { return l.at(l.Port) }

func (l listening) at(port int) string {
	scheme := strings.ToLower(l.Protocol)
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return scheme + "://" + l.Host + "/"
	}
	return fmt.Sprintf("%s://%s:%d/", scheme, l.Host, port)
}

// listeners lists those of a load balancer, in order of their ports.
func listeners(ctx context.Context, c *client, lb string) ([]listening, error) {
	var rows, own []listening
	if err := c.own(ctx, http.MethodGet, "/_berth/listeners", nil, &rows); err != nil {
		return nil, err
	}
	for _, l := range rows {
		if l.LoadBalancer == lb {
			own = append(own, l)
		}
	}
	return own, nil
}

func urls(ls []listening) []string {
	var out []string
	for _, l := range ls {
		out = append(out, l.url())
	}
	return out
}
