package wire

import (
	"net/url"
	"strings"
)

// Route finds the operation of a REST service that a request is for, and
// what the labels in its path stand for. escapedPath is the path as sent.
func (s *Service) Route(method, escapedPath string, query url.Values) (*Operation, map[string]string) {
	s.read()
	var best *Operation
	var labels map[string]string
	score := -1
	for _, name := range s.names {
		o := s.operations[name]
		if o.Method != method {
			continue
		}
		l, n, ok := o.match(escapedPath, query)
		if ok && n > score {
			best, labels, score = o, l, n
		}
	}
	return best, labels
}

// match holds a path against the operation's; score grows with every part
// that is literally the same.
func (o *Operation) match(escapedPath string, query url.Values) (labels map[string]string, score int, ok bool) {
	want, wantQuery, _ := strings.Cut(o.Path, "?")
	for pair := range strings.SplitSeq(wantQuery, "&") {
		if k, v, _ := strings.Cut(pair, "="); k != "" {
			if !query.Has(k) || v != "" && query.Get(k) != v {
				return nil, 0, false
			}
			score += 100
		}
	}
	w, g := parts(want), parts(escapedPath)
	labels = map[string]string{}
	for i, p := range w {
		if i >= len(g) {
			return nil, 0, false
		}
		name, isLabel := strings.CutPrefix(p, "{")
		if !isLabel {
			if p != g[i] {
				return nil, 0, false
			}
			score += 10
			continue
		}
		name = strings.TrimSuffix(name, "}")
		text := g[i]
		if greedy, isGreedy := strings.CutSuffix(name, "+"); isGreedy {
			name, text = greedy, strings.Join(g[i:], "/")
			g = g[:i+1]
		}
		plain, err := url.PathUnescape(text)
		if err != nil || plain == "" {
			return nil, 0, false
		}
		labels[name] = plain
	}
	return labels, score, len(w) == len(g)
}

func parts(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }
