package kernel

import "golang.org/x/sys/unix"

// Descriptors is how many files and sockets this process may have open; the Go
// runtime has raised that to as many as the machine allows.
func Descriptors() int {
	const few = 1024 // what Linux gives a process that nobody thought of
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return few
	}
	return int(min(l.Cur, 1<<20))
}
