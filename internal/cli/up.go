package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/example"
	"berth/internal/fault"
)

// wish is what `berth up` was told.
type wish struct {
	server     ServerConfig
	template   string
	stack      string
	parameters []string
	images     []string
}

func (a *app) up() *cobra.Command {
	var w wish
	cmd := &cobra.Command{
		Use:   "up [TEMPLATE]",
		Short: "Start a server if none answers, publish images, deploy a template",
		Long:  "Starts a server if none answers, publishes the images, creates or updates the stack with live progress, and prints what answers where.\nWithout TEMPLATE it deploys the built-in example, a web page.",
		Example: "  berth up\n  berth up stack.yaml --stack web -p Env=dev --image web:latest=./cmd/web\n" +
			"  berth up stack.yaml --region ap-northeast-1 --speed 60",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				w.template = args[0]
			}
			return a.runUp(cmd.Context(), w)
		},
	}
	serverFlags(cmd, &w.server, 20)
	cmd.Flags().StringVar(&w.stack, "stack", "", "name of the stack (default: the template's file name; hello for the example)")
	cmd.Flags().StringArrayVarP(&w.parameters, "parameter", "p", nil, "template parameter KEY=VALUE; may be repeated")
	cmd.Flags().StringArrayVar(&w.images, "image", nil, "REPO[:TAG]=SOURCE: a Go main package, a folder with a static binary, an OCI layout, a docker save tar; may be repeated")
	return cmd
}

func (a *app) runUp(ctx context.Context, w wish) error {
	body := example.Template
	if w.template != "" {
		b, err := os.ReadFile(w.template)
		if err != nil {
			return err
		}
		body = string(b)
		if w.stack == "" {
			w.stack = stackName(w.template)
		}
	} else if w.stack == "" {
		w.stack = example.Stack
	}
	params, err := parameters(w.parameters)
	if err != nil {
		return err
	}
	c, err := a.ensure(ctx, w.server)
	if err != nil {
		return err
	}
	if w.template == "" {
		dir, err := writePage()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		w.images = append(w.images, example.Image+"="+dir)
	}
	for _, im := range w.images {
		if err := a.pushImage(ctx, c, im); err != nil {
			return err
		}
	}
	if err := a.deploy(ctx, c, w.stack, body, params); err != nil {
		return err
	}
	return a.answers(ctx, c, w.stack)
}

func stackName(file string) string {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, base), "-")
}

func parameters(kvs []string) ([]any, error) {
	var out []any
	for _, kv := range kvs {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("-p %s: write KEY=VALUE", kv)
		}
		out = append(out, map[string]any{"ParameterKey": k, "ParameterValue": v})
	}
	return out, nil
}

// writePage puts the example's page where it can be built.
func writePage() (string, error) {
	dir, err := os.MkdirTemp("", "berth-page-")
	if err != nil {
		return "", err
	}
	src, err := example.Page.ReadFile("page/main.go")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), src, 0o600); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module page\n\ngo 1.24\n"), 0o600)
}

