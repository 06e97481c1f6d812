package registry

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

func isHex(c byte) bool   { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
func isLower(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }
func isWord(c byte) bool  { return isLower(c) || c >= 'A' && c <= 'Z' || c == '_' }

// isDigest is sha256:[0-9a-f]{64}.
func isDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && all(h, isHex)
}

// isTag is [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func isTag(s string) bool {
	return s != "" && len(s) <= 128 && isWord(s[0]) && all(s, func(c byte) bool { return isWord(c) || c == '.' || c == '-' })
}

// isUpload is the form of a UUID, so that it is a safe file name.
func isUpload(s string) bool {
	return len(s) == 36 && all(s, func(c byte) bool { return isHex(c) || c == '-' })
}

// CheckName reports whether name can be a repository's: parts of lower-case
// letters and digits, parted by slashes; within a part single dots, one or two
// underscores, or dashes.
func CheckName(name string) bool {
	if len(name) < 2 || len(name) > 256 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !checkPart(part) {
			return false
		}
	}
	return true
}

func checkPart(part string) bool {
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
