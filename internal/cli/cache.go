package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// cached is what the server says of its images of other registries.
type cached struct {
	Images []struct {
		Ref    string    `json:"ref"`
		Digest string    `json:"digest"`
		Bytes  int64     `json:"bytes"`
		Pushed bool      `json:"pushed,omitempty"`
		Login  bool      `json:"login,omitempty"`
		Used   time.Time `json:"used"`
	} `json:"images"`
	Bytes    int64  `json:"bytes"`
	Bound    int64  `json:"bound"`
	Internet string `json:"internet"`
}

// cacheCommands are those about images of other registries.
func (a *app) cacheCommands() []*cobra.Command {
	var bytes int64
	gc := &cobra.Command{
		Use: "gc", Short: "Make the cache of other registries' images small",
		Long: "Removes what was not used for longest until at most --keep bytes are here, and all that no image needs. What was pushed stays;\n" +
			"`berth image rm` takes that away. By itself the cache keeps within --image-cache of `berth server`.",
		Example: "  berth image gc\n  berth image gc --keep 2000000000",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.shrinkImages(cmd.Context(), bytes) },
	}
	gc.Flags().Int64Var(&bytes, "keep", 0, "keep so many `bytes`, of what was used last")
	return []*cobra.Command{
		{
			Use: "pull IMAGE", Short: "Bring an image of another registry into the cache",
			Long: "Brings an image of another registry into the cache, from which instances with a way out pull it, also when the network is\n" +
				"gone. The server asks registries as its environment says: HTTPS_PROXY and NO_PROXY, the certificates of SSL_CERT_FILE or of\n" +
				"the machine, the logins and credential helpers of ~/.docker/config.json or DOCKER_CONFIG, and --registry-mirror.",
			Example: "  berth image pull nginx\n  berth image pull public.ecr.aws/docker/library/redis:7\n  berth image pull ghcr.io/me/web:v1",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return a.pullImage(cmd.Context(), args[0]) },
		},
		{
			Use: "ls", Short: "List the images of other registries that are here", Example: "  berth image ls", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.listImages(cmd.Context()) },
		},
		{
			Use: "rm IMAGE", Short: "Forget an image of another registry", Example: "  berth image rm nginx", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := a.client(cmd.Context())
				if err != nil {
					return err
				}
				return c.own(cmd.Context(), http.MethodPost, "/_berth/images/remove", map[string]string{"image": args[0]}, nil)
			},
		}, gc,
	}
}

func (a *app) listImages(ctx context.Context) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	var got cached
	if err := c.own(ctx, http.MethodGet, "/_berth/images", nil, &got); err != nil {
		return err
	}
	if a.asJSON {
		return a.print(got)
	}
	for _, i := range got.Images {
		how := ""
		if i.Login {
			how = "  with a task's login"
		}
		if i.Pushed {
			how = "  pushed"
		}
		fmt.Fprintf(a.out, "%-50s  %8.1f MB  used %s%s\n", i.Ref, float64(i.Bytes)/1e6, i.Used.Local().Format("2006-01-02 15:04"), how)
	}
	fmt.Fprintf(a.out, "%.1f MB of %.1f GB\n", float64(got.Bytes)/1e6, float64(got.Bound)/1e9)
	return nil
}

func (a *app) shrinkImages(ctx context.Context, bytes int64) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	var got struct {
		Removed []string `json:"removed"`
		Before  int64    `json:"before"`
		After   int64    `json:"after"`
	}
	if err := c.own(ctx, http.MethodPost, "/_berth/images/shrink", map[string]int64{"bytes": bytes}, &got); err != nil {
		return err
	}
	if a.asJSON {
		return a.print(got)
	}
	before, after := float64(got.Before)/1e6, float64(got.After)/1e6
	fmt.Fprintf(a.out, "%d images removed, %.1f MB before, %.1f MB now\n", len(got.Removed), before, after)
	return nil
}

// pullImage has the server fetch an image, and shows how far it is.
func (a *app) pullImage(ctx context.Context, image string) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	say := a.busy("image " + image + ": asking its registry")
	defer say("")
	res, err := c.send(ctx, http.MethodPost, "/_berth/images/pull", map[string]string{"image": image})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // what came of it says enough
		return errors.New(strings.TrimSpace(string(text)))
	}
	var last struct {
		Done, Total   int64
		Digest, Error string
	}
	for lines := json.NewDecoder(res.Body); last.Digest == "" && last.Error == ""; {
		if err := lines.Decode(&last); err != nil {
			return fmt.Errorf("the server ended its answer early: %w", err)
		}
		say(fmt.Sprintf("image %s: %.1f of %.1f MB", image, float64(last.Done)/1e6, float64(last.Total)/1e6))
	}
	say("")
	if last.Error != "" {
		return errors.New(last.Error)
	}
	if a.asJSON {
		return a.print(map[string]any{"image": image, "digest": last.Digest, "bytes": last.Total})
	}
	done := tint(a.out, "green", "✓")
	fmt.Fprintf(a.out, "%s image %s is here (%.1f MB, %s)\n", done, image, float64(last.Total)/1e6, clip(last.Digest, 20))
	return nil
}
