package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/leaktest"

	"berth/internal/agent"
	"berth/internal/container/runc"
	"berth/internal/machine/local"
)

// TestMain is also every process that a machine is made of, and the program
// in its containers. No goroutine outlives the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if run := map[string]func(context.Context, []string) error{
			"instance": local.InstanceMain, "agent": agent.Main, "shim": runc.ShimMain, "contained": contained,
			"plant": plant, "look": look, "reach": reach, "fill": fill,
		}[os.Args[1]]; run != nil {
			if err := run(context.Background(), os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	leaktest.Main(m)
}

// contained says what a container sees, and stays.
func contained(context.Context, []string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	say := func(url string) {
		c := &http.Client{Timeout: 5 * time.Second}
		resp, err := c.Get(url)
		if err != nil {
			fmt.Println(url, "failed:", err)
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		var doc map[string]any
		_ = json.Unmarshal(b, &doc)
		fmt.Println("family", doc["Family"], "key", doc["AccessKeyId"])
	}
	say(os.Getenv("ECS_CONTAINER_METADATA_URI_V4") + "/task")
	say("http://169.254.170.2" + os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
	resolv, _ := os.ReadFile("/etc/resolv.conf")
	fmt.Println(strings.ReplaceAll(strings.TrimSpace(string(resolv)), "\n", ";"))
	<-end
	fmt.Println("bye")
	os.Exit(7)
	return nil
}
