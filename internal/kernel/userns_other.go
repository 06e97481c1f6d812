//go:build !amd64

package kernel

import "syscall"

// heldInUserNamespace holds a process that began in namespaces of its own. For
// that Go copies this process and all its page tables: dear where it is large.
func heldInUserNamespace(first int) (pid int, err error) {
	ids := []syscall.SysProcIDMap{{HostID: first, Size: UserIDs}}
	return held(syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	})
}
