package registry

import "berth/internal/lang/reference"

func isDigest(s string) bool { return reference.IsDigest(s) }

func isTag(s string) bool { return reference.IsTag(s) }

// isUpload is the form of a UUID, so that it is a safe file name.
func isUpload(s string) bool {
	if len(s) != 36 {
		return false
	}
	for _, c := range s {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == '-') {
			return false
		}
	}
	return true
}

// CheckName reports whether name can be a repository's of ECR.
func CheckName(name string) bool {
	return len(name) >= 2 && len(name) <= 256 && reference.IsPath(name)
}
