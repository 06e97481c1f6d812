// Package cli is Berth's command line. It speaks to a server as any client
// would, over the AWS APIs and the few paths under /_berth/; it never opens a
// server's data itself, except to stop what a dead server left behind.
// Commands print to the writers they are given and are not safe for
// concurrent use.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// ServerConfig is what `berth server` was told.
type ServerConfig struct {
	Data, Listen, Region, Account, Runtime string
	Speed                                  float64
	Verbose, Overcommit                    bool
}

// Hooks are the parts of the program that the command line starts but does
// not contain.
type Hooks struct {
	// Server runs the control plane until ctx ends; ready is called once with
	// the line to print.
	Server func(ctx context.Context, c ServerConfig, ready func(line string)) error
	// Sweep ends and removes whatever a server of that data folder left.
	Sweep func(ctx context.Context, data string, out io.Writer) error
	// Compatibility prints docs/COMPATIBILITY.md.
	Compatibility func(out io.Writer) error
}

// app is one run of the command line.
type app struct {
	hooks    Hooks
	out, err io.Writer
	data     string
	endpoint string
	asJSON   bool
	lastLine string
}

// Main runs the command line and returns the process's exit code.
func Main(ctx context.Context, hooks Hooks, args []string, out, errw io.Writer) int {
	a := &app{hooks: hooks, out: out, err: errw}
	root := &cobra.Command{
		Use:           "berth",
		Short:         "Amazon ECS with Managed Instances, on your own machine",
		Long:          "Berth takes the CloudFormation template, CLI command, SDK or CDK app that you would send to AWS and makes it real on this machine:\ninstances, containers, subnets, security groups, VPC endpoints, load balancers, Lambda hooks.",
		Example:       "  berth up                                  # start a server and deploy the example\n  berth up stack.yaml --image web=./cmd/web # deploy your template with your image\n  eval $(berth env)                         # point the AWS CLI here\n  berth status -w\n  berth stop",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	pf := root.PersistentFlags()
	pf.StringVar(&a.data, "data", defaultData(), "folder of the server's state")
	pf.StringVar(&a.endpoint, "endpoint", "", "address of the server (default: that of the server of --data, then $AWS_ENDPOINT_URL)")
	pf.BoolVar(&a.asJSON, "json", false, "print JSON for machines")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.up(), a.down(), a.server(), a.stop(), a.env(), a.status(), a.events(), a.logs(), a.image(), a.explain(), a.clock(), a.compatibility())
	if err := root.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintf(errw, "berth: %v\n", err)
		}
		return 1
	}
	return 0
}

func defaultData() string {
	if d := os.Getenv("BERTH_DATA"); d != "" {
		return d
	}
	if os.Geteuid() == 0 {
		return "/var/lib/berth"
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "berth")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".berth"
	}
	return filepath.Join(home, ".local", "share", "berth")
}

// DefaultListen is where a server answers unless told otherwise.
const DefaultListen = "127.0.0.1:4566"

// defaultRegion follows the AWS CLI.
func defaultRegion() string {
	return first(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
}

// running is what a server writes into its data folder.
type running struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Account  string `json:"account"`
	PID      int    `json:"pid"`
}

func (a *app) lookup() (running, bool) {
	b, err := os.ReadFile(filepath.Join(a.data, "server.json"))
	if err != nil {
		return running{}, false
	}
	var r running
	return r, json.Unmarshal(b, &r) == nil && r.Endpoint != ""
}

// client finds the server and asks it for its health.
func (a *app) client(ctx context.Context) (*client, error) {
	c, err := a.find(ctx)
	if err != nil {
		return nil, fmt.Errorf("no server answers%s: start one with `berth up` or `berth server --data %s` (%w)", at(c), a.data, err)
	}
	return c, nil
}

func at(c *client) string {
	if c == nil {
		return ""
	}
	return " at " + c.base
}

func (a *app) find(ctx context.Context) (*client, error) {
	base := a.endpoint
	if r, ok := a.lookup(); base == "" && ok {
		base = r.Endpoint
	}
	return a.reach(ctx, first(base, os.Getenv("AWS_ENDPOINT_URL"), DefaultListen))
}

// reach asks the server at an address for its health.
func (a *app) reach(ctx context.Context, base string) (*client, error) {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	c := &client{base: strings.TrimRight(base, "/"), http: &http.Client{}}
	h, err := c.health(ctx)
	if err != nil {
		return c, err
	}
	c.region = h.Region
	return c, nil
}

// terminal reports whether a writer is a terminal that wants colours.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// width of the terminal, 100 columns elsewhere.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
			return n
		}
	}
	return 100
}

