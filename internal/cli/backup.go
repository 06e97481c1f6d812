package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/backup"
)

func (a *app) backup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of all that the server keeps",
		Long: "Writes one file with the whole state at one moment, logs and metrics, the images of the registry, functions' code and the " +
			"authority of the VPC endpoints, compressed and with checksums. The server goes on meanwhile; a folder without a server is backed " +
			"up as well. What is made again is not in it: unpacked images, instances and their disks, networks. The file is as secret as the " +
			"data folder.",
		Example: "  berth backup monday.berth\n  berth backup /backups/$(date +%F).berth && ls -lh /backups",
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			b, size, err := a.writeBackup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.print(map[string]any{"file": args[0], "bytes": size, "revision": b.Revision, "at": b.At})
			}
			fmt.Fprintf(
				a.out, "%s %s: %.1f MB, the state at revision %d, in %s\n  `berth restore %s --data FOLDER` makes a data folder of it\n",
				tint(a.out, "green", "✓"), args[0], float64(size)/1e6, b.Revision, took(began), args[0],
			)
			return nil
		},
	}
}

// writeBackup writes a backup beside its name first, and looks whether it is
// whole.
func (a *app) writeBackup(ctx context.Context, file string) (h backup.Header, size int64, err error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return h, 0, fmt.Errorf("%s is there already: name another file, or remove it", file)
	}
	f, err := os.OpenFile(file+".part", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return h, 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	defer f.Close()
	say := a.busy("backup " + file)
	defer say("")
	to := &tally{w: f, say: func(n int64) { say(fmt.Sprintf("backup %s: %.1f MB", file, float64(n)/1e6)) }}
	if err := a.takeBackup(ctx, to); err != nil {
		return h, 0, err
	}
	b, err := backup.Open(f, to.n, nil)
	if err != nil {
		return h, 0, fmt.Errorf("the backup did not come whole: %w", err)
	}
	return b.Header, to.n, errors.Join(f.Sync(), os.Rename(f.Name(), file))
}

// takeBackup has the server write a backup, or the folder without one.
func (a *app) takeBackup(ctx context.Context, to io.Writer) error {
	c, err := a.client(ctx)
	if err != nil {
		if r, ok := a.lookup(); a.endpoint != "" || ok && alive(r.PID) {
			return err
		}
		if _, missing := os.Stat(filepath.Join(a.data, "server.lock")); missing != nil {
			return err // it says that there is no server, and how to start one
		}
		return a.hooks.Backup(ctx, a.data, to)
	}
	res, err := c.send(ctx, http.MethodPost, "/_berth/backup", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // what came of it says enough
		return errors.New(strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(to, res.Body); err != nil {
		return fmt.Errorf("the server ended its answer early: %w", err)
	}
	if trouble := res.Trailer.Get("Berth-Trouble"); trouble != "" {
		return errors.New(trouble)
	}
	return nil
}

// tally counts what is written, and says so.
type tally struct {
	w   io.Writer
	n   int64
	say func(n int64)
}

// Write implements io.Writer.
func (t *tally) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.n += int64(n)
	t.say(t.n)
	return n, err
}

func (a *app) restore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data folder of a backup",
		Long: "Makes a data folder of a backup that `berth backup` wrote. The folder of --data must be empty, or not be there. The file is read " +
			"whole first: if it was cut or changed nothing is written. A server that is started with the folder brings back what ran: " +
			"instances and tasks are launched anew.",
		Example: "  berth restore monday.berth --data /srv/berth\n  berth server --data /srv/berth",
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			say := a.busy("restore " + args[0])
			h, err := a.hooks.Restore(cmd.Context(), args[0], a.data, func(done, total int64) {
				if total > 0 {
					say(fmt.Sprintf("restore %s: %3d %% read", args[0], done*100/total))
				}
			})
			say("")
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.print(map[string]any{"data": a.data, "revision": h.Revision, "at": h.At, "region": h.Region, "account": h.Account})
			}
			fmt.Fprintf(
				a.out, "%s %s restored in %s: the state at revision %d, of %s\n  start it: berth server%s%s\n", tint(a.out, "green", "✓"), a.data,
				took(began), h.Revision, h.At.Local().Format(time.DateTime), a.folder(), placeFlags(h),
			)
			return nil
		},
	}
}

// placeFlags are the flags with which a server is what it was.
func placeFlags(h backup.Header) string {
	var s string
	if h.Region != "" && h.Region != defaultRegion() {
		s += " --region " + h.Region
	}
	if h.Account != "" && h.Account != "000000000000" {
		s += " --account " + h.Account
	}
	return s
}
