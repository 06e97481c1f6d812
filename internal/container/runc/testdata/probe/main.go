// Probe is the program inside the containers of the tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "exit":
		fmt.Println("hello")
		fmt.Fprintln(os.Stderr, "to stderr")
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "serve":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
	case "talk":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM, syscall.SIGUSR1)
		fmt.Println("ready")
		for s := range c {
			if s == syscall.SIGTERM {
				fmt.Println("bye")
				os.Exit(3)
			}
			fmt.Println("heard")
		}
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		for {
			time.Sleep(time.Hour)
		}
	case "echo":
		fmt.Println("inside")
		os.Exit(3)
	case "cat":
		for _, f := range os.Args[2:] {
			data, err := os.ReadFile(f)
			fmt.Printf("%s=%s%v\n", f, strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", "|"), err)
		}
	case "write":
		fmt.Println(os.Args[2], os.WriteFile(os.Args[2], []byte("x"), 0o600))
	case "id":
		groups, _ := os.Getgroups()
		wd, _ := os.Getwd()
		host, _ := os.Hostname()
		fmt.Println(os.Getuid(), os.Getgid(), groups, wd, host, os.Getenv("HOME"), os.Getenv("X"), os.Getpid())
	case "eat":
		var keep [][]byte
		for {
			b := make([]byte, 8<<20)
			for i := range b {
				b[i] = 1
			}
			if keep = append(keep, b); len(keep) > 1<<20 {
				return
			}
		}
	case "print":
		n, _ := strconv.Atoi(os.Args[2])
		for i := range n {
			fmt.Println("line", i)
		}
	case "syscalls":
		_, _, unshare := syscall.Syscall(syscall.SYS_UNSHARE, syscall.CLONE_NEWUSER, 0, 0)
		_, _, clone3 := syscall.Syscall(435, 0, 0, 0)
		fmt.Println("unshare:", unshare, "clone3:", clone3, "mount:", syscall.Mount("x", "/tmp", "tmpfs", 0, ""))
	case "attack":
		attack()
	case "escape":
		escape(os.Args[2])
	case "own":
		own(os.Args[2:])
	case "orphan":
		_ = exec.CommandContext(context.Background(), "/probe", "fork").Run()
		time.Sleep(100 * time.Millisecond)
		os.Exit(5)
	case "fork":
		_ = exec.CommandContext(context.Background(), "/probe", "echo").Start()
	case "tty":
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TCGETS, 0)
		fmt.Println("tty", e != syscall.ENOTTY)
		var s string
		_, _ = fmt.Scanln(&s)
		fmt.Println("got", s)
	}
}
