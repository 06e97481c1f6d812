package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		for _, u := range l.others() {
			fmt.Fprintf(a.out, "  %-12s %s\n", "", u)
		}
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
	fmt.Fprintf(a.out, "  %s\n", a.paint("dim", leaving(c.now.Internet)))
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
	Internal, Closed, Address             string
	Port, HostPort, AddressPort           int
	Names                                 []string
	Published                             []publishedAt
}

// publishedAt is a published address of a listener.
type publishedAt struct {
	Address, Trouble string
	Shared           bool
}

// beyond says how the listener is reached from other machines: by a URL, or
// where several load balancers share a port, by a command that names this one.
func (l listening) beyond() []string {
	var out []string
	for _, p := range l.Published {
		n := listening{Protocol: l.Protocol, Host: p.Address}
		if strings.Contains(p.Address, ":") {
			n.Host = "[" + p.Address + "]"
		}
		u := n.at(l.Port)
		switch {
		case p.Trouble != "":
			u += " does not answer: " + p.Trouble
		case p.Shared && l.Protocol == "HTTPS":
			u = "curl --connect-to '::" + n.Host + ":' " + l.own()
		case p.Shared:
			u = "curl -g -H 'Host: " + l.Host + "' " + u
		}
		out = append(out, u)
	}
	return out
}

// url is where the listener answers on this machine by the load balancer's name,
// or why it does not.
func (l listening) url() string {
	switch {
	case l.Internal != "":
		return l.own() + " does not answer here: " + l.Internal
	case l.Closed != "":
		return l.own() + " lets no client of this machine in: " + l.Closed
	case l.HostPort == 0:
		return fmt.Sprintf("%s://%s:%d/ does not answer here: %s", strings.ToLower(l.Protocol), l.Host, l.Port, l.Trouble)
	default:
		return l.at(l.HostPort)
	}
}

// others are the further ways to the listener: on this machine at the address that
// is its load balancer's alone, and from other machines.
func (l listening) others() []string {
	if l.AddressPort == 0 || l.Closed != "" {
		return l.beyond()
	}
	n := listening{Protocol: l.Protocol, Host: l.Address}
	out := []string{n.at(l.AddressPort)}
	for _, name := range l.Names {
		if l.Protocol == "HTTPS" {
			out = append(out, "curl --connect-to '::"+l.Address+":' "+listening{Protocol: l.Protocol, Host: name}.at(l.AddressPort))
			continue
		}
		out = append(out, "curl -H 'Host: "+name+"' "+n.at(l.AddressPort))
	}
	return append(out, l.beyond()...)
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
	rows, err := allListeners(ctx, c)
	return slices.DeleteFunc(rows, func(l listening) bool { return l.LoadBalancer != lb }), err
}

// allListeners lists those of all load balancers.
func allListeners(ctx context.Context, c *client) (rows []listening, err error) {
	return rows, c.own(ctx, http.MethodGet, "/_berth/listeners", nil, &rows)
}

func urls(ls []listening) []string {
	var out []string
	for _, l := range ls {
		out = append(append(out, l.url()), l.others()...)
	}
	return out
}
