package ecs

import (
	"encoding/base64"
	"slices"

	"berth/internal/wire"
)

// page cuts one page out of items that are sorted by their own keys. The
// token is the last key of the page before. Errors: InvalidParameterException.
func page[T any](items []T, key func(T) string, token *string, size *int64, usual, most int64) ([]T, *string, error) {
	n := wire.Or(size, usual)
	if n < 1 || n > most {
		return nil, nil, invalid("maxResults must be between 1 and %d", most)
	}
	if t := wire.Val(token); t != "" {
		last, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil {
			return nil, nil, invalid("Invalid token.")
		}
		i := slices.IndexFunc(items, func(v T) bool { return key(v) == string(last) })
		if i < 0 {
			return nil, nil, invalid("Invalid token.")
		}
		items = items[i+1:]
	}
	if int64(len(items)) <= n {
		return items, nil, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))
	return items[:n], &next, nil
}

func self(s string) string { return s }
