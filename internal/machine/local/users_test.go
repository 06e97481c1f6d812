package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/kernel"
	"berth/internal/machine/local"
)

// files writes files below a folder.
func files(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Two data folders whose names lead to one range do not share it: whoever comes
// second takes the next, and has it at its next start too.
func TestFoldersDoNotShareUsers(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]func(first int, other string) map[string]string{
		"a container": func(first int, _ string) map[string]string {
			return map[string]string{
				"12/uid_map": fmt.Sprintf("         0 %d      65536\n", first), "12/cgroup": "0::/berth-00000000/i-1/ecs/t1\n", "12/cmdline": "app\x00",
			}
		},
		"a machine": func(first int, other string) map[string]string {
			files(t, other, map[string]string{"instances/i-1/plan.json": fmt.Sprintf(`{"data":%q,"users":%d}`, other, first)})
			return map[string]string{
				"12/uid_map": "0 0 4294967295\n", "12/cgroup": "0::/berth-00000000/i-1/init\n",
				"12/cmdline": "berth\x00instance\x00--dir\x00" + other + "/instances/i-1\x00--disk\x00",
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proc, data, other := t.TempDir(), t.TempDir(), t.TempDir()
			own := local.Users(data)
			files(t, proc, map[string]string{
				"1/uid_map": "0 0 4294967295\n",
				"7/uid_map": fmt.Sprintf("0 %d 65536\n", own), "7/cgroup": "0::" + local.CgroupRoot(data) + "/i-2/ecs/t\n",
			})
			if got, err := local.TakeUsersOf(proc, data); err != nil || got != own {
				t.Errorf("alone: %d, %v, want %d", got, err, own)
			}
			files(t, proc, others(own, other))
			got, err := local.TakeUsersOf(proc, data)
			if err != nil || got == own || (got-own)%kernel.UserIDs != 0 {
				t.Errorf("with another's: %d, %v", got, err)
			}
			if again := local.Users(data); again != got {
				t.Errorf("at the next start: %d, want %d", again, got)
			}
			if !local.UsersOfOthers(proc, data)[own] || local.UsersOfOthers(proc, data)[got] {
				t.Errorf("taken: %v", local.UsersOfOthers(proc, data))
			}
		})
	}
}
