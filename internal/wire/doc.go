// Package wire speaks AWS's protocols: JSON 1.0 and 1.1, query, EC2 query,
// REST with JSON and with XML, and RPC v2 with CBOR; SigV4; request ids; and
// error bodies. It knows no service: the generated packages below wire/shape
// hold, for each, plain types and tables, and one reflective codec reads them.
//
// An API package embeds the generated Unimplemented and writes the operations it
// has:
//
//	type API struct {
//		ecs.Unimplemented
//		Deps
//	}
//
//	var _ ecs.Operations = (*API)(nil)
//
//	func (a *API) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
//		call := wire.CallFrom(ctx) // Principal, RequestID, At, …
//		name := wire.Or(in.ClusterName, "default")
//		…
//		return &ecs.CreateClusterOutput{Cluster: &ecs.Cluster{ClusterName: wire.Ptr(name), Tags: []ecs.Tag{…}}}, nil
//	}
//
// Scalars are pointers (*string, *int64 for integers and longs, *float64,
// *bool, *time.Time), structures are pointers, lists are slices of plain
// values ([]string, []ecs.Tag), maps are map[string]T of plain values,
// documents are any, blobs are []byte. A field is the member's name with its
// first letter upper-cased. Inputs and outputs are always called <Op>Input and
// <Op>Output. An empty but non-nil slice or map is sent as an empty one; a nil
// one is left out.
//
// When an input arrives it has been checked against the model: required
// members are there, enums are of the set, lengths and ranges hold. Errors are
// *fault.Error: the code is what AWS sends (ClusterNotFoundException,
// EntityAlreadyExists, InvalidVpcID.NotFound); the HTTP status is the model's,
// else it follows from the class.
//
// To give another operation types: add its name to internal/gen/operations.txt
// and run `go run ./internal/gen` from the repository's root.
//
// Everything here is safe for concurrent use. The package may import clock,
// fault and ident.
package wire
