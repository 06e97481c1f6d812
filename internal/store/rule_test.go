package store_test

import (
	"slices"
	"testing"

	"berth/internal/store"
)

type pet struct{ Name, Owner, Mood string }

var pets = store.NewTable("pet", func(p pet) pet { return p }, func(p pet) string { return p.Name })

func TestARuleWakesWhomAChangeConcerns(t *testing.T) {
	rules := store.Rules{
		store.OnAny(pets, "its name", func(p *pet) string { return p.Name }),
		store.OnPart(pets, "its owner", func(p *pet) string { return p.Owner }, store.Key),
		store.On(pets, "its mood", func(old, updated *pet) []string {
			if old != nil && updated != nil && old.Mood != updated.Mood {
				return []string{"vet"}
			}
			return nil
		}),
	}
	a, b := pet{"rex", "ann", "good"}, pet{"rex", "bob", "good"}
	ill := a
	ill.Mood = "bad"
	for name, c := range map[string]struct {
		old, updated *pet
		want         []string
	}{
		"one that is new":    {nil, &a, []string{"rex", "ann"}},
		"one that is gone":   {&a, nil, []string{"rex", "ann"}},
		"another owner":      {&a, &b, []string{"rex", "ann", "bob"}},
		"another mood":       {&a, &ill, []string{"rex", "vet"}},
		"one without a name": {nil, &pet{Owner: "x"}, []string{"x"}},
	} {
		if got := rules.Keys(pets.Change(c.old, c.updated)); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v, want %v", name, got, c.want)
		}
	}
	if got := rules.Keys(store.Change{Table: "plant", New: &a}); got != nil {
		t.Errorf("another table's change wakes %v", got)
	}
}
