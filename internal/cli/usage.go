package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"berth/internal/ident"
)

// synonyms are what people call our commands elsewhere.
var synonyms = map[string]string{
	"ps": "status", "ls": "status", "list": "status", "top": "status -w", "watch": "status -w", "deploy": "up", "create": "up", "apply": "up",
	"start": "up", "run": "up", "delete": "down", "destroy": "down", "rm": "down", "kill": "stop", "push": "image push", "build": "image push",
	"why": "explain", "describe": "explain", "log": "logs", "config": "env", "time": "clock", "version": "--version",
	"check": "doctor", "save": "backup",
}

// commands takes a word that is no command for a question.
func commands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names, near []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if s := synonyms[args[0]]; s != "" && !cmd.HasParent() {
		near = []string{s}
	} else {
		near = ident.Near(args[0], names)
	}
	for i := range near {
		near[i] = "`" + cmd.CommandPath() + " " + near[i] + "`"
	}
	return fmt.Errorf("%s has no command %q%s\n  `%s -h` lists them", cmd.CommandPath(), args[0], maybe(near), cmd.CommandPath())
}

// maybe asks whether something near was meant.
func maybe(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// words checks the number of arguments against the words of the usage line,
// of which those in brackets may be missing.
func words(cmd *cobra.Command, args []string) error {
	want := strings.Fields(cmd.Use)[1:]
	need := len(slices.DeleteFunc(slices.Clone(want), func(w string) bool { return strings.HasPrefix(w, "[") }))
	how := "\n  usage: " + strings.Join(append([]string{cmd.CommandPath()}, want...), " ") + "\n  as in: " + sample(cmd)
	switch {
	case len(args) < need:
		verb := map[bool]string{true: "is", false: "are"}[need-len(args) == 1]
		return fmt.Errorf("%s: %s %s missing%s", cmd.CommandPath(), strings.Join(want[len(args):need], " and "), verb, how)
	case len(args) > len(want):
		return fmt.Errorf("%s: %q is one word too many%s", cmd.CommandPath(), args[len(want)], how)
	}
	return nil
}

// sample is a command's first example without its remark.
func sample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	line, _, _ = strings.Cut(line, " #")
	return strings.TrimSpace(line)
}

var flagName = regexp.MustCompile(`--([a-z][a-z-]*)`)

// flags says which flag may have been meant.
func flags(cmd *cobra.Command, err error) error {
	var unknown interface {
		GetSpecifiedName() string
		GetSpecifiedShortnames() string
	}
	near := ""
	if errors.As(err, &unknown) && strings.HasPrefix(err.Error(), "unknown flag") {
		var names []string
		for _, m := range flagName.FindAllStringSubmatch(cmd.LocalFlags().FlagUsages()+cmd.InheritedFlags().FlagUsages(), -1) {
			names = append(names, "--"+m[1])
		}
		near = maybe(ident.Near("--"+unknown.GetSpecifiedName(), names))
	}
	text := err.Error()
	if i := strings.Index(text, ": strconv."); i >= 0 { // how a number is read is nobody's business
		text = text[:i] + ": not a number"
	}
	return fmt.Errorf("%s%s\n  `%s -h` lists the flags", text, near, cmd.CommandPath())
}

// usage is how help looks: the usage, an example, then what there is. It is no
// template of cobra's: one would link text/template, and with it every exported
// method of everything (docs/adr/0008-pebble.md).
func usage(wide int) func(*cobra.Command) error {
	return func(c *cobra.Command) error {
		line, more := c.UseLine(), ""
		if c.HasAvailableSubCommands() {
			line, more = c.CommandPath()+" COMMAND", "`"+c.CommandPath()+" COMMAND -h` says more about one."
		}
		parts := []string{"Usage: " + line}
		for _, p := range [][2]string{
			{"Examples:\n", c.Example},
			{"Commands:\n", listed(c)},
			{"Flags:\n", c.LocalFlags().FlagUsagesWrapped(wide)},
			{"Flags of every command:\n", c.InheritedFlags().FlagUsagesWrapped(wide)},
			{"", more},
		} {
			if body := strings.TrimRightFunc(p[1], unicode.IsSpace); body != "" {
				parts = append(parts, p[0]+body)
			}
		}
		_, err := fmt.Fprintln(c.OutOrStderr(), strings.Join(parts, "\n\n"))
		return err
	}
}

// listed are a command's commands, one a line with what each is for.
func listed(c *cobra.Command) string {
	var b strings.Builder
	for _, s := range c.Commands() {
		if s.IsAvailableCommand() {
			fmt.Fprintf(&b, "  %-*s %s\n", s.NamePadding(), s.Name(), s.Short)
		}
	}
	return b.String()
}

// dress gives a tree of commands its help, its errors and its checks.
func (a *app) dress(root *cobra.Command) {
	wide := min(width(a.out), 80)
	root.SetUsageFunc(usage(wide))
	root.SetFlagErrorFunc(flags)
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		c.Long = paragraphs(c.Long, wide)
		if c.HasSubCommands() && c.Run == nil && c.RunE == nil {
			c.Args = commands
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		} else if c.Args = words; c.HasSubCommands() {
			c.Args = commands
		}
		for _, s := range c.Commands() {
			each(s)
		}
	}
	each(root)
}

// fail prints what went wrong and returns the exit code: 130 for who was
// interrupted, as shells have it.
func fail(w io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		return 130
	}
	lead := tint(w, "red", "berth:")
	text := strings.TrimRight(err.Error(), "\n")
	if terminal(w) {
		text = strings.TrimPrefix(paragraphs("berth: "+text, width(w)), "berth: ")
	}
	fmt.Fprintf(w, "%s %s\n", lead, text)
	return 1
}
