package kernel

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// heldInUserNamespace holds a process and has it go into namespaces of its own.
// One that begins in a user namespace is made by copying this process with all
// its page tables, and what both have in common is copied again when it is next
// written: ten times as dear as one that begins where this is. So that is
// what is begun, and while the kernel holds it, it makes one call.
func heldInUserNamespace(first int) (pid int, err error) {
	if pid, err = held(syscall.SysProcAttr{}); err != nil {
		return 0, err
	}
	if err = stopped(pid); err == nil {
		err = call(pid, unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)
	}
	for _, ids := range []string{"uid_map", "gid_map"} {
		if err == nil {
			err = os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, ids), fmt.Appendf(nil, "0 %d %d\n", first, UserIDs), 0)
		}
	}
	if err != nil {
		endHeld(pid)
	}
	return pid, err
}

// stopped waits until a process that this thread traces stands.
func stopped(pid int) error {
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("wait4", err)
		case !ws.Stopped() || ws.StopSignal() != unix.SIGTRAP:
			return fmt.Errorf("the process is not held: %#x", ws)
		default:
			return nil
		}
	}
}

// call has a held process, which never does anything else, make one system call:
// its next instruction becomes that, in its own copy of the page, and is stepped over.
func call(pid int, number, argument uint64) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return os.NewSyscallError("read registers", err)
	}
	if _, err := unix.PtracePokeText(pid, uintptr(r.Rip), []byte{0x0f, 0x05}); err != nil { // syscall
		return os.NewSyscallError("write an instruction", err)
	}
	r.Rax, r.Rdi, r.Orig_rax = number, argument, ^uint64(0)
	if err := unix.PtraceSetRegs(pid, &r); err != nil {
		return os.NewSyscallError("write registers", err)
	}
	if err := unix.PtraceSingleStep(pid); err != nil {
		return os.NewSyscallError("step", err)
	}
	if err := stopped(pid); err != nil {
		return err
	}
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return os.NewSyscallError("read registers", err)
	}
	if answer := int64(r.Rax); answer < 0 {
		return unix.Errno(-answer)
	}
	return nil
}
