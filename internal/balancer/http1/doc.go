// Package http1 is HTTP/1.1 as bytes: heads are parsed and written, bodies
// framed, limits kept. It has no connection, no clock and no configuration but
// what it is handed, so that all of it can be tested and fuzzed as functions.
//
// It classifies requests as ALB's desync mitigation does: a Head has the Class
// of what is the worst in it, and who serves it says what is done with that. A
// head whose end, or whose body's end, cannot be told for certain is refused.
//
// Heads point into the buffers that they were parsed from. Nothing here is
// safe for concurrent use; different values are independent.
package http1
