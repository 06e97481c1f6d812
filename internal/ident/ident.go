// Package ident makes names: ARNs, resource ids, request tokens, and the
// principals that act. Everything random is drawn from a Source, which a
// simulation seeds; nothing here uses a global source.
package ident

import (
	crand "crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Source is a stream of random bytes. It is safe for concurrent use.
type Source struct {
	mu   sync.Mutex
	read func([]byte)
}

// Crypto returns the source for production.
func Crypto() *Source {
	return &Source{read: func(b []byte) { _, _ = crand.Read(b) }}
}

// Seeded returns a source that repeats itself for the same seed.
func Seeded(seed uint64) *Source {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	r := rand.NewChaCha8(key)
	return &Source{read: func(b []byte) { _, _ = r.Read(b) }}
}

// Bytes draws n bytes.
func (s *Source) Bytes(n int) []byte {
	b := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read(b)
	return b
}

// Hex draws n hexadecimal digits, lower case.
func (s *Source) Hex(n int) string { return hex.EncodeToString(s.Bytes((n + 1) / 2))[:n] }

// Digits draws a decimal number of exactly n digits, without a leading zero.
func (s *Source) Digits(n int) string {
	b := s.Bytes(n)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	if n > 0 && b[0] == '0' {
		b[0] = '1'
	}
	return string(b)
}

// URLSafe draws n characters of the URL-safe base64 alphabet.
func (s *Source) URLSafe(n int) string {
	return base64.RawURLEncoding.EncodeToString(s.Bytes(n))[:n]
}

// Upper draws n characters of A-Z and 0-9, as in CloudFormation's generated
// names and IAM's unique ids.
func (s *Source) Upper(n int) string {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := s.Bytes(n)
	for i := range b {
		b[i] = set[int(b[i])%len(set)]
	}
	return string(b)
}

// UUID draws a version 4 UUID.
func (s *Source) UUID() string {
	b := s.Bytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Uint64 draws a number.
func (s *Source) Uint64() uint64 { return binary.LittleEndian.Uint64(s.Bytes(8)) }

// EC2 draws an id of EC2's long form, for example vpc-0a1b2c3d4e5f60718.
func (s *Source) EC2(prefix string) string { return prefix + "-0" + s.Hex(16) }

// Place is where a server stands: one partition, Region and account.
type Place struct {
	Partition string // "aws"
	Region    string // "ap-northeast-1"
	Account   string // twelve digits
}

// ARN builds an ARN in this place.
func (p Place) ARN(service, resource string) string {
	return "arn:" + p.Partition + ":" + service + ":" + p.Region + ":" + p.Account + ":" + resource
}

// GlobalARN builds an ARN of a service without Regions, such as IAM.
func (p Place) GlobalARN(service, resource string) string {
	return "arn:" + p.Partition + ":" + service + "::" + p.Account + ":" + resource
}

// ARN is a parsed Amazon Resource Name.
type ARN struct{ Partition, Service, Region, Account, Resource string }

// ParseARN splits an ARN; ok is false if s is not one.
func ParseARN(s string) (a ARN, ok bool) {
	f := strings.SplitN(s, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[5] == "" {
		return ARN{}, false
	}
	return ARN{f[1], f[2], f[3], f[4], f[5]}, true
}

// Last returns what follows the last slash of an ARN or path.
func Last(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// Principal is who makes a call.
type Principal struct {
	Account string
	// ARN as AWS words it: arn:aws:iam::ACCT:root, arn:aws:iam::ACCT:user/x,
	// or arn:aws:sts::ACCT:assumed-role/ROLE/SESSION.
	ARN string
	// Role is the role's own ARN when the principal is a role session.
	Role string
	// Session is the role session's name.
	Session string
	// Root principals are not evaluated by IAM.
	Root bool
	// Service is set when an AWS service calls for itself (cloudformation.amazonaws.com).
	Service string
	// Via is the AWS service that calls for the principal, where Service does
	// not say it: nothing follows from it but what the audit log shows.
	Via string
}

// Root is the account's own principal.
func Root(p Place) Principal {
	return Principal{Account: p.Account, ARN: p.GlobalARN("iam", "root"), Root: true}
}

// AsRole is a session of a role.
func AsRole(roleARN, session string) Principal {
	a, _ := ParseARN(roleARN)
	return Principal{
		Account: a.Account, Role: roleARN, Session: session,
		ARN: "arn:" + a.Partition + ":sts::" + a.Account + ":assumed-role/" + Last(a.Resource) + "/" + session,
	}
}

// AsUser is an IAM user.
func AsUser(userARN string) Principal {
	a, _ := ParseARN(userARN)
	return Principal{Account: a.Account, ARN: userARN}
}

// UserName is the name of the IAM user that the principal is; "" if it is
// none.
func (p Principal) UserName() string {
	if a, ok := ParseARN(p.ARN); ok && a.Service == "iam" && strings.HasPrefix(a.Resource, "user/") {
		return Last(a.Resource)
	}
	return ""
}

// AsService is a session of the service-linked role by which an AWS service
// acts for itself.
func AsService(p Place, service, role, session string) Principal {
	return Principal{Account: p.Account, Service: service, Session: session, ARN: p.GlobalARN("sts", "assumed-role/"+role+"/"+session)}
}

// Decimal draws a decimal id of up to 19 digits, as ECS's revisions have.
func (s *Source) Decimal() string { return strconv.FormatUint(s.Uint64()>>1|1<<60, 10) }

// Key is an access key: who holds it is Principal until Expires.
type Key struct {
	ID        string
	Secret    string
	Token     string // session token that goes with it
	Principal Principal
	Expires   time.Time // zero: never
}
