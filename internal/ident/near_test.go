package ident_test

import (
	"strings"
	"testing"

	"berth/internal/ident"
)

func TestNear(t *testing.T) {
	names := []string{"status", "stop", "server", "logs", "up", "hello-machines", "Name"}
	for word, want := range map[string]string{
		"statu": "status", "sttaus": "status", "stp": "stop", "log": "logs", "pu": "up", "machines": "hello-machines",
		"name": "Name", "Nmae": "Name", "frobnicate": "", "": "",
	} {
		if got := strings.Join(ident.Near(word, names), " "); got != want {
			t.Errorf("%q: near are %q, want %q", word, got, want)
		}
	}
	if got := ident.Near("he", []string{"ha", "hb", "hc", "hd"}); len(got) != 3 {
		t.Errorf("%d are near, want at most three: %v", len(got), got)
	}
}
