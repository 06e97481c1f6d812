package secretsmanager

import (
	"context"
	"strings"

	"berth/internal/wire"
	shape "berth/internal/wire/shape/secretsmanager"
)

const (
	lower       = "abcdefghijklmnopqrstuvwxyz"
	upper       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numbers     = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

	usualLength = 32
)

// kinds are the kinds of characters that a password may have, without those that
// are excluded.
func kinds(in *shape.GetRandomPasswordInput) (out []string) {
	for _, k := range []struct {
		all string
		out bool
	}{
		{lower, wire.Val(in.ExcludeLowercase)}, {upper, wire.Val(in.ExcludeUppercase)}, {numbers, wire.Val(in.ExcludeNumbers)},
		{punctuation, wire.Val(in.ExcludePunctuation)}, {" ", !wire.Val(in.IncludeSpace)},
	} {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(wire.Val(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, k.all)
		if !k.out && left != "" {
			out = append(out, left)
		}
	}
	return out
}

// GetRandomPassword makes a password, which is kept nowhere. Errors:
// InvalidParameterException.
func (a *API) GetRandomPassword(_ context.Context, in *shape.GetRandomPasswordInput) (*shape.GetRandomPasswordOutput, error) {
	n, all := int(wire.Or(in.PasswordLength, usualLength)), kinds(in)
	each := wire.Or(in.RequireEachIncludedType, true)
	switch {
	case len(all) == 0:
		return nil, invalidParameter("All characters are excluded: nothing is left to make a password of.")
	case each && n < len(all):
		return nil, invalidParameter("The password is too short to have a character of each included type.")
	}
	password := make([]byte, 0, n)
	if each {
		for _, k := range all {
			password = append(password, k[a.below(len(k))])
		}
	}
	every := strings.Join(all, "")
	for len(password) < n {
		password = append(password, every[a.below(len(every))])
	}
	for i := n - 1; i > 0; i-- {
		j := a.below(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	return &shape.GetRandomPasswordOutput{RandomPassword: wire.Ptr(string(password))}, nil
}

// below is a number from 0 to n-1, each as likely as the others; a password has
// at most 4,096 characters, so that n is small.
func (a *API) below(n int) int {
	const values = 1 << 16
	for {
		b := a.IDs.Bytes(2)
		if v := int(b[0])<<8 | int(b[1]); v < values-values%n {
			return v % n
		}
	}
}
