package local

// NewMetadata is newMetadata for tests.
var NewMetadata = newMetadata

// Attach is attach for tests.
var Attach = attach

// LastLoop is lastLoop for tests.
const LastLoop = lastLoop

// RemoveLoops is removeLoops for tests.
func RemoveLoops(d *Driver) int { return d.removeLoops() }

// TakeUsersOf is takeUsers for tests.
var TakeUsersOf = takeUsers

// UsersOfOthers is usersOfOthers for tests.
var UsersOfOthers = usersOfOthers
