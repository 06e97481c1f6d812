package daemon

import "berth/internal/model/catalog"

// known reports whether AWS has a Region of that name.
func known(region string) bool {
	for _, r := range catalog.Regions() {
		if r.Name == region {
			return true
		}
	}
	return false
}
