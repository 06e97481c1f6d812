package state

import "berth/internal/store"

// Tables are all tables of a state.
func Tables() []store.Def { return defs() }
