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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/backup"
	"berth/internal/doctor"
)

// ServerConfig is what `berth server` was told.
type ServerConfig struct {
	Data, Listen, Region, Account, Runtime string
	Speed                                  float64
	Verbose, Overcommit, Recover, Limited  bool
	Audit                                  bool
	// Hosts and Origins are the names and the pages that browsers may call
	// the server by and from, beside its own.
	Hosts, Origins []string
	// Cert and Key are files of a certificate for an address off loopback.
	Cert, Key string
	// Publish are addresses of this machine where load balancers answer.
	Publish []string
	// Internet says what leaves this machine: off, images or on; InternetAllow
	// are networks beside the Internet that may be reached when it is on.
	Internet      string
	InternetAllow []string
	// ImageCache bounds what is kept of other registries' images, in GiB.
	ImageCache int
	// RegistryMirrors are asked before the registries: REGISTRY=URL.
	RegistryMirrors []string
}

// Hooks are the parts of the program that the command line starts but does
// not contain.
type Hooks struct {
	// Server runs the control plane until ctx ends; ready is called once with
	// the line to print.
	Server func(ctx context.Context, c ServerConfig, ready func(line string)) error
	// Sweep ends and removes whatever a server of that data folder left.
	Sweep func(ctx context.Context, data string, out io.Writer) error
	// Backup writes a backup of a data folder that no server has.
	Backup func(ctx context.Context, data string, out io.Writer) error
	// Restore makes a data folder of a backup; progress is told how much of the
	// file was read.
	Restore func(ctx context.Context, file, data string, progress func(done, total int64)) (backup.Header, error)
	// Examine reads every file of a data folder that no server has.
	Examine func(ctx context.Context, data string) ([]doctor.Finding, error)
	// Machine says what of this machine is as Berth needs it.
	Machine func(ctx context.Context, q doctor.Question) []doctor.Finding
	// Compatibility prints docs/COMPATIBILITY.md.
	Compatibility func(out io.Writer) error
	// Version is what the program calls itself.
	Version string
}

// app is one run of the command line.
type app struct {
	hooks    Hooks
	out, err io.Writer
	note     io.Writer // what is told on the way: the output, but with --json the errors
	data     string
	named    bool // the folder was named, by --data or $BERTH_DATA
	endpoint string
	asJSON   bool
}

// Main runs the command line and returns the process's exit code.
func Main(ctx context.Context, hooks Hooks, args []string, out, errw io.Writer) int {
	a := &app{hooks: hooks, out: out, err: errw, note: out}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	if err := root.ExecuteContext(ctx); err != nil {
		return fail(errw, err)
	}
	return 0
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Amazon ECS with Managed Instances, on your own machine",
		Long: "Berth takes the CloudFormation template, CLI command, SDK or CDK app that you would send to AWS and makes it real on this " +
			"machine: instances, containers, subnets, " +
			"security groups, VPC endpoints, load balancers, Lambda hooks.",
		Example: "  berth up                                   # start a server, and the example\n  berth up stack.yaml --image web=./cmd/web " +
			" # deploy your template and image\n" +
			"  eval $(berth env)                          # point the AWS CLI here\n  berth status -w\n  berth explain TASK                      " +
			"   # why it waits, and what to do\n  berth stop                                 # end everything",
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRun:  a.begin,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	pf := root.PersistentFlags()
	pf.StringVar(&a.data, "data", defaultData(), "`folder` of the server's state, or $BERTH_DATA")
	pf.StringVar(&a.endpoint, "endpoint", "", "`address` of the server (default: that of the server of --data, then $AWS_ENDPOINT_URL)")
	pf.BoolVar(&a.asJSON, "json", false, "print JSON for machines")
	root.AddCommand(
		a.up(), a.down(), a.server(), a.stop(), a.env(), a.login(), a.status(), a.events(), a.logs(), a.image(), a.explain(), a.clock(),
		a.interrupt(), a.backup(), a.restore(), a.doctor(), a.compatibility(),
	)
	a.dress(root)
	version := root.Flags().BoolP("version", "v", false, "version for berth")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *version {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "berth", a.hooks.Version)
			return err
		}
		return cmd.Help()
	}
	return root
}

// begin takes over what the flags of every command say.
func (a *app) begin(cmd *cobra.Command, _ []string) {
	a.named = cmd.Flags().Changed("data") || os.Getenv("BERTH_DATA") != ""
	if a.asJSON {
		a.note = a.err
	}
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

// print writes v as indented JSON.
func (a *app) print(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (a *app) server() *cobra.Command {
	var c ServerConfig
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the control plane in the foreground",
		Long: "Runs the control plane until it is interrupted. Instances, tasks and the load balancer's process go on without it; start it " +
			"again with the same --data and it carries on. `berth stop` ends everything.",
		Example: "  berth server --data /srv/berth --region ap-northeast-1 --speed 60\n" +
			"  berth server --listen 0.0.0.0:4566 --allow-host berth.lan   # TLS, keys, IAM",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Data = a.data
			err := a.hooks.Server(cmd.Context(), c, func(line string) { fmt.Fprintln(a.out, line) })
			if err == nil && terminal(a.out) {
				fmt.Fprintf(
					a.out, "\nthe server has ended; what it ran goes on\n  `berth server%s` takes it up again, `berth stop%s` ends it\n", a.folder(),
					a.folder(),
				)
			}
			return err
		},
	}
	serverFlags(cmd, &c, 1)
	return cmd
}

