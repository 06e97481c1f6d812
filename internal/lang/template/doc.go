// Package template is the language of CloudFormation: it parses a template,
// binds it to parameters, answers which resources it asks for, in which
// order and with which properties, and what differs from what exists.
//
// It owns the texts of CloudFormation's validation errors and the facts about
// resource types (embedded). It is pure: it looks nothing up, keeps no state
// and tells no time; what it needs from outside (exports, attributes of
// resources) comes in as functions. Anybody may call it; a Template and a
// Bound are immutable once made and safe for concurrent use.
//
// It refuses, by name, what Berth does not build: transforms but
// AWS::LanguageExtensions, dynamic references, SSM parameter types, resource
// types and properties without code behind them.
package template
