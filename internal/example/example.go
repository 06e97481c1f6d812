// Package example carries the stack that `berth up` deploys when it is given
// no template: a CloudFormation template and the source of its web page.
// It is data; anyone may read it.
package example

import "embed"

// Template is the example's CloudFormation template.
//
//go:embed template.yaml
var Template string

// Page is the source of the example's web server, a Go main package.
//
//go:embed page/main.go
var Page embed.FS

// Stack is the example's stack name and Image the repository and tag that it
// runs.
const (
	Stack = "hello"
	Image = "hello:latest"
)
