package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
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
	var n int
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what was decided and done, and why",
		Long: "Shows in the order of time what was decided and done, and why: decisions of placement, supply and deployments, the events " +
			"of services and stacks, the states of tasks.",
		Example: "  berth events -n 20\n  berth events -f\n  berth events --json | jq 'select(.verb==\"refused\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			skip := 0
			if n > 0 {
				had := 0
				if err := c.decisions(cmd.Context(), false, func([]byte) error { had++; return nil }); err != nil {
					return err
				}
				skip = max(had-n, 0)
			}
			err = c.decisions(cmd.Context(), follow, func(line []byte) error {
				if skip--; skip >= 0 {
					return nil
				}
				if a.asJSON {
					_, err := fmt.Fprintf(a.out, "%s\n", line)
					return err
				}
				var d decision
				if err := json.Unmarshal(line, &d); err != nil {
					return err
				}
				a.drawDecision(d, false)
				return nil
			})
			if cmd.Context().Err() != nil {
				return nil //nolint:nilerr // the user ended the watch
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as events come")
	cmd.Flags().IntVarP(&n, "lines", "n", 0, "how many `events` to begin with (default: all)")
	return cmd
}

// decisions reads the lines of /_berth/events.
func (c *client) decisions(ctx context.Context, follow bool, each func(line []byte) error) error {
	res, err := c.do(ctx, http.MethodGet, "/_berth/events?follow="+strconv.FormatBool(follow), nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	sc := bufio.NewScanner(res.Body)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if err := each(sc.Bytes()); err != nil {
			return err
		}
	}
	return sc.Err()
}

// drawDecision prints a decision: on a terminal wrapped under its reason, else
// as one whole line. The subject is left out where it is known.
func (a *app) drawDecision(d decision, known bool) {
	verb, reason := d.Verb, d.Reason
	if d.By == "stack" { // its verb is the status of a resource
		verb, reason = "stack", d.Verb+" "+d.Reason
	}
	head := fmt.Sprintf("%s  %-11s ", d.At.Format("15:04:05"), verb)
	if !known {
		head += fmt.Sprintf("%-24s ", clip(short(d.Subject), 24))
	}
	text := head + reason
	if terminal(a.out) {
		reason = anyARN.ReplaceAllStringFunc(reason, short)
		indent := len([]rune(head))
		if width(a.out) < 100 && !known { // the reason has lines of its own
			indent = 10
			head = strings.TrimRight(head, " ") + "\n" + strings.Repeat(" ", indent)
		}
		text = head + strings.Join(wrap(reason, max(width(a.out)-indent, 30)), "\n"+strings.Repeat(" ", indent))
	}
	if verb != d.Verb {
		text = strings.Replace(text, d.Verb, a.paint(mood(d.Verb), d.Verb), 1)
	}
	fmt.Fprintln(a.out, text)
}

var hexID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// short is the readable end of an ARN.
func short(s string) string {
	f := strings.SplitN(s, ":", 6)
	if len(f) < 6 {
		return s
	}
	kind, rest, ok := strings.Cut(f[5], "/")
	switch {
	case !ok:
		return f[5]
	case kind == "stack" || kind == "targetgroup": // KIND/NAME/ID
		rest, _, _ = strings.Cut(rest, "/")
	default:
		if rest = last(rest); hexID.MatchString(rest) {
			rest = shortID(rest)
		}
	}
	return strings.TrimPrefix(kind, "service-") + "/" + rest
}

// explanation is the answer of /_berth/explain.
type explanation struct {
	Subject string     `json:"subject"`
	Kind    string     `json:"kind"`
	Say     []string   `json:"say"`
	Cure    string     `json:"cure,omitempty"`
	Log     string     `json:"log,omitempty"`     // what `berth logs` takes, where the cure names a log
	Routine []string   `json:"routine,omitempty"` // the lines of Say about what goes as it should
	History []decision `json:"history,omitempty"`
}

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ARN|ID",
		Short: "Say why something is as it is, and what to do about it",
		Long: "Says why a task waits or ended, why an instance has its type, why a target is unhealthy, where a deployment stands, why a " +
			"stack failed; and what to do about it. It takes the ARN, id or name of a task, service, deployment, instance, container instance, " +
			"target, target group, load balancer, capacity provider, cluster, stack, subnet or network interface; stack/NAME is the stack where " +
			"a service has the same name. `berth explain denied` names the statements, or the lack of one, that denied calls.",
		Example: "  berth explain 4f6c2a1b           # a task: its id or the beginning of one\n  berth explain hello              # a " +
			"service, stack, cluster, …\n  berth explain i-0123456789abcdef0\n  berth explain 10.20.16.11        # a target",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			e, err := c.explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.print(e)
			}
			fmt.Fprintf(a.out, "%s %s\n", e.Kind, a.paint("bold", e.Subject))
			columns := 1 << 16
			if terminal(a.out) {
				columns = max(width(a.out)-4, 40)
			}
			for _, s := range e.Say {
				fmt.Fprintf(a.out, "  %s\n", strings.Join(wrap(s, columns), "\n    "))
			}
			if e.Cure != "" {
				fmt.Fprintf(a.out, "  %s %s\n", a.paint("green", "→"), strings.Join(wrap(e.Cure, columns), "\n    "))
			}
			if len(e.History) > 0 {
				fmt.Fprintln(a.out, a.paint("dim", "history"))
			}
			for _, d := range e.History {
				a.drawDecision(d, d.Subject == e.Subject)
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
		a.clear()
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
		Use: "clock", Short: "Show, speed up or advance the control plane's clock",
		Long: "Shows the control plane's clock. It runs --speed times as fast as real time and can be advanced: what falls due in between " +
			"runs in order.",
		Example: "  berth clock\n  berth clock speed 60\n  berth clock advance 14d",
		RunE:    func(cmd *cobra.Command, _ []string) error { return show(cmd, nil) },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "advance DURATION", Short: "Jump ahead; what falls due in between runs in order",
		Example: "  berth clock advance 15m\n  berth clock advance 14d",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := duration(args[0])
			if err != nil {
				return err
			}
			return show(cmd, map[string]any{"advanceSeconds": d.Seconds()})
		},
	}, &cobra.Command{
		Use: "speed N", Short: "Run N times as fast as real time", Example: "  berth clock speed 60",
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
	bad := fmt.Errorf("%q is no time to advance by: write days, hours, minutes or seconds, as in 14d, 1d12h, 90m or 30s", s)
	var d time.Duration
	days, rest, ok := strings.Cut(s, "d")
	if ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil {
			return 0, bad
		}
		d = time.Duration(n * 24 * float64(time.Hour))
	} else {
		rest = s
	}
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil {
			return 0, bad
		}
		d += more
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q does not lead ahead, and time does not run backwards", s)
	}
	return d, nil
}
