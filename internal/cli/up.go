package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/internal/example"
	"berth/internal/ident"
)

// order is what `berth up` was told.
type order struct {
	server     ServerConfig
	given      func(flag string) bool // was the flag written?
	template   string
	stack      string
	parameters []string
	images     []string
}

func (a *app) up() *cobra.Command {
	var w order
	cmd := &cobra.Command{
		Use:   "up [TEMPLATE]",
		Short: "Start a server if none answers, push images, deploy a template",
		Long: "Starts a server if none answers, publishes the images, creates or updates the stack with live progress, and prints what " +
			"answers where. Without TEMPLATE it deploys the built-in example, a web page. " +
			"A parameter without -p has the template's default, or what the stack has if there is none. Ctrl-C ends the watching, not the " +
			"deployment.",
		Example: "  berth up\n  berth up -p Version=v2                                # a blue/green change\n  berth up stack.yaml -p Env=dev " +
			"--image web=./cmd/web\n" +
			"  berth up stack.yaml --region ap-northeast-1 --speed 60",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				w.template = args[0]
			}
			w.given = cmd.Flags().Changed
			return a.runUp(cmd.Context(), w)
		},
	}
	serverFlags(cmd, &w.server, 20)
	cmd.Flags().StringVar(&w.stack, "stack", "", "`name` of the stack (default: the template's file name; hello for the example)")
	cmd.Flags().StringArrayVarP(&w.parameters, "parameter", "p", nil, "template parameter `KEY=VALUE`; may be repeated")
	cmd.Flags().StringArrayVar(&w.images, "image", nil, "`REPO[:TAG]=SOURCE`, a source as of berth image push; may be repeated")
	return cmd
}

func (a *app) runUp(ctx context.Context, w order) error {
	body := example.Template
	if w.template != "" {
		b, err := readTemplate(w.template)
		if err != nil {
			return err
		}
		body = b
		w.stack = first(w.stack, stackName(w.template))
	}
	w.stack = first(w.stack, example.Stack)
	given, err := parameters(w.parameters)
	if err != nil {
		return err
	}
	for _, im := range w.images {
		if _, _, err := splitImage(im); err != nil {
			return err
		}
	}
	c, err := a.ensure(ctx, w)
	if err != nil {
		return err
	}
	// What the template and the stack refuse is said before anything is built.
	d := deployment{stack: w.stack, file: w.template, body: body}
	if err := a.prepare(ctx, c, &d, given); err != nil {
		return err
	}
	if w.template == "" {
		dir, err := writePage()
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		w.images = append(w.images, example.Image+"="+dir)
	}
	for _, im := range w.images {
		name, source, _ := splitImage(im)
		if _, err := a.pushImage(ctx, c, name, source); err != nil {
			if ctx.Err() != nil {
				fmt.Fprintln(a.note, "interrupted before anything was deployed; the server goes on")
			}
			return err
		}
	}
	if err := a.deploy(ctx, c, d); err != nil {
		return err
	}
	return a.answers(ctx, c, w.stack)
}

// readTemplate reads a template; a wrong path is told with what is near it.
func readTemplate(file string) (string, error) {
	b, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	switch {
	case err == nil:
		return string(b), nil
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no template %s%s", file, maybe(ident.Near(filepath.Base(file), templates(filepath.Dir(file)))))
	case statErr == nil && info.IsDir():
		found := templates(file)
		if len(found) == 0 {
			return "", fmt.Errorf("%s is a folder without a template: name a file, as in berth up %s", file, filepath.Join(file, "stack.yaml"))
		}
		return "", fmt.Errorf("%s is a folder: name a template in it, as in berth up %s", file, filepath.Join(file, found[0]))
	default:
		return "", err
	}
}

// templates are the files of a folder that may be templates.
func templates(dir string) []string {
	var found []string
	for _, ext := range []string{"*.yaml", "*.yml", "*.json", "*.template"} {
		files, _ := filepath.Glob(filepath.Join(dir, ext)) // a pattern of ours is never bad
		for _, f := range files {
			found = append(found, filepath.Base(f))
		}
	}
	return found
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

// parameters reads the KEY=VALUE of -p.
func parameters(kvs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, kv := range kvs {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("-p %s: write a parameter's name and value, as in -p Version=v2", kv)
		}
		out[k] = v
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
