package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"berth/internal/model"
)

// doing is a resource that is under way.
type doing struct{ kind, physical string }

// follower tells what happens to a stack until it rests.
type follower struct {
	a        *app
	c        *client
	stack    string // its name
	id       string
	verb     string
	began    time.Time
	seen     map[string]bool
	doing    map[string]doing
	done     int
	failures []failure
	told     string // the last line about what is under way, away from a terminal
	cause    cause
	asked    time.Time // when the cause was asked for last
	back     bool      // it is rolled back, of which only the end is told
}

// failure is a resource that could not be made, and why.
type failure struct{ what, why string }

// cause is what an explanation said about what is in the way of a service,
// kept because a rollback takes the service away.
type cause struct {
	explanation
	log    []string // the last lines of the log that the cure names
	shown  string   // the cure that was told while waiting
	lasted int      // how many looks the cure was the same
}

// follow prints what happens to a stack until it rests. On a terminal the
// last line shows what is under way.
func (a *app) follow(ctx context.Context, c *client, name, id, verb string, began time.Time) error {
	f := &follower{a: a, c: c, stack: name, id: id, verb: verb, began: began, seen: map[string]bool{}, doing: map[string]doing{}}
	for tick := 0; ; tick++ {
		if err := f.events(ctx, tick == 0); err != nil {
			return err
		}
		out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{"StackName": id})
		if err != nil {
			return err
		}
		st := list(out, "Stacks")[0]
		switch status := str(st, "StackStatus"); {
		case strings.HasSuffix(status, "IN_PROGRESS"):
		case status == map[string]string{"creating": "CREATE_COMPLETE", "updating": "UPDATE_COMPLETE", "deleting": "DELETE_COMPLETE"}[verb]:
			if err := f.events(ctx, false); err != nil { // what came since the look above
				return err
			}
			a.clear()
			fmt.Fprintf(a.note, "%s %s after %s\n", tint(a.note, "green", "✓"), status, took(began))
			return nil
		default:
			if err := f.events(ctx, false); err != nil {
				return err
			}
			a.clear()
			return f.failed(ctx, status, str(st, "StackStatusReason"))
		}
		if tick%5 == 0 || terminal(a.note) {
			f.under(ctx, tick)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			a.clear()
			return err
		}
	}
}

// events prints what ended since the last look; the first look begins with
// the operation that was asked for last.
func (f *follower) events(ctx context.Context, firstLook bool) error {
	evs, err := f.fresh(ctx)
	if err != nil {
		return err
	}
	begin := 0
	for i, e := range evs {
		if firstLook && str(e, "ResourceType") == "AWS::CloudFormation::Stack" && slices.Contains(begun, str(e, "ResourceStatus")) {
			begin = i
		}
	}
	for _, e := range evs[begin:] {
		f.event(ctx, e)
	}
	return nil
}

// begun are the states of a stack in which an operation that was asked for
// begins.
var begun = []string{string(model.StackCreateInProgress), string(model.StackUpdateInProgress), string(model.StackDeleteInProgress)}

// fresh lists the events that were not seen yet, the oldest first.
func (f *follower) fresh(ctx context.Context) ([]map[string]any, error) {
	var evs []map[string]any
	in := map[string]any{"StackName": f.id}
	for {
		out, err := f.c.call(ctx, "cloudformation", "DescribeStackEvents", in)
		if err != nil {
			return nil, err
		}
		known := false
		for _, e := range list(out, "StackEvents") { // the newest come first
			if known = known || f.seen[str(e, "EventId")]; !known {
				evs = append(evs, e)
			}
		}
		if in["NextToken"] = str(out, "NextToken"); known || in["NextToken"] == "" {
			break
		}
	}
	slices.Reverse(evs)
	for _, e := range evs {
		f.seen[str(e, "EventId")] = true
	}
	return evs, nil
}

