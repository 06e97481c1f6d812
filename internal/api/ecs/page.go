package ecs

import "berth/internal/page"

// pages are the rules of a list whose pages have usual items, and at most
// most. Errors: InvalidParameterException.
func pages(usual, most int64) page.Rules {
	return page.Rules{
		Usual:  usual,
		Refuse: func(string) error { return invalid("Invalid token.") },
		Size: func(n int64) error {
			if n < 1 || n > most {
				return invalid("maxResults must be between 1 and %d", most)
			}
			return nil
		},
	}
}
