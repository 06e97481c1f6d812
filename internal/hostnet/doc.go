// Package hostnet makes this host's network equal to a vpc.HostNetwork, by
// difference: one namespace for each VPC (its router), one for the Internet,
// one for each interface; every interface is a routed link, so that every
// packet passes the filter of its VPC, also within a subnet.
//
// It owns the namespaces of one folder and everything in them, and nothing
// else: the host's own namespace, routes and filters are not touched, and no
// route leads out of the namespace of the Internet, unless it was told to
// LeadOut: then one device and one nftables table there are its own, too. After a
// restart it adopts what exists. It decides nothing and is never told "add a rule".
// controllers/network calls Set; daemon calls Remove. Safe for concurrent use.
package hostnet
