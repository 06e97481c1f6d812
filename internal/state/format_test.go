package state_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/state"
	"berth/internal/store"
)

// sample puts one record with every field set into a table.
func sample[T any](t *store.Table[T]) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		var v T
		fill(reflect.ValueOf(&v).Elem(), "v")
		return t.Put(tx, v)
	}
}

// fill gives every field a value that says where it is.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(2.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, name+" value")
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), e)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"document": []any{"text", 1.5, true}}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 30, 12, 0, 0, 5, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	default:
		panic(fmt.Sprintf("%s has a %s", name, v.Kind()))
	}
}

var samples = []func(*store.Tx) error{
	sample(state.Clusters), sample(state.CapacityProviders), sample(state.TaskDefinitions), sample(state.Services),
	sample(state.ServiceRevisions), sample(state.ServiceDeployments), sample(state.Tasks), sample(state.Instances),
	sample(state.VPCs), sample(state.Subnets), sample(state.InternetGateways), sample(state.NATGateways), sample(state.Addresses),
	sample(state.RouteTables), sample(state.SecurityGroups), sample(state.VPCEndpoints), sample(state.NetworkInterfaces),
	sample(state.LoadBalancers), sample(state.Listeners), sample(state.ListenerRules), sample(state.TargetGroups), sample(state.Targets),
	sample(state.Roles), sample(state.InstanceProfiles), sample(state.Users), sample(state.Groups), sample(state.AccessKeys),
	sample(state.Policies), sample(state.Credentials),
	sample(state.Stacks), sample(state.StackResources), sample(state.StackEvents), sample(state.StackSignals),
	sample(state.ChangeSets), sample(state.Exports),
	sample(state.Functions), sample(state.LogGroups), sample(state.Alarms), sample(state.ScalableTargets), sample(state.ScalingPolicies),
	sample(state.ScheduledActions), sample(state.ScalingActivities), sample(state.Repositories), sample(state.Decisions),
	sample(state.LaunchTemplates), sample(state.LaunchConfigurations), sample(state.AutoScalingGroups), sample(state.GroupActivities),
	sample(state.Settings), sample(state.PullThroughRules), sample(state.Secrets), sample(state.Parameters),
	sample(state.Namespaces), sample(state.DiscoveryServices), sample(state.DiscoveryInstances), sample(state.DiscoveryOperations),
}

// TestEveryTableHasASample holds that no table's bytes are unheld.
func TestEveryTableHasASample(t *testing.T) {
	if n := len(state.Tables()); n != len(samples) {
		t.Errorf("%d tables have %d samples", n, len(samples))
	}
}

// written is what a state with one record in every table has stored.
func written(t *testing.T) map[string]string {
	t.Helper()
	kv := store.NewMemory()
	db, err := state.Open(t.Context(), kv, false)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, put := range samples {
			if err := put(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents(t, kv)
}

func contents(t *testing.T, kv store.KV) map[string]string {
	t.Helper()
	out := map[string]string{}
	if _, err := kv.Load(t.Context(), func(k string, v []byte) error { out[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// lines is a store's contents as a file: a key and a value a line.
func lines(kv map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(kv)) {
		fmt.Fprintf(&b, "%q %s\n", k, kv[k])
	}
	return b.String()
}

// TestStoredBytesKeepTheirFormat holds what we write against the bytes that
// the present format has. A new number gets a file of its own with UPDATE=1;
// the file of a number that is out in the world is never written again.
func TestStoredBytesKeepTheirFormat(t *testing.T) {
	file := filepath.Join("testdata", fmt.Sprintf("format-%d.txt", state.Format))
	got := lines(written(t))
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) && os.Getenv("UPDATE") != "" {
		err = os.WriteFile(file, []byte(got), 0o644)
		want = []byte(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("what is written is no longer format %d: raise state.Format, give it a step from %d, "+
			"and write its file with UPDATE=1\n%s", state.Format, state.Format, d)
	}
}

// TestEveryFormatIsRead opens the bytes of every format that was ever out,
// and those of format 0, which had no number: what is read of a record, said
// again, is what is stored of it.
func TestEveryFormatIsRead(t *testing.T) {
	files, err := filepath.Glob("testdata/format-*.txt")
	if err != nil || len(files) != state.Format {
		t.Fatalf("%d files for formats up to %d: %v", len(files), state.Format, err)
	}
	for _, file := range files {
		for _, numbered := range []bool{true, false} {
			if !numbered && !strings.HasSuffix(file, "format-1.txt") {
				continue // format 0 is format 1 without its number
			}
			kv := store.NewMemory()
			if err := kv.Commit(t.Context(), 1, operations(t, file, numbered)); err != nil {
				t.Fatal(err)
			}
			db, err := state.Open(t.Context(), kv, true)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
				return state.Settings.Put(tx, state.Setting{Name: "another"})
			}); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{"\x01format": strconv.Itoa(state.Format)}
			db.Records(db.View(), func(c store.Change) {
				b, err := json.Marshal(c.New)
				if err != nil {
					t.Fatal(err)
				}
				got[c.Table+"\x00"+c.Key] = string(b)
			})
			if d := cmp.Diff(contents(t, kv), got); d != "" {
				t.Errorf("%s, number %t: a record was read as another one than was written: %s", file, numbered, d)
			}
		}
	}
}

func operations(t *testing.T, file string, numbered bool) []store.Op {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	for line := range strings.Lines(string(b)) {
		var key string
		quoted, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), `" `)
		if _, err := fmt.Sscanf(quoted+`"`, "%q", &key); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if numbered || key != "\x01format" {
			ops = append(ops, store.Op{Key: key, Value: []byte(value)})
		}
	}
	return ops
}