// ensure finds the server of the data folder or starts one.
func (a *app) ensure(ctx context.Context, s ServerConfig) (*client, error) {
	if a.endpoint != "" {
		return a.client(ctx)
	}
	if r, ok := a.lookup(); ok {
		if c, err := a.reach(ctx, r.Endpoint); err == nil {
			fmt.Fprintf(a.out, "%s a server answers at %s (%s)\n", a.paint("green", "✓"), c.base, c.region)
			return c, nil
		}
	}
	if c, err := a.reach(ctx, s.Listen); err == nil {
		return nil, fmt.Errorf("another server answers at %s: use it with --endpoint %s, or start one beside it with --listen ADDR", c.base, c.base)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("berth makes network namespaces and containers and must run as root: try `sudo berth up`")
	}
	if err := os.MkdirAll(a.data, 0o755); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(a.data, "server.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	args := []string{"server", "--data", a.data, "--listen", s.Listen, "--region", s.Region, "--account", s.Account, "--speed", fmt.Sprint(s.Speed)}
	if s.Runtime != "" {
		args = append(args, "--runtime", s.Runtime)
	}
	if s.Overcommit {
		args = append(args, "--overcommit")
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c := &client{base: "http://" + s.Listen, http: &http.Client{}}
	for time.Since(began) < 30*time.Second {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("the server did not start (%w):\n%s", err, tail(logPath, 12))
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if h, err := c.health(ctx); err == nil {
			c.region = h.Region
			fmt.Fprintf(a.out, "%s server started at %s in %s (%s, clock at %gx, data in %s)\n", a.paint("green", "✓"), c.base, took(began), c.region, s.Speed, a.data)
			return c, nil
		}
	}
	return nil, fmt.Errorf("the server does not answer at %s; see %s:\n%s", c.base, logPath, tail(logPath, 12))
}

func took(began time.Time) string {
	d := time.Since(began)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func tail(file string, lines int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "  " + strings.Join(all, "\n  ")
}

// deploy creates or updates a stack by a change set, as `aws cloudformation
// deploy` does, and follows it to its end.
func (a *app) deploy(ctx context.Context, c *client, stack, body string, params []any) error {
	kind := "CREATE"
	out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": stack})
	switch {
	case err == nil:
		st := list(out, "Stacks")
		if len(st) > 0 && str(st[0], "StackStatus") != "REVIEW_IN_PROGRESS" {
			kind = "UPDATE"
		}
		if len(st) > 0 && str(st[0], "StackStatus") == "ROLLBACK_COMPLETE" {
			fmt.Fprintf(a.out, "  an earlier create of %s was rolled back; deleting what is left\n", stack)
			if err := a.deleteStack(ctx, c, stack); err != nil {
				return err
			}
			kind = "CREATE"
		}
	case !strings.Contains(err.Error(), "does not exist"):
		return err
	}
	began := time.Now()
	name := fmt.Sprintf("berth-up-%d", began.UnixNano())
	in := map[string]any{
		"StackName": stack, "ChangeSetName": name, "ChangeSetType": kind, "TemplateBody": body,
		"Capabilities": []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}, "Description": "Created by berth up",
	}
	if len(params) > 0 {
		in["Parameters"] = params
	}
	out, err = c.call(ctx, "cloudformation", "CreateChangeSet", in)
	if err != nil {
		return explainDeploy(err)
	}
	id, stackID := str(out, "Id"), str(out, "StackId")
	for {
		out, err = c.call(ctx, "cloudformation", "DescribeChangeSet", map[string]any{"ChangeSetName": id})
		if err != nil {
			return err
		}
		switch status := str(out, "Status"); {
		case status == "CREATE_COMPLETE":
		case status == "FAILED":
			reason := str(out, "StatusReason")
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates") {
				fmt.Fprintf(a.out, "%s stack %s is up to date\n", a.paint("green", "✓"), stack)
				_, err := c.call(ctx, "cloudformation", "DeleteChangeSet", map[string]any{"ChangeSetName": id})
				return err
			}
			return errors.New(reason)
		default:
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		break
	}
	if _, err := c.call(ctx, "cloudformation", "ExecuteChangeSet", map[string]any{"ChangeSetName": id}); err != nil {
		return err
	}
	verb := map[string]string{"CREATE": "creating", "UPDATE": "updating"}[kind]
	fmt.Fprintf(a.out, "  %s stack %s\n", verb, a.paint("bold", stack))
	return a.follow(ctx, c, stackID, began, verb)
}

// explainDeploy adds the next step to the errors that a new user meets first.
func explainDeploy(err error) error {
	switch fault.CodeOf(err) {
	case "ValidationError":
		return fmt.Errorf("the template was refused: %s", fault.MessageOf(err))
	default:
		return err
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// follow prints what happens to a stack until it rests. On a terminal the
// last line shows what is under way.
func (a *app) follow(ctx context.Context, c *client, stack string, began time.Time, verb string) error {
	seen := map[string]bool{}
	live := terminal(a.out)
	doing := map[string]string{}
	done := 0
	var failures []string
	firstPass := true
	start := began.Add(-2 * time.Second)
	for tick := 0; ; tick++ {
		out, err := c.call(ctx, "cloudformation", "DescribeStackEvents", map[string]any{"StackName": stack})
		if err != nil {
			return err
		}
		evs := list(out, "StackEvents")
		slices.Reverse(evs)
		lastStart := 0
		for i, e := range evs {
			if str(e, "ResourceType") == "AWS::CloudFormation::Stack" && strings.Contains(str(e, "ResourceStatusReason"), "User Initiated") {
				lastStart = i
			}
		}
		for i, e := range evs {
			id := str(e, "EventId")
			if seen[id] {
				continue
			}
			seen[id] = true
			if firstPass && i < lastStart {
				continue
			}
			status, logical := str(e, "ResourceStatus"), str(e, "LogicalResourceId")
			if str(e, "ResourceType") == "AWS::CloudFormation::Stack" {
				continue
			}
			switch {
			case strings.HasSuffix(status, "IN_PROGRESS"):
				doing[logical] = str(e, "ResourceType")
			default:
				delete(doing, logical)
				done++
				mark := a.paint("green", "✓")
				if strings.Contains(status, "FAILED") {
					mark = a.paint("red", "✗")
					if r := str(e, "ResourceStatusReason"); !strings.Contains(r, "cancelled") {
						failures = append(failures, logical+": "+r)
					}
				}
				a.clear(live)
				a.finished(mark, start.Add(2*time.Second), status, str(e, "ResourceType"), logical)
			}
		}
		firstPass = false
		out, err = c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": stack})
		if err != nil {
			return err
		}
		st := list(out, "Stacks")[0]
		status := str(st, "StackStatus")
		if !strings.HasSuffix(status, "IN_PROGRESS") {
			a.clear(live)
			if status == "CREATE_COMPLETE" || status == "UPDATE_COMPLETE" || status == "DELETE_COMPLETE" {
				fmt.Fprintf(a.out, "%s %s after %s\n", a.paint("green", "✓"), status, took(began))
				return nil
			}
			return fmt.Errorf("%s after %s: %s\n  %s", status, took(began), str(st, "StackStatusReason"), strings.Join(failures, "\n  "))
		}
		if tick%5 == 0 || live {
			a.under(ctx, c, live, tick, verb, done, doing, began)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// finished prints one resource that is done; a narrow terminal gets its name
// and type, and its status only if that is not the usual one.
func (a *app) finished(mark string, began time.Time, status, kind, logical string) {
	if wide := width(a.out); wide < 104 {
		short := strings.TrimPrefix(kind, "AWS::")
		if !strings.HasSuffix(status, "_COMPLETE") || strings.Contains(status, "ROLLBACK") {
			short = status + " " + short
		}
		fmt.Fprintf(a.out, "%s %6s  %s\n", mark, took(began), clip(fmt.Sprintf("%-24s %s", logical, short), wide-11))
		return
	}
	fmt.Fprintf(a.out, "%s %6s  %-22s %-47s %s\n", mark, took(began), status, kind, logical)
}

func (a *app) clear(live bool) {
	if live {
		fmt.Fprint(a.out, "\r\x1b[K")
	}
}

// under writes the line of what is under way; away from a terminal it writes
// the stage of a deployment when that changes.
func (a *app) under(ctx context.Context, c *client, live bool, tick int, verb string, done int, doing map[string]string, began time.Time) {
	if len(doing) == 0 {
		return
	}
	var names []string
	service := false
	for n, t := range doing {
		names = append(names, n)
		service = service || t == "AWS::ECS::Service"
	}
	sort.Strings(names)
	text := strings.Join(names, ", ")
	if service && len(names) <= 3 {
		if s := a.stage(ctx, c); s != "" {
			text += ": " + s
		}
	}
	if !live {
		if text != a.lastLine && service {
			a.lastLine = text
			fmt.Fprintf(a.out, "  %6s  … %s\n", took(began), text)
		}
		return
	}
	spin := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[tick%10]
	line := fmt.Sprintf("%c %6s  %s (%d done): %s", spin, took(began), verb, done, text)
	if r := []rune(line); len(r) > width(a.out)-1 {
		line = string(r[:width(a.out)-2]) + "…"
	}
	fmt.Fprint(a.out, "\r\x1b[K"+line)
}

// answers prints what the stack answers to.
func (a *app) answers(ctx context.Context, c *client, stack string) error {
	out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": stack})
	if err != nil {
		return err
	}
	st := list(out, "Stacks")[0]
	lbs, err := a.loadBalancers(ctx, c, stack)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.print(map[string]any{"stack": str(st, "StackId"), "outputs": list(st, "Outputs"), "urls": lbs})
	}
	fmt.Fprintln(a.out)
	for _, u := range lbs {
		fmt.Fprintf(a.out, "  %s\n", a.paint("bold", u))
	}
	for _, o := range list(st, "Outputs") {
		if v := str(o, "OutputValue"); !slices.Contains(lbs, v) {
			fmt.Fprintf(a.out, "  %-12s %s\n", str(o, "OutputKey"), v)
		}
	}
	fmt.Fprintf(a.out, "\n  next: %s   %s   %s\n", "berth status", "eval $(berth env) && aws ecs list-services --cluster …", "berth stop")
	return nil
}

// loadBalancers lists the URLs of a stack's listeners.
func (a *app) loadBalancers(ctx context.Context, c *client, stack string) ([]string, error) {
	out, err := c.call(ctx, "cloudformation", "DescribeStackResources", map[string]any{"StackName": stack})
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, r := range list(out, "StackResources") {
		if str(r, "ResourceType") != "AWS::ElasticLoadBalancingV2::LoadBalancer" {
			continue
		}
		us, err := listenerURLs(ctx, c, str(r, "PhysicalResourceId"))
		if err != nil {
			return nil, err
		}
		urls = append(urls, us...)
	}
	return urls, nil
}

// listening is one row of /_berth/listeners.
type listening struct {
	LoadBalancer, Host, Protocol, Trouble string
	Port, HostPort                        int
}

// url is where the listener answers on this machine.
func (l listening) url() string {
	scheme := strings.ToLower(l.Protocol)
	switch {
	case l.HostPort == 0:
		return fmt.Sprintf("%s://%s:%d/ does not answer here: %s", scheme, l.Host, l.Port, l.Trouble)
	case scheme == "http" && l.HostPort == 80 || scheme == "https" && l.HostPort == 443:
		return scheme + "://" + l.Host + "/"
	default:
		return fmt.Sprintf("%s://%s:%d/", scheme, l.Host, l.HostPort)
	}
}

// listenerURLs lists where a load balancer answers, in order of its ports.
func listenerURLs(ctx context.Context, c *client, lb string) ([]string, error) {
	var rows []listening
	if err := c.own(ctx, http.MethodGet, "/_berth/listeners", nil, &rows); err != nil {
		return nil, err
	}
	var urls []string
	for _, l := range rows {
		if l.LoadBalancer == lb {
			urls = append(urls, l.url())
		}
	}
	return urls, nil
}

func (a *app) down() *cobra.Command {
	return &cobra.Command{
		Use: "down [STACK]", Short: "Delete a stack", Example: "  berth down\n  berth down web", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			stack := example.Stack
			if len(args) == 1 {
				stack = args[0]
			}
			return a.deleteStack(cmd.Context(), c, stack)
		},
	}
}

func (a *app) deleteStack(ctx context.Context, c *client, stack string) error {
	began := time.Now()
	out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": stack})
	if err != nil {
		return err
	}
	id := str(list(out, "Stacks")[0], "StackId")
	if _, err := c.call(ctx, "cloudformation", "DeleteStack", map[string]any{"StackName": stack}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "  deleting stack %s\n", a.paint("bold", stack))
	return a.follow(ctx, c, id, began, "deleting")
}