// paint colours text on a terminal.
func (a *app) paint(color, s string) string {
	codes := map[string]string{"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
	if !terminal(a.out) || codes[color] == "" {
		return s
	}
	return "\x1b[" + codes[color] + "m" + s + "\x1b[0m"
}

// mood is the colour of a status.
func mood(status string) string {
	switch {
	case strings.Contains(status, "FAILED"), strings.Contains(status, "ROLLBACK"), strings.HasPrefix(status, "UNHEALTHY"), status == "unhealthy":
		return "red"
	case strings.Contains(status, "PROGRESS"), strings.Contains(status, "PENDING"), status == "PROVISIONING", status == "DRAINING", status == "ACTIVATING", status == "initial", status == "draining", status == "DEREGISTERING", status == "REGISTERING":
		return "yellow"
	case strings.Contains(status, "COMPLETE"), status == "ACTIVE", status == "RUNNING", status == "SUCCESSFUL", status == "healthy", status == "HEALTHY":
		return "green"
	default:
		return ""
	}
}

// print writes v as indented JSON.
func (a *app) print(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (a *app) server() *cobra.Command {
	var c ServerConfig
	cmd := &cobra.Command{
		Use:     "server",
		Short:   "Run the control plane in the foreground",
		Long:    "Runs the control plane until it is interrupted. Instances, tasks and the load balancer's process go on without it;\nstart it again with the same --data and it carries on. `berth stop` ends everything.",
		Example: "  berth server --data /srv/berth --region ap-northeast-1 --speed 60",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Data = a.data
			return a.hooks.Server(cmd.Context(), c, func(line string) { fmt.Fprintln(a.out, line) })
		},
	}
	serverFlags(cmd, &c, 1)
	return cmd
}

func serverFlags(cmd *cobra.Command, c *ServerConfig, speed float64) {
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", DefaultListen, "address of the API")
	f.StringVar(&c.Region, "region", defaultRegion(), "AWS Region to be")
	f.StringVar(&c.Account, "account", "000000000000", "AWS account to be, twelve digits")
	f.Float64Var(&c.Speed, "speed", speed, "how many times faster than real the control plane's clock runs")
	f.StringVar(&c.Runtime, "runtime", "", "OCI runtime to run containers with (default: runc in PATH)")
	f.BoolVar(&c.Overcommit, "overcommit", false, "let instance types be larger than this machine's memory")
	f.BoolVarP(&c.Verbose, "verbose", "v", false, "log every step")
}

func (a *app) env() *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print the exports that point the AWS CLI and SDKs here",
		Example: "  eval $(berth env)\n  aws ecs list-clusters",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			for _, kv := range [][2]string{
				{"AWS_ENDPOINT_URL", c.base}, {"AWS_REGION", c.region}, {"AWS_DEFAULT_REGION", c.region},
				{"AWS_ACCESS_KEY_ID", "berth"}, {"AWS_SECRET_ACCESS_KEY", "berth"},
			} {
				fmt.Fprintf(a.out, "export %s=%s\n", kv[0], kv[1])
			}
			return nil
		},
	}
}

func (a *app) stop() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:     "stop",
		Short:   "Stop the server and everything that it runs, and remove its data",
		Example: "  berth stop               # leave nothing\n  berth stop --keep-data   # stop what runs, keep the state",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stopAll(cmd.Context(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-data", false, "keep the data folder")
	return cmd
}

func (a *app) stopAll(ctx context.Context, keep bool) error {
	if r, ok := a.lookup(); ok {
		if err := endProcess(ctx, r.PID, a.data); err != nil {
			return fmt.Errorf("stop the server (pid %d): %w", r.PID, err)
		}
	}
	if _, err := os.Stat(a.data); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(a.out, "nothing runs from %s\n", a.data)
		return nil
	}
	if err := a.hooks.Sweep(ctx, a.data, a.out); err != nil {
		return fmt.Errorf("clean up %s: %w", a.data, err)
	}
	if keep {
		fmt.Fprintf(a.out, "stopped; the state is kept in %s\n", a.data)
		return nil
	}
	if err := os.RemoveAll(a.data); err != nil {
		return fmt.Errorf("remove %s: %w", a.data, err)
	}
	fmt.Fprintf(a.out, "stopped, and %s removed\n", a.data)
	return nil
}

// endProcess ends the server by its pid, after looking whether the pid is
// still the server of that folder.
func endProcess(ctx context.Context, pid int, data string) error {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || pid <= 1 || !strings.Contains(string(cmdline), "\x00server\x00") {
		return nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	if err := p.Signal(os.Interrupt); err != nil {
		return nil
	}
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !alive(pid) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return p.Kill()
}

// alive reports whether a process is there and not a zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func (a *app) compatibility() *cobra.Command {
	return &cobra.Command{
		Use: "compatibility", Short: "Print what of the AWS APIs is built", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.hooks.Compatibility(a.out) },
	}
}
