// Package e2e has the tests that treat Berth as a new user does: the built
// program, its commands, its load balancer's page. It holds no code of the
// program. The tests need root and BERTH_BIN, the path of the program.
package e2e
