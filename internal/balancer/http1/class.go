package http1

// Class says how far a request's head is from what RFC 7230 allows. The classes
// are those of ALB's desync mitigation, and what is in which is the table of
// its access logs ("Classification reasons", docs/facts/deployments.md D127).
type Class uint8

// The classes, from the best to the worst.
const (
	Compliant  Class = iota
	Acceptable       // not compliant, but of no known risk
	Ambiguous        // servers and proxies could read it in different ways
	Severe           // no honest client sends it
)

// atLeast makes the head's class no better than c.
func (h *Head) atLeast(c Class) { h.Class = max(h.Class, c) }

// classes are what a byte makes of the text that it stands in.
type classes [256]Class

// inValue are the bytes of a field's value: what is not ASCII, and control
// characters but the tab.
var inValue = func() (t classes) {
	for c := range t {
		if c < ' ' && c != '\t' || c >= 0x7f {
			t[c] = Acceptable
		}
	}
	t[0], t['\r'] = Severe, Severe
	return t
}()

// inTarget are the bytes of a request's target: spaces and control characters.
var inTarget = func() (t classes) {
	for c := range t {
		if c < ' ' || c == 0x7f {
			t[c] = Ambiguous
		}
	}
	t[' '], t[0], t['\r'] = Acceptable, Severe, Severe
	return t
}()

// of is the worst class of a text's bytes.
func (t *classes) of(text []byte) Class {
	worst := Compliant
	for _, c := range text {
		worst = max(worst, t[c])
	}
	return worst
}
