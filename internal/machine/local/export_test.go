package local

// NewMetadata is newMetadata for tests.
var NewMetadata = newMetadata
