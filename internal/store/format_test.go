package store_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/store"
)

type word struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

func words() *store.Table[word] {
	return store.NewTable("word", func(w word) word { return w }, func(w word) string { return w.Key })
}

// stored has a KV's keys and values.
func stored(t *testing.T, kv store.KV) map[string]string {
	t.Helper()
	out := map[string]string{}
	if _, err := kv.Load(t.Context(), func(k string, v []byte) error { out[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// old is a KV of format 0 with one record.
func old(t *testing.T) *store.Memory {
	t.Helper()
	kv := store.NewMemory()
	if err := kv.Commit(t.Context(), 1, []store.Op{{Key: "word\x00a", Value: []byte(`{"key":"a","text":"one"}`)}}); err != nil {
		t.Fatal(err)
	}
	return kv
}

func upper(_, _ string, value []byte) ([]byte, error) {
	return bytes.ReplaceAll(value, []byte("one"), []byte("ONE")), nil
}

func TestAnOlderFormatIsMigrated(t *testing.T) {
	kv, ws := old(t), words()
	for range 2 { // the second time there is nothing left to do
		db, err := store.OpenFormat(t.Context(), kv, store.Format{Number: 2, Steps: []store.Step{nil, upper}}, ws)
		if err != nil {
			t.Fatal(err)
		}
		if w, _ := ws.Get(db.View(), "a"); w.Text != "ONE" || db.View().Revision() != 2 {
			t.Errorf("%+v at revision %d", w, db.View().Revision())
		}
	}
	want := map[string]string{"\x01format": "2", "word\x00a": `{"key":"a","text":"ONE"}`}
	if d := cmp.Diff(want, stored(t, kv)); d != "" {
		t.Error(d)
	}
}

func TestTheNumberComesWithTheFirstChange(t *testing.T) {
	kv, ws := old(t), words()
	db, err := store.OpenFormat(t.Context(), kv, store.Format{Number: 1, Steps: []store.Step{nil}}, ws)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(stored(t, kv)); n != 1 {
		t.Errorf("reading wrote: %d keys", n)
	}
	for _, text := range []string{"two", "three"} {
		put := func(tx *store.Tx) error { return ws.Put(tx, word{Key: "b", Text: text}) }
		if _, err := db.Update(t.Context(), nil, put); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, kv)["\x01format"]; got != "1" {
			t.Errorf("the number is %q", got)
		}
	}
}

func TestANewerFormatIsRefusedAndUntouched(t *testing.T) {
	kv := old(t)
	if err := kv.Commit(t.Context(), 2, []store.Op{
		{Key: "\x01format", Value: []byte("7")}, {Key: "unheard of\x00x", Value: []byte("?")},
	}); err != nil {
		t.Fatal(err)
	}
	before := stored(t, kv)
	_, err := store.OpenFormat(t.Context(), kv, store.Format{Number: 1, Steps: []store.Step{upper}}, words())
	if err == nil ||
		!strings.Contains(err.Error(), "the data has format 7 and this berth reads formats up to 1: start the berth that wrote it") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, stored(t, kv)); d != "" {
		t.Error(d)
	}
}
