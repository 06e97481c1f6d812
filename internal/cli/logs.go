package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/ident"
)

func (a *app) logs() *cobra.Command {
	var follow bool
	var n int
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show the log of a service, task, function, instance or log group",
		Long: "NAME is a service, a task's id or the beginning of one, a function, a log group, or a part of the name of log groups. " +
			"Of an EC2 instance of your own, i-…, it is what its user data wrote. " +
			"`berth logs server` shows the server's own log.",
		Example: "  berth logs hello -f\n  berth logs 4f6c2a1b -n 200\n  berth logs /aws/lambda/hello-Hook-1ABC\n  berth logs server",
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "server" {
				return a.serverLog(n)
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if strings.HasPrefix(args[0], "i-") {
				return a.console(cmd.Context(), c, args[0], n)
			}
			groups, stream, err := a.logGroups(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.showLogs(cmd.Context(), c, groups, stream, n, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as lines come")
	cmd.Flags().IntVarP(&n, "lines", "n", 50, "how many `lines` to begin with")
	return cmd
}

// console shows the last lines of what an instance's user data wrote.
func (a *app) console(ctx context.Context, c *client, id string, n int) error {
	out, err := c.call(ctx, "ec2", "GetConsoleOutput", map[string]any{"InstanceId": id})
	if err != nil {
		return err
	}
	text, err := base64.StdEncoding.DecodeString(str(out, "output"))
	if err != nil {
		return fmt.Errorf("read the console of %s: %w", id, err)
	}
	if len(text) == 0 {
		fmt.Fprintln(a.err, id+" has written nothing: it has no user data, or they have not begun")
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	fmt.Fprintln(a.out, strings.Join(lines[max(0, len(lines)-max(n, 0)):], "\n"))
	return nil
}

// serverLog shows what the server of the data folder wrote.
func (a *app) serverLog(n int) error {
	file := filepath.Join(a.data, "server.log")
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("there is no %s: a server that `berth up` starts writes one, `berth server` writes to its terminal", file)
	}
	fmt.Fprintln(a.out, tail(file, 0, n))
	return nil
}

// logGroups finds the groups that a name may mean, and the text that stream
// names must contain.
func (a *app) logGroups(ctx context.Context, c *client, name string) (groups []string, stream string, err error) {
	out, err := c.call(ctx, "logs", "DescribeLogGroups", map[string]any{})
	if err != nil {
		return nil, "", err
	}
	var all []string
	for _, g := range list(out, "logGroups") {
		all = append(all, str(g, "logGroupName"))
	}
	for _, g := range all {
		if g == name || g == "/aws/lambda/"+name {
			return []string{g}, "", nil
		}
	}
	id := last(name)
	if len(id) >= 8 && strings.Trim(id, "0123456789abcdef") == "" {
		return all, id, nil
	}
	if groups := c.serviceGroups(ctx, id); len(groups) > 0 {
		return groups, "", nil
	}
	for _, g := range all {
		if strings.Contains(g, name) {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil, "", fmt.Errorf(
			"nothing that has a log is called %q%s\n  there are the log groups %s", name, maybe(ident.Near(name, bases(all))),
			first(strings.Join(all, " "), "of nothing yet"),
		)
	}
	return groups, "", nil
}

// bases are names without the folders that lead to them.
func bases(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, last(n))
	}
	return out
}

// serviceGroups are the log groups of the containers of services of that name.
func (c *client) serviceGroups(ctx context.Context, name string) []string {
	out, err := c.call(ctx, "ecs", "ListClusters", map[string]any{})
	if err != nil {
		return nil // then the name is looked for in those of the groups
	}
	var groups []string
	for _, cluster := range strs(out, "clusterArns") {
		out, err := c.call(ctx, "ecs", "DescribeServices", map[string]any{"cluster": cluster, "services": []string{name}})
		if err != nil {
			continue
		}
		for _, s := range list(out, "services") {
			td, err := c.call(ctx, "ecs", "DescribeTaskDefinition", map[string]any{"taskDefinition": str(s, "taskDefinition")})
			if err != nil {
				continue
			}
			for _, d := range list(sub(td, "taskDefinition"), "containerDefinitions") {
				if g := str(sub(sub(d, "logConfiguration"), "options"), "awslogs-group"); g != "" && !slices.Contains(groups, g) {
					groups = append(groups, g)
				}
			}
		}
	}
	return groups
}

// logLine is one line of a log.
type logLine struct {
	At      time.Time `json:"at"`
	Group   string    `json:"group"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
	id      string
}

// logLines reads the lines of groups in the order of their time.
func (a *app) logLines(ctx context.Context, c *client, groups []string, stream string) ([]logLine, error) {
	var lines []logLine
	for _, g := range groups {
		in := map[string]any{"logGroupName": g}
		for {
			out, err := c.call(ctx, "logs", "FilterLogEvents", in)
			if err != nil {
				return nil, err
			}
			for _, e := range list(out, "events") {
				s := str(e, "logStreamName")
				if !strings.Contains(s, stream) {
					continue
				}
				at, _ := strconv.ParseInt(str(e, "timestamp"), 10, 64) // a number
				lines = append(lines, logLine{time.UnixMilli(at).UTC(), g, s, strings.TrimRight(str(e, "message"), "\n"), str(e, "eventId")})
			}
			if in["nextToken"] = str(out, "nextToken"); in["nextToken"] == "" {
				break
			}
		}
	}
	slices.SortStableFunc(lines, func(x, y logLine) int { return x.At.Compare(y.At) })
	return lines, nil
}

func (a *app) showLogs(ctx context.Context, c *client, groups []string, stream string, n int, follow bool) error {
	seen := map[string]bool{}
	for tick := 0; ; tick++ {
		lines, err := a.logLines(ctx, c, groups, stream)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the user ended the watch
		}
		if err != nil {
			return err
		}
		if tick == 0 && len(lines) > n {
			for _, l := range lines[:len(lines)-max(n, 0)] {
				seen[l.id] = true
			}
		}
		if tick == 0 && len(lines) == 0 {
			fmt.Fprintln(a.err, a.noLines(groups, stream))
		}
		for _, l := range lines {
			if !seen[l.id] {
				seen[l.id] = true
				if err := a.drawLine(l); err != nil {
					return err
				}
			}
		}
		if !follow || pause(ctx, time.Second) != nil {
			return nil //nolint:nilerr // the user ended the watch
		}
	}
}

func (a *app) noLines(groups []string, stream string) string {
	if stream != "" {
		return "no line of " + stream + " is in any log group: does its container log with awslogs, and did it start (berth explain " +
			shortID(stream) + ")?"
	}
	return "nothing was written to " + strings.Join(groups, " ") + " yet"
}

func (a *app) drawLine(l logLine) error {
	if a.asJSON {
		return json.NewEncoder(a.out).Encode(l)
	}
	// Lambda ends lines within a message so
	fmt.Fprintf(a.out, "%s %s  %s\n", l.At.Format("15:04:05.000"), a.paint("dim", source(l.Stream)), strings.ReplaceAll(l.Message, "\r", "\n"))
	return nil
}

// source is a stream's name as far as it tells streams apart: PREFIX/CONTAINER
// and the beginning of a task's id, or a function's version and sandbox.
func source(stream string) string {
	head, id := stream[:max(strings.LastIndexByte(stream, '/'), 0)], last(stream)
	if date, rest, ok := strings.Cut(id, "]"); ok { // 2026/11/29/[$LATEST]6e39c8…
		return date[1:] + "/" + shortID(rest)
	}
	return strings.TrimPrefix(head+"/", "/") + shortID(id)
}
