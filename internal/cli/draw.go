package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
)

// watch draws the picture every second on a screen of its own, and leaves the
// last one behind.
func (a *app) watch(ctx context.Context, c *client) error {
	fmt.Fprint(a.out, "\x1b[?1049h\x1b[?25l")
	lines, err := a.frames(ctx, c)
	fmt.Fprint(a.out, "\x1b[?25h\x1b[?1049l")
	for _, l := range lines {
		fmt.Fprintln(a.out, l)
	}
	return err
}

// frames draws until ctx ends and returns the last picture.
func (a *app) frames(ctx context.Context, c *client) (lines []string, err error) {
	for {
		p, err := look(ctx, c)
		if ctx.Err() != nil {
			return lines, nil //nolint:nilerr // the user ended the watch
		}
		if err != nil {
			return lines, err
		}
		var b strings.Builder
		a.draw(&b, p)
		lines = strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
		shown := lines
		if _, rows := size(a.out); rows > 3 && len(shown) > rows-1 {
			shown = append(slices.Clone(shown[:rows-2]), a.paint("dim", fmt.Sprintf("… %d more lines", len(lines)-rows+2)))
		}
		fmt.Fprint(a.out, "\x1b[H\x1b[K"+strings.Join(shown, "\n\x1b[K")+"\n\x1b[J")
		if pause(ctx, time.Second) != nil {
			return lines, nil //nolint:nilerr // the user ended the watch
		}
	}
}

// draw writes the picture for people; lines are cut to a terminal's width.
func (a *app) draw(w io.Writer, p picture) {
	var b strings.Builder
	a.sketch(&b, p)
	text := b.String()
	if terminal(a.out) {
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = fit(lines[i], width(a.out))
		}
		text = strings.Join(lines, "\n")
	}
	_, _ = io.WriteString(w, text) // as any print
}

func (a *app) sketch(w io.Writer, p picture) {
	fmt.Fprintf(w, "%s  %s  clock %s at %gx\n", a.paint("bold", "berth"), p.Region, p.Now.Format("2006-01-02 15:04:05"), p.Speed)
	fmt.Fprintf(w, "%s\n", a.paint("dim", leaving(p.Internet)))
	for _, l := range p.Lacks {
		fmt.Fprintf(w, "%s %s\n", a.paint("yellow", "this host:"), l)
	}
	for _, s := range p.Stacks {
		hint := ""
		if m := mood(s.Status); m == "red" {
			hint = a.paint("dim", "  why: berth explain stack/"+s.Name)
		}
		fmt.Fprintf(w, "stack %s  %s%s\n", a.paint("bold", s.Name), a.paint(mood(s.Status), s.Status), hint)
	}
	for _, u := range p.Balancers {
		fmt.Fprintf(w, "load balancer  %s\n", u)
	}
	if len(p.Clusters) == 0 {
		fmt.Fprintln(w, "no clusters; `berth up` deploys the example")
	}
	for _, cl := range p.Clusters {
		fmt.Fprintf(w, "\ncluster %s  %s\n", a.paint("bold", cl.Name), a.paint("dim", strings.Join(cl.Providers, " ")))
		cols := columns(cl)
		zone := ""
		for _, in := range cl.Instances {
			if in.Zone != zone {
				zone = in.Zone
				fmt.Fprintf(w, "  %s\n", a.paint("dim", zone))
			}
			a.drawInstance(w, in, cols)
		}
		if len(cl.Fargate) > 0 {
			fmt.Fprintf(w, "  %s\n", a.paint("dim", "Fargate"))
			for _, t := range cl.Fargate {
				a.drawTask(w, t, cols)
			}
		}
		if len(cl.Waiting) > 0 {
			fmt.Fprintf(w, "  %s\n", a.paint("yellow", "waiting for an instance; why: berth explain "+shortID(cl.Waiting[0].ID)))
			for _, t := range cl.Waiting {
				a.drawTask(w, t, cols)
			}
		}
		for _, s := range cl.Services {
			a.drawService(w, s)
		}
	}
}

// widths are those of a cluster's columns.
type widths struct{ kind, group, revision, address int }