func (f *follower) event(ctx context.Context, e map[string]any) {
	status, logical, kind := str(e, "ResourceStatus"), str(e, "LogicalResourceId"), str(e, "ResourceType")
	if kind == "AWS::CloudFormation::Stack" {
		if strings.Contains(status, "ROLLBACK_IN_PROGRESS") && !f.back {
			f.back, f.verb, f.done = true, "rolling back", 0
			f.a.clear()
			fmt.Fprintf(f.a.note, "  rolling back stack %s\n", tint(f.a.note, "bold", f.stack))
		}
		return
	}
	if strings.HasSuffix(status, "IN_PROGRESS") {
		f.doing[logical] = doing{kind, first(str(e, "PhysicalResourceId"), f.doing[logical].physical)}
		return
	}
	service := first(str(e, "PhysicalResourceId"), f.doing[logical].physical)
	delete(f.doing, logical)
	f.done++
	mark := tint(f.a.note, "green", "✓")
	switch failed := strings.Contains(status, "FAILED"); {
	case f.back && !failed:
		return
	case failed:
		if kind == "AWS::ECS::Service" && service != "" {
			f.asked = time.Time{} // now, before the rollback takes the traces away
			f.why(ctx, service)
		}
		mark = tint(f.a.note, "red", "✗")
		if r := str(e, "ResourceStatusReason"); r != model.CancelledCreate && r != model.CancelledUpdate {
			f.failures = append(f.failures, failure{logical + " (" + kind + ")", handler(r)})
		}
	}
	f.a.clear()
	f.a.finished(mark, f.began, status, kind, logical)
}

var wrapped = regexp.MustCompile(`^Resource handler returned message: "(.*)" \(RequestToken: .*\)$`)

// handler is the message inside what CloudFormation writes around it.
func handler(reason string) string {
	if m := wrapped.FindStringSubmatch(reason); m != nil {
		return m[1]
	}
	return reason
}

// finished prints one resource that is done; a narrow terminal gets its name
// and type, and its status only if that is not the usual one.
func (a *app) finished(mark string, began time.Time, status, kind, logical string) {
	if wide := width(a.note); wide < 104 {
		short := strings.TrimPrefix(kind, "AWS::")
		if !strings.HasSuffix(status, "_COMPLETE") || strings.Contains(status, "ROLLBACK") || strings.HasPrefix(status, "DELETE") {
			short = status + " " + short
		}
		fmt.Fprintf(a.note, "%s %6s  %s\n", mark, took(began), clip(fmt.Sprintf("%-24s %s", logical, short), wide-11))
		return
	}
	fmt.Fprintf(a.note, "%s %6s  %-22s %-47s %s\n", mark, took(began), status, kind, logical)
}

// under writes the line of what is under way; away from a terminal it writes
// the stage of a deployment when that changes. A service that does not get on
// has its cause told once.
func (f *follower) under(ctx context.Context, tick int) {
	if len(f.doing) == 0 {
		return
	}
	var names []string
	service := ""
	for n, d := range f.doing {
		names = append(names, n)
		if d.kind == "AWS::ECS::Service" && d.physical != "" {
			service = d.physical
		}
	}
	sort.Strings(names)
	text := strings.Join(names, ", ")
	if service != "" && len(names) <= 3 {
		if s := f.stage(ctx, service); s != "" {
			text += ": " + s
		}
		f.why(ctx, service)
	}
	if !terminal(f.a.note) {
		if text != f.told && service != "" {
			f.told = text
			fmt.Fprintf(f.a.note, "  %6s  … %s\n", took(f.began), text)
		}
		return
	}
	line := fmt.Sprintf("%c %6s  %s (%d done): %s", spinner[tick%len(spinner)], took(f.began), f.verb, f.done, text)
	fmt.Fprint(f.a.note, "\r\x1b[K"+clip(line, width(f.a.note)-1))
}

// stage says in a few words where a service's deployment is.
func (f *follower) stage(ctx context.Context, arn string) string {
	cluster := cut(arn, "service/", "/")
	out, err := f.c.call(ctx, "ecs", "DescribeServices", map[string]any{"cluster": cluster, "services": []string{arn}})
	if err != nil || len(list(out, "services")) == 0 {
		return "" // it is told without
	}
	d := list(out, "services")[0]
	var s servicePicture
	if lookDeployment(ctx, f.c, arn, &s) != nil || s.Deployment == "" || s.Deployment == string(model.DeploymentSuccessful) {
		return ""
	}
	stage := first(s.Stage, s.Deployment)
	if len(s.revisions) > 1 && !strings.Contains(s.Deployment, "ROLLBACK") { // the new one comes first
		return fmt.Sprintf("%s, %s of %s new tasks running", stage, s.revisions[0].running, s.revisions[0].of)
	}
	return fmt.Sprintf("%s, %s of %s tasks running", stage, str(d, "runningCount"), str(d, "desiredCount"))
}

