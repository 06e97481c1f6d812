package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/registry"
)

func (a *app) image() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Publish images in the built-in registry", Example: "  berth image push web ./cmd/web"}
	cmd.AddCommand(&cobra.Command{
		Use:   "push REPO[:TAG] SOURCE",
		Short: "Make an image from a source and push it",
		Long: "Makes an image and pushes it; the repository is made if it is missing. SOURCE is one of\n  a folder with a Go main package    " +
			"it is compiled\n  a folder with a static binary      or the binary itself\n  an OCI layout                      a folder or a tar\n" +
			"  a tar of docker save\n  an image of another registry       as docker pull takes it",
		Example: "  berth image push web ./cmd/web\n  berth image push web:v2 ./bin\n  docker save web | berth image push web /dev/stdin",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			p, err := a.pushImage(cmd.Context(), c, args[0], args[1])
			if err == nil && a.asJSON {
				repo, tag := repoAndTag(args[0])
				return a.print(map[string]any{"repository": repo, "tag": tag, "digest": p.Digest, "bytes": p.Size})
			}
			return err
		},
	})
	return cmd
}

// splitImage reads REPO[:TAG]=SOURCE.
func splitImage(arg string) (name, source string, err error) {
	name, source, ok := strings.Cut(arg, "=")
	if !ok || name == "" || source == "" {
		return "", "", fmt.Errorf("--image %s: write the repository and its source, as in --image web=./cmd/web or --image web:v2=./bin", arg)
	}
	return name, source, nil
}

func repoAndTag(name string) (repo, tag string) {
	repo, tag, _ = strings.Cut(name, ":")
	return repo, first(tag, "latest")
}

var repoName = regexp.MustCompile(`^[a-z0-9]+([._/-][a-z0-9]+)*$`)

// pushImage makes an image of a source and pushes it.
func (a *app) pushImage(ctx context.Context, c *client, name, source string) (registry.Pushed, error) {
	repo, tag := repoAndTag(name)
	if !repoName.MatchString(repo) {
		return registry.Pushed{}, fmt.Errorf(
			"%q is no name for a repository: write small letters, digits and - _ . / between them, as in web:v2", repo,
		)
	}
	began := time.Now()
	say := a.busy("image " + repo + ":" + tag + ": building it from " + source)
	p, err := registry.Push(ctx, registry.PushOptions{
		Endpoint: c.base, Region: c.region, Repo: repo, Tag: tag, Source: source,
		Progress: func(done, total int64) {
			if total > 0 {
				say(fmt.Sprintf("image %s:%s: pushing, %3d %%", repo, tag, done*100/total))
			}
		},
	})
	say("")
	switch {
	case ctx.Err() != nil:
		return p, ctx.Err()
	case err != nil:
		return p, fmt.Errorf("image %s:%s: %w%s", repo, tag, err, sources(err))
	}
	fmt.Fprintf(
		a.note, "%s image %s:%s pushed in %s (%.1f MB, %s)\n", tint(a.note, "green", "✓"), repo, tag, took(began), float64(p.Size)/1e6,
		clip(p.Digest, 20),
	)
	return p, nil
}

// sources adds to an error about a source what would be one.
func sources(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "go.mod file not found"):
		return "\n  `go mod init NAME` in that folder makes one"
	case strings.Contains(text, "neither"), strings.Contains(text, "no such file"), strings.Contains(text, "no executable program"):
		return "\n  a source is a folder with a Go main package or a static binary, an OCI layout, a docker save tar,\n  or an image of " +
			"another registry"
	case strings.Contains(text, "executable file not found") && strings.Contains(text, "go"):
		return "\n  a Go package needs the go command in PATH; a folder with a static binary does not"
	case strings.Contains(text, "no such host"):
		return "\n  it is no file or folder here and was looked for in its registry; for a folder write ./NAME"
	default:
		return ""
	}
}
