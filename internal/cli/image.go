package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/lang/reference"
	"berth/internal/registry"
)

func (a *app) image() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Publish images in the built-in registry, keep others",
		Example: "  berth image push web ./cmd/web"}
	cmd.AddCommand(&cobra.Command{
		Use:   "push NAME[:TAG] SOURCE",
		Short: "Make an image from a source and push it",
		Long: "Makes an image and pushes it into the built-in ECR; the repository is made if it is missing. A NAME with another registry in " +
			"it,\nsuch as docker.io/nginx or ghcr.io/me/web, means what is pushed from then on: whoever pulls that name gets it, and nothing " +
			"is\nasked of that registry, until `berth image rm` forgets it. SOURCE is one of\n  a folder with a Go main package    " +
			"it is compiled\n  a folder with a static binary      or the binary itself\n  an OCI layout                      a folder or a tar\n" +
			"  a tar of docker save\n  an image of another registry       as docker pull takes it",
		Example: "  berth image push web ./cmd/web\n  berth image push web:v2 ./bin\n  docker save web | berth image push web /dev/stdin\n" +
			"  berth image push docker.io/nginx:1.27 nginx.tar",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			p, err := a.pushImage(cmd.Context(), c, args[0], args[1])
			if err == nil && a.asJSON {
				to, err := target(args[0])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"registry": to.Registry, "repository": to.Repository, "tag": to.Tag, "digest": p.Digest, "bytes": p.Size})
			}
			return err
		},
	})
	cmd.AddCommand(a.cacheCommands()...)
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

// target reads where an image is pushed to: REPO[:TAG] of the built-in ECR,
// whose Registry is "", or the name of an image of another registry.
func target(name string) (reference.Ref, error) {
	to, err := reference.Parse(name)
	_, _, builtIn := to.ECR()
	switch host, _, path := strings.Cut(name, "/"); {
	case err == nil && to.Digest != "":
		return to, fmt.Errorf("%q: an image is pushed under a tag, not a digest, as in web:v2", name)
	case err == nil && builtIn:
		to.Registry = ""
		return to, nil
	case path && strings.ContainsAny(host, ".:"):
		return to, err
	}
	repo, tag, _ := strings.Cut(name, ":")
	if !registry.CheckName(repo) {
		return to, fmt.Errorf("%q is no name for a repository: write small letters, digits and - _ . / between them, as in web:v2", repo)
	}
	return reference.Ref{Repository: repo, Tag: first(tag, "latest")}, nil
}

// pushImage makes an image of a source and pushes it.
func (a *app) pushImage(ctx context.Context, c *client, name, source string) (registry.Pushed, error) {
	to, err := target(name)
	if err != nil {
		return registry.Pushed{}, err
	}
	name = strings.TrimPrefix(to.String(), "/")
	began := time.Now()
	say := a.busy("image " + name + ": building it from " + source)
	p, err := registry.Push(ctx, registry.PushOptions{
		Endpoint: c.base, Region: c.region, Registry: to.Registry, Repo: to.Repository, Tag: to.Tag, Source: source,
		Transport: c.http.Transport, Progress: func(done, total int64) {
			if total > 0 {
				say(fmt.Sprintf("image %s: pushing, %3d %%", name, done*100/total))
			}
		},
	})
	say("")
	switch {
	case ctx.Err() != nil:
		return p, ctx.Err()
	case err != nil:
		return p, fmt.Errorf("image %s: %w%s", name, err, sources(err))
	}
	fmt.Fprintf(
		a.note, "%s image %s pushed in %s (%.1f MB, %s)\n", tint(a.note, "green", "✓"), name, took(began), float64(p.Size)/1e6,
		clip(p.Digest, 20),
	)
	if to.Registry != "" {
		fmt.Fprintf(a.note, "  whoever pulls %s gets this image, and %s is not asked, until `berth image rm %s`\n", name, to.Registry, name)
	}
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
