package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/store"
)

// all has one field of every kind that plans read.
type all struct {
	Text    string              `json:"text"`
	Named   name                `json:"named,omitempty"`
	N       int64               `json:"n"`
	F       float64             `json:"f,omitempty"`
	Yes     bool                `json:"yes,omitempty"`
	At      time.Time           `json:"at,omitzero"`
	Pointer *int64              `json:"pointer,omitempty"`
	List    []string            `json:"list"`
	Inner   []inner             `json:"inner,omitempty"`
	Deep    *inner              `json:"deep,omitempty"`
	Map     map[string]string   `json:"map,omitempty"`
	Inners  map[string]inner    `json:"inners,omitempty"`
	Lists   map[string][]*inner `json:"lists,omitempty"`
	Any     any                 `json:"any,omitempty"`
	Anys    map[string]any      `json:"anys,omitempty"`
	Untold  string
	Secret  string `json:"-"`
	hidden  string
}

type name string

type inner struct {
	A string    `json:"a"`
	B float64   `json:"b"`
	C *bool     `json:"c"`
	D time.Time `json:"d"`
}

// same holds what a plan makes of text against encoding/json.
func same(t interface{ Fatalf(string, ...any) }, text []byte) bool {
	got, ok := store.Decoder[all]()(text)
	if !ok {
		return false
	}
	var want all
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatalf("%s was read, but %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\n was read as %#v\n and is %#v", text, got, want)
	}
	return true
}

func anything(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		switch k := rapid.IntRange(0, 6).Draw(t, "kind"); {
		case k == 0:
			return nil
		case k == 1:
			return rapid.Float64().Draw(t, "number")
		case k == 2:
			return rapid.Bool().Draw(t, "bool")
		case k == 3 && depth > 0:
			return rapid.MapOf(rapid.String(), anything(depth-1)).Draw(t, "map")
		case k == 4 && depth > 0:
			return rapid.SliceOf(anything(depth-1)).Draw(t, "list")
		default:
			return rapid.String().Draw(t, "text")
		}
	})
}

func TestAPlanReadsWhatIsWritten(t *testing.T) {
	times := rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		if rapid.Bool().Draw(t, "elsewhere") {
			at = at.In(time.FixedZone("", 9*3600))
		}
		return at
	})
	inners := rapid.Custom(func(t *rapid.T) inner {
		return inner{rapid.String().Draw(t, "a"), rapid.Float64().Draw(t, "b"), rapid.Ptr(rapid.Bool(), true).Draw(t, "c"), times.Draw(t, "d")}
	})
	rapid.Check(t, func(t *rapid.T) {
		v := all{
			Text: rapid.String().Draw(t, "text"), Named: name(rapid.String().Draw(t, "named")), N: rapid.Int64().Draw(t, "n"),
			F: rapid.Float64().Draw(t, "f"), Yes: rapid.Bool().Draw(t, "yes"), At: times.Draw(t, "at"),
			Pointer: rapid.Ptr(rapid.Int64(), true).Draw(t, "pointer"), List: rapid.SliceOf(rapid.String()).Draw(t, "list"),
			Inner: rapid.SliceOf(inners).Draw(t, "inner"), Deep: rapid.Ptr(inners, true).Draw(t, "deep"),
			Map: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "map"), Inners: rapid.MapOf(rapid.String(), inners).Draw(t, "inners"),
			Lists: rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Ptr(inners, true))).Draw(t, "lists"),
			Any:   anything(3).Draw(t, "any"), Anys: rapid.MapOf(rapid.String(), anything(2)).Draw(t, "anys"),
			Untold: rapid.String().Draw(t, "untold"),
		}
		v.hidden = "x"
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !same(t, text) {
			t.Fatalf("%s was not read", text)
		}
	})
}

func TestAPlanGivesUpWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{"text"}`, ` {}`, `{} `, `{"n": 1}`, `{"n":01}`, `{"n":1.0}`, `{"n":9223372036854775808}`, `{"n":-}`, `{"f":1.}`, `{"f":1e}`,
		`{"f":1e999}`,
		`{"text":"a","text":"b"}`, `{"n":1,"text":"a"}`, `{"TEXT":"a"}`, `{"gone":1}`, `{"text":"a",}`, `{"text":"a" }`, "{\"text\":\"a\nb\"}",
		`{"text":"\x"}`, `{"text":"`, `{"text":"\`,
		`{"list":[]`, `{"list":[,]}`, `{"list":["a",]}`, `{"yes":yes}`, `{"at":"yesterday"}`, `{"at":1}`, `{"map":{"a":1}}`, `{"any":nul}`,
		`{"any":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, `{"hidden":"x"}`, `{"Secret":"x"}`,
	} {
		if same(t, []byte(text)) {
			t.Errorf("%.60s was read", text)
		}
	}
	type own struct{ Raw json.RawMessage }
	type self struct{ Next *self }
	type text struct {
		N int64 `json:",string"`
	}
	type small struct{ N int8 }
	type embedded struct{ thing }
	for _, known := range []bool{store.Plans[own](), store.Plans[self](), store.Plans[text](), store.Plans[small](), store.Plans[embedded]()} {
		if known {
			t.Error("a type was planned that cannot be")
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(
		[]byte(
			`{"text":"a\u003cb","named":"é","n":-1,"f":1.5e3,"yes":true,"at":"2026-11-29T10:00:00.5Z","pointer":3,"list":null,"inner":[{"a":"","b":0,"c":null,"d":"2026-11-29T10:00:00+09:00"}]}`,
		),
	)
	f.Add(
		[]byte(
			`{"text":"","n":0,"list":[],"deep":{},"map":{"a":"b"},"inners":{"x":{"a":"y"}},"lists":{"l":[null,{}]},"any":[1,{"k":[]},"s",true,null],"anys":{},"Untold":"u"}`,
		),
	)
	f.Fuzz(func(t *testing.T, text []byte) { same(t, text) })
}

// What was written by another version, or in another style, is read all the
// same, by encoding/json.
func TestOldRecordsAreRead(t *testing.T) {
	kv := store.NewMemory()
	var ops []store.Op
	for i, text := range []string{
		`{"Tags":["x"],"ID":"0","Color":"red"}`, `{"ID": "1", "color": "red", "Gone": 7}`, `{"ID":"2","Color":"red"}`,
	} {
		ops = append(ops, store.Op{Key: fmt.Sprintf("thing\x00%d", i), Value: []byte(text)})
	}
	if err := kv.Commit(t.Context(), 1, ops); err != nil {
		t.Fatal(err)
	}
	db := open(t, kv)
	if red := things.By(db.View(), "color", "red"); len(red) != 3 || red[0].Tags[0] != "x" || red[1].ID != "1" {
		t.Errorf("got %+v", red)
	}
	if err := kv.Commit(t.Context(), 2, []store.Op{{Key: "thing\x003", Value: []byte(`{"ID":3}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), kv, things); err == nil || !strings.Contains(err.Error(), `decode thing "3"`) {
		t.Errorf("a record of another type was read: %v", err)
	}
}

// What is opened is what was written: rows and indexes, of more records than
// one part holds.
func TestALargeStateIsOpenedAsItWas(t *testing.T) {
	kv := store.NewMemory()
	db := open(t, kv)
	if _, err := db.Update(t.Context(), nil, func(tx *store.Tx) error {
		for i := range 20_000 {
			if err := things.Put(tx, thing{
				ID: fmt.Sprintf("%x", i*7919), Color: fmt.Sprint(i % 7), Tags: []string{"t" + fmt.Sprint(i%1000), "all"},
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before, after := db.View(), open(t, kv).View()
	if !reflect.DeepEqual(things.All(before), things.All(after)) {
		t.Error("the rows differ")
	}
	for index, values := range map[string][]string{"color": {"0", "3", "6", "7"}, "tag": {"all", "t0", "t999", "t1000"}} {
		for _, v := range values {
			if !reflect.DeepEqual(things.By(before, index, v), things.By(after, index, v)) {
				t.Errorf("index %s of %s differs", index, v)
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	yes := true
	text, err := json.Marshal(all{
		Text: "arn:aws:ecs:eu-west-1:000000000000:task/big/0123456789abcdef0123456789abcdef", Named: "RUNNING", N: 256, At: time.Unix(1e9, 5),
		List: []string{"a", "b"}, Inner: []inner{{"web", 1.5, &yes, time.Unix(1e9, 7)}}, Map: map[string]string{"a": "b"},
		Any: map[string]any{"x": []any{1, "y"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		decode := store.Decoder[all]()
		for b.Loop() {
			if _, ok := decode(text); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v all
			if json.Unmarshal(text, &v) != nil {
				b.Fatal("not read")
			}
		}
	})
}
