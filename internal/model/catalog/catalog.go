// Package catalog is what EC2 sells, as data: instance types, where each is
// offered, at what price, and the zones of every Region. It answers which
// types meet a capacity provider's requirements, and what an instance of a
// type has left for tasks.
//
// It owns the embedded tables in data and nothing else. It chooses no type
// for anybody: that is plan/supply. Anybody may call it. Tables are decoded
// on first use, one Region at a time, and never change afterwards, so that
// all functions may be called concurrently; slices that they return are
// shared and must not be written into.
package catalog

import (
	"cmp"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

//go:embed data
var files embed.FS

// read returns a data file whole. The files are part of the program: a broken
// one is a broken build, and panics.
func read(name string) []byte {
	f, err := files.Open("data/" + name)
	if err != nil {
		panic(fmt.Sprintf("catalog: %v", err))
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			panic(fmt.Sprintf("catalog: %s: %v", name, err))
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Sprintf("catalog: %s: %v", name, err))
	}
	return b
}

type typeTable struct {
	all  []Type // by name
	byID map[string]*Type
}

var types = sync.OnceValue(func() typeTable {
	var t typeTable
	if err := json.Unmarshal(read("instance-types.json.gz"), &t.all); err != nil {
		panic(fmt.Sprintf("catalog: instance types: %v", err))
	}
	t.all = slices.Clone(t.all) // without the capacity that reading left: it is kept for ever
	slices.SortFunc(t.all, func(a, b Type) int { return cmp.Compare(a.Name, b.Name) })
	t.byID = make(map[string]*Type, len(t.all))
	for i := range t.all {
		t.byID[t.all[i].Name] = &t.all[i]
	}
	return t
})

// Lookup finds a type by its name, in whatever Region it is sold.
func Lookup(name string) (Type, bool) {
	t, ok := types().byID[name]
	if !ok {
		return Type{}, false
	}
	return *t, true
}

// Types lists the types that a Region offers, by name.
func Types(region string) []Type { return in(region).sold().types }

// Offered lists the types that a zone offers, by name.
func Offered(region, zone string) []Type {
	r := in(region)
	var out []Type
	for i, t := range r.sold().types {
		if r.sells(i, zone) {
			out = append(out, t)
		}
	}
	return out
}

// Sells reports whether a zone offers a type.
func Sells(region, zone, name string) bool {
	r := in(region)
	i, ok := slices.BinarySearchFunc(r.sold().types, name, func(t Type, n string) int { return cmp.Compare(t.Name, n) })
	return ok && r.sells(i, zone)
}
