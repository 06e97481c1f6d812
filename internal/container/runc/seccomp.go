package runc

import (
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// forbidden are calls that no container may make, whatever it may do otherwise:
// they reach the kernel of the host, its clock, its log, its disks, its keys or,
// by mounting, its settings. To the kernel, root in a container is root.
const forbidden = `acct add_key bpf clock_settime clock_settime64 create_module delete_module fanotify_init finit_module fsconfig fsmount
	fsopen fspick init_module ioperm iopl kexec_file_load kexec_load keyctl lookup_dcookie mount mount_setattr move_mount open_by_handle_at
	open_tree open_tree_attr perf_event_open pivot_root quotactl quotactl_fd request_key settimeofday stime swapoff swapon syslog umount
	umount2`

// privilegedSeccomp is the system call filter of a privileged container: what
// is not forbidden is allowed.
func privilegedSeccomp() *specs.LinuxSeccomp {
	eperm := uint(unix.EPERM)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: seccompArches(),
		Syscalls: []specs.LinuxSyscall{
			{Names: strings.Fields(forbidden), Action: specs.ActErrno, ErrnoRet: &eperm},
			{
				Names: []string{"socket"}, Action: specs.ActErrno, ErrnoRet: &eperm,
				Args: []specs.LinuxSeccompArg{{Index: 0, Value: unix.AF_VSOCK, Op: specs.OpEqualTo}},
			},
		},
	}
}

// seccomp is the system call filter of a container that is not privileged:
// what programs need is allowed, what reaches the kernel's administration is
// EPERM unless a capability that the container has covers it. The choice of
// calls follows the table in Docker's documentation of its default profile.
//
// clone3 answers ENOSYS where it is not allowed, so that C libraries fall
// back to clone, whose flags a filter can read (those of clone3 lie in memory).
func seccomp(caps []string) *specs.LinuxSeccomp {
	eperm, enosys := uint(unix.EPERM), uint(unix.ENOSYS)
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm,
		Architectures: seccompArches(),
		Syscalls: []specs.LinuxSyscall{
			{Names: strings.Fields(everybody), Action: specs.ActAllow},
			allowIf("personality", specs.LinuxSeccompArg{Index: 0, Value: 0x0, Op: specs.OpEqualTo}),
			allowIf("personality", specs.LinuxSeccompArg{Index: 0, Value: 0x8, Op: specs.OpEqualTo}),
			allowIf("personality", specs.LinuxSeccompArg{Index: 0, Value: 0x20000, Op: specs.OpEqualTo}),
			allowIf("personality", specs.LinuxSeccompArg{Index: 0, Value: 0x20008, Op: specs.OpEqualTo}),
			allowIf("personality", specs.LinuxSeccompArg{Index: 0, Value: 0xffffffff, Op: specs.OpEqualTo}),
			// Sockets between a virtual machine and its host go around every
			// network rule.
			allowIf("socket", specs.LinuxSeccompArg{Index: 0, Value: unix.AF_VSOCK, Op: specs.OpNotEqual}),
		},
	}
	for _, g := range gated {
		if slices.Contains(caps, g.capability) {
			s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: strings.Fields(g.calls), Action: specs.ActAllow})
		}
	}
	if !slices.Contains(caps, "CAP_SYS_ADMIN") {
		const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
		s.Syscalls = append(s.Syscalls,
			allowIf("clone", specs.LinuxSeccompArg{Index: 0, Value: namespaces, ValueTwo: 0, Op: specs.OpMaskedEqual}),
			specs.LinuxSyscall{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys})
	}
	return s
}

func allowIf(name string, arg specs.LinuxSeccompArg) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg}}
}

// seccompArches are those whose programs a container may run. The runtime
// compiles the whole list anew for each, in every start. x32 is not among
// them: no distribution's kernel runs it unless told to at boot, and a filter
// without it kills who makes its calls.
func seccompArches() []specs.Arch {
	if runtime.GOARCH == "arm64" {
		return []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	}
	return []specs.Arch{specs.ArchX86_64, specs.ArchX86}
}

// gated are calls that come with a capability; none of them is forbidden.
var gated = []struct{ capability, calls string }{
	{"CAP_SYS_ADMIN", "clone clone3 setdomainname sethostname setns unshare"},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
}

