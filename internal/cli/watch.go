package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// decision is one line of /_berth/events.
type decision struct {
	Seq     int64             `json:"seq"`
	At      time.Time         `json:"at"`
	By      string            `json:"by"`
	Subject string            `json:"subject"`
	Verb    string            `json:"verb"`
	Reason  string            `json:"reason"`
	Cluster string            `json:"cluster"`
	Service string            `json:"service"`
	Facts   map[string]string `json:"facts"`
}

func (a *app) events() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "Show what was decided and done, and why",
		Example: "  berth events\n  berth events -f\n  berth events --json | jq 'select(.verb==\"refused\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			path := "/_berth/events?follow=" + strconv.FormatBool(follow)
			res, err := c.do(cmd.Context(), http.MethodGet, path, nil, nil)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			sc := bufio.NewScanner(res.Body)
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				if a.asJSON {
					fmt.Fprintln(a.out, sc.Text())
					continue
				}
				var d decision
				if err := json.Unmarshal(sc.Bytes(), &d); err != nil {
					return err
				}
				a.drawDecision(d)
			}
			return sc.Err()
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as events come")
	return cmd
}

// drawDecision prints a decision: on a terminal wrapped under its reason, else
// as one whole line.
func (a *app) drawDecision(d decision) {
	head := fmt.Sprintf("%s  %-11s %-24s ", d.At.Format("15:04:05"), d.Verb, clip(short(d.Subject), 24))
	if !terminal(a.out) {
		fmt.Fprintln(a.out, head+d.Reason)
		return
	}
	indent := len([]rune(head))
	fmt.Fprintln(a.out, head+strings.Join(wrap(d.Reason, max(width(a.out)-indent, 30)), "\n"+strings.Repeat(" ", indent)))
}

// wrap breaks text at spaces into lines of up to n runes; a longer word has a
// line of its own.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// short is the readable end of an ARN.
func short(s string) string {
	if f := strings.SplitN(s, ":", 6); len(f) == 6 {
		kind, rest, ok := strings.Cut(f[5], "/")
		if ok {
			return kind + "/" + last(rest)
		}
		return f[5]
	}
	return s
}