// cut is the text between two others.
func cut(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// why asks every second what is in the way of a service, and tells it once it
// was the same for some looks.
func (f *follower) why(ctx context.Context, service string) {
	if time.Since(f.asked) < time.Second {
		return
	}
	f.asked = time.Now()
	e, err := f.c.explain(ctx, service)
	if err != nil || e.Cure == "" {
		f.cause.lasted = 0
		return
	}
	if e.Cure == f.cause.Cure {
		f.cause.lasted++
	} else {
		f.cause.lasted = 0
	}
	f.cause.explanation = e
	if lines := f.a.lastWords(ctx, f.c, e.Log); len(lines) > 0 {
		f.cause.log = lines
	}
	if f.cause.lasted < 4 || f.cause.shown == e.Cure {
		return
	}
	f.cause.shown = e.Cure
	f.a.clear()
	text := "! " + e.Cure
	if terminal(f.a.note) {
		text = paragraphs(text, width(f.a.note))
	}
	fmt.Fprintln(f.a.note, tint(f.a.note, "yellow", text))
}

// frame matches what Lambda writes around the lines of a function.
var frame = regexp.MustCompile(`^(INIT_START|START|END|REPORT) `)

// lastWords are the last lines of the log that a cure names, if it does.
func (a *app) lastWords(ctx context.Context, c *client, log string) []string {
	if log == "" {
		return nil
	}
	groups, stream, err := a.logGroups(ctx, c, log)
	if err != nil {
		return nil // there is none, or no longer
	}
	lines, err := a.logLines(ctx, c, groups, stream)
	if err != nil {
		return nil
	}
	var out []string
	for _, l := range lines {
		if frame.MatchString(l.Message) {
			continue
		}
		out = append(out, strings.FieldsFunc(l.Message, func(r rune) bool { return r == '\r' || r == '\n' })...)
	}
	return out[max(0, len(out)-8):]
}

// explain asks why something is as it is.
func (c *client) explain(ctx context.Context, id string) (explanation, error) {
	var e explanation
	return e, c.own(ctx, http.MethodGet, "/_berth/explain?id="+url.QueryEscape(id), nil, &e)
}

// failed says why a stack did not become what was asked: what failed, why, the
// last words of who failed, and the cure.
func (f *follower) failed(ctx context.Context, status, reason string) error {
	lines := []string{fmt.Sprintf("stack %s is %s after %s", f.stack, status, took(f.began))}
	if status == string(model.StackDeleteComplete) {
		return fmt.Errorf("stack %s was deleted meanwhile", f.stack)
	}
	for _, x := range f.failures {
		lines = append(lines, "  ✗ "+x.what+": "+x.why)
	}
	if len(f.failures) == 0 && reason != "" {
		lines = append(lines, "  ✗ "+reason)
	}
	e, err := f.c.explain(ctx, f.id)
	if err != nil {
		e = explanation{}
	}
	words := f.a.lastWords(ctx, f.c, e.Log)
	if e.Cure == "" && f.cause.Cure != "" { // a rollback left nothing to explain
		e = f.cause.explanation
	}
	for _, s := range e.Say {
		if !strings.Contains(s, status) && !said(f.failures, s) && !slices.Contains(e.Routine, s) {
			lines = append(lines, "    "+s)
		}
	}
	if len(words) == 0 {
		words = f.cause.log
	}
	if log := first(e.Log, f.cause.Log); log != "" && len(words) > 0 {
		lines = append(lines, "  the last lines of "+log+":")
		for _, w := range words {
			lines = append(lines, "    │ "+w)
		}
	}
	if e.Cure != "" {
		lines = append(lines, "  → "+e.Cure)
	} else {
		lines = append(lines, "  `berth explain stack/"+f.stack+f.a.folder()+"` tells more")
	}
	return fmt.Errorf("%s", strings.Join(lines, "\n"))
}

// said says that a line repeats the reason of a failure.
func said(failures []failure, line string) bool {
	return slices.ContainsFunc(failures, func(x failure) bool { return x.why != "" && strings.Contains(line, x.why) })
}
