// Package http1 is HTTP/1.1 as bytes: heads are parsed and written, bodies
// framed, limits kept. It has no connection, no clock and no configuration but
// what it is handed, so that all of it can be tested and fuzzed as functions.
//
// It is as strict as ALB's desync mitigation in its default mode, defensive:
// what could be read in two ways is refused, or marked Ambiguous, which means
// that neither connection may carry another message after it.
//
// Heads point into the buffers that they were parsed from. Nothing here is
// safe for concurrent use; different values are independent.
package http1
