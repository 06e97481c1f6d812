// Package kernel has thin verbs on Linux for Berth's drivers: network
// namespaces, links, addresses, routes, rules, sysctls, nftables, conntrack
// and mounts; and a fake of the same verbs that renders its state as text.
//
// It owns the two rules about threads: only this package may call setns, and
// a thread that has entered a namespace never comes back to serve other work
// (it ends with its goroutine). It has no opinion: what should exist is
// decided above (hostnet, machine, container, function). Everything exported
// is safe for concurrent use unless its comment says otherwise.
package kernel
