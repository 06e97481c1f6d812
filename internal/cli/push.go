package cli

import (
	"context"
	"fmt"

	"berth/internal/registry"
)

// push makes an image and pushes it; on a terminal it shows how far it is.
func push(ctx context.Context, a *app, c *client, repo, tag, source string) (digest string, size int64, err error) {
	live := terminal(a.out)
	p, err := registry.Push(ctx, registry.PushOptions{
		Endpoint: c.base, Region: c.region, Repo: repo, Tag: tag, Source: source, Output: a.err,
		Progress: func(done, total int64) {
			if live && total > 0 {
				fmt.Fprintf(a.out, "\r\x1b[K  pushing %s:%s  %3d %%", repo, tag, done*100/total)
			}
		},
	})
	a.clear(live)
	return p.Digest, p.Size, err
}
