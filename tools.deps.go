//go:build deps

// This file only keeps the planned dependencies in go.mod.
package deps
import (
 _ "github.com/google/go-cmp/cmp"
 _ "pgregory.net/rapid"
 _ "github.com/rogpeppe/go-internal/testscript"
 _ "github.com/vishvananda/netlink"
 _ "github.com/google/nftables"
 _ "github.com/miekg/dns"
 _ "github.com/google/go-containerregistry/pkg/v1"
 _ "github.com/google/go-containerregistry/pkg/v1/remote"
 _ "github.com/google/go-containerregistry/pkg/v1/tarball"
 _ "github.com/google/go-containerregistry/pkg/v1/layout"
 _ "github.com/google/go-containerregistry/pkg/v1/mutate"
 _ "github.com/cockroachdb/pebble/v2"
 _ "github.com/tidwall/btree"
 _ "github.com/coder/websocket"
 _ "go.yaml.in/yaml/v3"
 _ "golang.org/x/sys/unix"
 _ "golang.org/x/sync/errgroup"
 _ "golang.org/x/net/http2"
 _ "golang.org/x/term"
 _ "go.uber.org/goleak"
 _ "github.com/opencontainers/runtime-spec/specs-go"
 _ "github.com/fxamacker/cbor/v2"
 _ "github.com/spf13/cobra"
)