func columns(cl clusterPicture) widths {
	var c widths
	tasks := slices.Concat(cl.Waiting, cl.Fargate)
	for _, in := range cl.Instances {
		c.kind = max(c.kind, len(in.Type))
		tasks = append(tasks, in.Tasks...)
	}
	for _, t := range tasks {
		c.group = min(max(c.group, len(group(t))), 26)
		c.revision = min(max(c.revision, len(t.Revision)), 18)
		c.address = max(c.address, len(t.Address))
	}
	return c
}

func group(t taskPicture) string { return strings.TrimPrefix(t.Group, "service:") }

func (a *app) drawInstance(w io.Writer, in instancePicture, c widths) {
	conn := ""
	if !in.Connected {
		conn = a.paint("red", " agent disconnected")
	}
	full := [2]string{bar(in.CPU, 8) + " ", bar(in.Memory, 8) + " "}
	if terminal(a.out) && width(a.out) < 100 {
		full = [2]string{}
	}
	fmt.Fprintf(w, "    %s  %-*s %s%s  cpu %s%d/%d  mem %s%d/%d MiB\n", in.ID, c.kind, in.Type, a.paint(mood(in.Status), in.Status), conn,
		full[0], in.CPU[0], in.CPU[1], full[1], in.Memory[0], in.Memory[1])
	for _, t := range in.Tasks {
		a.drawTask(w, t, c)
	}
}

func (a *app) drawTask(w io.Writer, t taskPicture, c widths) {
	state := t.Status
	if t.Desired == string(model.TaskStopped) && t.Status == string(model.TaskRunning) {
		state = "RUNNING→STOPPED"
	}
	fmt.Fprintf(
		w, "      %s  %-*s  %-*s  %-*s  %s\n", shortID(t.ID), c.group, clip(group(t), c.group), c.revision, clip(t.Revision, c.revision),
		c.address, t.Address, a.paint(mood(t.Status), state),
	)
}

// shortID is as much of an id as names a task among its like.
func shortID(id string) string { return id[:min(len(id), 8)] }

func (a *app) drawService(w io.Writer, s servicePicture) {
	fmt.Fprintf(w, "  service %s  %s  %d/%d running", a.paint("bold", s.Name), a.paint(mood(s.Status), s.Status), s.Running, s.Desired)
	if s.Pending > 0 {
		fmt.Fprintf(w, ", %d pending", s.Pending)
	}
	gap := "  "
	if terminal(a.out) && width(a.out) < 100 {
		gap = "\n    "
	}
	fmt.Fprintf(w, "%s%s %s", gap, s.Strategy, a.paint(mood(s.Deployment), s.Deployment))
	if s.Stage != "" && (s.Deployment == string(model.DeploymentInProgress) || strings.Contains(s.Deployment, "ROLLBACK_IN")) {
		fmt.Fprintf(w, " %s", a.paint("cyan", s.Stage))
	}
	fmt.Fprintln(w)
	for _, r := range s.revisions {
		fmt.Fprintf(
			w, "    revision …%s  %s/%s running  production %s %3g %%", r.id, r.running, r.of,
			a.paint("green", bar([2]int{int(r.production), 100}, 10)), r.production,
		)
		if r.tests {
			fmt.Fprintf(w, "  test %s %3g %%", a.paint("blue", bar([2]int{int(r.test), 100}, 5)), r.test)
		}
		fmt.Fprintln(w)
	}
	if s.Reason != "" && s.Deployment != string(model.DeploymentSuccessful) {
		fmt.Fprintf(w, "    %s\n", s.Reason)
	}
	for _, u := range s.URLs {
		fmt.Fprintf(w, "    %s\n", u)
	}
	if s.LastEvent != "" {
		fmt.Fprintf(w, "    %s\n", a.paint("dim", anyARN.ReplaceAllStringFunc(s.LastEvent, short)))
	}
}

var anyARN = regexp.MustCompile(`arn:aws[^\s(),]*`)

func bar(v [2]int, n int) string {
	if v[1] <= 0 {
		return strings.Repeat("·", n)
	}
	full := min(n, (v[0]*n+v[1]-1)/v[1])
	return strings.Repeat("█", full) + strings.Repeat("░", n-full)
}