func serverFlags(cmd *cobra.Command, c *ServerConfig, speed float64) {
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", DefaultListen, "`address` of the API; off loopback it wants TLS and keys")
	f.StringVar(&c.Cert, "tls-cert", "", "`file` of a certificate for --listen off loopback (default: of the own authority)")
	f.StringVar(&c.Key, "tls-key", "", "`file` of the key of --tls-cert")
	f.StringVar(&c.Region, "region", defaultRegion(), "AWS `Region` to be")
	f.StringVar(&c.Account, "account", "000000000000", "AWS account to be, twelve `digits`")
	f.Float64Var(&c.Speed, "speed", speed, "run the control plane's clock `N` times as fast as real time")
	f.StringVar(&c.Runtime, "runtime", "", "OCI runtime to run containers with, a `program` (default: runc in PATH)")
	f.BoolVar(&c.Overcommit, "overcommit", false, "let instance types be larger than this machine's memory")
	f.BoolVar(&c.Recover, "recover", false, "go on without changes of a damaged state that are lost")
	f.BoolVar(&c.Audit, "audit", false, "keep a log of all calls (CloudTrail's LookupEvents); off loopback that is always so")
	f.BoolVar(&c.Limited, "rate-limits", false, "answer calls no faster than AWS does; off loopback that is always so")
	f.StringSliceVar(&c.Hosts, "allow-host", nil, "answer for this `name` of the machine too, beside localhost")
	f.StringSliceVar(&c.Origins, "allow-origin", nil, "let web pages of this `origin` call, for example http://localhost:3000")
	f.StringSliceVar(&c.Publish, "publish", nil, "let load balancers answer at this `address` of the machine too, to whom their groups let in")
	f.StringVar(&c.Internet, "internet", "images", "what leaves this machine, `off|images|on`: nothing, pulls of images, or packets too")
	f.StringSliceVar(&c.InternetAllow, "internet-allow", nil, "with --internet on, let tasks reach this private `network`, e.g. 10.1.0.0/16")
	f.IntVar(&c.ImageCache, "image-cache", 20, "keep at most so many `GiB` of images of other registries")
	f.StringArrayVar(&c.RegistryMirrors, "registry-mirror", nil, "ask this mirror first, `[REGISTRY=]URL` (of docker.io); may be repeated")
	f.BoolVarP(&c.Verbose, "verbose", "v", false, "log every step")
}

func (a *app) env() *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print what points the AWS CLI and SDKs here",
		Example: "  eval $(berth env)\n  aws ecs list-clusters",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if strings.HasPrefix(c.base, "https:") {
				return fmt.Errorf("the server at %s wants keys: there are none to print\n  `berth login %s` writes a profile with yours", c.base, c.base)
			}
			all := [][2]string{
				{"AWS_ENDPOINT_URL", c.base}, {"AWS_REGION", c.region}, {"AWS_DEFAULT_REGION", c.region},
				{"AWS_ACCESS_KEY_ID", "berth"}, {"AWS_SECRET_ACCESS_KEY", "berth"},
			}
			if a.asJSON {
				m := map[string]string{}
				for _, kv := range all {
					m[kv[0]] = kv[1]
				}
				return a.print(m)
			}
			for _, kv := range all {
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
		Short:   "End the server and all that it runs, and remove its data",
		Example: "  berth stop               # leave nothing\n  berth stop --keep-data   # stop what runs, keep the state",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stopAll(cmd.Context(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-data", false, "keep the data folder")
	return cmd
}

func (a *app) stopAll(ctx context.Context, keep bool) error {
	if r, ok := a.lookup(); ok {
		if err := endProcess(ctx, r.PID); errors.Is(err, os.ErrPermission) {
			return notYours(a.data)
		} else if err != nil {
			return fmt.Errorf("stop the server (pid %d): %w", r.PID, err)
		}
	}
	files, err := os.ReadDir(a.data)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(a.out, "nothing runs from %s\n", a.data)
		return nil
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		return notYours(a.data)
	case err != nil:
		return err
	case foreign(files):
		return fmt.Errorf("%s is no data folder of Berth: nothing was stopped or removed", a.data)
	}
	done := a.busy("stopping what runs from " + a.data)
	err = a.hooks.Sweep(ctx, a.data, a.out)
	done("")
	if errors.Is(err, os.ErrPermission) {
		return notYours(a.data)
	}
	if err != nil {
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
func endProcess(ctx context.Context, pid int) error {
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty: it has gone
	if pid <= 1 || !strings.Contains(string(cmdline), "\x00server\x00") {
		return nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	switch err := p.Signal(os.Interrupt); {
	case errors.Is(err, os.ErrProcessDone):
		return nil
	case err != nil:
		return err
	}
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) {
		if !alive(pid) {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
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

// foreign says that a folder with those files is not Berth's. A server that did
// not come up left its log alone.
func foreign(files []os.DirEntry) bool {
	return slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() != "server.log" }) &&
		!slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() == "server.lock" })
}

// notYours is for whoever uses the folder of another user.
func notYours(data string) error {
	return fmt.Errorf("%s belongs to another user: run this as root (sudo)", data)
}

func (a *app) compatibility() *cobra.Command {
	return &cobra.Command{
		Use: "compatibility", Short: "Print what of the AWS APIs is built", Example: "  berth compatibility | grep CreateService",
		RunE: func(*cobra.Command, []string) error { return a.hooks.Compatibility(a.out) },
	}
}
