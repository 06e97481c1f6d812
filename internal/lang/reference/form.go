package reference

import "strings"

// The forms of names, by hand: regular expressions of this size would be
// compiled in every process of the program, whether it serves images or not.

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c >= 'a' && c <= 'f' }
func isLower(c byte) bool  { return isDigit(c) || c >= 'a' && c <= 'z' }
func isLetter(c byte) bool { return isLower(c) || c >= 'A' && c <= 'Z' }
func isWord(c byte) bool   { return isLetter(c) || c == '_' }

// IsDigest is sha256:[0-9a-f]{64}.
func IsDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && all(h, isHex)
}

// IsTag is [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func IsTag(s string) bool {
	return s != "" && len(s) <= 128 && isWord(s[0]) && all(s, func(c byte) bool { return isWord(c) || c == '.' || c == '-' })
}

// IsPath reports whether name can be a repository's: parts of lower-case
// letters and digits, parted by slashes; within a part single dots, one or two
// underscores, or dashes.
func IsPath(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if !isPart(part) {
			return false
		}
	}
	return true
}

func isPart(part string) bool {
	if part == "" || !isLower(part[0]) || !isLower(part[len(part)-1]) {
		return false
	}
	for i := 0; i < len(part); {
		n := i
		for n < len(part) && !isLower(part[n]) {
			n++
		}
		switch sep := part[i:n]; {
		case sep == "":
			n = i + 1
		case sep == "." || sep == "_" || sep == "__" || strings.Trim(sep, "-") == "":
		default:
			return false
		}
		i = n
	}
	return true
}

// isHost is a domain name or an address of IPv4, with a port or without: what
// is safe as the name of a folder, too.
func isHost(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || len(port) > 5 || !all(port, isDigit)) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !all(label, func(c byte) bool { return isLetter(c) || c == '-' }) {
			return false
		}
	}
	return true
}