// everybody may make these calls. Names that an architecture does not know
// are passed over by the runtime. They stand in the order of falling numbers
// on x86-64, then on x86: the runtime's library keeps a sorted list and looks
// for each one's place from its beginning, which otherwise costs a tenth of a
// container's start.
const everybody = `
	removexattrat listxattrat getxattrat setxattrat mseal listmount statmount futex_requeue futex_wait futex_wake
	map_shadow_stack fchmodat2 cachestat futex_waitv process_mrelease memfd_secret landlock_restrict_self
	landlock_add_rule landlock_create_ruleset epoll_pwait2 faccessat2 openat2 close_range pidfd_open
	pidfd_send_signal uretprobe rseq io_pgetevents statx pkey_free pkey_alloc pkey_mprotect pwritev2 preadv2
	copy_file_range mlock2 membarrier execveat memfd_create getrandom seccomp renameat2 sched_getattr
	sched_setattr process_vm_writev process_vm_readv getcpu sendmmsg syncfs clock_adjtime name_to_handle_at
	prlimit64 fanotify_mark recvmmsg rt_tgsigqueueinfo pwritev preadv inotify_init1 pipe2 dup3 epoll_create1
	eventfd2 signalfd4 accept4 timerfd_gettime timerfd_settime fallocate eventfd timerfd_create signalfd
	epoll_pwait utimensat vmsplice sync_file_range tee splice get_robust_list set_robust_list ppoll pselect6
	faccessat fchmodat readlinkat symlinkat linkat renameat unlinkat newfstatat futimesat fchownat mknodat mkdirat
	openat inotify_rm_watch inotify_add_watch inotify_init ioprio_get ioprio_set waitid mq_getsetattr mq_notify
	mq_timedreceive mq_timedsend mq_unlink mq_open utimes tgkill epoll_ctl epoll_wait exit_group clock_nanosleep
	clock_getres clock_gettime timer_delete timer_getoverrun timer_gettime timer_settime timer_create fadvise64
	semtimedop restart_syscall set_tid_address getdents64 remap_file_pages epoll_wait_old epoll_ctl_old
	epoll_create get_thread_area io_cancel io_submit io_getevents io_destroy io_setup set_thread_area
	sched_getaffinity sched_setaffinity futex time tkill fremovexattr lremovexattr removexattr flistxattr
	llistxattr listxattr fgetxattr lgetxattr getxattr fsetxattr lsetxattr setxattr readahead gettid sync setrlimit
	adjtimex arch_prctl prctl modify_ldt munlockall mlockall munlock mlock sched_rr_get_interval
	sched_get_priority_min sched_get_priority_max sched_getscheduler sched_setscheduler sched_getparam
	sched_setparam setpriority getpriority fstatfs statfs mknod utime sigaltstack rt_sigsuspend rt_sigqueueinfo
	rt_sigtimedwait rt_sigpending capset capget getsid setfsgid setfsuid getpgid getresgid setresgid getresuid
	setresuid setgroups getgroups setregid setreuid setsid getpgrp getppid setpgid getegid geteuid setgid setuid
	getgid getuid ptrace times sysinfo getrusage getrlimit gettimeofday umask lchown fchown chown fchmod chmod
	readlink symlink unlink link creat rmdir mkdir rename fchdir chdir getcwd getdents ftruncate truncate
	fdatasync fsync flock fcntl msgctl msgrcv msgsnd msgget shmdt semctl semop semget uname kill wait4 exit execve
	vfork fork getsockopt setsockopt socketpair getpeername getsockname listen bind shutdown recvmsg sendmsg
	recvfrom sendto accept connect sendfile getpid setitimer alarm getitimer nanosleep pause dup2 dup shmctl shmat
	shmget madvise mincore msync mremap sched_yield select pipe access writev readv pwrite64 pread64 ioctl
	rt_sigreturn rt_sigprocmask rt_sigaction brk munmap mprotect mmap lseek poll lstat fstat stat close open write
	read sched_rr_get_interval_time64 futex_time64 rt_sigtimedwait_time64 semtimedop_time64 mq_timedreceive_time64
	mq_timedsend_time64 recvmmsg_time64 io_pgetevents_time64 ppoll_time64 pselect6_time64 utimensat_time64
	timerfd_settime64 timerfd_gettime64 timer_settime64 timer_gettime64 clock_nanosleep_time64 clock_getres_time64
	clock_adjtime64 clock_gettime64 fstatat64 fadvise64_64 fstatfs64 statfs64 sendfile64 fcntl64 setfsgid32
	setfsuid32 setgid32 setuid32 chown32 getresgid32 setresgid32 getresuid32 setresuid32 fchown32 setgroups32
	getgroups32 setregid32 setreuid32 getegid32 geteuid32 getgid32 getuid32 lchown32 fstat64 lstat64 stat64
	ftruncate64 truncate64 mmap2 ugetrlimit _newselect _llseek sigprocmask sigreturn ipc socketcall waitpid
	arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush recv riscv_hwprobe send set_tls sync_file_range2`