func (a *app) logs() *cobra.Command {
	var follow bool
	var n int
	cmd := &cobra.Command{
		Use:     "logs NAME",
		Short:   "Show the log of a task, a service, a function or a log group",
		Long:    "NAME is a log group (/ecs/hello), a function's name, a service's name, or a task id. `berth logs server` shows the server's own log.",
		Example: "  berth logs hello -f\n  berth logs /aws/lambda/hello-Hook-1ABC\n  berth logs server",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "server" {
				fmt.Fprintln(a.out, tail(a.data+"/server.log", n))
				return nil
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			groups, filter, err := a.logGroups(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.showLogs(cmd.Context(), c, groups, filter, n, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as lines come")
	cmd.Flags().IntVarP(&n, "lines", "n", 50, "how many lines to begin with")
	return cmd
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
	if len(name) >= 8 && strings.Trim(name, "0123456789abcdef") == "" {
		return all, name, nil
	}
	for _, g := range all {
		if strings.Contains(g, name) {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil, "", fmt.Errorf("no log group is or contains %q; there are: %s", name, strings.Join(all, " "))
	}
	return groups, "", nil
}

func (a *app) showLogs(ctx context.Context, c *client, groups []string, stream string, n int, follow bool) error {
	seen := map[string]bool{}
	for {
		type line struct {
			at   int64
			text string
			id   string
		}
		var lines []line
		for _, g := range groups {
			token := ""
			for {
				in := map[string]any{"logGroupName": g}
				if token != "" {
					in["nextToken"] = token
				}
				out, err := c.call(ctx, "logs", "FilterLogEvents", in)
				if err != nil {
					return err
				}
				for _, e := range list(out, "events") {
					if stream != "" && !strings.Contains(str(e, "logStreamName"), stream) {
						continue
					}
					at, _ := strconv.ParseInt(str(e, "timestamp"), 10, 64)
					lines = append(lines, line{at, fmt.Sprintf("%s %s  %s", time.UnixMilli(at).UTC().Format("15:04:05.000"), a.paint("dim", clip(str(e, "logStreamName"), 40)), strings.TrimRight(str(e, "message"), "\n")), str(e, "eventId")})
				}
				if token = str(out, "nextToken"); token == "" {
					break
				}
			}
		}
		sort.SliceStable(lines, func(i, j int) bool { return lines[i].at < lines[j].at })
		if len(seen) == 0 && len(lines) > n {
			for _, l := range lines[:len(lines)-n] {
				seen[l.id] = true
			}
		}
		for _, l := range lines {
			if !seen[l.id] {
				seen[l.id] = true
				fmt.Fprintln(a.out, l.text)
			}
		}
		if !follow {
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return nil //nolint:nilerr // the user ended the watch
		}
	}
}

// explanation is the answer of /_berth/explain.
type explanation struct {
	Subject string     `json:"subject"`
	Kind    string     `json:"kind"`
	Say     []string   `json:"say"`
	Cure    string     `json:"cure,omitempty"`
	History []decision `json:"history,omitempty"`
}

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:     "explain ARN|ID",
		Short:   "Say why a task waits, why an instance has its type or is kept, why a target is unhealthy",
		Example: "  berth explain i-0123456789abcdef0\n  berth explain 4f6c…   # a task id or the beginning of one\n  berth explain hello   # a service",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			var e explanation
			if err := c.own(cmd.Context(), http.MethodGet, "/_berth/explain?id="+url.QueryEscape(args[0]), nil, &e); err != nil {
				return err
			}
			if a.asJSON {
				return a.print(e)
			}
			fmt.Fprintf(a.out, "%s %s\n", e.Kind, a.paint("bold", e.Subject))
			room := 1 << 16
			if terminal(a.out) {
				room = max(width(a.out)-4, 40)
			}
			for _, s := range e.Say {
				fmt.Fprintf(a.out, "  %s\n", strings.Join(wrap(s, room), "\n    "))
			}
			if e.Cure != "" {
				fmt.Fprintf(a.out, "  %s %s\n", a.paint("green", "→"), strings.Join(wrap(e.Cure, room), "\n    "))
			}
			if len(e.History) > 0 {
				fmt.Fprintln(a.out, a.paint("dim", "history"))
			}
			for _, d := range e.History {
				a.drawDecision(d)
			}
			return nil
		},
	}
}

// followClock shows, on a terminal, where the clock is during a long jump.
func (a *app) followClock(ctx context.Context, c *client) (stop func()) {
	if !terminal(a.out) || a.asJSON {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, 700*time.Millisecond) == nil {
			if h, err := c.health(ctx); err == nil {
				fmt.Fprintf(a.out, "\r\x1b[K… %s", h.Now.Format(time.RFC3339))
			}
		}
		a.clear(true)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (a *app) clock() *cobra.Command {
	show := func(cmd *cobra.Command, in map[string]any) error {
		c, err := a.client(cmd.Context())
		if err != nil {
			return err
		}
		method := http.MethodGet
		if in != nil {
			method = http.MethodPost
		}
		var out struct {
			Now   time.Time `json:"now"`
			Speed float64   `json:"speed"`
		}
		var body any
		if in != nil {
			body = in
		}
		stop := a.followClock(cmd.Context(), c)
		err = c.own(cmd.Context(), method, "/_berth/clock", body, &out)
		stop()
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.print(out)
		}
		fmt.Fprintf(a.out, "%s at %gx\n", out.Now.Format(time.RFC3339), out.Speed)
		return nil
	}
	cmd := &cobra.Command{
		Use: "clock", Short: "Show, speed up or advance the control plane's clock", Example: "  berth clock\n  berth clock speed 60\n  berth clock advance 14d",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd, nil) },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "advance DURATION", Short: "Jump: everything that falls due in between runs in order", Example: "  berth clock advance 15m\n  berth clock advance 14d", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := duration(args[0])
			if err != nil {
				return err
			}
			return show(cmd, map[string]any{"advanceSeconds": d.Seconds()})
		},
	}, &cobra.Command{
		Use: "speed N", Short: "Run N times as fast as real time", Example: "  berth clock speed 60", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseFloat(strings.TrimSuffix(args[0], "x"), 64)
			if err != nil || n <= 0 || n > 100000 {
				return fmt.Errorf("speed %s: give a number above 0 and up to 100000", args[0])
			}
			return show(cmd, map[string]any{"speed": n})
		},
	})
	return cmd
}

// duration reads a Go duration, or days: 14d, 1d12h.
func duration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return 0, fmt.Errorf("duration %s: write 14d, 90m or 1d12h", s)
	}
	d := time.Duration(n * 24 * float64(time.Hour))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}
