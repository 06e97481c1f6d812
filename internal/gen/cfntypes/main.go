// Command cfntypes packs the facts about the CloudFormation resource types
// that built.txt of internal/lang/template names into the file embedded
// there. Its input is the file of facts drawn from the registry schemas that
// cfn-lint ships (MIT-0). Run it from the repository's root:
//
//	go run ./internal/gen/cfntypes FACTS.json
//
// It is no part of the program.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"strings"
)

const folder = "internal/lang/template/"

// kept are the keys of a type that the program reads.
var kept = []string{"properties", "definitions", "required", "create_only", "conditional_create_only", "read_only", "write_only",
	"getatt", "ref", "tag_property", "tag_format", "constraints"}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: cfntypes FACTS.json")
	}
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		log.Fatal(err)
	}
	names, err := built()
	if err != nil {
		log.Fatal(err)
	}
	out := map[string]map[string]json.RawMessage{}
	for _, n := range names {
		if all[n] == nil {
			log.Fatalf("no facts about %s", n)
		}
		out[n] = map[string]json.RawMessage{}
		for _, k := range kept {
			if v, ok := all[n][k]; ok {
				out[n][k] = v
			}
		}
	}
	if err := write(out); err != nil {
		log.Fatal(err)
	}
}

// built lists the types that built.txt names.
func built() ([]string, error) {
	f, err := os.Open(folder + "built.txt")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, _, ok := strings.Cut(s.Text()+" ", ": "); ok && !strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	return names, nil
}

func write(out any) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(raw); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(folder+"types.json.gz", b.Bytes(), 0o644)
}
