package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) image() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Publish images in the built-in registry"}
	cmd.AddCommand(&cobra.Command{
		Use:     "push REPO[:TAG] SOURCE",
		Short:   "Make an image from a source and push it; the repository is made if it is missing",
		Long:    "SOURCE is a Go main package, a folder with a static binary, an OCI layout (folder or tar), a `docker save` tar, or a remote reference.",
		Example: "  berth image push web ./cmd/web\n  berth image push web:v2 ./bin\n  docker save web | berth image push web /dev/stdin",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			return a.pushImage(cmd.Context(), c, args[0]+"="+args[1])
		},
	})
	return cmd
}

// pushImage publishes REPO[:TAG]=SOURCE.
func (a *app) pushImage(ctx context.Context, c *client, arg string) error {
	name, source, ok := strings.Cut(arg, "=")
	if !ok || name == "" || source == "" {
		return fmt.Errorf("--image %s: write REPO[:TAG]=SOURCE", arg)
	}
	repo, tag, ok := strings.Cut(name, ":")
	if !ok {
		tag = "latest"
	}
	began := time.Now()
	digest, size, err := push(ctx, a, c, repo, tag, source)
	if err != nil {
		return fmt.Errorf("push %s:%s: %w", repo, tag, err)
	}
	if a.asJSON {
		return a.print(map[string]any{"repository": repo, "tag": tag, "digest": digest, "bytes": size})
	}
	fmt.Fprintf(a.out, "%s image %s:%s pushed in %s (%.1f MB, %s)\n", a.paint("green", "✓"), repo, tag, took(began), float64(size)/1e6, digest)
	return nil
}
