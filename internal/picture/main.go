// Command picture runs a command in a terminal of its own and draws what the
// terminal shows in the end as an SVG picture; with -until, at the first moment
// when what it shows matches, and then it ends the command. scripts/pictures
// makes those of the README with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	cols := flag.Int("cols", 100, "columns of the terminal")
	rows := flag.Int("rows", 30, "rows of the terminal; what scrolls out is not drawn")
	out := flag.String("o", "/dev/stdout", "file to write")
	title := flag.String("title", "", "what to show as the command (default: the command)")
	until := flag.String("until", "", "draw when the screen matches this regular expression, and end the command")
	from := flag.String("from", "", "draw from the first line on that matches this regular expression")
	flag.Parse()
	if err := picture(*cols, *rows, *out, *title, *until, *from, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func picture(cols, rows int, out, title, until, from string, args []string) error {
	if len(args) == 0 {
		return errors.New("no command: picture -o FILE -- COMMAND ARGS")
	}
	match, err := regexp.Compile(until)
	if err != nil {
		return err
	}
	begin, err := regexp.Compile(from)
	if err != nil {
		return err
	}
	s := newScreen(cols, rows)
	seen, err := show(s, args, func() bool { return until != "" && match.MatchString(s.text()) })
	if err != nil {
		return err
	}
	if until != "" && !seen {
		return fmt.Errorf("%s never showed %q; in the end it showed\n%s", args[0], until, s.text())
	}
	if title == "" {
		title = strings.Join(args, " ")
	}
	for len(s.lines) > 0 && !begin.MatchString(letters(s.lines[0])) {
		s.lines = s.lines[1:]
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(draw(f, title, s), f.Close())
}

// show runs a command on the screen until it ends or enough is true, which is
// asked after each piece of output. How the command ends does not matter.
func show(s *screen, args []string, enough func() bool) (seen bool, err error) {
	master, slave, err := terminal(s.cols, s.rows)
	if err != nil {
		return false, fmt.Errorf("open a terminal: %w", err)
	}
	defer master.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "TERM=xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	// What it started has the terminal too.
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	if err := errors.Join(cmd.Start(), slave.Close()); err != nil {
		return false, err
	}
	b := make([]byte, 1<<16)
	for !seen {
		n, err := master.Read(b)
		_, _ = s.Write(b[:n]) // it takes anything
		seen = enough()
		if err != nil { // EIO: nobody has the other end any more
			break
		}
	}
	cancel()
	_, _ = io.Copy(io.Discard, master) // until the command has ended
	_ = cmd.Wait()                     // it was ended, or failed on the screen
	return seen, nil
}

// terminal opens a pseudo terminal of a size.
func terminal(cols, rows int) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(cols), Row: uint16(rows)})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, slave, nil
}
